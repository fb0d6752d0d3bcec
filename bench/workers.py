"""What workers cost and how soon they recover, in one run.

    python bench/workers.py [DEATHS]        (make workers)

- an executor against the same function called in this process: isprime/s, as a ratio;
- one line of 10 s in the middle of 5,000 of half a millisecond, two executors: how long all the
  others take, against what one executor alone needs for them;
- from the death of an executor at a line to that line's beginning elsewhere;
- memory of an executor.

Real processes on this machine. Nothing here is a test: no number makes it fail.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import linebus
from linebus.services.primes import isprime
from tests.support import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = """
import os, signal, time
from pathlib import Path
import linebus

@linebus.service
def spin(microseconds: float) -> str:
    until = time.perf_counter() + microseconds / 1e6
    while time.perf_counter() < until:
        pass
    return "done"

@linebus.service
def die_once(number: int) -> float:
    died = Path(f"died-{number}")
    if died.exists():
        return time.monotonic() - float(died.read_text())
    died.write_text(str(time.monotonic()))
    os.kill(os.getpid(), signal.SIGKILL)

@linebus.service
def pid() -> int:
    return os.getpid()

everything = [spin, die_once, pid]
"""
LINE = "isprime 18446744073709551557"
SHORT, SHORT_LINES, LONG = "spin 500", 5_000, "spin 10000000"
ISPRIMES = 200_000
# Executors that end sooner than a second after their start are replaced with a delay, so each
# death waits for its turn; starting one takes a core for a fifth of a second.
DEATHS, DEATH_EVERY_S, DYING_EXECUTORS = 1_000, 0.4, 8


@contextmanager
def worker(executors: int, folder: Path) -> Iterator[linebus.Client]:
    """Run a server and a worker with so many executors; yield a client."""
    ports = free_ports(4)
    address = f"tcp://127.0.0.1:{ports[0]}"
    commands = [
        ["serve", *map(str, ports)],
        ["work", "isprime", "mine:everything", "--procs", str(executors), "--bus", address],
    ]
    quiet = subprocess.DEVNULL
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "linebus", *command], stdout=quiet, stderr=quiet, cwd=folder
        )
        for command in commands
    ]
    try:
        with linebus.Client(address, connect_timeout_s=20) as bus:
            while bus.ask("pid").outcome != "answered":
                pass  # the worker has not come within the server's grace
            yield bus
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def seconds_of_short_lines(bus: linebus.Client, long_at: int | None) -> float:
    """Ask the short lines, with a long one in the middle; return when the last of them is done."""
    left, done = SHORT_LINES, Event()

    def one_is_done(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    started = time.perf_counter()
    long_one = None
    for number in range(SHORT_LINES):
        if number == long_at:
            long_one = bus.submit(LONG)
        bus.submit(SHORT).add_done_callback(one_is_done)
    done.wait()
    took_s = time.perf_counter() - started
    if long_one is not None:
        assert not long_one.done(), "the long line is still under way"
        long_one.cancel()
    return took_s


def head_of_line(folder: Path) -> None:
    ratios = []
    for _ in range(3):
        with worker(1, folder) as bus:
            bus.ask(SHORT)
            alone_s = seconds_of_short_lines(bus, None)
        with worker(2, folder) as bus:
            bus.ask(SHORT)
            beside_s = seconds_of_short_lines(bus, SHORT_LINES // 2)
        ratios.append(beside_s / alone_s)
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"beside a line of 10 s, two executors: {statistics.median(ratios):.2f} times ({shown})")
    print("    what one executor alone needs for the others", flush=True)


def executor_against_function(folder: Path) -> None:
    with worker(1, folder) as bus:
        bus.ask(LINE)
        ratios = []
        for _ in range(5):
            started = time.perf_counter()
            for _ in bus.map([LINE] * ISPRIMES):
                pass
            through_s = time.perf_counter() - started
            arguments = LINE.partition(" ")[2]
            started = time.perf_counter()
            for _ in range(ISPRIMES):
                isprime.answer(arguments)
            ratios.append((time.perf_counter() - started) / through_s)
    print(f"isprime/s through one executor: {statistics.median(ratios):.2f} times the function's")


def deaths(folder: Path, count: int) -> None:
    with worker(DYING_EXECUTORS, folder) as bus:
        bus.ask("pid")
        futures = []
        for number in range(count):
            futures.append(bus.submit(f"die_once {number}"))
            time.sleep(DEATH_EVERY_S)
        replies = [future.result() for future in futures]
    assert {reply.outcome for reply in replies} == {"answered"}, "each line runs a second time"
    took_ms = sorted(1000 * float(reply.text) for reply in replies)
    middle, late = took_ms[count // 2], took_ms[int(0.99 * count)]
    print(f"from a death to its line's beginning elsewhere, {count} times: median {middle:.1f} ms,")
    print(f"    99 % within {late:.1f} ms, worst {took_ms[-1]:.1f} ms", flush=True)


def memory(folder: Path) -> None:
    with worker(1, folder) as bus:
        for _ in bus.map([LINE] * ISPRIMES):
            pass
        executor = psutil.Process(int(bus.ask("pid").text))
        own, whole = executor.memory_full_info().uss, executor.memory_info().rss
    print(f"memory of an executor: {whole / 1e6:.0f} MB, of which {own / 1e6:.0f} MB its own")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEATHS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mine.py").write_text(SERVICES)
        executor_against_function(folder)
        memory(folder)
        head_of_line(folder)
        deaths(folder, count)


if __name__ == "__main__":
    main()

"""How long an honest client waits beside one that asks for the slowest numbers there are.

    python bench/hostile_numbers.py [SECONDS]        (make starve)

One server and two executors of all built-in services, TCP on this machine. The honest client asks
isprime of numbers of 64 bits, one after the other, for SECONDS (20 by default), first alone, then
beside the hostile one, a process of its own that sends the slowest lines that services take, as
fast as its window lets it. What counts is the ratio of the two 99th percentiles. A reply that has
not come after PATIENCE_S counts as one that came then. Nothing here is a test: no number makes it
fail.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import linebus
from linebus.services.catalog import builtin_names
from tests.support import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event

PATIENCE_S = 30.0
SETTLE_S = 2.0
LONG = "7" * 4_000
# Primes and products that their services take longest for; see the bounds beside the services.
SLOWEST = (
    f"isprime {10**2_499 + 7_131}",
    f"prove {10**299 + 669}",
    f"factor {(7 * 10**28 + 67) * (9 * 10**28 + 17)}",
    f"powmod {LONG} {LONG} {LONG[:-1]}9",
    f"fibonacci {LONG[:2_500]} {LONG[:2_500]}",
    f"nextprime {LONG[:500]}",
    f"egcd {LONG * 15} {'4' * 59_999}3",
)


class Waits(NamedTuple):
    """How long the honest client waited, in seconds, sorted."""

    waits: list[float]

    def percentile(self, percent: float) -> float:
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * percent / 100))]

    def __str__(self) -> str:
        shown = (self.percentile(50), self.percentile(99), self.waits[-1])
        return "".join(f"{1000 * each:>12.3f}" for each in shown) + f"{len(self.waits):>12}"


@contextlib.contextmanager
def running_bus() -> Iterator[str]:
    ports = free_ports(4)
    address = f"tcp://127.0.0.1:{ports[0]}"
    work = ["work", *builtin_names(), "--procs", "2", "--bus", address]
    processes = [
        subprocess.Popen([sys.executable, "-m", "linebus", *command], stdout=subprocess.DEVNULL)
        for command in (["serve", *map(str, ports)], work)
    ]
    try:
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def attack(address: str, has_begun: Event, answered: Synchronized[int]) -> None:
    """Ask for the slowest numbers until this process is ended."""
    with linebus.Client(address, connect_timeout_s=20) as bus:
        has_begun.set()
        for _ in bus.map(itertools.cycle(SLOWEST)):
            with answered.get_lock():
                answered.value += 1


def ask(bus: linebus.Client, seconds: float) -> Waits:
    numbers, waits = random.Random(1), []
    until = time.perf_counter() + seconds
    while (asked_at := time.perf_counter()) < until:
        line = f"isprime {numbers.getrandbits(64) | 1}"
        with contextlib.suppress(linebus.DeadlineExceeded):
            assert bus.ask(line, timeout_s=PATIENCE_S).is_answered
        waits.append(time.perf_counter() - asked_at)
    return Waits(sorted(waits))


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    spawn = multiprocessing.get_context("spawn")
    has_begun, answered = spawn.Event(), spawn.Value("q", 0)
    with running_bus() as address, linebus.Client(address, connect_timeout_s=20) as bus:
        while not bus.ask("gcd 12 18").is_answered:
            pass  # the worker is not there yet
        ask(bus, 1.0)
        alone = ask(bus, seconds)
        attacker = spawn.Process(target=attack, args=(address, has_begun, answered), daemon=True)
        attacker.start()
        has_begun.wait()
        time.sleep(SETTLE_S)
        beside = ask(bus, seconds)
        attacker.kill()
        attacker.join()
    print(f"{'isprime, ms':<12}{'median':>12}{'99th':>12}{'longest':>12}{'lines':>12}")
    print(f"{'alone':<12}{alone}")
    print(f"{'beside':<12}{beside}")
    print(f"99th percentile beside / alone: {beside.percentile(99) / alone.percentile(99):.2f}")
    print(f"hostile lines answered: {answered.value}")


if __name__ == "__main__":
    main()

"""Any program as a worker, as processes: in bulk, dying, ending, in the exercise."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import Home, Program, children, wait_until
from tests.worker.programs import PRELUDE, UPPER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

STUBBORN = """
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
for line in lines(): say(line)
while True: signal.pause()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


def work(home: Home, name: str, code: str, *options: object, procs: int = 1) -> Program:
    """A worker with a program in Python; it is in session when this returns."""
    words = ["--", sys.executable, "-c", PRELUDE + code]
    worker = home.start("work", name, "--procs", procs, "--bus", home.address, *options, *words)
    worker.wait_for("in session")
    return worker


def programs(worker: Program) -> list[int]:
    return [pid for executor in children(worker.pid) for pid in children(executor)]


def kill_one(pids: list[int]) -> bool:
    """Kill the first of some processes; return whether it was still there."""
    with suppress(ProcessLookupError, IndexError):
        os.kill(pids[0], signal.SIGKILL)
        return True
    return False


def test_many_lines_come_back_in_order(home: Home) -> None:
    home.serve()
    work(home, "upper", UPPER, procs=2)
    lines = [f"upper {number} ä{'x' * (number % 100)}" for number in range(20_000)]
    finished = home.ask("-", text="\n".join(lines))
    assert finished.code == 0
    assert finished.out == [line.removeprefix("upper ").upper() for line in lines]


def test_programs_that_are_killed_lose_and_shift_nothing(home: Home) -> None:
    home.serve()
    worker = work(home, "echo", "for line in lines(): say(line)", procs=2)
    lines = [f"echo {number}" for number in range(60_000)]
    with linebus.Client(home.address) as bus:
        for number, reply in enumerate(bus.map(lines)):
            assert reply.text == str(number), reply
            if number % 20_000 == 10_000:
                wait_until(lambda: kill_one(programs(worker)), "a program")
    worker.wait_for("an executor is replaced", 3)  # some may have been killed at their start


def test_a_program_that_says_too_much_now_and_then_gives_no_wrong_reply(home: Home) -> None:
    home.serve()
    code = "for line in lines(): say(line if int(line) % 1000 else line + '\\n' + line)"
    work(home, "echo", code)
    with linebus.Client(home.address) as bus:
        for number, reply in enumerate(bus.map(f"echo {number}" for number in range(1_500))):
            if number % 1000:
                assert (reply.outcome, reply.text) == ("answered", str(number))
            else:
                assert reply.outcome == "failed"
                assert "wrote more than one line for one line" in reply.text


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_program_that_ignores_signals(home: Home, how: int) -> None:
    home.serve()
    worker = work(home, "echo", STUBBORN, procs=2)
    assert home.ask("echo a").out == ["a"]
    wait_until(lambda: len(programs(worker)) == 3, "two programs and a spare one")
    os.kill(worker.pid, how)  # `Home` looks for what is left
    assert worker.wait() == (0 if how != signal.SIGKILL else -how)


def test_a_program_for_each_line(home: Home) -> None:
    home.serve()
    work(home, "head", "say(next(lines()) or sys.exit('nothing to say'))", "--once", procs=2)
    finished = home.ask("head a", "head", "head b")
    assert finished.out == ["a", "nothing to say", "b"]
    assert finished.code == 1


def test_in_the_exercise_a_program_is_a_plain_worker(home: Home) -> None:
    home.serve()
    work_ports = [str(port) for port in home.ports[2:]]
    words = ["--", sys.executable, "-c", PRELUDE + "for line in lines(): say(f'{line}!')"]
    worker = home.start("work", "isprime", "--whole-line", "--ports", *work_ports, *words)
    worker.wait_for("in session")
    client = [str(port) for port in home.ports[:2]]
    assert home.run("client", *client, text="isprime 7\n").out == ["isprime 7!"]

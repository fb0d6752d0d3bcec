"""A spare executor as clients and operators meet it, with real processes."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import MODULE, Gate, Home, executors, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.native_processes import Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

# What `mine:held` and `mine:whoami` are, as one program.
PROGRAM = """\
import os, sys
for line in sys.stdin:
    path = line.rstrip("\\n")
    if path:
        open(path + ".here", "w").close()
        os.close(os.open(path, os.O_RDONLY))
    print(os.getpid(), flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        home.write_module(MODULE)
        home.serve()
        yield home


class Besieged:
    """A worker of two executors that a client has at lines that do not end, and another client."""

    def __init__(self, stack: ExitStack, home: Home, held: str) -> None:
        self.hostile = stack.enter_context(linebus.Client(home.address))
        self.honest = stack.enter_context(linebus.Client(home.address))
        self.gates = [stack.enter_context(Gate(home.folder)) for _ in range(2)]
        self.held = [self.hostile.submit(f"{held} {gate.path}") for gate in self.gates]
        for gate in self.gates:
            gate.wait_for_arrival()


def test_whoever_asks_a_line_is_answered_while_another_client_has_all_executors(
    home: Home,
) -> None:
    worker = home.work("mine:everything", procs=2)
    with ExitStack() as stack:
        siege = Besieged(stack, home, "held")
        waits = siege.hostile.submit("whoami")
        spare = {siege.honest.ask("whoami").text for _ in range(5)}
        assert len(spare) == 1
        assert not waits.done(), "who has executors at work does not get the spare one"
        for gate in siege.gates:
            gate.open()
        assert all(line.result().is_answered for line in [*siege.held, waits])
    assert int(spare.pop()) in executors(worker)


def test_a_spare_executor_takes_the_place_of_one_that_dies_and_there_is_another(
    home: Home,
) -> None:
    worker = home.work("mine:everything", procs=2)
    with ExitStack() as stack:
        siege = Besieged(stack, home, "held")
        spare = int(siege.honest.ask("whoami").text)
        os.kill(next(pid for pid in executors(worker) if pid != spare), signal.SIGKILL)
        wait_until(
            lambda: int(siege.honest.ask("whoami").text) != spare, "an answer of the next one"
        )
        assert siege.honest.services()[0].executors == 2
        assert len(executors(worker)) == 3
        for gate in siege.gates:
            gate.open()
        assert sorted(line.result().attempt for line in siege.held) == [1, 2]


def test_beside_a_single_executor_nothing_is_worked_on(home: Home) -> None:
    worker = home.work("mine:everything", procs=1)
    with (
        linebus.Client(home.address) as hostile,
        linebus.Client(home.address) as honest,
        Gate(home.folder) as gate,
    ):
        held = hostile.submit(gate.line)
        gate.wait_for_arrival()
        waits = honest.submit("whoami")
        [executor] = executors(worker)
        gate.open()
        assert held.result().is_answered
        assert int(waits.result().text) == executor


def test_a_program_has_a_spare_executor_too(home: Home) -> None:
    command = [sys.executable, "-c", PROGRAM]
    worker: Program = home.start(
        "work", "held", "--procs", 2, "--bus", home.address, "--", *command
    )
    worker.wait_for("in session")
    with ExitStack() as stack:
        siege = Besieged(stack, home, "held")
        assert len({siege.honest.ask("held").text for _ in range(3)}) == 1
        for gate in siege.gates:
            gate.open()
        assert len({line.result().text for line in siege.held}) == 2

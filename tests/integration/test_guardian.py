"""What a worker's processes are: as many executors as asked for, no zombie, no orphan."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import linebus
from linebus import limits
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    children,
    executors,
    wait_until,
    wait_until_gone,
    zombies,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


@pytest.mark.parametrize(("procs", "spares"), [(1, 0), (3, 1)])
def test_procs_says_how_many_executors_there_are(home: Home, procs: int, spares: int) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:whoami", procs=procs)
    worker.wait_for(f"with {procs} executor")
    wait_until(lambda: len(executors(worker)) == procs + spares, "all, and a spare one of several")
    with linebus.Client(home.address) as bus:
        wait_until(
            lambda: bus.services()[0].executors == procs,
            "those that were asked for",
            pause_s=3 / limits.ADMIN_LINES_PER_S_MAX,
        )


def test_one_more_is_loaded_where_a_service_has_a_limit(home: Home) -> None:
    home.serve()
    worker = home.work("gcd", procs=1)
    wait_until(lambda: len(executors(worker)) == 2, "an executor and a spare one")


def test_an_executor_that_dies_is_replaced_and_takes_part(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:whoami", "mine:held")
    wait_until(lambda: len(executors(worker)) == 3, "two executors and a spare one")
    before = executors(worker)
    os.kill(before[0], signal.SIGKILL)
    worker.wait_for("an executor is replaced: killed by SIGKILL")
    wait_until(lambda: len(executors(worker)) == 3, "two executors and a spare one")
    new = set(executors(worker)) - set(before)
    assert len(new) == 1
    for number, pid in enumerate(before[1:], 2):
        os.kill(pid, signal.SIGKILL)
        worker.wait_for("an executor is replaced", number)
    with linebus.Client(home.address) as bus:
        wait_until(lambda: int(bus.ask("whoami").text) in new, "an answer of the new executor")


def test_children_that_died_are_reaped(home: Home) -> None:
    home.serve()
    worker = home.work("gcd", procs=3)
    wait_until(lambda: len(executors(worker)) == 4, "three executors and a spare one")
    dead = executors(worker)
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    worker.wait_for("an executor is replaced", 4)
    wait_until(lambda: len(executors(worker)) == 4, "three executors and a spare one")
    assert zombies(worker.pid) == []
    assert not set(children(worker.pid)) & set(dead)
    assert home.ask("gcd 12 18").out == ["gcd for 12 18 is 6"]


def test_ctrl_c_in_the_foreground_ends_the_worker_and_its_executors(home: Home) -> None:
    home.serve()
    worker = home.work("gcd")
    pids = executors(worker)
    worker.press_ctrl_c()
    assert worker.wait() == 0
    assert wait_until_gone(pids) == []
    assert not any("Traceback" in line for line in worker.err)


def test_a_second_ctrl_c_ends_a_worker_whose_line_takes_too_long(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:held", procs=1)
    pids = executors(worker)
    with Gate(home.folder) as gate:
        asking = home.start("ask", gate.line, "--bus", home.address)
        gate.wait_for_arrival()
        worker.press_ctrl_c()
        wait_until(lambda: _ignores_nothing_more(worker.pid), "the first Ctrl-C was heard")
        worker.press_ctrl_c()
        assert worker.wait() in {-signal.SIGINT, 130}
        assert wait_until_gone(pids) == []
        asking.kill()


def _ignores_nothing_more(pid: int) -> bool:
    """Whether a process handles no SIGINT of its own any more, so that the next one ends it."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    [caught] = [line.split()[1] for line in status if line.startswith("SigCgt")]
    return not int(caught, 16) & 1 << (signal.SIGINT - 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["-9", "SIGTERM"])
def test_no_executor_outlives_its_guardian(home: Home, how: signal.Signals) -> None:
    home.serve()
    worker = home.work("isprime", "gcd", procs=3)
    wait_until(lambda: len(executors(worker)) == 4, "three executors and a spare one")
    pids = executors(worker)
    worker.signal(how)
    worker.wait()
    assert wait_until_gone(pids) == []


def test_an_executor_at_work_does_not_outlive_its_guardian(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:held", procs=1)
    pids = executors(worker)
    with Gate(home.folder) as gate:
        asking = home.start("ask", gate.line, "--bus", home.address)
        gate.wait_for_arrival()
        worker.kill()
        assert wait_until_gone(pids) == []
        asking.kill()


def test_a_server_ends_at_ctrl_c_and_says_nothing_more(home: Home) -> None:
    server = home.serve()
    server.press_ctrl_c()
    assert server.wait() == 0
    assert server.err == []

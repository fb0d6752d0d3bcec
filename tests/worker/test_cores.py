"""An executor's threads, and those of what it starts, leave a core and come back to it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from linebus.process import core_numbers
from linebus.worker import cores
from linebus.worker.cores import FewerCores
from tests.support import first_line, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ALL = core_numbers()
FEWER = ALL - {max(ALL, default=0)}
# One further thread; for each line that comes, another process.
PROGRAM = """
import subprocess, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
print("started", flush=True)
for line in sys.stdin:
    subprocess.Popen(["sleep", "1000"])
    print("started", flush=True)
"""

pytestmark = pytest.mark.skipif(not FEWER, reason="there is no core to leave")


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process with two threads and a child."""
    with running(sys.executable, "-c", PROGRAM) as parent:
        first_line(parent)
        start_another(parent)
        try:
            yield parent
        finally:
            end_children(parent)


def end_children(parent: subprocess.Popen[str]) -> None:
    if parent.poll() is None:
        for child in psutil.Process(parent.pid).children():
            child.kill()


def start_another(parent: subprocess.Popen[str]) -> None:
    assert parent.stdin is not None
    parent.stdin.write("\n")
    parent.stdin.flush()
    first_line(parent)


def threads_of(parent: subprocess.Popen[str]) -> list[int]:
    of_parent = [thread.id for thread in psutil.Process(parent.pid).threads()]
    return of_parent + [child.pid for child in psutil.Process(parent.pid).children()]


def used_by(parent: subprocess.Popen[str]) -> list[set[int]]:
    return [os.sched_getaffinity(thread) for thread in threads_of(parent)]


def test_all_threads_and_children_leave_a_core_and_take_it_back(
    family: subprocess.Popen[str],
) -> None:
    fewer = FewerCores(family.pid)
    assert used_by(family) == [FEWER] * 3
    fewer.end()
    assert used_by(family) == [ALL] * 3


def test_what_has_been_started_meanwhile_has_all_cores_afterwards(
    family: subprocess.Popen[str],
) -> None:
    fewer = FewerCores(family.pid)
    start_another(family)
    assert used_by(family) == [FEWER] * 4
    fewer.end()
    assert used_by(family) == [ALL] * 4


@pytest.mark.parametrize("chosen", [FEWER, ALL - FEWER])
def test_a_thread_for_which_cores_have_been_chosen_stays(
    chosen: set[int], family: subprocess.Popen[str]
) -> None:
    _, second, child = threads_of(family)
    os.sched_setaffinity(second, chosen)
    fewer = FewerCores(family.pid)
    assert used_by(family) == [FEWER, chosen, FEWER]
    os.sched_setaffinity(child, ALL - FEWER)
    fewer.end()
    assert used_by(family) == [ALL, chosen, ALL - FEWER]


@pytest.mark.skipif(len(ALL) < 3, reason="there are too few cores")
def test_cores_that_are_chosen_meanwhile_stay_too(family: subprocess.Popen[str]) -> None:
    fewer = FewerCores(family.pid)
    chosen = {min(ALL)}
    os.sched_setaffinity(family.pid, chosen)
    fewer.end()
    assert used_by(family) == [chosen, ALL, ALL]


def test_whoever_has_ended_is_nobody(family: subprocess.Popen[str]) -> None:
    fewer = FewerCores(family.pid)
    end_children(family)
    family.kill()
    family.wait()
    fewer.end()
    FewerCores(family.pid).end()


@pytest.mark.parametrize("there_are", [set[int](), {max(ALL, default=0)}])
def test_where_there_is_no_core_to_leave_everything_stays(
    there_are: set[int], family: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "core_numbers", lambda: there_are)
    fewer = FewerCores(family.pid)
    assert used_by(family) == [ALL] * 3
    fewer.end()
    assert used_by(family) == [ALL] * 3

"""What Linux tells of why a program is silent, and what its kind needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linebus import process
from linebus.worker.silence import cure_of, is_computing, waits_for_input
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@contextmanager
def group(*words: str) -> Iterator[tuple[int, int]]:
    """A process group, and our end of the pipe that it reads."""
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    ) as child:
        assert child.stdin is not None
        try:
            yield child.pid, child.stdin.fileno()
        finally:
            os.killpg(child.pid, 9)


def becomes_true(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(100 * PATIENCE_S))


def test_a_program_that_reads_waits_for_input_and_does_not_compute() -> None:
    with group("cat") as (pid, pipe):
        assert becomes_true(lambda: waits_for_input(pid, pipe))
        assert not is_computing(pid)


def test_a_shell_that_waits_for_such_a_one_does_so_too() -> None:
    with group("sh", "-c", "cat | cat; exit") as (pid, pipe):
        assert becomes_true(lambda: waits_for_input(pid, pipe))


def test_one_that_computes_does_not_wait() -> None:
    with group(sys.executable, "-c", "while True: pass") as (pid, pipe):
        assert becomes_true(lambda: is_computing(pid))
        assert not waits_for_input(pid, pipe)


def test_one_that_reads_somewhere_else_does_not_wait_for_us() -> None:
    code = "import os; read, _ = os.pipe(); os.read(read, 1)"
    with group(sys.executable, "-c", code) as (pid, pipe):
        asleep = Path(f"/proc/{pid}/wchan")
        assert becomes_true(lambda: "pipe" in asleep.read_text())
        assert not waits_for_input(pid, pipe)


def test_one_with_a_helper_that_waits_for_something_else_may_be_busy() -> None:
    with group("sh", "-c", "sleep 1000 & cat; exit") as (pid, pipe):
        children = Path(f"/proc/{pid}/task/{pid}/children")

        def both_sleep() -> bool:
            names = [
                Path(f"/proc/{each}/wchan").read_text() for each in children.read_text().split()
            ]
            return len(names) == 2 and any("nanosleep" in each for each in names)

        assert becomes_true(both_sleep)
        assert not waits_for_input(pid, pipe)


def test_what_has_gone_neither_waits_nor_computes() -> None:
    with group("true") as (pid, pipe):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert not waits_for_input(pid, pipe)
        assert not is_computing(pid)


def test_what_cannot_be_looked_at_counts_as_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "group_members", lambda _: [2**22 + 1])
    read, write = os.pipe()
    assert not waits_for_input(1, write)
    assert not is_computing(1)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("command", "cure"),
    [
        ("gawk {print}", "fflush()"),
        ("mawk {print}", "awk -W interactive"),
        ("/usr/bin/python3.12 x.py", "print(..., flush=True)"),
        ("stdbuf -oL sed s/a/b/", "sed: -u"),
        ("perl x.pl", "$| = 1"),
        ("tr a-z A-Z", "start it with `stdbuf -oL`, or offer it with --once"),
        ("stdbuf -oL factor", "stdbuf does not help this one; offer it with --once"),
        ("stdbuf", "stdbuf does not help this one; offer it with --once"),
    ],
)
def test_each_kind_of_program_has_its_cure(command: str, cure: str) -> None:
    assert cure in cure_of(tuple(word.encode() for word in command.split()))


def test_a_name_that_stands_for_another_program_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mawk").write_text("#!/bin/sh\n")
    (tmp_path / "mawk").chmod(0o700)
    (tmp_path / "awk").symlink_to("mawk")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("awk") == str(tmp_path / "awk")
    assert "awk is mawk here" in cure_of((b"awk", b"{print}"))

"""How much memory a process has, as the operating system says."""

from __future__ import annotations

import os
import subprocess
import sys

from linebus.worker.memory import memory_of


def test_a_process_that_lives_has_some() -> None:
    assert 1_000_000 < memory_of(os.getpid(), 0) < 10**12


def test_what_is_allocated_and_used_counts() -> None:
    code = "held = b'x' * 100_000_000; print(len(held), flush=True); input()"
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    assert child.stdout.readline() == b"100000000\n"
    assert memory_of(child.pid, 0) > 100_000_000
    child.communicate(b"\n")


def test_a_process_that_has_ended_has_none() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert memory_of(done.pid, 0) == 0


def test_a_group_of_processes_counts_with_it() -> None:
    here = memory_of(os.getpid(), 0)
    child = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"1\n"
    assert memory_of(os.getpid(), child.pid) > here + 1_000_000
    child.communicate(b"\n")

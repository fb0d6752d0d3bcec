"""Processes that end with their parents, and signals that can be waited for."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from linebus import process
from linebus.process import StopSignals
from tests.support import PATIENCE_S, first_line, running

# The child holds the write end of the parent's standard output, so that it is open for as long as
# one of the two lives. It waits for a signal that never comes.
PARENT = """
    import os, signal, subprocess, sys
    child = '''
    import os, signal, sys
    from linebus import process
    process.end_with_parent(int(sys.argv[1]))
    print("child", os.getpid(), flush=True)
    signal.pause()
    '''
    import textwrap
    subprocess.Popen([sys.executable, "-c", textwrap.dedent(child), str(os.getpid())])
    signal.pause()
"""


def readable(descriptor: int, patience_s: float = PATIENCE_S) -> bool:
    return bool(select.select([descriptor], [], [], patience_s)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with running(sys.executable, "-c", textwrap.dedent(PARENT)) as parent:
        assert first_line(parent).startswith("child")
        assert parent.stdout is not None
        parent.send_signal(signal.SIGKILL)
        # The end of the file comes when nobody holds the pipe any more: the child has ended.
        assert readable(parent.stdout.fileno())
        assert parent.stdout.read() == ""


def test_a_child_whose_parent_has_ended_already_ends_at_once() -> None:
    program = "from linebus import process; process.end_with_parent(1 << 30); print('still here')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == b""


def test_a_living_parent_is_not_gone() -> None:
    assert not process.parent_is_gone(os.getppid())
    assert process.parent_is_gone(os.getpid())


def test_the_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert process.cores() == 3


def test_the_cores_are_counted_where_nobody_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert process.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert process.cores() == 1


def test_the_descriptor_limit_goes_up_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        process.raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_system_that_refuses_a_higher_limit_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_which: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    process.raise_descriptor_limit()


def test_the_c_library_draws_other_numbers_each_time() -> None:
    libc = ctypes.CDLL(None)

    def drawn() -> tuple[int, ...]:
        process.seed_c_library()
        return tuple(libc.rand() for _ in range(4))

    assert drawn() != drawn()


# ---- signals ---------------------------------------------------------------------------------


def test_a_signal_is_noted_and_wakes_whoever_polls() -> None:
    with StopSignals() as signals:
        assert signals.received is None
        assert not readable(signals.fileno(), 0)
        signal.raise_signal(signal.SIGTERM)
        assert readable(signals.fileno())
        assert signals.received is signal.SIGTERM


def test_ctrl_c_counts_as_well_and_raises_nothing() -> None:
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        assert signals.received is signal.SIGINT


def test_only_the_signals_that_were_named_are_caught() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals(signal.SIGUSR1) as signals:
        assert signal.getsignal(signal.SIGINT) is before
        signal.raise_signal(signal.SIGUSR1)
        assert signals.received is signal.SIGUSR1


def test_a_second_signal_acts_as_if_nobody_caught_it() -> None:
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert signals.received
        for number in (signal.SIGTERM, signal.SIGINT):
            assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_comes_while_they_are_being_caught_wakes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def caught(number: signal.Signals, handler: signal.Handlers) -> object:
        former = set_handler(number, handler)
        if number is signal.SIGINT and not seen:
            seen.append(number)
            signal.raise_signal(number)
        return former

    seen: list[signal.Signals] = []
    set_handler = signal.signal
    monkeypatch.setattr(signal, "signal", caught)
    with StopSignals(signal.SIGINT) as signals:
        assert readable(signals.fileno(), 0)
        assert signals.received is signal.SIGINT


def test_ctrl_c_just_before_it_is_caught_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signal, "signal", interrupted)
        with pytest.raises(KeyboardInterrupt):
            StopSignals().__enter__()
    assert signal.set_wakeup_fd(-1) == -1


def test_afterwards_everything_is_as_it_was() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        descriptor = signals.fileno()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert signal.set_wakeup_fd(-1) == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


STUBBORN = """
    import select, signal
    from linebus.process import StopSignals
    with StopSignals() as signals:
        print("ready", flush=True)
        select.select([signals], [], [])
        print(signals.received.name, flush=True)
        while True:
            signal.pause()
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_process_that_ignores_the_first(second: signal.Signals) -> None:
    with running(sys.executable, "-c", textwrap.dedent(STUBBORN)) as child:
        assert first_line(child) == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert first_line(child) == "SIGTERM\n"
        child.send_signal(second)
        assert child.wait(PATIENCE_S) == -second


def test_how_a_process_ended_is_told_with_the_signals_name() -> None:
    assert process.how_it_ended(-signal.SIGTERM) == "killed by SIGTERM"
    assert process.how_it_ended(-40) == "killed by signal 40"
    assert process.how_it_ended(0) == "ended with exit code 0"


# -- groups ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_what_is_started_to_end_with_this_process_does_and_handles_ctrl_c() -> None:
    program = (
        "import signal, subprocess; from linebus import process;"
        "signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "subprocess.Popen(['sh', '-c', 'grep SigIgn /proc/self/status; exec sleep 1000'],"
        "    preexec_fn=process.ending_with_this());"
        "signal.pause()"
    )
    with running(sys.executable, "-c", program) as parent:
        ignored = int(first_line(parent).split()[1], 16)
        assert not ignored & 1 << (signal.SIGINT - 1)
        assert parent.stdout is not None
        parent.send_signal(signal.SIGKILL)
        assert readable(parent.stdout.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells about groups in /proc")
def test_a_group_is_found_and_killed_as_a_whole() -> None:
    command = ["sh", "-c", "sleep 1000 & echo $!; wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        other = int(first_line(child))
        assert sorted(process.group_members(child.pid)) == sorted({child.pid, other})
        end = os.pidfd_open(other)
        process.kill_group(child.pid)
        assert readable(end)
        os.close(end)
        assert child.wait() == -signal.SIGKILL
    assert process.group_members(child.pid) == []
    process.kill_group(child.pid)


def test_a_group_or_a_process_is_made_nicer_and_one_that_has_ended_is_nobody() -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as child:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        for which in (os.PRIO_PROCESS, os.PRIO_PGRP):
            process.lower_priority(which, child.pid, 3)
            assert os.getpriority(which, child.pid) == ours + 3
        child.kill()
    process.lower_priority(os.PRIO_PROCESS, child.pid, 3)


def test_a_process_that_a_library_aborts_starts_anew_with_its_pid_and_arguments() -> None:
    program = """
import ctypes, os, sys
from linebus import process
print(os.getpid(), sys.argv[1], flush=True)
process.start_anew_when_aborted(lambda: print("before", flush=True))
sys.stdin.readline()
ctypes.CDLL(None).abort()
"""
    command = [sys.executable, "-c", program, "x"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(2):
            assert child.stdout.readline() == f"{child.pid} x\n"
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "before\n"
        child.kill()


def test_a_limit_is_lowered_and_never_raised() -> None:
    program = """
import resource
from linebus import process
for value in (300, 200, 400):
    process.lower_limit(resource.RLIMIT_CORE, value)
    print(*resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    lower = [value if hard == resource.RLIM_INFINITY else min(value, hard) for value in (300, 200)]
    assert done.stdout.split() == [str(value) for value in (*lower, lower[1]) for _ in range(2)]


def test_what_sleeps_is_told_from_what_runs_where_the_system_tells() -> None:
    assert process.is_asleep(os.getpid()) == (sys.platform != "linux")
    assert process.is_asleep(2**22 + 1)

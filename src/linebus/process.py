"""What linebus asks of the operating system about processes; nothing here knows of messages."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_PR_SET_PDEATHSIG = 1
_kept: list[object] = []  # what C holds on to


def end_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, and end now if that has happened.

    Linux does the first through PR_SET_PDEATHSIG (prctl(2)). Elsewhere the caller notices by the
    end of a pipe or by `parent_is_gone`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent_is_gone(parent_pid):
        os._exit(1)


@contextlib.contextmanager
def no_interrupts() -> Iterator[None]:
    """Keep SIGINT from this thread, and from what is started within until it ignores it itself.

    A Python that is still starting would otherwise print where Ctrl-C found it.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def ignore_interrupts() -> None:
    """Ignore SIGINT, as one whose parent handles Ctrl-C, and whom it has started so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # what it starts is not so


def ending_with_this() -> Callable[[], None]:
    """Return what a child is to call between fork and exec, so that it ends with this process.

    Everything is looked up before the fork: in the child nothing but two system calls are safe.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent_pid = os.getpid()

    def end_with_it() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(1)

    return end_with_it


def lower_priority(which: int, who: int, by: int) -> None:
    """Make a process (os.PRIO_PROCESS) or a group (os.PRIO_PGRP) nicer than this process is.

    On Linux that is the main thread of a process, and the threads that it starts from now on.
    """
    with contextlib.suppress(OSError):  # it has just ended
        os.setpriority(which, who, os.getpriority(os.PRIO_PROCESS, 0) + by)


def kill_group(group: int) -> None:
    """Kill all processes of a group, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def group_members(group: int) -> list[int]:
    """Return the pids of a group's processes that have not ended, as Linux tells them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program comes second, in parentheses, and may hold anything.
            fields = entry.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group and fields[0] != b"Z":
                found.append(int(entry.parent.name))
    return found


def is_asleep(pid: int) -> bool:
    """Return whether a process waits for something; where Linux does not tell, say so."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state == b"S"


def start_anew_when_aborted(before: Callable[[], None]) -> None:
    """Have this process start anew, with its pid and its arguments, where a C library aborts it.

    libzmq ends the process where something is as it should never be (`zmq_assert`), and strangers
    can bring that about. `before` is called first. Whatever is open is closed by the kernel.
    """

    def start_anew(_number: int) -> None:
        os.write(2, b"linebus: a library has ended this process, see above; it starts anew\n")
        before()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGABRT])
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  no shell is wanted

    # Python's own handlers run only when the library has returned, and abort() does not.
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(start_anew)
    _kept.append(handler)
    ctypes.CDLL(None).signal(signal.SIGABRT, handler)


def parent_is_gone(parent_pid: int) -> bool:
    """Return whether the process that started this one has ended."""
    return os.getppid() != parent_pid


def cores() -> int:
    """Return how many cores this process may use."""
    return len(core_numbers()) or os.cpu_count() or 1


def core_numbers() -> set[int]:
    """Return which cores this process may use, none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def how_it_ended(code: int) -> str:
    """Return what the exit code of a process tells, as the end of a sentence."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open descriptors to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def lower_limit(which: int, value: int) -> None:
    """Lower one of this process's limits (resource.RLIMIT_…), for good; one below it stays."""
    _, hard = resource.getrlimit(which)
    lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (lower, lower))


def seed_c_library() -> None:
    """Seed the C library's `rand`, from which libzmq draws routing ids (zeromq/libzmq#4633)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).srand(int.from_bytes(os.urandom(4), "little"))


class StopSignals:
    """SIGTERM and SIGINT as something to poll for: a descriptor that becomes readable.

    Between `__enter__` and `__exit__` the first signal only sets `received`; a second one ends the
    process at once, as it would without this. Main thread only.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        """Change nothing yet; `numbers` are the signals to catch."""
        self._numbers = numbers or (signal.SIGTERM, signal.SIGINT)
        self.received: signal.Signals | None = None
        self._read, self._write = socket.socketpair()
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Catch the signals from now on."""
        for sock in (self._read, self._write):
            sock.settimeout(0)
        try:
            # First: of a signal that is noted and does not wake, the descriptor would not tell.
            signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
            for number in self._numbers:
                self._former[number] = signal.signal(number, self._note)
        except KeyboardInterrupt:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Restore what was."""
        signal.set_wakeup_fd(-1)
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]  # as signal() gave it
        self._read.close()
        self._write.close()

    def fileno(self) -> int:
        """Return the descriptor to poll for reading."""
        return self._read.fileno()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        for each in self._numbers:
            signal.signal(each, signal.SIG_DFL)

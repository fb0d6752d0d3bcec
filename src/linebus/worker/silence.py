"""Why a program is silent: whether it waits for more input, and what its kind needs to answer.

Linux tells what each thread of a process sleeps in, so a program that keeps its replies in a
buffer, or that reads more before it works, can be told from one that is busy. Elsewhere, and
where there is any doubt, it counts as busy.
"""

from __future__ import annotations

import array
import fcntl
import os
import re
import shutil
import termios
from pathlib import Path

from linebus import process

# What a thread sleeps in, by the kernel's own names: reading a pipe; waiting for a child, for
# another thread or for a signal.
_READING = frozenset({"anon_pipe_read", "pipe_read", "pipe_wait"})
_IDLE_PREFIXES = ("do_wait", "futex", "do_futex", "sigsuspend", "do_sigtimedwait", "__do_sys_pause")

_RUNNING = frozenset({b"R", b"D"})

# By the beginning of a program's name: what makes it answer each line at once.
_CURES = {
    "mawk": "awk is mawk here, which reads in blocks too: awk -W interactive",
    "awk": "awk: fflush() after each print",
    "gawk": "awk: fflush() after each print",
    "python": "python: print(..., flush=True), or python -u",
    "perl": "perl: $| = 1",
    "ruby": "ruby: $stdout.sync = true",
    "lua": 'lua: io.stdout:setvbuf("line")',
    "sed": "sed: -u",
    "grep": "grep: --line-buffered",
    "jq": "jq: --unbuffered",
    "tclsh": "tcl: flush stdout",
    "php": "php: fflush(STDOUT)",
    "java": "java: System.out.flush()",
}


def waits_for_input(group: int, pipe: int) -> bool:
    """Return whether it is certain that the processes of a group wait for more from a pipe.

    `pipe` is our end of it. Everything in it has been read, somebody is asleep reading it, and
    nobody in the group does or awaits anything else.
    """
    try:
        if _bytes_in(pipe):
            return False
        link = f"pipe:[{os.fstat(pipe).st_ino}]"
        threads = [
            thread
            for pid in process.group_members(group)
            for thread in Path(f"/proc/{pid}/task").iterdir()
        ]
        switches = [_switches(thread) for thread in threads]
        sleeps = [(thread / "wchan").read_text() for thread in threads]
        if not all(each in _READING or each.startswith(_IDLE_PREFIXES) for each in sleeps):
            return False
        is_reading = any(
            _is_reading(thread, link)
            for thread, where in zip(threads, sleeps, strict=True)
            if where in _READING
        )
        # They were looked at one after the other: did nobody wake up meanwhile?
        return is_reading and switches == [_switches(thread) for thread in threads]
    except OSError:
        return False


def is_computing(group: int) -> bool:
    """Return whether it is certain that the processes of a group do something: run, use a disk."""
    try:
        return any(
            (thread / "stat").read_bytes().rpartition(b")")[2].split()[0] in _RUNNING
            for pid in process.group_members(group)
            for thread in Path(f"/proc/{pid}/task").iterdir()
        )
    except OSError:
        return False


def _bytes_in(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def _switches(thread: Path) -> str:
    """Return how often a thread has fallen asleep."""
    found = re.search(r"^voluntary_ctxt_switches:.*", (thread / "status").read_text(), re.MULTILINE)
    return found[0] if found else ""


def _is_reading(thread: Path, link: str) -> bool:
    """Return whether a thread that sleeps in a system call has this pipe as the first argument."""
    words = (thread / "syscall").read_text().split()
    descriptor = int(words[1], 16)
    return str((thread / "fd" / str(descriptor)).readlink()) == link


def cure_of(words: tuple[bytes, ...]) -> str:
    """Return what makes a program like this one answer at once."""
    names = [os.path.basename(os.fsdecode(word)) for word in words]  # noqa: PTH119  no file is meant
    through_stdbuf = names[0] == "stdbuf"
    if through_stdbuf:
        names = [name for name in names[1:] if not name.startswith("-")]
    name = names[0] if names else ""
    if found := shutil.which(name):  # awk may be mawk, python3 a link too
        name = f"{Path(found).resolve().name} {name}"
    for beginning, cure in _CURES.items():
        if any(each.startswith(beginning) for each in name.split()):
            return f"let it flush after each line ({cure}), or offer it with --once"
    if through_stdbuf:
        return "stdbuf does not help this one; offer it with --once"
    return "let it flush after each line, or start it with `stdbuf -oL`, or offer it with --once"

"""How much memory an executor has; psutil asks the operating system."""

from __future__ import annotations

import psutil

from linebus import process


def memory_of(pid: int, group: int) -> int:
    """Return the bytes that are resident of a process and of a process group (0: no group)."""
    pids = [pid, *(process.group_members(group) if group else [])]
    return sum(map(_resident, pids))


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0

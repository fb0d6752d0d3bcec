"""How much memory an executor has; psutil asks the operating system."""

from __future__ import annotations

import psutil


def memory_of(pid: int) -> int:
    """Return the bytes of a process that are resident, 0 where it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0

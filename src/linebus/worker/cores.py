"""On which processor cores an executor computes, and all that it has started.

No privileges are needed to give a core up, nor to take it back. Linux tells which cores and threads
there are; elsewhere nothing is done.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from linebus.process import core_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator


class FewerCores:
    """All cores but the last one for a process and its descendants, from now until `end`."""

    def __init__(self, pid: int) -> None:
        """Move the threads that may use the cores which this process may use."""
        cores = core_numbers()
        self._pid = pid
        self._cores = cores - {max(cores, default=0)}
        self._stayed: set[int] = set()  # threads for which somebody else has chosen cores
        if self._cores:
            for thread in _threads(pid):
                with contextlib.suppress(OSError):  # it has just ended
                    if os.sched_getaffinity(thread) == cores:
                        os.sched_setaffinity(thread, self._cores)
                    else:
                        self._stayed.add(thread)

    def end(self) -> None:
        """Move them back, and those that have been started meanwhile."""
        cores = core_numbers()
        given = (self._cores, self._cores & cores)  # of which fewer may be left meanwhile
        for thread in _threads(self._pid) if self._cores else ():
            with contextlib.suppress(OSError):
                if thread not in self._stayed and os.sched_getaffinity(thread) in given:
                    os.sched_setaffinity(thread, cores)


def _threads(pid: int) -> Iterator[int]:
    """Yield the threads of a process and of all that it has started, as far as they go on.

    Whose parent has ended is nobody's, and a thread that starts at this moment may be missed.
    """
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/task").iterdir():
            yield int(entry.name)
            with contextlib.suppress(OSError):  # it has just ended, or this kernel does not tell
                for child in (entry / "children").read_text("ascii").split():
                    yield from _threads(int(child))

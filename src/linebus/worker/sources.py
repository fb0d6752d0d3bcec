"""The source files of a worker's services, and whether one of them has changed.

An executor names the files that it has loaded, the guardian looks at them, and neither needs more
than `stat`: no thread, no limit of the system on what may be watched, no moment between two
watches that nobody sees. Only files in the current directory count, and below it; of those not
what is installed there.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from math import inf
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

_Look = tuple[int, int, int]
_ABSENT = (0, 0, 0)


def source_files(error: BaseException | None = None) -> list[str]:
    """Name the files that this process has loaded, and where an import has failed those it met."""
    named = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    while error is not None:
        named.update(frame.filename for frame in traceback.extract_tb(error.__traceback__))
        if isinstance(error, SyntaxError):
            named.add(error.filename)
        error = error.__cause__ or error.__context__
    return _own(name for name in named if isinstance(name, str))


def _own(names: Iterable[str]) -> list[str]:
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118  strings are what modules have
    installed = {os.path.join(path, "") for path in sysconfig.get_paths().values()}  # noqa: PTH118
    apart = tuple(path for path in installed if not here.startswith(path))
    found = {os.path.abspath(name) for name in names if not name.startswith("<")}  # noqa: PTH100
    own = sorted(name for name in found if name.startswith(here) and not name.startswith(apart))
    return own[: limits.SOURCE_FILES_MAX]


class Sources:
    """Looks at the files from time to time."""

    def __init__(self) -> None:
        """Know of no file yet."""
        self._files: dict[str, _Look] = {}
        self._changed: dict[str, None] = {}
        self._look_at = inf

    def next_deadline(self) -> float:
        """Return when to call `changed` next."""
        return self._look_at

    def add(self, files: Iterable[str], since: float, now: float) -> None:
        """Look at these files too, as loaded by a process that started at `since` of wall time.

        One that was written later may have been loaded before that, so it counts as changed.
        """
        for file in files:
            if file not in self._files and len(self._files) < limits.SOURCE_FILES_MAX:
                look = _look(file)
                self._files[file] = look if look[0] < since * 1e9 else _ABSENT
        self._look_at = min(self._look_at, now + limits.SOURCES_LOOK_S)

    def changed(self, now: float) -> list[str]:
        """Return which files have changed, once none of them changes any more."""
        if now < self._look_at:
            return []
        self._look_at = now + limits.SOURCES_LOOK_S
        fresh = {file: look for file, was in self._files.items() if (look := _look(file)) != was}
        self._files.update(fresh)
        self._changed.update(dict.fromkeys(fresh))
        if fresh or not self._changed:
            return []
        settled, self._changed = list(self._changed), {}
        return settled


def _look(file: str) -> _Look:
    try:
        found = os.stat(file)  # noqa: PTH116  as often as this is called
    except OSError:
        return _ABSENT
    return found.st_mtime_ns, found.st_size, found.st_ino

"""The lines typed at the prompt of `linebus up`, kept for the next time in a file of the user's.

Nobody else may read it, and it has a bound. Where it cannot be read or written, the prompt works
all the same. The variable LINEBUS_NO_HISTORY keeps anything from being written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from prompt_toolkit.history import History

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MODE = stat.S_IRUSR | stat.S_IWUSR


def path() -> Path:
    """Return where the file is, which need not be there yet."""
    from platformdirs import user_state_path

    return user_state_path("linebus", appauthor=False) / "history"


class KeptHistory(History):
    """A line of the file is a line that was typed."""

    def __init__(self) -> None:
        """Read nothing yet."""
        super().__init__()
        self._path = None if os.environ.get("LINEBUS_NO_HISTORY") else path()
        self._stored = 0

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines, newest first, and shorten a file that has grown too long."""
        lines = self._read()
        kept = lines[-limits.HISTORY_LINES_MAX :]
        if len(lines) > len(kept):
            self._replace(kept)
        return reversed(kept)

    def store_string(self, string: str) -> None:
        """Append a line, unless it is too long or would be several."""
        if len(string) > limits.HISTORY_LINE_CHARS_MAX or len(string.splitlines()) != 1:
            return
        if self._stored >= limits.HISTORY_LINES_MAX:
            self._stored = 0
            self._replace(self._read()[-limits.HISTORY_LINES_MAX :])
        self._stored += 1
        if self._path is not None:
            self._write(self._path, os.O_APPEND, [string])

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            return self._path.read_text("utf-8", "backslashreplace").splitlines()
        except OSError:
            return []

    def _replace(self, lines: list[str]) -> None:
        """Write the file anew; another `linebus up` sees the old one or the new one."""
        if self._path is not None:
            new = self._path.with_name(f"history-{os.getpid()}")
            if self._write(new, os.O_TRUNC, lines):
                with contextlib.suppress(OSError):
                    new.replace(self._path)

    @staticmethod
    def _write(place: Path, how: int, lines: list[str]) -> bool:
        text = "".join(f"{line}\n" for line in lines)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | how, _MODE)
            with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor is no path
                os.fchmod(descriptor, _MODE)
                file.write(text.encode("utf-8", "backslashreplace"))
        except OSError:
            return False
        return True

"""How texts are shown: nothing in what others wrote may act on the terminal that shows it."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


def visible(text: str) -> str:
    """Return a text with everything that does not print (escapes, bidirectional marks) escaped.

    A newline counts as such too: whoever wants several lines splits the text first.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class LogFormatter(logging.Formatter):
    """Shows a record of a log, its traceback too, which may hold the words of a client.

    Further lines are indented, so that none of them passes for a record of its own.
    """

    def __init__(self) -> None:
        """Name the logger, then say what it says."""
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines that print."""
        return _indented(super().format(record))


def _indented(text: str) -> str:
    first, *more = text.split("\n")
    return "\n".join([visible(first), *(f"  {visible(line)}" for line in more)])


def show_what_ends_us() -> None:
    """Have whatever ends this process, or a thread of it, shown as a log shows things."""
    sys.excepthook = _show_end
    threading.excepthook = lambda end: _show_end(end.exc_type, end.exc_value, end.exc_traceback)


def _show_end(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    print(_indented(text.removesuffix("\n")), file=sys.stderr, flush=True)  # noqa: T201  the end

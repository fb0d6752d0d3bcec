"""Plain lines on their way to executors while there is no native server; no I/O.

A foreign server publishes lines one by one; each goes to an executor that is free, and its text
goes back to worker_outputs. A line whose executor dies is given to another one.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from linebus import limits
from linebus.wire import plain


class _PlainRequest(NamedTuple):
    line: str
    service: str
    arguments: str
    strikes: int


class PlainRelay:
    """Numbers plain lines, remembers who works on which, and makes the texts to be published."""

    def __init__(self) -> None:
        """Start with no line."""
        self._waiting: deque[_PlainRequest] = deque()
        self._under_way: dict[int, _PlainRequest] = {}
        self._number = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a line waits for a free executor."""
        return bool(self._waiting)

    def accept(self, line: str, services: set[str]) -> str | None:
        """Take a line if it is for one of the services; return an error line if there is no room.

        A subscription to `isprime` also brings lines that merely begin so; those are not ours.
        """
        service, arguments = plain.split(line)
        if service not in services:
            return None
        if len(self._waiting) >= limits.PLAIN_HELD_LINES_MAX:
            return plain.error(f"{plain.shorten(line)}: too many lines wait; try again later")
        self._waiting.append(_PlainRequest(line, service, arguments, 0))
        return None

    def next_line(self) -> tuple[int, str, str]:
        """Hand out the next line: its number, the service, the arguments."""
        request = self._waiting.popleft()
        self._number += 1
        self._under_way[self._number] = request
        return self._number, request.service, request.arguments

    def finished(self, number: int, text: str, *, failed: bool) -> str | None:
        """Return the text to publish for a line, None where nobody waits for it any more."""
        request = self._under_way.pop(number, None)
        if request is None:
            return None
        return plain.error(f"{plain.shorten(request.line)}: {text}") if failed else text

    def lost(self, number: int, reason: str) -> str | None:
        """Note that a line's executor died; return the error line if that was once too often."""
        request = self._under_way.pop(number, None)
        if request is None:
            return None
        strikes = request.strikes + 1
        if strikes >= limits.STRIKES_MAX:
            shown = plain.shorten(request.line)
            return plain.error(f"{shown}: {strikes} executors died on it; the last: {reason}")
        self._waiting.appendleft(request._replace(strikes=strikes))
        return None

    def drop_waiting(self) -> None:
        """Forget the lines that nobody works on: the native server has them."""
        self._waiting.clear()

"""Lines in, replies out in the same order, although each service numbers its own lines.

This holds the client's one loop over lines: it has to read each line's first word.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from linebus.client.reply import Reply, replies_of
from linebus.client.session import ClientSession, Stream, are_fit, split, why_unfit
from linebus.errors import UsageError
from linebus.wire.messages import Ended

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Order:
    """The lines of one caller, in the order in which it asked them.

    `segments` tell where their replies will be found: in which stream, from which number on, how
    many. `owed` counts those whose replies have not been taken.
    """

    def __init__(self, session: ClientSession) -> None:
        """Start with no line."""
        self._session = session
        self.segments: deque[tuple[Stream | Ended, int, int]] = deque()
        self.owed = 0

    def ask(self, lines: Collection[str], *, values: bool = False, expires_at: float = inf) -> None:
        """Ask lines, for results as values or as sentences; each joins its service's stream.

        At `expires_at`, by the clock of whoever drives the session, they end if they have not.
        Raises UsageError where one is no text; then none is asked.
        """
        if set(map(type, lines)) != {str}:
            _check_types(lines)
        all_fit = are_fit(lines)
        last_name: str | None = None
        stream: Stream | None = None
        first = 0
        touched: dict[Stream, None] = {}
        for line in lines:
            name, _, arguments = line.rstrip(" \t\r\n").partition(" ")
            if name != last_name or stream is None or (not all_fit and why_unfit(arguments)):
                self._close(stream, first)
                stream, last_name, arguments = self._stream_for(line, name, arguments)
                if stream is None:
                    continue
                touched[stream] = None
                first = stream.next_number + len(stream.fresh)
            stream.fresh.append(arguments)
        self._close(stream, first)
        for each in touched:
            self._session.commit(each, values=values, expires_at=expires_at)

    def _stream_for(
        self, line: str, name: str, arguments: str
    ) -> tuple[Stream | None, str | None, str]:
        """Return the stream for a line, where it has one, and the line in two parts."""
        parts = split(line)
        if isinstance(parts, Ended):
            self.segments.append((parts, 0, 1))
            self.owed += 1
            return None, None, ""
        if parts != (name, arguments):
            # An unusual spelling; the next line may be usual, so it is looked at afresh.
            return self._session.stream(parts[0]), None, parts[1]
        return self._session.stream(name), name, arguments

    def _close(self, stream: Stream | None, first: int) -> None:
        """Note how many consecutive lines have joined a stream."""
        if stream is not None:
            count = stream.next_number + len(stream.fresh) - first
            self.segments.append((stream, first, count))
            self.owed += count

    @property
    def next_line(self) -> tuple[str, int] | None:
        """The service and number of the line whose reply is taken next; None: none is owed."""
        if not self.segments:
            return None
        source, number, _ = self.segments[0]
        return source.service, number

    def take(self) -> Iterator[Reply]:
        """Yield the replies that have come, as far as none before them is missing."""
        segments = self.segments
        while segments:
            source, number, count = segments[0]
            if isinstance(source, Ended):
                segments.popleft()
                self.owed -= 1
                yield from replies_of(source, 0, 1)
                continue
            found = source.take(number, count)
            if found is None:
                return
            entry, offset, taken = found
            if taken == count:
                segments.popleft()
            else:
                segments[0] = (source, number + taken, count - taken)
            self.owed -= taken
            yield from replies_of(entry, offset, taken)

    def forget(self) -> None:
        """Give up: nobody will take the replies that are owed."""
        for source, number, count in self.segments:
            if isinstance(source, Stream):
                self._session.owed -= source.abandon(number, count)
        self.segments.clear()
        self.owed = 0


def _check_types(lines: Collection[object]) -> None:
    for line in lines:
        if not isinstance(line, str):
            raise UsageError(f"a line is a str such as 'gcd 12 18', not {type(line).__name__}")

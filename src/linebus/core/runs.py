"""Runs, and the leases that executors hold on slices of them.

A run is consecutive lines of one client to one service, tracked as one interval. Its lines stand
in one list of bounded length; the front is cut off by moving an offset, since cutting it off the
list again and again would be quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from linebus.core.clients import Books


class Run:
    """Lines `first`, `first + 1`, … of one client to one service.

    `size` is a bound of their bytes in a message, `values` whether results are wanted as values,
    `attempt` the number of dispatches so far, `strikes` how often an executor died on it (only
    ever a run of one).
    """

    __slots__ = (
        "_lines",
        "_offset",
        "attempt",
        "books",
        "first",
        "received_at",
        "size",
        "strikes",
        "values",
    )

    def __init__(
        self,
        books: Books,
        first: int,
        lines: list[str],
        size: int,
        received_at: float,
        *,
        values: bool = False,
    ) -> None:
        """Start a run that has not been dispatched."""
        self.books = books
        self.values = values
        self.first = first
        self.size = size
        self.received_at = received_at
        self.attempt = 0
        self.strikes = 0
        self._lines = lines
        self._offset = 0

    @property
    def count(self) -> int:
        """How many lines are left."""
        return len(self._lines) - self._offset

    @property
    def lines(self) -> list[str]:
        """The lines that are left; the list lets go of those before them."""
        if self._offset:
            del self._lines[: self._offset]
            self._offset = 0
        return self._lines

    def cut(self, count: int) -> Run:
        """Cut the first `count` lines off as a run of their own."""
        share = self.size * count // self.count
        front = self._lines[self._offset : self._offset + count]
        cut = Run(self.books, self.first, front, share, self.received_at, values=self.values)
        cut.attempt, cut.strikes = self.attempt, self.strikes
        self.first += count
        self.size -= share
        self._offset += count
        return cut

    def drop(self, count: int) -> int:
        """Drop the first `count` lines, which have ended; return their share of the size."""
        share = self.size * count // self.count
        self.first += count
        self.size -= share
        self._offset += count
        return share

    def extend(self, run: Run) -> bool:
        """Take in the run that follows, where that keeps this one fresh and short."""
        fits = (
            run.first == self.first + self.count
            and self.attempt == 0
            and run.values == self.values
            and len(self._lines) + run.count <= limits.LINES_PER_MESSAGE_MAX
            and self.size + run.size <= limits.MESSAGE_BYTES_TARGET
        )
        if fits:
            self._lines.extend(run.lines)
            self.size += run.size
        return fits


@dataclass(slots=True)
class Lease:
    """An executor's right to a slice: its numbers in the executor's stream, and the slice.

    `first` is the number of the slice's first line that is left; both move together.
    """

    first: int
    run: Run
    queued_s: float

    @property
    def last(self) -> int:
        """The number of the slice's last line."""
        return self.first + self.run.count - 1

    def split(self, position: int) -> list[Run]:
        """Return the slice's runs so that the line numbered `position` is a run of its own."""
        if not self.first <= position <= self.last:
            return [self.run]
        runs = []
        if position > self.first:
            runs.append(self.run.cut(position - self.first))
        struck = self.run.cut(1) if self.run.count > 1 else self.run
        struck.strikes += 1
        runs.append(struck)
        if struck is not self.run:
            runs.append(self.run)
        return runs

"""Runs, and the leases that executors hold on slices of them.

A run is consecutive lines of one client to one service, tracked as one interval. Its lines stand
in one list of bounded length; the front is cut off by moving an offset, since cutting it off the
list again and again would be quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.intervals import IntervalSet

if TYPE_CHECKING:
    from linebus.core.clients import Books


class Run:
    """Lines `first`, `first + 1`, … of one client to one service.

    `count` says how many are left, `size` is a bound of their bytes in a message, `values` whether
    results are wanted as values, `expires_at` when they end at the latest, `attempt` the number of
    dispatches so far, `strikes` how often an executor died on it (only ever a run of one). A void
    run has ended while it was leased: nobody waits for its texts.
    """

    __slots__ = (
        "_lines",
        "_offset",
        "attempt",
        "books",
        "count",
        "expires_at",
        "first",
        "is_void",
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
        expires_at: float = inf,
    ) -> None:
        """Start a run that has not been dispatched."""
        self.books = books
        self.values = values
        self.expires_at = expires_at
        self.is_void = False
        self.first = first
        self.size = size
        self.received_at = received_at
        self.attempt = 0
        self.strikes = 0
        self.count = len(lines)
        self._lines = lines
        self._offset = 0

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
        cut = Run(
            self.books,
            self.first,
            front,
            share,
            self.received_at,
            values=self.values,
            expires_at=self.expires_at,
        )
        cut.attempt, cut.strikes, cut.is_void = self.attempt, self.strikes, self.is_void
        self._advance(count, share)
        return cut

    def drop(self, count: int) -> int:
        """Drop the first `count` lines, which have ended; return their share of the size."""
        share = self.size * count // self.count
        self._advance(count, share)
        return share

    def _advance(self, count: int, share: int) -> None:
        self.first += count
        self.count -= count
        self.size -= share
        self._offset += count

    def extend(self, run: Run) -> bool:
        """Take in the run that follows, where that keeps this one fresh and short."""
        fits = (
            run.first == self.first + self.count
            and self.attempt == 0
            and run.values == self.values
            and run.expires_at == self.expires_at
            and len(self._lines) + run.count <= limits.LINES_PER_MESSAGE_MAX
            and self.size + run.size <= limits.MESSAGE_BYTES_TARGET
        )
        if fits:
            self._lines.extend(run.lines)
            self.count += run.count
            self.size += run.size
        return fits

    def divide(self, wanted: IntervalSet) -> list[tuple[Run, bool]]:
        """Cut the run into parts whose lines are all wanted, or none of them; return these.

        They are in order, the last one is the run itself.
        """
        parts: list[tuple[Run, bool]] = []
        end = self.first + self.count - 1
        for first, last in wanted.within(self.first, end):
            if first > self.first:
                parts.append((self.cut(first - self.first), False))
            if last == end:
                return [*parts, (self, True)]
            parts.append((self.cut(last - first + 1), True))
        return [*parts, (self, False)]


@dataclass(slots=True)
class Lease:
    """An executor's right to a slice: its numbers in the executor's stream, and the slice.

    `first` is the number of the slice's first line that is left; both move together. Each line
    counts for `line_load_s` of its executor's time.
    """

    first: int
    run: Run
    queued_s: float
    line_load_s: float
    is_told: bool = False  # its guardian knows that it is void

    @property
    def last(self) -> int:
        """The number of the slice's last line."""
        return self.first + self.run.count - 1

    def divide(self, wanted: IntervalSet) -> list[tuple[Lease, bool]]:
        """Return the lease in parts whose lines are all wanted by the client, or none of them."""
        parts = []
        for run, is_wanted in self.run.divide(wanted):
            part = Lease(self.first, run, self.queued_s, self.line_load_s, self.is_told)
            parts.append((part, is_wanted))
            self.first += run.count
        return parts

    def strike(self, position: int) -> list[Run]:
        """Return the slice's runs; the line numbered `position` alone, with a strike."""
        if not self.first <= position <= self.last:
            return [self.run]
        line = self.run.first + position - self.first
        runs = self.run.divide(IntervalSet([(line, line)]))
        for run, is_struck in runs:
            run.strikes += is_struck
        return [run for run, _ in runs]

"""Sets of consecutive numbers, kept as few intervals instead of many members."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class IntervalSet:
    """Numbers as sorted, disjoint, non-adjacent intervals (both ends belong to them)."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        """Start with the numbers of these intervals; those that end before they begin have none."""
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            if first <= last:
                self.add(first, last)

    def __len__(self) -> int:
        """Return the number of intervals (not of members)."""
        return len(self._firsts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the intervals in ascending order."""
        return zip(self._firsts, self._lasts, strict=True)

    @property
    def unbroken(self) -> int:
        """The number up to which all from 1 on are in the set."""
        return self._lasts[0] if self._firsts and self._firsts[0] == 1 else 0

    def add(self, first: int, last: int) -> None:
        """Add all numbers from `first` to `last`."""
        firsts, lasts = self._firsts, self._lasts
        if lasts and first == lasts[-1] + 1:  # the hot path: the next part of a run
            lasts[-1] = last
            return
        left = bisect_left(lasts, first - 1)
        right = left
        while right < len(firsts) and firsts[right] <= last + 1:
            right += 1
        if left < right:
            first = min(first, firsts[left])
            last = max(last, lasts[right - 1])
        firsts[left:right] = [first]
        lasts[left:right] = [last]

    def within(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of `first`…`last` that are in the set, in ascending order."""
        for index in range(bisect_left(self._lasts, first), len(self._firsts)):
            if self._firsts[index] > last:
                return
            yield max(first, self._firsts[index]), min(last, self._lasts[index])

    def missing(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the parts of `first`…`last` that are not in the set, in ascending order."""
        firsts, lasts = self._firsts, self._lasts
        if not lasts or first > lasts[-1]:
            return [(first, last)]
        parts: list[tuple[int, int]] = []
        for index in range(bisect_left(lasts, first), len(firsts)):
            if firsts[index] > last:
                break
            if first < firsts[index]:
                parts.append((first, firsts[index] - 1))
            first = lasts[index] + 1
        if first <= last:
            parts.append((first, last))
        return parts

"""Executors at long lines leave a processor core to those at short ones.

A process that wakes up on a core where another one computes may wait there until the scheduler's
next tick, 4 ms on many a Linux, whatever the priority of both: it had its share already, if only by
a hair. A reply takes a dozen such wake-ups. So while some executor of a worker is done with lines
all the time, the others do with one core less while they are at long lines.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Collection

    from linebus.worker.children import Child


class Room:
    """Which of a worker's executors do with one core less; `look` keeps that up to date."""

    def __init__(self) -> None:
        """Know of no executor yet."""
        # Of the looks lately, at how many of a hundred an executor had been quick since the last.
        self._quick_percent: dict[Child, float] = {}
        self._were_quick: set[Child] = set()  # since they were counted
        self._quickest: list[Child] = []  # two, so that one of them is another one than any
        self._count_at = 0.0

    def look(self, children: Collection[Child], now: float) -> None:
        """Have cores left or taken back, by what the children's watches have just seen."""
        self._were_quick.update(child for child in children if child.watch.was_quick)
        if now >= self._count_at:
            self._count(children)
            self._count_at = now + limits.WATCH_S
        for child in children:
            is_to_leave = child.watch.is_long and self._is_other_quick(child)
            if is_to_leave and not child.leaves_core:
                child.leave_core()
            elif child.leaves_core and not is_to_leave:
                child.take_core_back()

    def _count(self, children: Collection[Child]) -> None:
        """Keep the means of what was seen, which do not depend on how often there is a look."""
        former, part = self._quick_percent, limits.WATCH_S / limits.QUICK_MEAN_S
        self._quick_percent = {
            child: former.get(child, 0.0) * (1 - part) + (child in self._were_quick) * 100 * part
            for child in children
        }
        self._were_quick.clear()
        self._quickest = nlargest(2, children, key=self._quick_percent.__getitem__)

    def _is_other_quick(self, child: Child) -> bool:
        """Return whether another one is done with lines all the time, or still often."""
        least = limits.STILL_QUICK_PERCENT if child.leaves_core else limits.QUICK_PERCENT
        others = (each for each in self._quickest if each is not child)
        return any(self._quick_percent[each] > least for each in others)

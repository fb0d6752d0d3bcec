"""Executors at long lines leave a processor core to those at short ones.

A process that wakes up on a core where another one computes may wait there until the scheduler's
next tick, 4 ms on many a Linux, whatever the priority of both: it had its share already, if only by
a hair. A reply takes a dozen of such wake-ups. So while some executors of a worker are done with
lines all the time, those that are at long ones share one core less than there are. No privileges
are needed to give a core up, nor to take it back when the line is over or the others have ceased.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits, process

if TYPE_CHECKING:
    from collections.abc import Collection

    from linebus.worker.children import Child


class Room:
    """Which of a worker's executors do with one core less; `look` keeps that up to date.

    The core that is left is the last one, the same for all workers of a machine. Threads whose
    cores somebody else has chosen, and processes that a service starts, stay where they are.
    """

    def __init__(self) -> None:
        """Take the cores of this process for those of its children."""
        self._all = process.core_numbers()
        self._fewer = self._all - {max(self._all, default=0)}
        self._quick_percent = 0.0  # of the looks lately, at which some were done with something
        self._was_quick = False
        self._count_at = 0.0
        self._narrow: set[Child] = set()

    def look(self, children: Collection[Child], now: float) -> None:
        """Give up a core or take it back, by what the children's watches have just seen."""
        if not self._fewer:
            return
        self._count(children, now)
        is_wanted = self._quick_percent > limits.QUICK_PERCENT
        self._narrow.intersection_update(children)
        for child in children:
            is_narrow = is_wanted and child.watch.is_long
            if is_narrow and child not in self._narrow:
                child.move(self._all, self._fewer)
                self._narrow.add(child)
            elif not is_narrow and child in self._narrow:
                child.move(self._fewer, self._all)
                self._narrow.remove(child)

    def _count(self, children: Collection[Child], now: float) -> None:
        """Keep the mean of what regular looks have seen, however often there is one."""
        self._was_quick = self._was_quick or any(child.watch.was_quick for child in children)
        if now >= self._count_at:
            part = limits.WATCH_S / limits.QUICK_MEAN_S
            self._quick_percent += (100 * self._was_quick - self._quick_percent) * part
            self._was_quick = False
            self._count_at = now + limits.WATCH_S

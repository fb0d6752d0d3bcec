"""The lines of an executor that nobody waits for, and whether it is stuck at one; no I/O."""

from __future__ import annotations

from linebus import limits
from linebus.core.intervals import IntervalSet


class Unwanted:
    """What one executor should not work on, by number in its stream.

    It has to be looked at again and again while `is_empty` is false: a line that is unwanted may
    be about to end, or not begun yet.
    """

    def __init__(self) -> None:
        """Start with every line wanted."""
        self._lines = IntervalSet()
        self._position = 0
        self._since = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether all lines are wanted."""
        return not len(self._lines)

    def add(self, first: int, last: int, now: float) -> None:
        """Note that nobody waits for these lines."""
        if self.is_empty:
            self._position, self._since = 0, now
        if first <= last:
            self._lines.add(first, last)

    def is_stuck(self, position: int, now: float) -> bool:
        """Return whether the executor, at line `position` now (0: none), has been there too long.

        After it has been idle for a while nothing that is unwanted can be on its way to it.
        """
        if position != self._position:
            self._position, self._since = position, now
        if not position:
            if now >= self._since + limits.STOP_FORGET_S:
                self._lines = IntervalSet()
            return False
        is_unwanted = not self._lines.missing(position, position)
        return is_unwanted and now >= self._since + limits.STOP_PATIENCE_S

"""What the passing of time will cause, soonest first.

A timer is never cancelled: whoever set it looks, when it goes off, whether its reason still holds,
and sets it again where the moment has moved. So being heard from costs one assignment.
"""

from __future__ import annotations

from enum import Enum, auto
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cause(Enum):
    """Why a timer was set."""

    START_GRACE_OVER = auto()
    NO_WORKER_GRACE_OVER = auto()
    NOT_BACK = auto()
    WORKER_SILENT = auto()
    PLAIN_HOLD_OVER = auto()


class Timers:
    """A heap of moments, each with its cause and what it concerns."""

    def __init__(self) -> None:
        """Start with none."""
        self._heap: list[tuple[float, int, Cause, object]] = []
        self._count = 0

    def set(self, at: float, cause: Cause, about: object = None) -> None:
        """Set a timer for the moment `at` (seconds, the caller's clock)."""
        self._count += 1
        heappush(self._heap, (at, self._count, cause, about))

    def next_at(self) -> float:
        """Return the moment of the next timer, infinity where there is none."""
        return self._heap[0][0] if self._heap else inf

    def due(self, now: float) -> Iterator[tuple[Cause, object]]:
        """Yield and remove all timers whose moment has come."""
        while self._heap and self._heap[0][0] <= now:
            _, _, cause, about = heappop(self._heap)
            yield cause, about

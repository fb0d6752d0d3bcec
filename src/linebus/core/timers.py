"""What the passing of time will cause, soonest first.

A timer is not moved to later: whoever set it looks, when it goes off, whether its reason still
holds, and sets it again where the moment has moved. So being heard from costs one assignment. There
is at most one timer for each cause and what it concerns; what has ended takes its timers with it,
so that nobody fills the memory by coming and going.
"""

from __future__ import annotations

from enum import Enum, auto
from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cause(Enum):
    """Why a timer was set."""

    START_GRACE_OVER = auto()
    NO_WORKER_GRACE_OVER = auto()
    DEADLINE_OVER = auto()
    NOT_BACK = auto()
    WORKER_SILENT = auto()
    PLAIN_HOLD_OVER = auto()


class Timers:
    """A heap of moments, each with its cause and what it concerns.

    Entries that no longer count stay in the heap until they are the soonest, or until they are as
    many as those that do. The soonest one always counts, since it is looked at in every round.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._heap: list[tuple[float, int, Cause, object]] = []
        self._valid: dict[tuple[Cause, object], int] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many entries are in memory."""
        return len(self._heap)

    def set(self, at: float, cause: Cause, about: object = None) -> None:
        """Set the timer for the moment `at` (seconds, the caller's clock), instead of any other."""
        self._count += 1
        self._valid[cause, about] = self._count
        heappush(self._heap, (at, self._count, cause, about))
        if len(self._heap) > 2 * len(self._valid) + limits.TIMERS_VOID_MAX:
            self._heap = [entry for entry in self._heap if self._is_valid(entry)]
            heapify(self._heap)
        self._drop_void()

    def forget(self, cause: Cause, about: object) -> None:
        """Let a timer never go off: what it concerns has ended."""
        if self._valid.pop((cause, about), None) is not None:
            self._drop_void()

    def _drop_void(self) -> None:
        while self._heap and not self._is_valid(self._heap[0]):
            heappop(self._heap)

    def _is_valid(self, entry: tuple[float, int, Cause, object]) -> bool:
        return self._valid.get(entry[2:]) == entry[1]

    def next_at(self) -> float:
        """Return the moment of the next timer, infinity where there is none."""
        return self._heap[0][0] if self._heap else inf

    def due(self, now: float) -> Iterator[tuple[Cause, object]]:
        """Yield and remove all timers whose moment has come."""
        while self.next_at() <= now:
            _, _, cause, about = heappop(self._heap)
            del self._valid[cause, about]
            self._drop_void()
            yield cause, about

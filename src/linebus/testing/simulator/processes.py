"""Simulated processes: what happens when, and whose clock says what.

Nothing here runs by itself. An agenda holds what is to happen, soonest first; a process takes a
turn whenever something has come for it or its clock says so, as the loops of linebus do.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from linebus.testing.world import World

# A turn for a deadline comes a little after it: clocks that drift are compared with rounding.
_LATE_S = 1e-5
DRIFT_MAX = 0.03
_BOOTED_S_MAX = 10_000.0


class Agenda:
    """What is to happen in a world. What is due at one moment happens in the order of coming."""

    def __init__(self, world: World) -> None:
        """Start with nothing to do."""
        self._world = world
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def now(self) -> float:
        """The true time, which no process knows."""
        return self._world.now

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do this then, or now where that has passed."""
        self._count += 1
        heappush(self._heap, (max(when, self._world.now), self._count, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do this so much later."""
        self.at(self._world.now + seconds, do)

    def step(self, until: float) -> bool:
        """Do the next thing; return False where nothing is due by then, which is now."""
        if not self._heap or self._heap[0][0] > until:
            self._world.now = until
            return False
        self._world.now, _, do = heappop(self._heap)
        do()
        return True


class Process:
    """A process with a clock of its own, which drifts and may jump forward.

    `turn` is what it does whenever it is woken: one round of its loop. One that is stopped, as by
    SIGSTOP, takes no turn; what has come for it waits.
    """

    def __init__(self, agenda: Agenda, name: str, random: Random) -> None:
        """Start with a clock that runs up to 3 % wrong."""
        self.name = name
        self.turn: Callable[[], None] = lambda: None
        self.is_stopped = False
        self.is_alive = True
        self._agenda = agenda
        self._rate = 1 + random.uniform(-DRIFT_MAX, DRIFT_MAX)
        self._offset = random.uniform(0, _BOOTED_S_MAX)
        self._wake_at = inf

    @property
    def now(self) -> float:
        """What its clock says."""
        return self._offset + self._rate * self._agenda.now

    def jump(self, seconds: float) -> None:
        """Let its clock jump forward, as after a suspend."""
        self._offset += seconds
        self.wake()

    def stop(self) -> None:
        """Stop it, as by SIGSTOP."""
        self.is_stopped = True

    def resume(self) -> None:
        """Let it go on, as by SIGCONT."""
        self.is_stopped = False
        self.wake()

    def wake(self, after_s: float = 0.0) -> None:
        """See to it that it takes a turn by then."""
        at = self._agenda.now + after_s
        if at < self._wake_at:
            self._wake_at = at
            self._agenda.at(at, self._take_turn)

    def wake_at(self, deadline: float) -> None:
        """See to it that it takes a turn when its own clock says so."""
        if deadline < inf:
            self.wake(max(0.0, (deadline - self.now) / self._rate) + _LATE_S)

    def _take_turn(self) -> None:
        if self._agenda.now < self._wake_at:
            return  # it was woken earlier, and is to be woken again later
        self._wake_at = inf
        if self.is_alive and not self.is_stopped:
            self.turn()

"""The clock of an in-process bus: it stands still until someone moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits
from linebus.errors import UsageError

if TYPE_CHECKING:
    from linebus.testing.world import World


class Clock:
    """Tells and moves a bus's time, in seconds since the bus was made.

    An `ask` whose reply needs time, such as the grace after which there is `no_worker`, moves it as
    far as it must. A service may move it to take that long.
    """

    def __init__(self, world: World) -> None:
        """Tell the world's time, which is 0 when its bus has been made."""
        self._world = world

    @property
    def now(self) -> float:
        """The seconds that have passed since the bus was made."""
        return self._world.now

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever is due within it happens, one thing after the other."""
        if not 0 <= seconds <= limits.WAIT_S_MAX:
            raise UsageError(f"a clock goes forward, by seconds; got {seconds!r}")
        self._world.run_until(lambda: False, self._world.now + seconds)

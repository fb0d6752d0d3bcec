"""What a guardian sees of a child that works: how long it has been at its line, and what follows.

It looks into the memory that they share, so the executor pays nothing for it. A line that is long
lets those behind it go to others; one that breaks a limit of its service ends its executor, as does
one that nobody waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from linebus import limits
from linebus.wire.messages import Lost
from linebus.worker import position as page
from linebus.worker.unwanted import Unwanted

if TYPE_CHECKING:
    from collections.abc import Callable


class Cell(Protocol):
    """Numbers in memory; what they mean stands in `position`."""

    def __getitem__(self, index: int, /) -> int:
        """Return one."""

    def __setitem__(self, index: int, value: int, /) -> None:
        """Store one."""


class Page(Protocol):
    """What guardian and executor share: a `Position`, or what the simulator has for it."""

    @property
    def cell(self) -> Cell:
        """The numbers."""

    @property
    def stream(self) -> bytes:
        """What the stream is called in which they count."""


class Bounds(Struct, array_like=True):
    """How much a line of a service may take; 0: as much as it likes."""

    time_limit_s: float
    memory_limit: int


@dataclass(frozen=True, slots=True)
class Long:
    """The executor is long at this line: what is behind it can go to others."""

    number: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A line has broken a limit of its service, after so many seconds."""

    number: int
    reason: str
    ran_s: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """Nobody waits for the line at hand, and the executor stays at it."""


Verdict = Long | Broken | Stuck


class Watch:
    """One executor as its guardian sees it."""

    def __init__(self, position: Page, memory: Callable[[], int]) -> None:
        """Watch this position; `memory` returns the bytes that the executor has."""
        self.names: list[str] = []
        self.bounds: list[Bounds] = []
        self.unwanted = Unwanted()
        self.sentence: Broken | Stuck | None = None  # for what it is killed
        self.took_s = 0.0  # at the line at hand, when it was looked at
        self.was_quick = False  # it was done with short lines between the last two looks
        self._position = position
        self._memory = memory
        self._at = (b"", 0)
        self._since = 0.0
        self._slices = 0
        self._paused_at = inf
        self._is_told = False

    @property
    def is_at_work(self) -> bool:
        """Whether it is at a line, or at several."""
        cell = self._position.cell
        return bool(cell[page.NUMBER] or cell[page.AT_ONCE])

    @property
    def is_pausing(self) -> bool:
        """Whether it was asked to begin no further line, and that may not have come through yet."""
        return self._paused_at < inf and not self._is_told

    @property
    def is_long(self) -> bool:
        """Whether it was at a line for so long that it should leave room to others."""
        return self.took_s >= limits.LEAVE_ROOM_S

    def look(self, now: float) -> Verdict | None:
        """Return what follows from how things are now."""
        cell = self._position.cell
        number = cell[page.NUMBER]
        at = (self._position.stream, number)
        if at != self._at:
            self._at, self._since = at, now
            self._paused_at, self._is_told = inf, False
        was_short = self.took_s < limits.LONG_LINE_S
        self.was_quick = was_short and cell[page.SLICES] != self._slices
        self._slices = cell[page.SLICES]
        self.took_s = now - self._since if number else 0.0
        if not self.unwanted.is_empty and self.unwanted.is_stuck(number, now):
            return Stuck()
        if not number:
            return None
        return self._broken(number, self.took_s) or self._long(number, self.took_s, now)

    def lost(self, key_hash: bytes, reason: str) -> Lost:
        """Return what the end of the executor means for the line that it was at."""
        cell, stream = self._position.cell, self._position.stream
        number = cell[page.NUMBER]
        match self.sentence:
            case Stuck():  # no line is to be charged for it
                reason = "stopped, since nobody waits for its line any more"
                return Lost(key_hash, 0, reason, stream)
            case Broken(number=broken) if broken != number:
                # It had come to the next line before the signal came, and that broke nothing.
                return Lost(key_hash, 0, self.sentence.reason, stream)
            case Broken(reason=why, ran_s=ran_s):
                return Lost(key_hash, number, why, stream, failed=True, ran_s=ran_s)
        is_at_several = cell[page.AT_ONCE] > 0
        return Lost(key_hash, number, reason, stream, all_at_once=is_at_several)

    def _broken(self, number: int, took_s: float) -> Broken | None:
        index = self._position.cell[page.SERVICE]
        if not 0 <= index < len(self.bounds):
            return None
        bounds, name = self.bounds[index], self.names[index]
        if bounds.time_limit_s and took_s >= bounds.time_limit_s:
            text = f"{name} took longer than {bounds.time_limit_s:g} s, its time limit"
            return Broken(number, text, took_s)
        if bounds.memory_limit and (has := self._memory()) > bounds.memory_limit:
            text = f"{name} used {has} bytes of memory; its limit is {bounds.memory_limit}"
            return Broken(number, text, took_s)
        return None

    def _long(self, number: int, took_s: float, now: float) -> Long | None:
        """Ask it to begin nothing else; when that has come through, say so once."""
        if took_s < limits.LONG_LINE_S or self._is_told:
            return None
        if self._paused_at == inf:
            self._position.cell[page.PAUSE] = 1
            self._paused_at = now
        elif now >= self._paused_at + limits.HAND_BACK_S:
            self._is_told = True
            return Long(number)
        return None

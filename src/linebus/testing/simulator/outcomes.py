"""Which outcome a request may have, judged by what has truly happened to it.

Adding an outcome is adding a function to `RULES`. Each returns what is wrong, or None.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.lifecycle import Outcome
from linebus.testing.simulator.processes import DRIFT_MAX
from linebus.wire.messages import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.client.reply import Reply
    from linebus.testing.simulator.scenario import Expected, Plan


@dataclass
class Fate:
    """What truly happened to a line: how often it was run, how often its executor died at it.

    `broken` is how often it broke the time limit of its service.
    """

    runs: int = 0
    deaths: int = 0
    broken: int = 0


@dataclass
class Request:
    """A line that was asked. `asked_at` is by the server's clock, `asked_by` by its client's.

    `is_cancelled` says that its client has cancelled it and still waits for its outcome.
    """

    line: str
    expected: Expected
    asked_at: float
    asked_by: float
    fate: Fate
    deadline_s: float = inf
    is_cancelled: bool = False

    @property
    def service(self) -> str:
        """The first word of the line."""
        return self.line.split(maxsplit=1)[0] if self.line.strip() else ""


class Attendance:
    """When which service had a worker that was truly there, by the server's clock.

    A worker is there while its process lives and goes on, its connection stands and it has been
    greeted. The broker learns of an absence later and of a return later, so an absence as it sees
    it is never longer than the true one.
    """

    def __init__(self) -> None:
        """Start with nobody there."""
        self._there_at: dict[str, float] = {}
        self._absent: set[str] = set()
        self._absences: dict[str, list[tuple[float, float]]] = {}

    def note(self, services: set[str], there: set[str], now: float) -> None:
        """Note which of the services have a worker now."""
        for name in sorted(services & there):
            if name in self._absent:
                self._absences.setdefault(name, []).append((self._there_at.get(name, -inf), now))
            self._there_at[name] = now
        self._absent = services - there

    def longest_absence(self, service: str, since: float, now: float) -> float:
        """Return the longest time without a worker between two moments."""
        absences = list(self._absences.get(service, []))
        if service in self._absent:
            absences.append((self._there_at.get(service, -inf), now))
        return max((min(until, now) - max(start, since) for start, until in absences), default=0.0)


@dataclass
class Circumstances:
    """What a verdict on an outcome needs to know of the run."""

    plan: Plan
    attendance: Attendance
    now: float  # by the server's clock
    client_now: float


def _as_expected(request: Request, reply: Reply, about: Circumstances) -> str | None:
    if request.service.startswith(RESERVED):
        return None if reply.text.startswith("{") else "the server tells of itself in JSON"
    if about.plan.check is not None:
        return about.plan.check(request.line, reply)
    if reply.outcome == Outcome.FAILED and "its time limit" in reply.text:
        return None if request.fate.broken else "it has broken no limit"
    if request.expected != (reply.outcome, reply.text):
        return f"expected was {request.expected.outcome}: {request.expected.text!r}"
    return None if request.fate.runs else "no executor has worked on it"


def _absent(request: Request, reply: Reply, about: Circumstances) -> str | None:
    if not about.plan.offers(request.service):
        return None if reply.outcome == Outcome.NO_SERVICE else "nobody has ever offered it"
    # A server that was not offered a name in all its grace ends a line for it at once.
    is_known = reply.outcome == Outcome.NO_WORKER
    grace_s = limits.NO_WORKER_GRACE_S if is_known else limits.START_GRACE_S
    since = request.asked_at - (0.0 if is_known else grace_s)
    absent_s = about.attendance.longest_absence(request.service, since, about.now)
    return None if absent_s >= grace_s else f"it had no worker for {absent_s:.3f} s only"


def _overloaded(_request: Request, _reply: Reply, about: Circumstances) -> str | None:
    return None if about.plan.is_tight else "there was no flood"


def _quarantined(request: Request, _reply: Reply, _about: Circumstances) -> str | None:
    enough = request.fate.deaths >= limits.STRIKES_MAX
    return None if enough else f"{request.fate.deaths} executors died on it"


def _expired(request: Request, _reply: Reply, about: Circumstances) -> str | None:
    # Each clock runs a little wrong and may jump; it counts with the client until a server has the
    # line, then with the server.
    waited_s = max(about.now - request.asked_at, about.client_now - request.asked_by)
    is_late = waited_s >= (1 - 3 * DRIFT_MAX) * request.deadline_s
    return None if is_late else f"its deadline was {request.deadline_s} s, {waited_s:.3f} passed"


def _cancelled(request: Request, _reply: Reply, _about: Circumstances) -> str | None:
    return None if request.is_cancelled else "nobody has cancelled it"


RULES: dict[Outcome, Callable[[Request, Reply, Circumstances], str | None]] = {
    Outcome.ANSWERED: _as_expected,
    Outcome.FAILED: _as_expected,
    Outcome.NO_SERVICE: _absent,
    Outcome.NO_WORKER: _absent,
    Outcome.OVERLOADED: _overloaded,
    Outcome.QUARANTINED: _quarantined,
    Outcome.EXPIRED: _expired,
    Outcome.CANCELLED: _cancelled,
}

assert RULES.keys() == set(Outcome), "every outcome has a rule"


def wrong(request: Request, reply: Reply, about: Circumstances) -> str | None:
    """Return what is wrong with a reply, or None."""
    return RULES[Outcome(reply.outcome)](request, reply, about)

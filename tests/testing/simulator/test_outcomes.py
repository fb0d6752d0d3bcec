from __future__ import annotations

from math import inf
from random import Random

import pytest

from linebus import limits
from linebus.client.reply import Reply
from linebus.core.lifecycle import Outcome
from linebus.testing.simulator.outcomes import Attendance, Circumstances, Fate, Request, wrong
from linebus.testing.simulator.scenario import draw_plan

GRACE_S = limits.NO_WORKER_GRACE_S


def attendance(*absences: tuple[float, float]) -> Attendance:
    """Of echo, from 0 to 100."""
    seen = Attendance()
    seen.note({"echo"}, {"echo"}, 0.0)
    for since, until in absences:
        seen.note({"echo"}, {"echo"}, since)
        seen.note({"echo"}, set(), since)
        seen.note({"echo"}, {"echo"}, until)
    seen.note({"echo"}, {"echo"}, 100.0)
    return seen


def verdict(
    line: str,
    outcome: str,
    text: str = "",
    fate: Fate | None = None,
    seen: Attendance | None = None,
    *,
    is_tight: bool = False,
    deadline_s: float = inf,
    is_cancelled: bool = False,
) -> str | None:
    plan = draw_plan(Random(1))
    plan.is_tight = is_tight
    request = Request(line, plan.expected(line), 50.0, 50.0, fate or Fate(runs=1))
    request.deadline_s, request.is_cancelled = deadline_s, is_cancelled
    reply = Reply(Outcome(outcome), text, 1, 1, 0.0, 0.0)
    return wrong(request, reply, Circumstances(plan, seen or attendance(), 100.0, 90.0))


def test_an_answer_has_to_be_the_right_one_and_of_an_executor() -> None:
    assert verdict("echo 1", "answered", "answer to 1") is None
    assert verdict("echo 1", "answered", "answer to 2")
    assert verdict("echo 1", "failed", "answer to 1")
    assert verdict("refuse 1", "failed", "no answer to 1") is None
    assert verdict("lethal 1", "answered", "")
    assert verdict("echo 1", "answered", "answer to 1", Fate())
    assert verdict("linebus.server", "answered", "{}") is None


def test_only_a_line_whose_deadline_has_passed_expires() -> None:
    assert verdict("echo 1", "expired")
    assert verdict("echo 1", "expired", deadline_s=60.0)
    assert verdict("echo 1", "expired", deadline_s=49.0) is None


def test_only_a_line_that_was_cancelled_is_cancelled() -> None:
    assert verdict("echo 1", "cancelled")
    assert verdict("echo 1", "cancelled", is_cancelled=True) is None


def test_only_a_line_that_killed_enough_executors_is_quarantined() -> None:
    assert verdict("lethal 1", "quarantined", fate=Fate(deaths=limits.STRIKES_MAX)) is None
    assert verdict("lethal 1", "quarantined", fate=Fate(deaths=limits.STRIKES_MAX - 1))


@pytest.mark.parametrize("outcome", ["no_worker", "no_service"])
def test_an_offered_service_has_to_be_absent_for_the_grace(outcome: str) -> None:
    assert verdict("echo 1", outcome)
    assert verdict("echo 1", outcome, seen=attendance((60.0, 60.0 + GRACE_S))) is None
    assert verdict("echo 1", outcome, seen=attendance((60.0, 61.0), (70.0, 71.0)))
    assert verdict("echo 1", outcome, seen=attendance((10.0, 20.0)))


def test_a_name_that_was_not_offered_in_a_servers_grace_ends_at_once() -> None:
    before = attendance((45.0, 50.1))
    assert verdict("echo 1", "no_service", seen=before) is None
    assert verdict("echo 1", "no_worker", seen=before)


def test_what_nobody_ever_offers_is_no_service() -> None:
    assert verdict("never1 1", "no_service") is None
    assert verdict("never1 1", "no_worker")


def test_a_line_is_overloaded_only_where_bounds_are_small() -> None:
    assert verdict("echo 1", "overloaded")
    assert verdict("echo 1", "overloaded", is_tight=True) is None

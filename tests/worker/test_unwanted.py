"""Lines that nobody waits for: an executor may end them by itself within a moment."""

from __future__ import annotations

import pytest

from linebus import limits
from linebus.worker.unwanted import Unwanted

PATIENCE = limits.STOP_PATIENCE_S


@pytest.fixture
def unwanted() -> Unwanted:
    unwanted = Unwanted()
    unwanted.add(5, 7, 100.0)
    return unwanted


def test_all_lines_are_wanted_at_first() -> None:
    unwanted = Unwanted()
    unwanted.add(7, 5, 100.0)
    assert unwanted.is_empty


def test_an_executor_that_stays_at_an_unwanted_line_is_stuck(unwanted: Unwanted) -> None:
    assert not unwanted.is_empty
    assert not unwanted.is_stuck(6, 100.0)
    assert not unwanted.is_stuck(6, 100.0 + PATIENCE / 2)
    assert unwanted.is_stuck(6, 100.0 + PATIENCE)


def test_an_executor_that_moves_on_is_not_stuck(unwanted: Unwanted) -> None:
    assert not unwanted.is_stuck(5, 100.0)
    assert not unwanted.is_stuck(6, 100.0 + PATIENCE)


def test_an_executor_may_stay_at_a_line_that_is_wanted(unwanted: Unwanted) -> None:
    for now in (100.0, 200.0):
        assert not unwanted.is_stuck(4, now)
        assert not unwanted.is_stuck(8, now)


def test_what_is_unwanted_may_be_on_its_way_for_a_while(unwanted: Unwanted) -> None:
    assert not unwanted.is_stuck(0, 100.0)
    assert not unwanted.is_empty
    assert not unwanted.is_stuck(0, 100.0 + limits.STOP_FORGET_S)
    assert unwanted.is_empty


def test_the_time_before_a_line_became_unwanted_does_not_count() -> None:
    unwanted = Unwanted()
    unwanted.add(1, 1, 100.0)
    unwanted.is_stuck(0, 101.0)
    unwanted.add(6, 6, 500.0)
    assert not unwanted.is_stuck(6, 500.0)
    assert unwanted.is_stuck(6, 500.0 + PATIENCE)

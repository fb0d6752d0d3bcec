from math import inf
from unittest import mock

from linebus.client.patience import Patience

CLOCK = "linebus.client.patience.time.monotonic"


def test_patience_is_for_each_reply() -> None:
    with mock.patch(CLOCK) as clock:
        clock.return_value = 100.0
        patience = Patience(5)
        clock.return_value = 104.0
        assert not patience.is_over
        patience.renew(owed=1)
        clock.return_value = 108.0
        assert not patience.is_over
        assert patience.left_s == 1.0
        clock.return_value = 109.0
        assert patience.is_over
        assert str(patience.exceeded(": why")) == "no reply within 5 s: why"


def test_without_a_limit_it_never_ends() -> None:
    patience = Patience(None)
    assert patience.at == inf
    assert not patience.is_over


def test_it_does_not_end_while_nothing_is_owed() -> None:
    with mock.patch(CLOCK) as clock:
        clock.return_value = 100.0
        patience = Patience(5, owed=0)
        clock.return_value = 200.0
        assert not patience.is_over
        assert patience.left_s is None
        patience.renew(owed=1)
        assert patience.at == 205.0


def test_a_server_that_was_away_before_the_call_is_waited_for_anew() -> None:
    with mock.patch(CLOCK, return_value=100.0):
        patience = Patience(None)
    assert patience.absence_until(away_since=10.0, connect_timeout_s=5.0) == 105.0
    assert patience.absence_until(away_since=102.0, connect_timeout_s=5.0) == 107.0


def test_the_callers_own_time_is_not_counted() -> None:
    patience = Patience(5.0)
    at, until = patience.at, patience.absence_until(0.0, 1.0)
    patience.spare(100.0)
    assert (patience.at, patience.absence_until(0.0, 1.0)) == (at + 100.0, until + 100.0)
    idle = Patience(5.0, owed=0)
    idle.spare(1.0)
    assert not idle.is_over

"""Heartbeats of few workers and of many."""

from __future__ import annotations

from linebus.core.heartbeats import interval_s, silence_s


def test_few_workers_are_heard_from_twice_a_second_and_missed_after_three() -> None:
    for workers in (0, 1, 2):
        assert interval_s(workers) == 0.5
        assert silence_s(interval_s(workers)) == 3.0


def test_many_workers_make_five_heartbeats_a_second_together() -> None:
    assert interval_s(100) == 20.0
    assert silence_s(interval_s(100)) == 60.0


def test_the_interval_may_grow_a_little_before_anyone_is_missed_later() -> None:
    assert interval_s(5) == 1.0
    assert silence_s(interval_s(5)) == 3.0
    assert silence_s(interval_s(6)) > 3.0

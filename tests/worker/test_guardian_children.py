"""A guardian and its executors, at moments that the test chooses; no process, no server."""

from __future__ import annotations

import signal
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.net.clock import milliseconds_until
from linebus.wire import messages as m
from linebus.worker import pipes
from linebus.worker import position as page
from tests.worker.fake_children import BOUNDED, UNBOUNDED, Household

if TYPE_CHECKING:
    from collections.abc import Iterator


# ---- a spare executor, and one that is watched -----------------------------------------------


@pytest.fixture
def household(monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    household = Household(monkeypatch)
    yield household
    household.close()


def test_where_executors_may_be_killed_or_recycled_one_more_is_loaded(
    household: Household,
) -> None:
    [child] = household.children
    assert household.vouched == [child.key_hash]
    household.ready(child, BOUNDED)
    [spare] = household.spares
    assert (spare.address, child.address) == (None, "tcp://127.0.0.1:1")
    assert household.vouched == [child.key_hash], "nobody is told of it"
    household.ready(spare, BOUNDED)
    assert len(household.children) == 2


def test_where_executors_are_recycled_one_more_is_loaded(household: Household) -> None:
    household.ready(household.children[0], UNBOUNDED, is_recycled=True)
    assert len(household.spares) == 1


def test_where_executors_live_as_long_as_they_like_there_is_no_spare(household: Household) -> None:
    household.ready(household.children[0], UNBOUNDED)
    assert household.spares == []


def test_the_spare_takes_the_place_of_one_that_dies_and_has_a_successor(
    household: Household,
) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.ready(spare, BOUNDED)
    household.end(child)
    assert not spare.is_spare
    assert not spare.gives_way, "nobody else is to answer at once"
    assert household.vouched[-1] == spare.key_hash
    assert spare.control.told == [pipes.Connect("tcp://127.0.0.1:1")]
    assert [lost.executor for lost in household.lost] == [child.key_hash]
    [successor] = household.spares
    assert household.children == [spare, successor]
    assert household.guardian._restart_at == []


def test_a_spare_that_is_not_loaded_yet_is_not_waited_for(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.end(child, now=10.0)
    assert spare.is_spare
    assert household.guardian._restart_at == [10.0]


def test_a_spare_that_dies_is_replaced_and_nobody_is_told(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.end(spare, now=10.0)
    assert household.spares == []
    household.guardian._start_children(10.0)
    assert household.lost == []
    [another] = household.spares
    assert household.children == [child, another]
    assert household.guardian._restart_at == []


def test_spare_executors_that_die_at_once_are_started_again_ever_later(
    household: Household,
) -> None:
    household.ready(household.children[0], BOUNDED)
    household.guardian._absence.tell_at = inf
    delays = []
    for now in (1.1, 2.0, 3.0):
        [spare] = household.spares
        household.end(spare, now=now)
        delays.append(household.guardian._spare_at - now)
        due_ms = milliseconds_until(household.guardian._spare_at, now)
        assert household.guardian._patience_ms(now) == due_ms
        household.guardian._start_children(household.guardian._spare_at)
    assert delays == pytest.approx([0.0, limits.RESTART_S, 2 * limits.RESTART_S])


def test_where_no_process_is_to_be_had_a_spare_executor_comes_later(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(household.guardian, "_start_child", lambda *_: None)
        household.ready(household.children[0], BOUNDED)
    assert household.spares == []
    household.guardian._start_children(1.0 + limits.RESTART_S_MAX)
    assert len(household.spares) == 1


def test_a_guardian_that_is_told_to_stop_starts_no_spare_executor(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.end(spare)
    household.guardian._signals.received = signal.SIGTERM
    household.guardian._start_children(10.0)
    household.hear(child, pipes.Leaving())
    assert household.children == [child]


# ---- a spare executor that works beside several ----------------------------------------------


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    """Two executors that are ready, and a spare one that is loading."""
    pair = Household(monkeypatch, 2)
    for child in pair.children:
        pair.ready(child, UNBOUNDED)
    yield pair
    pair.close()


def test_beside_several_executors_a_spare_one_is_the_servers_to_use(pair: Household) -> None:
    [spare] = pair.spares
    assert (spare.address, pair.vouched_as_spare) == (None, [])
    pair.ready(spare, UNBOUNDED)
    assert pair.vouched_as_spare == [spare.key_hash]
    assert spare.control.told == [pipes.Connect("tcp://127.0.0.1:1")]
    assert len(pair.children) == 3


def test_one_that_takes_the_place_of_another_is_spare_no_more_and_keeps_its_connection(
    pair: Household,
) -> None:
    first, second, spare = pair.children
    pair.ready(spare, UNBOUNDED)
    spare.control.told.clear()
    assert (second.gives_way, spare.gives_way) == (True, False)
    pair.end(first)
    assert spare.gives_way, "it is not there to answer at once any more"
    assert pair.vouched[-1] == spare.key_hash
    assert spare.control.told == []
    [successor] = pair.spares
    assert pair.children == [second, spare, successor]
    pair.ready(successor, UNBOUNDED)
    assert pair.vouched_as_spare == [spare.key_hash, successor.key_hash]


def test_a_spare_executor_that_dies_at_a_line_is_told_of_and_has_a_successor(
    pair: Household,
) -> None:
    [spare] = pair.spares
    pair.ready(spare, UNBOUNDED)
    spare.position.cell[page.NUMBER] = 4
    pair.end(spare, now=10.0)
    assert [(lost.executor, lost.position) for lost in pair.lost] == [(spare.key_hash, 4)]
    pair.guardian._start_children(10.0)
    assert len(pair.spares) == 1
    assert pair.guardian._restart_at == []


def test_a_spare_executor_that_leaves_has_another_spare_one_as_its_successor(
    pair: Household,
) -> None:
    first, second, spare = pair.children
    pair.ready(spare, UNBOUNDED)
    pair.hear(spare, pipes.Leaving())
    successor = next(each for each in pair.spares if each is not spare)
    pair.end(spare)
    assert pair.children == [first, second, successor]
    assert (pair.spares, pair.guardian._restart_at) == ([successor], [])


def test_a_spare_executor_connects_when_a_server_is_found_and_gets_no_plain_lines(
    pair: Household,
) -> None:
    [spare] = pair.spares
    pair.ready(spare, UNBOUNDED)
    spare.control.told.clear()
    pair.guardian._session.is_greeted = True
    pair.guardian._note_presence(pair.guardian._native)
    assert spare.control.told == [pipes.Connect("tcp://127.0.0.1:1")]
    assert spare not in pair.guardian._at_work


def test_a_spare_executor_that_offers_something_else_is_not_the_servers_to_use(
    pair: Household,
) -> None:
    [spare] = pair.spares
    pair.ready(spare, UNBOUNDED, name="lcm")
    assert pair.vouched_as_spare == []


def test_an_executor_that_leaves_is_replaced_at_once_and_once(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED, is_recycled=True)
    [spare] = household.spares
    household.ready(spare, UNBOUNDED, is_recycled=True)
    household.hear(child, pipes.Leaving())
    assert not spare.is_spare
    household.end(child)
    assert household.children == [spare, *household.spares]
    assert len(household.spares) == 1
    assert household.guardian._restart_at == []


def test_a_line_that_breaks_a_limit_ends_its_executor_and_fails(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)
    child.position.cell[page.NUMBER] = 7
    household.guardian._watch_children(20.0)
    household.guardian._watch_children(21.9)
    assert not child.is_killed
    household.guardian._watch_children(22.1)
    assert child.is_killed
    household.guardian._restart_s = limits.RESTART_S_MAX
    household.end(child, now=22.2)
    [lost] = household.lost
    assert (lost.position, lost.failed) == (7, True)
    assert lost.reason == "gcd took longer than 2 s, its time limit"
    assert household.guardian._restart_at == [22.2], "its successor has nothing to wait for"


def test_what_is_behind_a_long_line_is_handed_back(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)
    child.position.cell[page.NUMBER] = 7
    household.guardian._watch_children(20.0)
    household.guardian._absence.tell_at = inf
    soon_ms = milliseconds_until(20.0 + limits.WATCH_S, 20.0)
    assert household.guardian._patience_ms(20.0) == soon_ms
    household.guardian._watch_children(20.1)
    very_soon_ms = milliseconds_until(20.1 + limits.HAND_BACK_S, 20.1)
    assert household.guardian._patience_ms(20.1) == very_soon_ms
    assert very_soon_ms != soon_ms
    household.guardian._watch_children(20.2)
    assert household.handed_back == [(child.key_hash, b"stream", 7)]
    household.guardian._watch_children(20.3)
    assert len(household.handed_back) == 1
    assert not child.is_killed


def test_who_is_at_a_long_line_leaves_a_core_to_who_is_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    household = Household(monkeypatch, 2)
    long, quick = household.children
    for child in (long, quick):
        household.ready(child, UNBOUNDED)
    household.hear(long, pipes.Awake(), now=20.0)
    long.position.cell[page.NUMBER] = 7
    for step in range(200):
        quick.position.cell[page.SLICES] += 1
        household.guardian._watch_children(20.0 + 0.011 * step)
    assert [child.leaves_core for child in household.children] == [True, False, False]
    household.close()


def test_a_guardian_looks_at_executors_only_while_they_work(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    guardian = household.guardian
    assert guardian._watched_until == 0.0
    child.position.cell[page.IS_WATCHED] = 1
    household.hear(child, pipes.Awake(), now=20.0)
    guardian._watch_children(20.0 + 0.9 * limits.WATCH_REST_S)
    assert child.position.cell[page.IS_WATCHED]
    child.position.cell[page.AT_ONCE] = 1
    guardian._watch_children(25.0)
    child.position.cell[page.AT_ONCE] = 0
    guardian._watch_children(25.0 + 0.9 * limits.WATCH_REST_S)
    assert guardian._watched_until
    guardian._watch_children(25.0 + 1.1 * limits.WATCH_REST_S)
    assert guardian._watched_until == 0.0
    assert not child.position.cell[page.IS_WATCHED], "so it says when it begins a line"


def test_a_line_that_begins_while_the_guardian_goes_to_rest_is_watched(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)

    class Racing(list[int]):
        """Its executor begins a line just before it is said that nobody looks."""

        def __setitem__(self, index: Any, value: Any) -> None:  # noqa: ANN401
            super().__setitem__(page.NUMBER, 3)
            super().__setitem__(index, value)

    monkeypatch.setattr(child.position, "cell", Racing(child.position.cell))
    household.guardian._watch_children(30.0)
    assert household.guardian._watched_until == 30.0 + limits.WATCH_REST_S


def test_what_nobody_waits_for_is_told_to_the_executor_that_has_it(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.guardian._session._stops += [
        m.Stop(child.key_hash, 3, 5),
        m.Stop(b"another's", 1, 1),
    ]
    household.guardian._watch_children(20.0)
    assert child.control.told == [pipes.Unwanted(3, 5)]
    child.position.cell[page.NUMBER] = 4
    household.guardian._watch_children(20.1)
    household.guardian._watch_children(20.2)
    assert child.is_killed
    household.end(child)
    assert (household.lost[0].position, household.lost[0].failed) == (0, False)

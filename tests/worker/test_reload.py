"""A guardian that takes over changes, at moments that the test chooses; no process, no server."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.net.clock import milliseconds_until
from linebus.worker import guardian as module
from linebus.worker import pipes
from linebus.worker.news import Reloaded
from tests.worker.fake_children import BOUNDED, UNBOUNDED, FakeChild, Household

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Reloading(Household):
    """A guardian of executors that are at work, two where nothing else is said."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        bounds: Any,  # noqa: ANN401
        executors: int = 2,
    ) -> None:
        super().__init__(monkeypatch, executors, reloads=True)
        self.changes: list[list[str]] = []
        sources = self.guardian._sources
        monkeypatch.setattr(
            sources, "changed", lambda _: self.changes.pop() if self.changes else []
        )
        self.now = 100.0
        for child in self.children:
            self.ready(child, bounds)
        self.before = self.at_work

    @property
    def at_work(self) -> list[Any]:
        return [each for each in self.regular if each.link is not None and not each.is_leaving]

    @property
    def loading(self) -> list[Any]:
        return [each for each in self.regular if each.link is None and not each.is_leaving]

    def change(self) -> None:
        self.changes.append(["/here/mine.py"])
        self.turn()

    def turn(self) -> None:
        self.now += 1.0
        self.guardian._take_over_changes(self.now)
        self.guardian._start_children(self.now)

    def end_those_that_leave(self) -> None:
        for child in [each for each in self.children if each.is_leaving]:
            self.end(child, self.now)

    def finish(self) -> None:
        """Let all that is begun come to its end."""
        for _ in range(10):
            for child in self.loading:
                self.ready(child, UNBOUNDED)
            self.turn()
            self.end_those_that_leave()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reloading]:
    monkeypatch.chdir(tmp_path)
    house = Reloading(monkeypatch, UNBOUNDED)
    yield house
    house.close()


def test_executors_tell_their_files_and_connect_once_they_are_adopted(house: Reloading) -> None:
    assert all(child.tells_files and child.address is None for child in house.children)
    told = [pipes.Connect("tcp://127.0.0.1:1")]
    assert [child.control.told for child in house.regular] == [told, told]


def test_one_more_is_started_before_one_is_stopped_and_never_fewer_are_at_work(
    house: Reloading,
) -> None:
    first, second = house.before
    house.change()
    [candidate] = house.loading
    house.turn()
    assert house.loading == [candidate]
    house.ready(candidate, UNBOUNDED)
    assert isinstance(house.news[-1], Reloaded)
    assert house.at_work == [first, second, candidate]
    house.turn()
    assert (first.is_stopped, second.is_stopped) == (True, False)
    house.turn()
    [another] = house.loading
    assert house.at_work == [second, candidate]
    house.ready(another, UNBOUNDED)
    house.turn()
    assert second.is_stopped
    house.end_those_that_leave()
    house.turn()
    assert house.regular == [candidate, another]
    assert house.guardian._former == []
    assert house.guardian._restart_at == []


def test_an_old_executor_that_stays_at_its_line_holds_up_none_of_this(house: Reloading) -> None:
    house.change()
    for _ in range(9):
        for child in house.loading:
            house.ready(child, UNBOUNDED)
        house.turn()
    assert all(child.is_stopped for child in house.before)
    assert len(house.at_work) == 2
    assert not set(map(id, house.at_work)) & set(map(id, house.before))
    [former] = house.guardian._former
    assert all(child.link is former for child in house.before), "it still speaks for them"


def test_old_executors_stay_until_the_new_session_is_greeted_where_theirs_is(
    house: Reloading,
) -> None:
    house.guardian._session.is_greeted = True
    house.change()
    house.ready(house.loading[0], UNBOUNDED)
    house.turn()
    assert not any(child.is_stopped for child in house.before)
    house.guardian._session.is_greeted = True
    house.turn()
    assert house.before[0].is_stopped


def test_one_that_has_a_plain_line_is_not_stopped(house: Reloading) -> None:
    for child in house.before:
        child.working_on = 1
    house.change()
    house.ready(house.loading[0], UNBOUNDED)
    house.turn()
    assert not any(child.is_stopped for child in house.before)
    house.before[1].working_on = None
    house.turn()
    assert house.before[1].is_stopped


def test_a_change_while_the_last_one_is_loaded_starts_that_anew(house: Reloading) -> None:
    house.change()
    [candidate] = house.loading
    house.change()
    assert candidate.is_killed
    [another] = house.loading
    house.ready(candidate, UNBOUNDED)  # said before it was killed
    assert candidate.link is None
    house.end_those_that_leave()
    assert house.loading == [another]
    house.ready(another, UNBOUNDED)
    assert [news for news in house.news if isinstance(news, Reloaded)] == [
        Reloaded(["gcd"], [os.path.relpath("/here/mine.py")])
    ]


def test_a_change_while_executors_are_replaced_replaces_all(house: Reloading) -> None:
    house.change()
    first = house.loading[0]
    house.ready(first, UNBOUNDED)
    house.turn()
    house.change()
    house.finish()
    assert len(house.regular) == 2
    assert first not in house.children
    assert house.guardian._former == []


@pytest.mark.parametrize("says", [True, False])
def test_what_cannot_be_loaded_changes_nothing_until_the_next_change(
    house: Reloading, caplog: pytest.LogCaptureFixture, says: bool
) -> None:
    house.change()
    [candidate] = house.loading
    if says:
        house.hear(candidate, pipes.Unloadable("cannot load it"))
    house.end(candidate, house.now)
    house.finish()
    assert house.at_work == house.before
    why = "cannot load it" if says else "the executor killed by SIGKILL"
    assert caplog.messages == [f"not reloaded: {why}"]
    house.change()
    house.finish()
    assert len(house.at_work) == 2
    assert not set(map(id, house.at_work)) & set(map(id, house.before))


def test_where_no_process_is_to_be_had_the_next_change_tries_again(
    house: Reloading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(module, "Child", none)
    house.change()
    house.turn()
    assert house.regular == house.before
    monkeypatch.setattr(module, "Child", FakeChild)
    house.change()
    assert len(house.loading) == 1


def test_one_that_dies_meanwhile_is_replaced(house: Reloading) -> None:
    house.change()
    house.end(house.before[0], house.now)
    house.finish()
    assert len(house.at_work) == 2
    assert house.before[1] not in house.at_work


def test_one_that_loads_something_else_than_is_offered_takes_over_by_itself(
    house: Reloading,
) -> None:
    house.end(house.before[0], house.now)
    house.turn()
    [child] = house.loading
    house.ready(child, UNBOUNDED, name="lcm")
    assert house.news[-1] == Reloaded(["lcm"], [])
    assert child.link is house.guardian._native
    assert [offer.name for offer in house.guardian._session.offers] == ["lcm"]


def test_a_spare_of_before_the_change_finishes_its_line_and_goes(house: Reloading) -> None:
    [spare] = house.spares
    house.ready(spare, UNBOUNDED)
    former = house.guardian._native
    house.change()
    assert not spare.is_stopped
    house.ready(house.loading[0], UNBOUNDED)
    assert (spare.is_stopped, spare.is_killed, spare.link) == (True, False, former)
    [another] = [each for each in house.spares if not each.is_leaving]
    house.ready(another, UNBOUNDED)
    assert another.link is house.guardian._native
    house.finish()
    assert house.spares == [another]
    assert house.guardian._former == []


@pytest.mark.parametrize("is_late", [False, True], ids=["before the change", "after it"])
def test_a_spare_that_nobody_uses_yet_is_loaded_anew(house: Reloading, is_late: bool) -> None:
    [spare] = house.spares
    house.change()
    [candidate] = house.loading
    if is_late:
        house.end(spare, house.now)
        house.turn()
        [spare] = house.spares
        house.ready(spare, UNBOUNDED, name="lcm")
    house.ready(candidate, UNBOUNDED, name="lcm")
    assert spare.is_killed
    assert spare.link is None
    assert len([each for each in house.spares if not each.is_leaving]) == 1


def test_a_spare_of_before_the_change_replaces_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    house = Reloading(monkeypatch, BOUNDED, executors=1)
    try:
        [spare] = house.spares
        house.ready(spare, BOUNDED)
        house.change()
        assert not spare.is_killed
        house.ready(house.loading[0], BOUNDED)
        assert spare.is_killed
        assert len([each for each in house.spares if not each.is_leaving]) == 1
        house.end(house.before[0], house.now)
        assert spare.link is None, "it has loaded what there was before"
    finally:
        house.close()


def test_its_files_are_looked_at(house: Reloading, tmp_path: Path) -> None:
    house.hear(house.before[0], pipes.Files([str(tmp_path / "mine.py")]), now=50.0)
    assert house.guardian._sources.next_deadline() == 50.0 + limits.SOURCES_LOOK_S
    house.guardian._absence.tell_at = inf
    soon_ms = milliseconds_until(50.0 + limits.SOURCES_LOOK_S, 50.0)
    assert house.guardian._patience_ms(50.0) == soon_ms

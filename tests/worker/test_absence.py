"""When a worker says that nobody takes it in."""

from __future__ import annotations

import threading
from itertools import pairwise
from math import inf
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.worker import ports
from linebus.worker.absence import Absence
from linebus.worker.news import NoServerYet, WrongPorts
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from linebus.worker.news import News

ADDRESS = "tcp://127.0.0.1:5555"
NOBODY = NoServerYet("tcp://127.0.0.1:5557")
WRONG = WrongPorts("", "it is a REP socket", "")
SOON_S, LATER_S = 0.9 * limits.ABSENCE_NOTICE_S, 1.1 * limits.ABSENCE_NOTICE_S


@pytest.fixture
def told() -> list[News]:
    return []


@pytest.fixture
def absence(told: list[News]) -> Absence:
    return Absence(ADDRESS, limits.HOST, None, told.append)


class AtPorts:
    """A worker at two ports, where something is found only when the test says what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[News] = []
        self.found: SimpleQueue[News | None] = SimpleQueue()
        monkeypatch.setattr(ports, "look", lambda *_: self.found.get(timeout=PATIENCE_S))
        self.absence = Absence(None, limits.HOST, (5557, 5558), self.told.append)

    def look(self, now: float, found: News | None, *, is_met_meanwhile: bool = False) -> None:
        """Have it look, and find this."""
        before = set(threading.enumerate())
        self.absence.note(now, is_met=False)
        [thread] = set(threading.enumerate()) - before
        if is_met_meanwhile:
            self.absence.note(now, is_met=True)
        self.found.put(found)
        thread.join(PATIENCE_S)


@pytest.fixture
def at_ports(monkeypatch: pytest.MonkeyPatch) -> AtPorts:
    return AtPorts(monkeypatch)


def test_nothing_is_told_before_it_has_something_to_offer(
    absence: Absence, told: list[News]
) -> None:
    absence.note(1e6, is_met=False)
    assert told == []


def test_a_server_that_does_not_come_is_told_of_once(absence: Absence, told: list[News]) -> None:
    absence.begin(10.0)
    absence.note(10.0 + SOON_S, is_met=False)
    assert told == []
    for _ in range(2):
        absence.note(10.0 + LATER_S, is_met=False)
        assert told == [NoServerYet(ADDRESS)]


def test_a_server_that_goes_is_told_of_after_a_while(absence: Absence, told: list[News]) -> None:
    absence.begin(10.0)
    absence.note(10.1, is_met=True)
    assert absence.tell_at == inf
    absence.note(20.0, is_met=False)
    absence.note(20.0 + SOON_S, is_met=False)
    assert told == []
    absence.note(20.0 + LATER_S, is_met=False)
    assert told == [NoServerYet(ADDRESS)]


def test_what_is_at_two_ports_is_told_when_it_is_something_else(at_ports: AtPorts) -> None:
    at_ports.absence.begin(10.0)
    for found in (NOBODY, NOBODY, None, WRONG):
        at_ports.look(at_ports.absence.tell_at, found)
    assert at_ports.told == [NOBODY, WRONG]


def test_two_ports_are_looked_at_ever_less_often(at_ports: AtPorts) -> None:
    at_ports.absence.begin(0.0)
    looked_at = []
    for _ in range(6):
        looked_at.append(at_ports.absence.tell_at)
        at_ports.look(at_ports.absence.tell_at, NOBODY)
    waited = [later - sooner for sooner, later in pairwise(looked_at)]
    assert waited == [1.0, 2.0, 4.0, 8.0, limits.PORTS_LOOK_S_MAX]


def test_a_look_that_takes_long_is_the_only_one(at_ports: AtPorts) -> None:
    at_ports.absence.begin(0.0)
    before = threading.active_count()
    for _ in range(3):
        at_ports.absence.note(at_ports.absence.tell_at, is_met=False)
    assert threading.active_count() == before + 1
    at_ports.found.put(None)


def test_what_was_found_is_kept_to_itself_where_somebody_has_come_meanwhile(
    at_ports: AtPorts,
) -> None:
    at_ports.absence.begin(0.0)
    at_ports.look(LATER_S, NOBODY, is_met_meanwhile=True)
    assert at_ports.told == []


def test_who_is_told_to_stop_says_nothing_more(absence: Absence, told: list[News]) -> None:
    absence.begin(0.0)
    absence.note(0.1, is_met=True)
    absence.end()
    for now in (0.2, LATER_S, 2 * LATER_S):
        absence.note(now, is_met=False)
    assert told == []
    assert absence.tell_at == inf


def test_what_a_look_finds_after_that_is_not_told_either(at_ports: AtPorts) -> None:
    at_ports.absence.begin(0.0)
    before = set(threading.enumerate())
    at_ports.absence.note(LATER_S, is_met=False)
    [thread] = set(threading.enumerate()) - before
    at_ports.absence.end()
    at_ports.found.put(NOBODY)
    thread.join(PATIENCE_S)
    assert at_ports.told == []

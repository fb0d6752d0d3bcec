"""Async lines, many at once: each has its text when it ends, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import gc
import logging
import select
import threading
from typing import TYPE_CHECKING

import pytest

from linebus.errors import Refused
from linebus.worker.at_once import AtOnce, Done
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


class Lines:
    """Lines under way, whose services wait for gates that the test opens."""

    def __init__(self) -> None:
        self.at_once = AtOnce()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._news = threading.Condition()

    async def gated(self, arguments: str) -> str:
        """Wait until the gate of this name is open."""
        gate = self._gates[arguments] = asyncio.Event()
        with self._news:
            self.begun.append(arguments)
            self._news.notify_all()
        try:
            await gate.wait()
        finally:
            self.ended.append(arguments)
        return f"{arguments} is through"

    def begin(
        self,
        number: int,
        arguments: str,
        answer: Callable[[str], Coroutine[None, None, str]] | None = None,
        limit_s: float = 0.0,
    ) -> None:
        self.at_once.begin(number, "slow", answer or self.gated, arguments, limit_s)

    def wait_for(self, count: int) -> None:
        """Return when so many lines are at their gates."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.begun) >= count, PATIENCE_S)

    def open(self, *names: str) -> None:
        for name in names:
            self.at_once._loop.call_soon_threadsafe(self._gates[name].set)

    def take(self, count: int = 1) -> list[Done]:
        """Wait for so many lines to end."""
        done: list[Done] = []
        while len(done) < count:
            assert select.select([self.at_once], [], [], PATIENCE_S)[0], "no line has ended"
            done += self.at_once.take_done()
        return done


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.at_once.close()


async def echo(arguments: str) -> str:
    return f"echoed {arguments}"


async def refuse(arguments: str) -> str:
    raise Refused(f"{arguments} is not wanted")


async def fail(arguments: str) -> str:
    raise KeyError(arguments)


async def time_out(arguments: str) -> str:
    raise TimeoutError(arguments)


def test_lines_end_in_any_order(lines: Lines) -> None:
    for number, name in enumerate("abc", 5):
        lines.begin(number, name)
    lines.wait_for(3)
    assert len(lines.at_once) == 3
    texts = []
    for name in "cab":
        lines.open(name)
        [done] = lines.take()
        texts.append((done.number, done.text, done.failed))
    assert texts == [
        (7, "c is through", False),
        (5, "a is through", False),
        (6, "b is through", False),
    ]
    assert len(lines.at_once) == 0


def test_many_lines_are_under_way_at_once(lines: Lines) -> None:
    names = [str(number) for number in range(500)]
    for number, name in enumerate(names, 1):
        lines.begin(number, name)
    lines.wait_for(500)
    lines.open(*names)
    done = lines.take(500)
    assert sorted(each.number for each in done) == list(range(1, 501))
    assert not any(each.failed for each in done)


def test_where_nothing_has_ended_nothing_is_handed_out(lines: Lines) -> None:
    assert lines.at_once.take_done() == []
    lines.begin(1, "x", echo)
    assert [each.text for each in lines.take()] == ["echoed x"]
    assert lines.at_once.take_done() == []


def test_more_lines_end_than_the_pipe_has_room_for(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise BlockingIOError

    lines.begin(1, "first", echo)
    [_] = lines.take()
    with monkeypatch.context() as patch:
        lines.begin(2, "gate")
        lines.wait_for(1)
        patch.setattr("linebus.worker.at_once.os.write", full)
        lines.open("gate")
        lines.begin(3, "behind it", lines.gated)
        lines.wait_for(2)
        ended = threading.Event()
        lines.at_once._loop.call_soon_threadsafe(ended.set)
        assert ended.wait(PATIENCE_S)
    lines.begin(4, "wakes us", echo)
    assert [each.number for each in lines.take(2)] == [2, 4]
    lines.open("behind it")
    lines.take()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse, "x is not wanted"),
        (fail, "slow failed: KeyError: 'x'"),
        (time_out, "slow failed: TimeoutError: x"),
    ],
)
def test_a_line_that_fails_says_why(
    lines: Lines, answer: Callable[[str], Coroutine[None, None, str]], said: str
) -> None:
    lines.begin(1, "x", answer)
    [done] = lines.take()
    assert (done.number, done.text, done.failed) == (1, said, True)


def test_a_timeout_of_the_services_own_is_not_its_limit(lines: Lines) -> None:
    lines.begin(1, "x", time_out, limit_s=1_000.0)
    [done] = lines.take()
    assert done.text == "slow failed: TimeoutError: x"


def test_a_line_that_takes_longer_than_it_may_is_given_up(lines: Lines) -> None:
    lines.begin(1, "never", limit_s=0.05)
    lines.begin(2, "other")
    [done] = lines.take()
    assert (done.number, done.failed) == (1, True)
    assert done.text == "slow took longer than 0.05 s, its time limit"
    assert done.ran_s >= 0.05
    assert lines.ended == ["never"], "the other one goes on"


def test_the_line_whose_time_is_over_first_is_known(lines: Lines) -> None:
    assert lines.at_once.next_overdue() is None
    lines.begin(1, "a")
    assert lines.at_once.next_overdue() is None
    lines.begin(2, "b", limit_s=2_000.0)
    lines.begin(3, "c", limit_s=1_000.0)
    first = lines.at_once.next_overdue()
    assert first is not None
    assert (first.number, first.service, first.time_limit_s) == (3, "slow", 1_000.0)


def test_a_line_that_ends_in_time_is_answered(lines: Lines) -> None:
    lines.begin(1, "x", echo, limit_s=1_000.0)
    assert lines.take()[0].text == "echoed x"


def test_what_is_given_up_has_its_text_all_the_same(lines: Lines) -> None:
    for number, name in enumerate("abcd", 1):
        lines.begin(number, name)
    lines.wait_for(4)
    lines.at_once.give_up(2, 3)
    done = lines.take(2)
    assert [(each.number, each.failed) for each in done] == [(2, True), (3, True)]
    assert {each.text for each in done} == {"nobody waited for it any more"}
    lines.open("a", "d")
    assert [each.failed for each in lines.take(2)] == [False, False]


def test_what_has_ended_can_be_given_up_without_harm(lines: Lines) -> None:
    lines.begin(1, "x", echo)
    assert select.select([lines.at_once], [], [], PATIENCE_S)[0]
    lines.at_once.give_up(0, 10)
    assert [each.text for each in lines.take()] == ["echoed x"]
    lines.at_once.give_up(0, 10)
    assert len(lines.at_once) == 0


def test_what_is_given_up_before_it_has_begun_has_a_text_too(lines: Lines) -> None:
    is_held, goes_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        goes_on.wait(PATIENCE_S)

    lines.at_once._loop.call_soon_threadsafe(hold)
    assert is_held.wait(PATIENCE_S)
    lines.begin(1, "x")
    lines.at_once.give_up(1, 1)
    goes_on.set()
    [done] = lines.take()
    assert (done.number, done.failed) == (1, True)
    assert len(lines.at_once) == 0


def test_closing_ends_what_is_under_way(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines()
    for number, name in enumerate("ab", 1):
        lines.begin(number, name)
    lines.wait_for(2)
    with caplog.at_level(logging.WARNING):
        lines.at_once.close()
        gc.collect()  # this is when asyncio says what was left behind
    assert sorted(lines.ended) == ["a", "b"], "each could still put its things in order"
    assert not lines.at_once._thread.is_alive()
    assert [record.message for record in caplog.records] == []


def test_closing_with_nothing_under_way_ends_the_thread() -> None:
    at_once = AtOnce()
    at_once.close()
    assert not at_once._thread.is_alive()


def test_a_service_that_ends_its_process_ends_it_from_here_too(lines: Lines) -> None:
    async def leave(_: str) -> str:
        raise SystemExit(7)

    lines.begin(1, "x", leave)
    with pytest.raises(SystemExit) as caught:
        lines.take()
    assert caught.value.code == 7

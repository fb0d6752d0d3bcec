"""Orders that nobody waits for in person: each listener hears of its own, as soon as it can."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from linebus.client.order import Order
from linebus.client.pending import FutureListener, Pending
from linebus.client.reply import Reply
from linebus.client.session import ClientSession
from linebus.core.lifecycle import Outcome
from linebus.errors import LinebusError, UsageError
from linebus.wire import messages as m
from linebus.wire import native
from tests.client.test_session import TOKEN, greet


class Ear:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.error: LinebusError | None = None

    def replied(self, replies: list[Reply]) -> None:
        self.texts += [reply.text for reply in replies]

    def failed(self, error: LinebusError) -> None:
        self.error = error


class Desk:
    """A session, and orders that wait for its replies."""

    def __init__(self) -> None:
        self.session = ClientSession(b"s" * 16, "test")
        greet(self.session)
        self.pending = Pending()

    def submit(self, *lines: str) -> tuple[Order, Ear]:
        order, ear = Order(self.session), Ear()
        order.ask(lines)
        self.pending.add(order, ear)
        return order, ear

    def arrive(self, service: str, first: int, *texts: str) -> None:
        replies = m.Replies(service, first, list(texts), [], 1, 1, 0.0, 0.0)
        self.session.receive(TOKEN, native.encode([replies])[0], 0.0)
        self.pending.arrived(self.session.take_arrivals())
        self.tell()

    def tell(self) -> None:
        for listener, replies in self.pending.take_heard():
            listener.replied(replies)


def test_each_listener_hears_of_its_own_order_in_any_order() -> None:
    desk = Desk()
    ears = [desk.submit(f"a {n}")[1] for n in range(3)]
    desk.arrive("a", 3, "third")
    assert [ear.texts for ear in ears] == [[], [], ["third"]]
    desk.arrive("a", 1, "first", "second")
    assert [ear.texts for ear in ears] == [["first"], ["second"], ["third"]]
    assert len(desk.pending) == 0


def test_an_order_of_several_lines_is_heard_of_in_its_order() -> None:
    desk = Desk()
    _, ear = desk.submit("a 1", "b 1", "a 2")
    desk.arrive("a", 1, "a1", "a2")
    assert ear.texts == ["a1"]
    desk.arrive("b", 1, "b1")
    assert ear.texts == ["a1", "b1", "a2"]


def test_what_ends_at_once_is_heard_of_at_once() -> None:
    desk = Desk()
    _, ear = desk.submit("", "?", "a 1")
    desk.tell()
    assert len(ear.texts) == 2
    assert len(desk.pending) == 1


def test_more_lines_may_join_an_order_that_waits() -> None:
    desk = Desk()
    order, ear = desk.submit("a 1")
    order.ask(["a 2"])
    desk.pending.add(order, ear)
    assert len(desk.pending) == 1
    desk.arrive("a", 1, "1", "2")
    order.ask(["a 3"])
    desk.pending.add(order, ear)
    desk.arrive("a", 3, "3")
    assert ear.texts == ["1", "2", "3"]


def test_those_who_have_waited_too_long_are_given_up() -> None:
    desk = Desk()
    _, ear = desk.submit("a 1")
    since = desk.pending.waiting_since()
    assert desk.pending.give_up(since - 1) == []
    assert desk.pending.give_up(since) == [ear]
    assert len(desk.pending) == 0
    desk.arrive("a", 1, "late")
    assert ear.texts == []


def test_a_forgotten_order_is_never_heard_of() -> None:
    desk = Desk()
    order, ear = desk.submit("a 1")
    desk.pending.forget(order)
    desk.pending.forget(order)
    desk.arrive("a", 1, "late")
    assert ear.texts == []
    assert desk.session.owed == 0


def test_others_replies_cost_nothing_and_change_nothing() -> None:
    desk = Desk()
    mine = Order(desk.session)
    mine.ask(["a 1", "a 2"])
    _, ear = desk.submit("a 3")
    desk.arrive("a", 1, "1", "2", "3")
    assert ear.texts == ["3"]
    assert [reply.text for reply in mine.take()] == ["1", "2"]


def test_a_future_that_was_cancelled_hears_nothing() -> None:
    future: Future[Reply] = Future()
    future.cancel()
    listener = FutureListener(future)
    listener.replied([Reply(Outcome.ANSWERED, "6")])
    listener.failed(UsageError("closed"))
    assert future.cancelled()


def test_a_future_gets_the_reply_or_the_error() -> None:
    answered: Future[Reply] = Future()
    FutureListener(answered).replied([Reply(Outcome.ANSWERED, "6")])
    assert answered.result(0).text == "6"
    failed: Future[Reply] = Future()
    FutureListener(failed).failed(UsageError("closed"))
    assert isinstance(failed.exception(0), UsageError)


def test_a_future_of_an_event_loop_that_was_cancelled_is_left_alone() -> None:
    loop = asyncio.new_event_loop()
    future: asyncio.Future[Reply] = loop.create_future()
    future.cancel()
    listener = FutureListener(future)
    listener.replied([Reply(Outcome.ANSWERED, "late")])
    listener.failed(UsageError("closed"))
    assert future.cancelled()
    loop.close()

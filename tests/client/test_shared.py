"""Threads that share a session: turns at the socket, and orders that nobody waits for."""

from __future__ import annotations

import os
import queue
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import pytest

from linebus.client.client import Client
from linebus.client.connection import Connection
from linebus.client.pending import FutureListener
from linebus.errors import (
    ConnectError,
    DeadlineExceeded,
    LinebusError,
    NobodyListens,
    SessionRefused,
    UsageError,
)
from linebus.wire import messages as m
from linebus.wire import native
from tests.client.test_client import SOON_S, WAIT_S, Silent
from tests.support import PATIENCE_S, FakeServer, free_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from linebus.client.reply import Reply


@pytest.fixture
def bus() -> Iterator[Client]:
    with FakeServer(free_address()) as server, Client(server.address) as bus:
        yield bus


class Threads:
    """Runs functions at the same time; all have ended when the context ends."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        assert self.errors == []

    def run(self, function: Callable[[], object]) -> None:
        def body() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001  it is looked at where it counts
                self.errors.append(error)

        thread = threading.Thread(target=body)
        self._threads.append(thread)
        thread.start()


def test_many_threads_ask_map_and_submit_at_once(bus: Client) -> None:
    def ask(name: str) -> None:
        for n in range(200):
            assert bus.ask(f"{name} {n}").text == f"{name} did {n}"

    def map_(name: str) -> None:
        texts = [reply.text for reply in bus.map(f"{name} {n}" for n in range(5_000))]
        assert texts == [f"{name} did {n}" for n in range(5_000)]

    def submit(name: str) -> None:
        futures = [bus.submit(f"{name} {n}") for n in range(500)]
        assert [f.result(PATIENCE_S).text for f in futures] == [
            f"{name} did {n}" for n in range(500)
        ]

    with Threads() as threads:
        for name in ("a", "a", "b"):
            threads.run(lambda name=name: ask(name))  # type: ignore[misc]
            threads.run(lambda name=name: map_(name))  # type: ignore[misc]
            threads.run(lambda name=name: submit(name))  # type: ignore[misc]


def test_whoever_reads_a_descriptor_goes_first_and_others_still_get_their_replies() -> None:
    read_end, write_end = os.pipe()
    with Silent(free_address()) as server, Client(server.address) as bus, Threads() as threads:
        asked: list[str] = []
        threads.run(lambda: asked.append(bus.ask("echo first").text))
        server.wait_for(lambda: server.kept)  # it drives now
        replies: list[str] = []
        threads.run(
            lambda: replies.extend(r.text for rs in bus.map_descriptor(read_end) for r in rs)
        )
        server.answers_now = True
        os.write(write_end, b"echo second\n")
        server.wait_for(lambda: len(server.lines) == 2)
        os.close(write_end)
    os.close(read_end)
    assert asked == ["echo did first"]
    assert replies == ["echo did second"]


def test_a_future_gets_its_reply_while_the_caller_does_something_else(bus: Client) -> None:
    futures: list[Future[Reply]] = [bus.submit(f"echo {n}") for n in range(3)]
    assert [future.result(PATIENCE_S).text for future in futures] == [
        "echo did 0",
        "echo did 1",
        "echo did 2",
    ]
    assert bus.submit("").result(PATIENCE_S).outcome == "no_service"


def test_a_callback_of_a_future_may_use_the_client(bus: Client) -> None:
    done = threading.Event()
    texts: list[str] = []

    def go_on(future: Future[Reply]) -> None:
        texts.extend([future.result().text, bus.ask("echo 2").text])
        done.set()

    bus.submit("echo 1").add_done_callback(go_on)
    assert done.wait(PATIENCE_S)
    assert texts == ["echo did 1", "echo did 2"]


def test_a_cancelled_future_gives_its_reply_up() -> None:
    with Silent(free_address()) as server, Client(server.address) as bus:
        future = bus.submit("echo 1")
        server.wait_for(lambda: server.kept)
        assert future.cancel()
        server.answers_now = True
        assert bus.submit("echo 2").result(PATIENCE_S).text == "echo did 2"
        assert future.cancelled()


def test_futures_fail_where_nobody_listens() -> None:
    with Client(free_address(), connect_timeout_s=SOON_S) as bus:
        futures = [bus.submit("echo 1"), bus.submit("echo 2")]
        for future in futures:
            assert isinstance(future.exception(PATIENCE_S), NobodyListens)


def test_futures_fail_where_the_session_is_refused() -> None:
    class Refusing(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            self.send(route, native.VERSION, m.Refusal("too_many_clients", "all are taken"))

    with Refusing(free_address()) as server, Client(server.address) as bus:
        assert isinstance(bus.submit("echo 1").exception(PATIENCE_S), SessionRefused)
        with pytest.raises(SessionRefused, match="all are taken"):
            bus.ask("echo 1")
        with pytest.raises(ConnectError):
            bus.ask("echo 2")


def test_a_refused_session_is_tried_again_by_the_next_call() -> None:
    class RefusingOnce(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            if len(self.hellos) == 1:
                self.send(route, native.VERSION, m.Refusal("too_many_clients", "all are taken"))
            else:
                self.greet(route, hello)

    with RefusingOnce(free_address()) as server, Client(server.address) as bus:
        with pytest.raises(SessionRefused):
            bus.ask("echo 1")
        assert bus.ask("echo 2").text == "echo did 2"


def test_closing_fails_what_was_submitted() -> None:
    with Silent(free_address()) as server:
        bus = Client(server.address, connect_timeout_s=WAIT_S)
        future = bus.submit("echo 1")
        server.wait_for(lambda: server.kept)
        bus.close()
        assert isinstance(future.exception(PATIENCE_S), UsageError)
        with pytest.raises(UsageError, match="closed"):
            bus.submit("echo 2")


def test_an_abandoned_map_is_let_go() -> None:
    with FakeServer(free_address()) as server, Client(server.address) as bus:
        replies = bus.map(f"echo {n}" for n in range(1_000_000))
        next(replies)
        del replies
        assert bus.ask("echo last").text == "echo did last"
        assert len(server.lines) < 100_000


def test_two_threads_that_read_descriptors_leave_each_other_in_peace(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = count()
    too_many = threading.Event()
    poll = Connection.poll

    def counted(connection: Connection, *arguments: Any) -> object:  # noqa: ANN401  they are passed on
        if next(polls) == 1_000:
            too_many.set()
        return poll(connection, *arguments)

    monkeypatch.setattr(Connection, "poll", counted)
    pipes = [os.pipe() for _ in range(2)]
    replies: queue.SimpleQueue[str] = queue.SimpleQueue()

    def hear(descriptor: int) -> None:
        for some in bus.map_descriptor(descriptor):
            for reply in some:
                replies.put(reply.text)

    with Threads() as threads:
        for read_end, _ in pipes:
            threads.run(lambda end=read_end: hear(end))  # type: ignore[misc]
        for n in range(10):
            for _, write_end in pipes:
                os.write(write_end, b"echo %d\n" % n)
                assert replies.get(timeout=PATIENCE_S) == f"echo did {n}"
        assert not too_many.wait(SOON_S)
        assert bus.ask("echo last").text == "echo did last"
        for _, write_end in pipes:
            os.close(write_end)
    for read_end, _ in pipes:
        os.close(read_end)


@pytest.mark.parametrize("where", ["turn", "listener"])
def test_futures_fail_where_the_thread_that_waits_for_them_has_a_bug(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no such turn")

    said: queue.SimpleQueue[object] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda what: said.put(what.exc_type))
    with Silent(free_address()) as server, Client(server.address) as bus:
        futures = [bus.submit("echo 1"), bus.submit("echo 2")]
        server.wait_for(lambda: len(server.lines) == 2)
        with monkeypatch.context() as patch:
            if where == "turn":
                patch.setattr(Connection, "poll", broken)
            else:
                patch.setattr(FutureListener, "replied", broken)
                server.answers_now = True
            futures.append(bus.submit("echo 3"))
            for future in futures:
                error = future.exception(PATIENCE_S)
                assert type(error) is LinebusError
                assert "ZeroDivisionError: no such turn" in str(error)
            assert said.get(timeout=PATIENCE_S) is ZeroDivisionError
        server.answers_now = True
        assert bus.submit("echo 4").result(PATIENCE_S).text == "echo did 4"


def test_the_lock_is_free_while_a_host_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(_: Connection) -> NobodyListens:
        if threading.current_thread() is threading.main_thread():
            with Threads() as threads:  # ends only when this line has been asked
                threads.run(lambda: others.append(bus.submit("echo other")))
        return NobodyListens("looked up")

    others: list[Future[Reply]] = []
    monkeypatch.setattr(Connection, "absence", look_up)
    with Client(free_address(), connect_timeout_s=SOON_S) as bus:
        with pytest.raises(NobodyListens, match="looked up"):
            bus.ask("echo 1")
        with pytest.raises(DeadlineExceeded, match="looked up"):
            bus.ask("echo 1", timeout_s=0)
        assert len(others) == 2
        assert isinstance(others[0].exception(PATIENCE_S), NobodyListens)

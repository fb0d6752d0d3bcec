"""A peer's connection: what it tells of itself, and that it keeps nothing for a dead server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.errors import UsageError
from linebus.net import monitor
from linebus.net.dealer import Dealer, Event, new_context
from linebus.net.monitor import MonitorEvent
from tests.support import PATIENCE_MS, PATIENCE_S, address_of, free_address, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Context = zmq.Context[zmq.Socket[bytes]]
    Bind = Callable[..., "Router"]


@pytest.fixture
def context() -> Iterator[Context]:
    context = new_context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def address() -> str:
    return free_address()


@pytest.fixture
def dealer(context: Context, address: str) -> Iterator[Dealer]:
    dealer = Dealer(context, address)
    yield dealer
    dealer.close()


class Router:
    """The server's end, in a context of its own, so that closing it frees the port at once."""

    def __init__(self, address: str, kind: int = zmq.ROUTER) -> None:
        self.context: Context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.bind(address)

    def receive(self) -> list[bytes]:
        assert self.socket.poll(PATIENCE_MS)
        return self.socket.recv_multipart()

    def close(self, linger_ms: int = 0) -> None:
        self.context.destroy(linger=linger_ms)


@pytest.fixture
def routers() -> Iterator[list[Router]]:
    """Those in it are closed at the end of a test, however it ends."""
    routers: list[Router] = []
    yield routers
    for router in routers:
        router.close()


@pytest.fixture
def bind(routers: list[Router]) -> Bind:
    def bound(address: str, kind: int = zmq.ROUTER) -> Router:
        routers.append(Router(address, kind))
        return routers[-1]

    return bound


def wait_for(dealer: Dealer, event: Event) -> None:
    """Wait until the monitor tells of an event; some other news is passed over."""
    other: list[Event] = []
    while len(other) < 100 and dealer.monitor.poll(PATIENCE_MS):
        news = list(dealer.events())
        if event in news:
            return
        other += news
    raise AssertionError(f"{event} did not come, but {other}")


def wait_for_news(dealer: Dealer) -> None:
    assert dealer.monitor.poll(PATIENCE_MS)


def send(dealer: Dealer, first: bytes, body: bytes) -> None:
    """Send once there is room: the monitor may tell of a connection a moment before there is."""
    assert dealer.socket.poll(PATIENCE_MS, zmq.POLLOUT)
    assert dealer.send(first, body)


def receive(dealer: Dealer) -> tuple[bytes, bytes]:
    while dealer.socket.poll(PATIENCE_MS):
        for frames in dealer.arrivals():
            return frames
    raise AssertionError("nothing has come")


def test_two_frames_go_there_and_back(dealer: Dealer, address: str, bind: Bind) -> None:
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"first", b"body")
    route, *frames = router.receive()
    assert frames == [b"first", b"body"]
    router.socket.send_multipart([route, b"token", b"answer"])
    assert receive(dealer) == (b"token", b"answer")
    assert list(dealer.arrivals()) == []


def test_what_is_sent_before_there_is_a_server_waits_for_it(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    assert dealer.send(b"for", b"whoever comes")
    wait_for(dealer, Event.REFUSED)
    assert bind(address).receive()[1:] == [b"for", b"whoever comes"]


def test_what_had_come_before_the_connection_was_cut_is_read_whole(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    """With ZMQ_IMMEDIATE libzmq 4.3.5 ends the process in the fiftieth of these messages."""
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"hello", b"")
    route = router.receive()[0]
    count = limits.PEER_HWM_MESSAGES  # all of them have room on this side
    assert count > 50
    for number in range(count):
        router.socket.send_multipart([route, b"token", b"%d" % number])
    router.close(linger_ms=PATIENCE_MS)
    wait_for(dealer, Event.DISCONNECTED)
    assert list(dealer.arrivals()) == [(b"token", b"%d" % number) for number in range(count)]


def test_a_round_takes_a_bounded_number_of_messages(
    dealer: Dealer, address: str, bind: Bind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 3)
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"hello", b"")
    route = router.receive()[0]
    for number in range(5):
        router.socket.send_multipart([route, b"token", b"%d" % number])
    router.close(linger_ms=PATIENCE_MS)
    wait_for(dealer, Event.DISCONNECTED)
    assert [body for _, body in dealer.arrivals()] == [b"0", b"1", b"2"]
    assert [body for _, body in dealer.arrivals()] == [b"3", b"4"]


def test_messages_with_another_number_of_frames_are_dropped(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"hello", b"")
    route = router.receive()[0]
    for frames in ([b"one"], [b"a", b"b", b"c"], [b""] * 50, [b"right", b"number"]):
        router.socket.send_multipart([route, *frames])
    assert receive(dealer) == (b"right", b"number")


def test_a_server_that_is_not_there_is_told_as_refused(dealer: Dealer) -> None:
    wait_for(dealer, Event.REFUSED)


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.XPUB, zmq.SUB, zmq.PULL])
def test_a_socket_of_another_kind_cuts_the_connection_before_it_stands(
    dealer: Dealer, address: str, kind: int, bind: Bind
) -> None:
    bind(address, kind)
    wait_for_news(dealer)
    news = list(dealer.events())
    while news[-1] is Event.REFUSED:  # it was not there yet
        wait_for_news(dealer)
        news += dealer.events()
    assert news[-1] is Event.DISCONNECTED
    assert Event.CONNECTED not in news


def test_a_server_of_another_protocol_is_strange(context: Context) -> None:
    [port] = free_ports(1)
    with socket.create_server((limits.HOST, port)) as listener:
        dealer = Dealer(context, address_of(port))
        listener.settimeout(PATIENCE_S)
        taken, _ = listener.accept()
        with taken:
            taken.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        wait_for(dealer, Event.STRANGE)
        dealer.close()


def test_a_message_longer_than_any_ends_the_connection(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"hello", b"")
    route = router.receive()[0]
    longest = b"x" * limits.PEER_MESSAGE_BYTES_MAX
    router.socket.send_multipart([route, b"", longest])
    assert receive(dealer) == (b"", longest)
    router.socket.send_multipart([route, b"", longest + b"x"])
    wait_for(dealer, Event.DISCONNECTED)


def test_a_server_that_takes_nothing_stops_the_sending_but_not_the_sender(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    bind(address)
    wait_for(dealer, Event.CONNECTED)
    sent = 0
    while dealer.send(b"", bytes(100_000)):
        sent += 1
    assert sent >= limits.PEER_HWM_MESSAGES


def test_a_poller_wakes_up_for_news_and_for_arrivals(
    dealer: Dealer, address: str, bind: Bind
) -> None:
    poller = zmq.Poller()
    dealer.register(poller)
    router = bind(address)
    wait_for(dealer, Event.CONNECTED)
    send(dealer, b"hello", b"")
    router.socket.send_multipart([router.receive()[0], b"a", b"b"])
    ready = dict(poller.poll(PATIENCE_MS))
    assert dealer.has_arrivals(ready)
    assert not dealer.has_news(ready)
    router.close()
    while not dealer.has_news(dict(poller.poll(PATIENCE_MS))):
        pass
    dealer.unregister(poller)
    assert poller.sockets == []


def test_a_bounded_number_of_events_is_taken_and_more_are_asked_for(
    dealer: Dealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 3)
    happened = [MonitorEvent(zmq.EVENT_DISCONNECTED, 7)] * 5
    monkeypatch.setattr(monitor, "next_event", lambda _: happened.pop() if happened else None)
    assert len(list(dealer.events())) == 3
    assert dealer.is_behind
    assert dealer.has_news({}), "whatever a poller says"
    assert len(list(dealer.events())) == 2
    assert not dealer.is_behind
    assert not dealer.has_news({})


def test_a_poller_wakes_up_for_each_of_many_cuts(dealer: Dealer, bind: Bind) -> None:
    poller = zmq.Poller()
    dealer.register(poller)
    for _ in range(3):
        router = bind(dealer.address)
        for awaited in (Event.CONNECTED, Event.DISCONNECTED):
            events: list[Event] = []
            while awaited not in events:
                assert dealer.has_news(dict(poller.poll(PATIENCE_MS)))
                events += dealer.events()
            router.close()


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "127.0.0.1:5555",
        "http://127.0.0.1:5555",
        "tcp://",
        "tcp://*:5555",
        "tcp://\udcff:1",
    ],
)
def test_what_is_no_address_is_said_at_once(context: Context, address: str) -> None:
    with pytest.raises(
        UsageError, match=r"is not an address; one looks like tcp://127\.0\.0\.1:5555"
    ):
        Dealer(context, address)
    ended = threading.Thread(target=context.term)  # would wait for a socket that was left open
    ended.start()
    ended.join(PATIENCE_S)
    assert not ended.is_alive()


def test_a_context_does_not_keep_the_process_for_long(context: Context) -> None:
    assert context.getsockopt(zmq.LINGER) == limits.LINGER_MS
    assert context.socket(zmq.DEALER).getsockopt(zmq.LINGER) == limits.LINGER_MS


def test_what_nobody_looked_at_for_long_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libzmq's thread waits for room for its 2,003rd event, with a lock held."""
    monkeypatch.setattr(limits, "RECONNECT_MS", 1)
    monkeypatch.setattr(limits, "RECONNECT_MS_MAX", 1)
    context = new_context()
    listener = socket.create_server(("127.0.0.1", 0))
    dealer = Dealer(context, f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    listener.settimeout(1.0)
    with suppress(TimeoutError):  # it connects no more: its thread waits
        while True:
            listener.accept()[0].close()
    closing = threading.Thread(target=dealer.close, daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    listener.close()
    context.destroy(linger=0)

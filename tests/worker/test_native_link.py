"""A guardian's session and its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from linebus.errors import UsageError
from linebus.net.dealer import new_context
from linebus.wire import messages as m
from linebus.wire import native
from linebus.worker.native_link import NativeLink
from linebus.worker.session import GuardianSession
from tests.support import PATIENCE_MS, free_address

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bench:
    """A link, and a server's socket that the test speaks for."""

    def __init__(self) -> None:
        self.context = new_context()
        self.poller = zmq.Poller()
        session = GuardianSession(b"s" * 16, "a test", discovered=False)
        self.link = NativeLink(self.context, self.poller, session)
        self.router = self.context.socket(zmq.ROUTER)
        self.address = free_address()
        self.router.bind(self.address)

    def exchange(self, now: float = 1.0) -> None:
        assert self.poller.poll(PATIENCE_MS)
        self.link.hear(now)
        self.link.send(now)

    def hear(self) -> list[bytes]:
        while not self.router.poll(10):
            self.exchange()
        return self.router.recv_multipart()

    def greet(self) -> None:
        route, _, body = self.hear()
        hello = native.decode_hello(body)
        greeting = m.WorkerGreeting(hello.nonce, b"t" * 16, 60.0)
        self.router.send_multipart([route, native.VERSION, native.encode([greeting])[0]])
        while not self.link.session.is_greeted:
            self.exchange()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.link.disconnect()
    bench.context.destroy(linger=0)


def test_without_a_connection_nothing_is_heard_or_said(bench: Bench) -> None:
    bench.link.hear(1.0)
    bench.link.send(1.0)
    bench.link.renew(1.0)
    bench.link.end()
    assert bench.link.address is None
    assert not bench.link.is_waiting
    assert bench.poller.sockets == []


def test_events_that_were_left_for_the_next_round_are_waited_for_shortly(bench: Bench) -> None:
    bench.link.connect(bench.address)
    assert bench.link.dealer is not None
    assert not bench.link.is_waiting
    bench.link.dealer.is_behind = True
    assert bench.link.is_waiting


def test_its_session_is_greeted_and_says_goodbye_at_the_end(bench: Bench) -> None:
    bench.link.session.offer([m.Offer("gcd", "", "")], 1.0)
    bench.link.connect(bench.address)
    assert bench.link.address == bench.address
    bench.greet()
    bench.link.end()
    _, token, body = bench.router.recv_multipart()
    assert (token, native.decode_from_peer(body)) == (b"t" * 16, [m.Goodbye()])
    assert bench.link.address is None
    assert not bench.link.session.is_greeted


def test_a_server_that_is_silent_is_connected_to_anew(bench: Bench) -> None:
    bench.link.session.offer([m.Offer("gcd", "", "")], 1.0)
    bench.link.connect(bench.address)
    bench.greet()
    before = bench.link.dealer
    bench.link.renew(2.0)
    assert bench.link.dealer is before
    bench.link.renew(1_000.0)
    assert bench.link.dealer is not before
    assert bench.link.address == bench.address
    bench.greet()


def test_an_address_that_makes_no_sense_is_told(bench: Bench) -> None:
    with pytest.raises(UsageError):
        bench.link.connect("nonsense")

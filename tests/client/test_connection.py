"""What a client's connection tells of its server."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.client.connection import Connection
from linebus.client.order import Order
from linebus.errors import NobodyListens, NotLinebus
from linebus.net.dealer import Dealer
from tests.support import PATIENCE_MS, PATIENCE_S, FakeServer, free_address, free_ports

if TYPE_CHECKING:
    import pytest


def drive(connection: Connection, until: float) -> None:
    connection.send(time.monotonic())
    ready = connection.poll(connection.patience_ms(until, time.monotonic()), ())
    connection.take_in(ready, time.monotonic())


def test_it_is_away_until_it_has_greeted_and_again_when_it_goes() -> None:
    with FakeServer(free_address()) as server:
        connection = Connection(server.address, "test")
        assert connection.away_since is not None
        while connection.away_since is not None:
            drive(connection, time.monotonic() + PATIENCE_S)
    while connection.away_since is None:
        drive(connection, time.monotonic() + PATIENCE_S)
    connection.close()


def test_a_waiting_thread_is_woken_once_however_often_it_is_asked() -> None:
    connection = Connection(free_address(), "test")
    for _ in range(100_000):  # more than a pipe holds
        connection.wake()
    ready = connection.poll(None, ())
    connection.take_in(ready, time.monotonic())
    connection.wake()
    assert connection.poll(None, ())
    connection.close()


def test_an_absent_server_is_told_from_a_strange_one() -> None:
    connection = Connection(free_address(), "test")
    assert isinstance(connection.absence(), NobodyListens)
    connection.close()
    [port] = free_ports(1)
    connection = Connection(f"tcp://no-such-host.invalid:{port}", "test")
    assert "unknown" in str(connection.absence())
    connection.close()

    class Mute(FakeServer):
        def on_hello(self, route: bytes, hello: object) -> None:
            pass

    with Mute(free_address()) as server:
        connection = Connection(server.address, "test")
        while not server.hellos:
            drive(connection, time.monotonic() + 0.05)
        assert isinstance(connection.absence(), NotLinebus)
        connection.close()


def test_a_message_that_cannot_leave_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dealer, "send", lambda *_: False)
    connection = Connection(free_address(), "test")
    assert connection.patience_ms(inf, time.monotonic()) is None
    connection._dealer.is_behind = True  # nor is what else has happened forgotten
    assert connection.patience_ms(inf, time.monotonic()) is not None
    connection._dealer.is_behind = False
    connection.session.connected(time.monotonic())
    connection.send(time.monotonic())
    patience_ms = connection.patience_ms(inf, time.monotonic())
    assert patience_ms is not None
    assert patience_ms <= 1000 * limits.STALLED_RETRY_S + 1
    connection.close()


def test_a_reply_that_came_before_the_cut_counts() -> None:
    connection = Connection(free_address(), "test")
    order = Order(connection.session)
    with FakeServer(connection.address):
        while not connection.session.is_greeted:
            drive(connection, time.monotonic() + PATIENCE_S)
        order.ask(["echo 1"])
        connection.send(time.monotonic())
        assert connection._dealer.socket.poll(PATIENCE_MS)
    assert connection._dealer.monitor.poll(PATIENCE_MS)
    connection.take_in(connection.poll(0, ()), time.monotonic())
    assert [reply.text for reply in order.take()] == ["echo did 1"]
    connection.close()

"""A door keeps out who is not in yet, refuses nobody and leaves connections alone."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from linebus.client.client import Client
from linebus.server.door import Door, let_in
from linebus.server.kernel import Kernel
from tests.support import PATIENCE_S, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Kernel.can_tell, reason="elsewhere than on Linux it is open")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def door(listening: socket.socket) -> Iterator[Door]:
    door = Door(listening)
    yield door
    door.close()


def knock(listening: socket.socket) -> socket.socket:
    """Ask for a connection without waiting for it."""
    peer = socket.socket()
    peer.settimeout(0)
    peer.connect_ex(listening.getsockname())
    return peer


def is_in(peer: socket.socket, patience_s: float = 0) -> bool:
    return bool(select.select([], [peer], [], patience_s)[1])


def is_kept_out(listening: socket.socket) -> bool:
    """Return whether somebody waits who asked before another one, elsewhere, was let in."""
    with socket.create_server(("127.0.0.1", 0)) as other, knock(listening) as peer:
        with knock(other) as elsewhere:
            assert is_in(elsewhere, PATIENCE_S)
        return not is_in(peer)


def test_who_asks_while_it_is_shut_waits_and_comes_in_afterwards(
    listening: socket.socket, door: Door
) -> None:
    assert not is_kept_out(listening)
    door.shut(0.0)
    assert is_kept_out(listening)
    with knock(listening) as peer:
        door.open_when_over()
        assert not is_kept_out(listening)
        assert is_in(peer, PATIENCE_S)
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_it_stays_shut_for_the_longest_time_that_was_asked(
    listening: socket.socket, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    door.shut(3.0)
    door.shut(1.0)
    now = 102.9
    door.open_when_over()
    assert door.is_shut
    now = 103.0
    door.open_when_over()
    assert not door.is_shut
    monkeypatch.undo()
    assert not is_kept_out(listening)


def test_connections_that_there_are_go_on(listening: socket.socket, door: Door) -> None:
    with socket.create_connection(listening.getsockname(), PATIENCE_S) as peer:
        accepted, _ = listening.accept()
        accepted.settimeout(PATIENCE_S)
        with accepted:
            door.shut(0.0)
            peer.sendall(b"to it")
            accepted.sendall(b"to us")
            assert (accepted.recv(5), peer.recv(5)) == (b"to it", b"to us")


def test_a_door_that_was_left_shut_is_opened(listening: socket.socket, door: Door) -> None:
    door.shut(PATIENCE_S)
    let_in(listening)
    assert not is_kept_out(listening)
    let_in(listening)


def test_where_nobody_guards_it_stays_open(
    listening: socket.socket, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kernel, "can_tell", False)
    door.shut(PATIENCE_S)
    assert not door.is_shut
    assert not is_kept_out(listening)


def test_where_the_kernel_has_no_filters_it_stays_open(
    door: Door, listening: socket.socket
) -> None:
    door.close()
    door.shut(PATIENCE_S)
    assert not door.is_shut
    assert not is_kept_out(listening)


def test_a_server_whose_door_was_shut_lets_in_who_waits() -> None:
    with (
        serving(before=lambda server: server._door.shut(0.0)) as config,
        Client(config.address(config.client_inputs)) as bus,
    ):
        assert bus.services(timeout_s=PATIENCE_S) == []

"""A door keeps out who is not in yet, refuses nobody and leaves connections alone."""

from __future__ import annotations

import select
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from linebus.server.door import Door, let_in
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is always open")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def door(listening: socket.socket) -> Iterator[Door]:
    door = Door(listening)
    door.add("inlet")
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
    door.shut()
    assert is_kept_out(listening)
    with knock(listening) as peer:
        door.received_all("inlet")
        assert not is_kept_out(listening)
        assert is_in(peer, PATIENCE_S)
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_connections_that_there_are_go_on(listening: socket.socket, door: Door) -> None:
    with socket.create_connection(listening.getsockname(), PATIENCE_S) as peer:
        accepted, _ = listening.accept()
        with accepted:
            door.shut()
            peer.sendall(b"to it")
            accepted.sendall(b"to us")
            assert (accepted.recv(5), peer.recv(5)) == (b"to it", b"to us")


def test_it_is_shut_until_all_that_came_by_each_inlet_is_received(
    listening: socket.socket, door: Door
) -> None:
    door.add("other")
    door.received_all("other")
    door.shut()
    door.received_all("other")
    assert door.is_shut
    assert is_kept_out(listening)
    door.received_all("inlet")
    assert not door.is_shut
    assert not is_kept_out(listening)


def test_a_door_that_was_left_shut_is_opened(listening: socket.socket, door: Door) -> None:
    door.shut()  # and its process is gone
    let_in(listening)
    assert not is_kept_out(listening)
    let_in(listening)


def test_elsewhere_it_stays_open(
    listening: socket.socket, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    door.shut()
    assert not is_kept_out(listening)
    door.received_all("inlet")


def test_where_the_kernel_has_no_filters_it_stays_open(
    door: Door, listening: socket.socket
) -> None:
    for each in door._listening:
        each.close()
    door.shut()
    assert not is_kept_out(listening)
    door.received_all("inlet")

"""Messages in and out of a socket without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linebus.net import frames
from tests.support import PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Socket = zmq.Socket[bytes]


@pytest.fixture
def pair() -> Iterator[tuple[Socket, Socket]]:
    context: zmq.Context[Socket] = zmq.Context()
    one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    one.bind("inproc://pair")
    other.connect("inproc://pair")
    yield one, other
    context.destroy(linger=0)


def receive(socket: Socket) -> list[bytes]:
    assert socket.poll(PATIENCE_MS)
    came = frames.receive(socket)
    assert came is not None
    return [frame.bytes for frame in came]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=100), min_size=1, max_size=6))
def test_a_message_comes_with_all_its_frames(
    pair: tuple[Socket, Socket], message: list[bytes]
) -> None:
    one, other = pair
    frames.send(one, *message)
    assert receive(other) == message
    assert frames.receive(other) is None


def test_messages_stay_apart(pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    frames.send(one, b"a", b"b")
    frames.send(one, b"c")
    assert receive(other) == [b"a", b"b"]
    assert receive(other) == [b"c"]


def test_where_nothing_has_come_there_is_no_waiting(pair: tuple[Socket, Socket]) -> None:
    assert frames.receive(pair[0]) is None


def test_where_there_is_no_room_nothing_is_sent() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    for message in ([b"alone"], [b"two", b"frames"]):
        with pytest.raises(zmq.Again):
            frames.send(dealer, *message)
    router = context.socket(zmq.ROUTER)
    router.bind("inproc://router")
    dealer.connect("inproc://router")
    frames.send(dealer, b"now", b"there is")
    assert receive(router)[1:] == [b"now", b"there is"]
    context.destroy(linger=0)


def test_a_route_that_there_is_not_is_an_error() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    with pytest.raises(zmq.ZMQError) as caught:
        frames.send(router, b"nobody", b"first", b"body")
    assert caught.value.errno == zmq.EHOSTUNREACH
    context.destroy(linger=0)

"""The exercise's other three sockets: results, subscriptions, lines and texts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
from linebus.server.door import Door
from linebus.server.kernel import Kernel
from linebus.server.listening import listen
from linebus.server.plain_sockets import PlainSockets
from tests.support import PATIENCE_MS, config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linebus.server.config import ServerConfig


@pytest.fixture
def config() -> ServerConfig:
    return config_on_free_ports()


@pytest.fixture
def sockets(config: ServerConfig) -> Iterator[PlainSockets]:
    client_inputs, *listening = listen(config).values()
    sockets = PlainSockets(
        Kernel(set(config.ports().values())), Door(), config.client_inputs, tuple(listening)
    )
    yield sockets
    sockets.close()
    client_inputs.close()


@pytest.fixture
def connect(
    sockets: PlainSockets, config: ServerConfig
) -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """A function that connects a socket of a kind to one of them, by its name."""
    context = new_context()

    def connected(kind: int, name: str, **options: int) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
        for option, value in options.items():
            socket.setsockopt(getattr(zmq, option), value)
        socket.connect(config.address(config.ports()[name]))
        return socket

    yield connected
    context.destroy(linger=0)


def wait(socket: zmq.Socket[bytes]) -> None:
    assert socket.poll(PATIENCE_MS), "nothing has come"


def test_the_sockets_are_set_up_against_strangers(sockets: PlainSockets) -> None:
    for socket in (sockets.client_outputs, sockets.worker_inputs, sockets.worker_outputs):
        for option, value in (
            (zmq.MAXMSGSIZE, limits.PLAIN_FRAME_BYTES_MAX),
            (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
            (zmq.LINGER, limits.LINGER_MS),
            (zmq.SNDHWM, limits.PLAIN_HWM_MESSAGES),
            (zmq.RCVHWM, limits.PLAIN_RECEIVE_HWM_MESSAGES),
        ):
            assert socket.getsockopt(option) == value


def test_a_poller_wakes_up_for_whatever_can_arrive(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    poller = zmq.Poller()
    sockets.register(poller)
    sub = connect(zmq.SUB, "worker_inputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    assert dict(poller.poll(PATIENCE_MS)) == {sockets.worker_inputs: zmq.POLLIN}
    list(sockets.receive_subscriptions())
    # PUB drops what it sends before it is connected, so it sends again until something comes.
    pub = connect(zmq.PUB, "worker_outputs")
    while not poller.poll(10):
        pub.send(b"6")
    assert dict(poller.poll(PATIENCE_MS)) == {sockets.worker_outputs: zmq.POLLIN}


def test_results_of_plain_workers_come_with_all_their_frames(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    pub = connect(zmq.PUB, "worker_outputs")
    while not sockets.worker_outputs.poll(10):
        pub.send_multipart([b"97", b"is prime"])
    assert next(sockets.receive_results()) == [b"97", b"is prime"]


def test_every_subscription_is_told_and_every_end_of_one(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    # "Verboser": the broker counts subscribers, so the second one for a prefix counts as well.
    told: list[bytes] = []

    def hear(count: int) -> list[bytes]:
        while len(told) < count:
            wait(sockets.worker_inputs)
            told.extend(sockets.receive_subscriptions())
        return told

    subs = [connect(zmq.SUB, "worker_inputs") for _ in range(2)]
    for sub in subs:
        sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    assert hear(2) == [b"\x01gcd"] * 2
    for sub in subs:
        sub.close(linger=0)
    assert hear(4)[2:] == [b"\x00gcd"] * 2


def test_a_worker_that_looks_for_the_native_way_is_told_the_port(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]], config: ServerConfig
) -> None:
    sub = connect(zmq.SUB, "worker_inputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"linebus/")
    plain_sub = connect(zmq.SUB, "worker_inputs")
    plain_sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    wait(sockets.worker_inputs)
    list(sockets.receive_subscriptions())  # libzmq sends the welcome while the server reads
    wait(sub)
    assert sub.recv_multipart() == [b"linebus/1 %d" % config.client_inputs]
    assert not plain_sub.poll(0)


def test_a_line_reaches_those_who_subscribe_to_it_as_one_frame(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    sub = connect(zmq.SUB, "worker_inputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    wait(sockets.worker_inputs)
    list(sockets.receive_subscriptions())
    sockets.broadcast(b"isprime 97")
    sockets.broadcast(b"gcd 12 18")
    wait(sub)
    assert sub.recv_multipart() == [b"gcd 12 18"]
    assert not sub.poll(0)


def test_a_text_reaches_every_plain_client(
    sockets: PlainSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    sub = connect(zmq.SUB, "client_outputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    while not sub.poll(10):
        with suppress(zmq.Again):
            sockets.publish(b"97 is prime")
    assert sub.recv_multipart() == [b"97 is prime"]

"""client_inputs: what comes, what is sent, and who is behind which connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
from linebus.server.client_inputs import ClientInputs
from linebus.server.door import Door
from linebus.server.kernel import Kernel
from linebus.server.listening import listen
from tests.support import PATIENCE_MS, config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linebus.server.config import ServerConfig


@pytest.fixture
def config() -> ServerConfig:
    return config_on_free_ports()


@pytest.fixture
def inputs(config: ServerConfig) -> Iterator[ClientInputs]:
    listening, *others = listen(config).values()
    inputs = ClientInputs(Kernel({config.client_inputs}), Door(), listening)
    yield inputs
    inputs.close()
    for each in others:
        each.close()


@pytest.fixture
def connect(
    inputs: ClientInputs, config: ServerConfig
) -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """A function that connects a socket of a kind to it."""
    context = new_context()

    def connected(kind: int, **options: int) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
        for option, value in options.items():
            socket.setsockopt(getattr(zmq, option), value)
        socket.connect(config.address(config.client_inputs))
        return socket

    yield connected
    context.destroy(linger=0)


def wait(socket: zmq.Socket[bytes]) -> None:
    assert socket.poll(PATIENCE_MS), "nothing has come"


def test_the_socket_is_set_up_against_strangers(inputs: ClientInputs) -> None:
    for option, value in (
        (zmq.MAXMSGSIZE, limits.MESSAGE_BYTES_MAX),
        (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
        (zmq.LINGER, limits.LINGER_MS),
        (zmq.SNDHWM, limits.SERVER_HWM_MESSAGES),
        (zmq.RCVHWM, 0),
    ):
        assert inputs.socket.getsockopt(option) == value


def receive(inputs: ClientInputs) -> list[zmq.Frame]:
    wait(inputs.socket)
    [frames] = inputs.receive()
    return frames


def test_a_native_peer_is_answered_along_its_route(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER)
    dealer.send_multipart([b"first", b"body"])
    route, first, body = receive(inputs)
    assert (first.bytes, body.bytes) == (b"first", b"body")
    assert inputs.send_to(route.bytes, b"token", b"answer") is True
    wait(dealer)
    assert dealer.recv_multipart() == [b"token", b"answer"]


def test_sending_to_nobody_says_so(inputs: ClientInputs) -> None:
    assert inputs.send_to(b"no such route", b"first", b"body") is None


def test_a_peer_that_reads_nothing_blocks_nobody(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER, RCVHWM=1)
    dealer.send_multipart([b"first", b"body"])
    route = receive(inputs)[0].bytes
    other = connect(zmq.DEALER)
    other.send_multipart([b"first", b"body"])
    other_route = receive(inputs)[0].bytes
    body = bytes(500_000)
    while inputs.send_to(route, b"t", body):
        pass
    assert inputs.send_to(route, b"t", body) is False
    assert inputs.send_to(other_route, b"t", b"still served") is True
    wait(other)


@pytest.mark.parametrize("correlate", [0, 1])
def test_a_req_client_is_confirmed_with_exactly_ack(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]], correlate: int
) -> None:
    req = connect(zmq.REQ, REQ_CORRELATE=correlate)
    req.send(b"gcd 12 18")
    frames = receive(inputs)
    assert len(frames) == 3 + correlate
    inputs.confirm(frames[:-1])
    wait(req)
    assert req.recv_multipart() == [b"ack"]


def test_confirming_a_client_that_has_left_is_nothing(inputs: ClientInputs) -> None:
    inputs.confirm([zmq.Frame(b"gone"), zmq.Frame(b"")])


def test_a_round_takes_a_bounded_number_of_messages(
    inputs: ClientInputs,
    connect: Callable[..., zmq.Socket[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 5)
    dealer = connect(zmq.DEALER)
    for number in range(12):
        dealer.send_multipart([b"%d" % number, b""])
    came: list[int] = []
    while len(came) < 12:
        wait(inputs.socket)
        batch = [int(frames[1].bytes) for frames in inputs.receive()]
        assert len(batch) <= 5
        came += batch
    assert came == list(range(12))


def test_a_round_receives_no_longer_than_a_moment(
    inputs: ClientInputs,
    connect: Callable[..., zmq.Socket[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RECEIVE_S", 0.0)
    dealer = connect(zmq.DEALER)
    for number in range(3):
        dealer.send_multipart([b"%d" % number, b""])
    for number in range(3):
        wait(inputs.socket)
        [frames] = inputs.receive()
        assert frames[1].bytes == b"%d" % number


def test_of_a_message_of_very_many_frames_nothing_is_left_and_its_connection_is_cut(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    other, dealer = connect(zmq.DEALER), connect(zmq.DEALER)
    dealer.send_multipart([b""] * 10_000)
    wait(inputs.socket)
    assert list(inputs.receive()) == []
    wait(inputs.monitor)
    other.send(b"x")
    assert receive(inputs)[1].bytes == b"x"


def test_a_confirmation_does_not_carry_a_long_envelope(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER)
    for size in (limits.REQUEST_ID_BYTES_MAX + 1, limits.REQUEST_ID_BYTES_MAX):
        dealer.send_multipart([bytes(size), b"", b"gcd 12 18"])
        inputs.confirm(receive(inputs)[:3])
    wait(dealer)
    assert len(dealer.recv_multipart()[0]) == limits.REQUEST_ID_BYTES_MAX


def test_the_route_of_a_connection_that_is_cut_is_told_once(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    staying = connect(zmq.DEALER)
    leaving = connect(zmq.DEALER)
    routes = []
    for dealer in (staying, leaving):
        dealer.send_multipart([b"hello", b""])
        frame = receive(inputs)[0]
        inputs.note_route(frame)
        routes.append(frame.bytes)
    assert list(inputs.cut_routes()) == []
    leaving.close(linger=0)
    wait(inputs.monitor)
    assert list(inputs.cut_routes()) == [routes[1]]
    assert list(inputs.cut_routes()) == []


def test_a_connection_that_nobody_noted_is_cut_without_a_word(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER)
    dealer.send_multipart([b"no", b"hello"])
    receive(inputs)
    dealer.close(linger=0)
    wait(inputs.monitor)
    assert list(inputs.cut_routes()) == []


def test_a_poller_wakes_up_for_whatever_can_arrive(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    poller = zmq.Poller()
    inputs.register(poller)
    dealer = connect(zmq.DEALER)
    dealer.send(b"x")
    ready = dict(poller.poll(PATIENCE_MS))
    assert (inputs.has_arrivals(ready), inputs.has_news(ready)) == (True, False)
    list(inputs.receive())
    dealer.close(linger=0)
    ready = dict(poller.poll(PATIENCE_MS))
    assert (inputs.has_arrivals(ready), inputs.has_news(ready)) == (False, True)


def test_a_poller_wakes_up_for_each_of_many_cuts(
    inputs: ClientInputs, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    poller = zmq.Poller()
    inputs.register(poller)
    for _ in range(3):
        dealer = connect(zmq.DEALER)
        dealer.send_multipart([b"hello", b""])
        inputs.note_route(receive(inputs)[0])
        dealer.close(linger=0)
        cut: list[bytes] = []
        while not cut:
            assert inputs.has_news(dict(poller.poll(PATIENCE_MS)))
            cut += inputs.cut_routes()

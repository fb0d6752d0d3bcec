"""The server's four sockets: how they are bound, and who is behind which connection."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits, process
from linebus.errors import AddressTaken, SetupError
from linebus.net.dealer import new_context
from linebus.server.kernel import Kernel
from linebus.server.sockets import ServerSockets
from tests.support import PATIENCE_MS, address_of, config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linebus.server.config import ServerConfig

    Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def config() -> ServerConfig:
    return config_on_free_ports()


@pytest.fixture
def sockets(config: ServerConfig) -> Iterator[ServerSockets]:
    sockets = ServerSockets(config, Kernel())
    yield sockets
    sockets.close()


@pytest.fixture
def connect(
    sockets: ServerSockets, config: ServerConfig
) -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """A function that connects a socket of a kind to one of the server's, by its name."""
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


# ---- binding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(4))
def test_a_port_that_is_taken_is_named_with_the_cure(config: ServerConfig, place: int) -> None:
    name, port = list(config.ports().items())[place]
    with taken(port), pytest.raises(AddressTaken) as caught:
        ServerSockets(config, Kernel())
    free = " ".join(str(port + 1000) for port in config.ports().values())
    assert str(caught.value) == (
        f"port {port} ({name}) is taken on 127.0.0.1; another server may be running: "
        f"stop it, or give four other ports, such as {free}"
    )


def test_after_a_port_was_taken_none_of_the_others_is_held(config: ServerConfig) -> None:
    with taken(config.worker_outputs), pytest.raises(AddressTaken):
        ServerSockets(config, Kernel())
    ServerSockets(config, Kernel()).close()


def test_a_host_that_is_not_here_cannot_be_bound() -> None:
    config = config_on_free_ports(host="192.0.2.7", insecure=True)
    with pytest.raises(SetupError, match=r"cannot bind client_inputs to tcp://192\.0\.2\.7:"):
        ServerSockets(config, Kernel())


def test_closing_frees_the_ports_for_the_next_server(config: ServerConfig) -> None:
    for _ in range(3):
        ServerSockets(config, Kernel()).close()


@contextmanager
def taken(port: int) -> Iterator[None]:
    context: Context = zmq.Context()
    socket = context.socket(zmq.PULL)
    socket.bind(address_of(port))
    yield
    context.destroy(linger=0)


def test_the_process_is_prepared_before_the_first_socket(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(process, "seed_c_library", lambda: done.append("seeded"))
    monkeypatch.setattr(process, "raise_descriptor_limit", lambda: done.append("raised"))
    ServerSockets(config, Kernel()).close()
    assert sorted(done) == ["raised", "seeded"]


def test_the_sockets_are_set_up_against_strangers(sockets: ServerSockets) -> None:
    every = (
        sockets.client_inputs,
        sockets.client_outputs,
        sockets.worker_inputs,
        sockets.worker_outputs,
    )
    for socket in every:
        is_native = socket is sockets.client_inputs
        frame_bytes_max = limits.MESSAGE_BYTES_MAX if is_native else limits.PLAIN_FRAME_BYTES_MAX
        assert socket.getsockopt(zmq.MAXMSGSIZE) == frame_bytes_max
        assert socket.getsockopt(zmq.HANDSHAKE_IVL) == limits.HANDSHAKE_MS
        assert socket.getsockopt(zmq.LINGER) == limits.LINGER_MS
        assert 0 not in (socket.getsockopt(zmq.SNDHWM), socket.getsockopt(zmq.RCVHWM))
    assert sockets.client_inputs.getsockopt(zmq.SNDHWM) == limits.SERVER_HWM_MESSAGES


# ---- client_inputs ---------------------------------------------------------------------------


def receive(sockets: ServerSockets) -> list[zmq.Frame]:
    wait(sockets.client_inputs)
    [frames] = sockets.receive_inputs()
    return frames


def test_a_native_peer_is_answered_along_its_route(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER, "client_inputs")
    dealer.send_multipart([b"first", b"body"])
    route, first, body = receive(sockets)
    assert (first.bytes, body.bytes) == (b"first", b"body")
    assert sockets.send_to(route.bytes, b"token", b"answer") is True
    wait(dealer)
    assert dealer.recv_multipart() == [b"token", b"answer"]


def test_sending_to_nobody_says_so(sockets: ServerSockets) -> None:
    assert sockets.send_to(b"no such route", b"first", b"body") is None


def test_a_peer_that_reads_nothing_blocks_nobody(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER, "client_inputs", RCVHWM=1)
    dealer.send_multipart([b"first", b"body"])
    route = receive(sockets)[0].bytes
    other = connect(zmq.DEALER, "client_inputs")
    other.send_multipart([b"first", b"body"])
    other_route = receive(sockets)[0].bytes
    body = bytes(500_000)
    while sockets.send_to(route, b"t", body):
        pass
    assert sockets.send_to(route, b"t", body) is False
    assert sockets.send_to(other_route, b"t", b"still served") is True
    wait(other)


@pytest.mark.parametrize("correlate", [0, 1])
def test_a_req_client_is_confirmed_with_exactly_ack(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]], correlate: int
) -> None:
    req = connect(zmq.REQ, "client_inputs", REQ_CORRELATE=correlate)
    req.send(b"gcd 12 18")
    frames = receive(sockets)
    assert len(frames) == 3 + correlate
    sockets.confirm(frames[:-1])
    wait(req)
    assert req.recv_multipart() == [b"ack"]


def test_confirming_a_client_that_has_left_is_nothing(sockets: ServerSockets) -> None:
    sockets.confirm([zmq.Frame(b"gone"), zmq.Frame(b"")])


def test_a_round_takes_a_bounded_number_of_messages(
    sockets: ServerSockets,
    connect: Callable[..., zmq.Socket[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 5)
    dealer = connect(zmq.DEALER, "client_inputs")
    for number in range(12):
        dealer.send_multipart([b"%d" % number, b""])
    came: list[int] = []
    while len(came) < 12:
        wait(sockets.client_inputs)
        batch = [int(frames[1].bytes) for frames in sockets.receive_inputs()]
        assert len(batch) <= 5
        came += batch
    assert came == list(range(12))


def test_a_round_receives_no_longer_than_a_moment(
    sockets: ServerSockets,
    connect: Callable[..., zmq.Socket[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RECEIVE_S", 0.0)
    dealer = connect(zmq.DEALER, "client_inputs")
    for number in range(3):
        dealer.send_multipart([b"%d" % number, b""])
    for number in range(3):
        wait(sockets.client_inputs)
        [frames] = sockets.receive_inputs()
        assert frames[1].bytes == b"%d" % number


def test_of_a_message_of_very_many_frames_nothing_is_left_and_its_connection_is_cut(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    other, dealer = connect(zmq.DEALER, "client_inputs"), connect(zmq.DEALER, "client_inputs")
    dealer.send_multipart([b""] * 10_000)
    wait(sockets.client_inputs)
    assert list(sockets.receive_inputs()) == []
    wait(sockets.monitor)
    other.send(b"x")
    assert receive(sockets)[1].bytes == b"x"


def test_a_confirmation_does_not_carry_a_long_envelope(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER, "client_inputs")
    for size in (limits.REQUEST_ID_BYTES_MAX + 1, limits.REQUEST_ID_BYTES_MAX):
        dealer.send_multipart([bytes(size), b"", b"gcd 12 18"])
        sockets.confirm(receive(sockets)[:3])
    wait(dealer)
    assert len(dealer.recv_multipart()[0]) == limits.REQUEST_ID_BYTES_MAX


def test_the_route_of_a_connection_that_is_cut_is_told_once(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    staying = connect(zmq.DEALER, "client_inputs")
    leaving = connect(zmq.DEALER, "client_inputs")
    routes = []
    for dealer in (staying, leaving):
        dealer.send_multipart([b"hello", b""])
        frame = receive(sockets)[0]
        sockets.note_route(frame)
        routes.append(frame.bytes)
    assert list(sockets.cut_routes()) == []
    leaving.close(linger=0)
    wait(sockets.monitor)
    assert list(sockets.cut_routes()) == [routes[1]]
    assert list(sockets.cut_routes()) == []


def test_a_connection_that_nobody_noted_is_cut_without_a_word(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    dealer = connect(zmq.DEALER, "client_inputs")
    dealer.send_multipart([b"no", b"hello"])
    receive(sockets)
    dealer.close(linger=0)
    wait(sockets.monitor)
    assert list(sockets.cut_routes()) == []


def test_a_poller_wakes_up_for_whatever_can_arrive(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    poller = zmq.Poller()
    sockets.register(poller)
    dealer = connect(zmq.DEALER, "client_inputs")
    dealer.send(b"x")
    assert dict(poller.poll(PATIENCE_MS)) == {sockets.client_inputs: zmq.POLLIN}
    list(sockets.receive_inputs())
    sub = connect(zmq.SUB, "worker_inputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    assert dict(poller.poll(PATIENCE_MS)) == {sockets.worker_inputs: zmq.POLLIN}
    list(sockets.receive_subscriptions())
    # PUB drops what it sends before it is connected, so it sends again until something comes.
    pub = connect(zmq.PUB, "worker_outputs")
    while not poller.poll(10):
        pub.send(b"6")
    assert dict(poller.poll(PATIENCE_MS)) == {sockets.worker_outputs: zmq.POLLIN}


# ---- the other three -------------------------------------------------------------------------


def test_results_of_plain_workers_come_with_all_their_frames(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    pub = connect(zmq.PUB, "worker_outputs")
    while not sockets.worker_outputs.poll(10):
        pub.send_multipart([b"97", b"is prime"])
    assert next(sockets.receive_results()) == [b"97", b"is prime"]


def test_every_subscription_is_told_and_every_end_of_one(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
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
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]], config: ServerConfig
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


def test_a_line_reaches_those_who_subscribe_to_it_as_one_utf_8_frame(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    sub = connect(zmq.SUB, "worker_inputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"gcd")
    wait(sockets.worker_inputs)
    list(sockets.receive_subscriptions())
    sockets.broadcast("isprime 97")
    sockets.broadcast("gcd 12 18 ü")
    wait(sub)
    assert sub.recv_multipart() == ["gcd 12 18 ü".encode()]
    assert not sub.poll(0)


def test_a_text_reaches_every_plain_client_even_where_it_is_no_unicode(
    sockets: ServerSockets, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    sub = connect(zmq.SUB, "client_outputs")
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    while not sub.poll(10):
        with suppress(zmq.Again):
            sockets.publish("97 is prime \udcff ü")
    assert sub.recv_multipart() == [b"97 is prime \\udcff \xc3\xbc"]

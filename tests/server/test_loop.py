"""The server's loop on real sockets: honest peers are served whatever the others send."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest
import zmq

from linebus import limits
from linebus.errors import AddressTaken
from linebus.net.dealer import new_context
from linebus.server import loop
from linebus.server.loop import Server
from linebus.wire import messages as m
from linebus.wire import native
from tests.support import (
    PATIENCE_MS,
    PATIENCE_S,
    address_of,
    config_on_free_ports,
    first_line,
    free_ports,
    linebus,
    running,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.server.config import ServerConfig

    Context = zmq.Context[zmq.Socket[bytes]]

Kind = TypeVar("Kind", bound=m.Message)


class Peer:
    """A native peer made of nothing but a DEALER and the codec."""

    def __init__(self, context: Context, config: ServerConfig) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.connect(address_of(config.client_inputs))
        self.token = b""
        self._came: list[m.FromServer] = []

    def send(self, first: bytes, *messages: m.Message) -> None:
        for body in native.encode(messages):
            self.socket.send_multipart([first, body])

    def say(self, *messages: m.Message) -> None:
        self.send(self.token, *messages)

    def hear(self, kind: type[Kind]) -> Kind:
        """Wait for the next message of a kind; others are passed over."""
        while True:
            while self._came:
                message = self._came.pop(0)
                if isinstance(message, kind):
                    return message
            assert self.socket.poll(PATIENCE_MS), f"no {kind.__name__} has come"
            _, body = self.socket.recv_multipart()
            self._came = native.decode_from_server(body)

    def close(self) -> None:
        self.socket.close(linger=0)


class EchoWorker:
    """A guardian and its executor, which answers when it is told to."""

    def __init__(self, context: Context, config: ServerConfig) -> None:
        self.guardian, self.executor = Peer(context, config), Peer(context, config)
        key = os.urandom(limits.KEY_BYTES)
        offer = m.Offer("echo", "echo TEXT", "")
        self.guardian.send(
            native.VERSION,
            m.WorkerHello(
                1, os.urandom(16), "test", [offer], [hashlib.sha256(key).digest()], discovered=False
            ),
        )
        self.guardian.token = self.guardian.hear(m.WorkerGreeting).token
        self.executor.send(
            native.VERSION,
            m.ExecutorHello(1, os.urandom(16), key, b"", received=0, answered=0, credit=1_000),
        )
        self.executor.token = self.executor.hear(m.ExecutorGreeting).token

    def answer(self, work: m.Work | None = None) -> m.Work:
        work = work or self.executor.hear(m.Work)
        texts = [f"echoed {line}" for line in work.lines]
        self.executor.say(m.Answers(work.first, texts, [], 0.0, work.first + 1_000))
        return work


def client(context: Context, config: ServerConfig) -> Peer:
    peer = Peer(context, config)
    peer.send(native.VERSION, m.ClientHello(1, os.urandom(limits.SESSION_BYTES), "test"))
    peer.token = peer.hear(m.ClientGreeting).token
    return peer


@pytest.fixture
def config() -> Iterator[ServerConfig]:
    with serving() as config:
        yield config


@pytest.fixture
def context() -> Iterator[Context]:
    context = new_context()
    yield context
    context.destroy(linger=0)


def ask(worker: EchoWorker, peer: Peer, number: int = 1) -> None:
    """Show that an honest client is served."""
    peer.say(m.Ask("echo", number, [f"line {number}"]))
    worker.answer()
    assert peer.hear(m.Replies).texts == [f"echoed line {number}"]


def req(context: Context, config: ServerConfig, **options: int) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.REQ)
    for option, value in options.items():
        socket.setsockopt(getattr(zmq, option), value)
    socket.connect(address_of(config.client_inputs))
    return socket


def recv(socket: zmq.Socket[bytes]) -> list[bytes]:
    assert socket.poll(PATIENCE_MS), "nothing has come"
    return socket.recv_multipart()


@contextmanager
def subscribed(context: Context, config: ServerConfig) -> Iterator[zmq.Socket[bytes]]:
    """A plain client's subscription that stands: an unknown service's error has come by it."""
    sub = context.socket(zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"")
    sub.connect(address_of(config.client_outputs))
    asker = req(context, config)
    while not sub.poll(10):
        asker.send(b"isthere?")
        recv(asker)
    while sub.poll(50):
        sub.recv_multipart()
    yield sub
    sub.close(linger=0)


# ---- the native dialect ----------------------------------------------------------------------


def test_a_line_travels_to_the_worker_and_its_reply_to_the_client(
    config: ServerConfig, context: Context
) -> None:
    worker, peer = EchoWorker(context, config), client(context, config)
    for number in range(1, 50):
        ask(worker, peer, number)


def test_a_cut_client_is_known_again_and_gets_what_it_is_owed(
    config: ServerConfig, context: Context
) -> None:
    worker, session = EchoWorker(context, config), os.urandom(limits.SESSION_BYTES)
    first = Peer(context, config)
    first.send(native.VERSION, m.ClientHello(1, session, "test"))
    first.token = first.hear(m.ClientGreeting).token
    first.say(m.Ask("echo", 1, ["a", "b"]))
    work = worker.executor.hear(m.Work)
    first.close()
    worker.answer(work)
    again = Peer(context, config)
    again.send(native.VERSION, m.ClientHello(2, session, "test"))
    assert again.hear(m.ClientGreeting).seen == {"echo": [(1, 2)]}
    assert again.hear(m.Replies).texts == ["echoed a", "echoed b"]


def test_the_lines_of_a_worker_that_is_cut_go_to_another_one(
    config: ServerConfig, context: Context
) -> None:
    doomed, peer = EchoWorker(context, config), client(context, config)
    peer.say(m.Ask("echo", 1, ["x"]))
    doomed.executor.hear(m.Work)
    doomed.guardian.say(m.Goodbye())
    heir = EchoWorker(context, config)
    assert heir.answer().lines == ["x"]
    assert peer.hear(m.Replies).attempt == 2


def test_an_unknown_token_is_answered_with_hello_again(
    config: ServerConfig, context: Context
) -> None:
    peer = Peer(context, config)
    peer.token = b"?" * limits.TOKEN_BYTES
    peer.say(m.Heartbeat(1.0))
    assert peer.hear(m.HelloAgain).after_s == 0


def test_a_heartbeat_is_answered_with_the_interval_that_is_wanted(
    config: ServerConfig, context: Context
) -> None:
    peer = client(context, config)
    peer.say(m.Heartbeat(99.0))
    assert peer.hear(m.Heartbeat).every_s == limits.HEARTBEAT_S


@pytest.mark.parametrize("version", [b"linebus/2", b"linebus/", b"linebus/1 ", b"linebus/\xff"])
def test_another_version_is_refused_with_both_versions_named(
    config: ServerConfig, context: Context, version: bytes
) -> None:
    peer = Peer(context, config)
    peer.send(version, m.ClientHello(1, os.urandom(limits.SESSION_BYTES), "test"))
    refusal = peer.hear(m.Refusal)
    assert refusal.code == "version"
    assert f"linebus/1, not {version.decode('ascii', 'replace')};" in refusal.text


def test_whoever_breaks_the_protocol_is_told_and_nobody_else_is_harmed(
    config: ServerConfig, context: Context
) -> None:
    worker, honest, other = (
        EchoWorker(context, config),
        client(context, config),
        client(context, config),
    )
    other.say(m.Vouch(bytes(limits.KEY_BYTES)))
    assert other.hear(m.Refusal).code == "protocol"
    other.say(m.Heartbeat(1.0))
    other.hear(m.HelloAgain)
    ask(worker, honest)


def test_what_is_no_message_is_answered_with_the_reason(
    config: ServerConfig, context: Context
) -> None:
    for first in (native.VERSION, b"t" * limits.TOKEN_BYTES):
        peer = Peer(context, config)
        peer.socket.send_multipart([first, b"\xc1"])
        assert peer.hear(m.Refusal).code == "protocol"


# ---- the exercise ----------------------------------------------------------------------------


@pytest.mark.parametrize("correlate", [0, 1])
@pytest.mark.parametrize(
    "line", [b"isprime 97", b"", b"\xff\xfe", b"x" * limits.TOKEN_BYTES, b"linebus/1"]
)
def test_a_req_client_is_confirmed_with_exactly_ack_whatever_it_sends(
    config: ServerConfig, context: Context, correlate: int, line: bytes
) -> None:
    asker = req(context, config, REQ_CORRELATE=correlate)
    for _ in range(2):
        asker.send(line)
        assert recv(asker) == [b"ack"]


def test_an_impatient_req_client_may_send_again(config: ServerConfig, context: Context) -> None:
    asker = req(context, config, REQ_CORRELATE=1, REQ_RELAXED=1)
    for _ in range(20):
        asker.send(b"isprime 97")
    assert recv(asker) == [b"ack"]


def test_a_plain_line_is_answered_by_a_native_worker_for_everyone(
    config: ServerConfig, context: Context
) -> None:
    worker, asker = EchoWorker(context, config), req(context, config)
    with subscribed(context, config) as one, subscribed(context, config) as other:
        asker.send("echo grüße".encode())
        assert recv(asker) == [b"ack"]
        worker.answer()
        for sub in (one, other):
            while (frames := recv(sub))[0].startswith(b"error"):
                pass
            assert frames == ["echoed grüße".encode()]


def test_a_plain_line_that_is_no_text_is_met_with_an_error_line(
    config: ServerConfig, context: Context
) -> None:
    asker = req(context, config)
    with subscribed(context, config) as sub:
        asker.send(b"\xff\xfe")
        assert recv(asker) == [b"ack"]
        assert recv(sub)[0].startswith(b"error: ")


def test_a_plain_workers_line_and_result_pass_through(
    config: ServerConfig, context: Context
) -> None:
    lines, results = context.socket(zmq.SUB), context.socket(zmq.PUB)
    lines.setsockopt(zmq.SUBSCRIBE, b"isprime")
    lines.connect(address_of(config.worker_inputs))
    results.connect(address_of(config.worker_outputs))
    asker = req(context, config)
    with subscribed(context, config) as sub:
        while not lines.poll(10):
            asker.send(b"isprime 97")
            assert recv(asker) == [b"ack"]
        assert recv(lines) == [b"isprime 97"]
        while not sub.poll(10):
            results.send_multipart([b"97", b"is prime"])
        while (frames := recv(sub))[0].startswith(b"error"):
            pass
        assert frames == [b"97 is prime"]


def test_with_echo_a_request_is_published_too(context: Context) -> None:
    config = config_on_free_ports(echo=True)
    with serving(config), subscribed(context, config) as sub:
        asker = req(context, config)
        asker.send(b"hello everyone")
        recv(asker)
        assert recv(sub) == [b"hello everyone"]


# ---- hostile bytes ---------------------------------------------------------------------------


def hostile_frames(chance: random.Random) -> Iterator[list[bytes]]:
    """Frames that a peer may send to any socket; each list is one message."""
    token, version = b"t" * limits.TOKEN_BYTES, native.VERSION
    yield from ([b""], [b"", b""], [b"", b"", b""], [b"x"], [version], [token])
    yield from ([version, b""], [token, b""], [b"", token, b""], [token, b"", b""])
    yield from ([version, b"\xc1"], [token, b"\x91" * 50_000], [b"linebus/9", b""])
    yield from ([version, token, b"\x90"], [b"", b"a", b"b", b"c"], [b"x"] * 300, [b""] * 300)
    yield from ([b"\x01"], [b"\x00"], [b"\x01linebus/"], [b"\x00linebus/"], [b"\x02what"])
    yield [bytes(limits.MESSAGE_BYTES_MAX)]
    for _ in range(100):
        count = chance.randint(1, 5)
        yield [chance.randbytes(chance.choice((0, 1, 9, 16, 40))) for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (zmq.DEALER, "client_inputs"),
        (zmq.SUB, "client_outputs"),
        (zmq.XSUB, "client_outputs"),
        (zmq.XSUB, "worker_inputs"),
        (zmq.PUB, "worker_outputs"),
        (zmq.XPUB, "worker_outputs"),
    ],
)
def test_hostile_bytes_on_any_socket_keep_nobody_from_being_served(
    config: ServerConfig, context: Context, kind: int, name: str
) -> None:
    worker, peer, asker = (
        EchoWorker(context, config),
        client(context, config),
        req(context, config),
    )
    villain = context.socket(kind)
    villain.setsockopt(zmq.SNDTIMEO, PATIENCE_MS)
    villain.connect(address_of(config.ports()[name]))
    if kind in (zmq.PUB, zmq.XPUB):
        assert kind == zmq.PUB or villain.poll(PATIENCE_MS)  # subscribed to: nothing is dropped
    for number, frames in enumerate(hostile_frames(random.Random(name)), start=1):
        if kind == zmq.SUB:
            villain.setsockopt(zmq.SUBSCRIBE, frames[0][:1_000])
        else:
            villain.send_multipart(frames)
        if number % 20 == 0:
            ask(worker, peer, number)
            asker.send(b"isprime 97")
            assert recv(asker) == [b"ack"]
    ask(worker, peer, 1_000)


def test_a_frame_longer_than_allowed_cuts_only_its_sender(
    config: ServerConfig, context: Context
) -> None:
    worker, peer = EchoWorker(context, config), client(context, config)
    villain = Peer(context, config)
    monitor = villain.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    villain.socket.send_multipart([native.VERSION, bytes(limits.MESSAGE_BYTES_MAX + 1)])
    assert monitor.poll(PATIENCE_MS)
    ask(worker, peer)


def test_a_peer_that_speaks_no_zmtp_disturbs_nobody(config: ServerConfig, context: Context) -> None:
    import socket  # noqa: PLC0415  only here

    worker, peer = EchoWorker(context, config), client(context, config)
    for port in config.ports().values():
        with socket.create_connection((limits.HOST, port)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(1_000))
            ask(worker, peer, port)


# ---- sending ---------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(config_on_free_ports())
    yield server
    server.close()


def test_what_a_peer_has_no_room_for_is_sent_later_and_in_order(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    room = 2

    def send_to(_route: bytes, _first: bytes, body: bytes) -> bool:
        if len(sent) < room:
            sent.append(body)
        return sent[-1] is body

    monkeypatch.setattr(server._inputs, "send_to", send_to)
    bodies = [b"%d" % number for number in range(5)]
    server._send_to(b"route", [(b"token", body) for body in bodies], now=10.0)
    assert sent == bodies[:2]
    server._send(10.0)  # too early
    assert sent == bodies[:2]
    room = 3
    server._send(10.0 + limits.STALLED_RETRY_S)
    assert sent == bodies[:3]
    room = 5
    server._send(10.0 + 2 * limits.STALLED_RETRY_S)
    assert sent == bodies
    assert server._stalled == {}


def test_the_loop_looks_again_soon_at_a_peer_without_room(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._inputs, "send_to", lambda *_: False)
    now = time.monotonic()
    server._send_to(b"route", [(b"token", b"body")], now)
    assert server._wake_at(now) == now + limits.STALLED_RETRY_S


def test_what_waits_for_a_peer_that_has_left_is_dropped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._inputs, "send_to", lambda *_: False)
    server._send_to(b"route", [(b"token", b"body")], 10.0)
    monkeypatch.setattr(server._inputs, "send_to", lambda *_: None)
    server._send(10.0 + limits.STALLED_RETRY_S)
    assert server._stalled == {}


# ---- the process -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_with_success(number: signal.Signals) -> None:
    with running(*linebus("serve", *map(str, free_ports()))) as child:
        assert first_line(child).startswith("linebus: serving")
        child.send_signal(number)
        assert child.wait(PATIENCE_S) == 0


def test_a_server_cannot_take_the_ports_of_another(config: ServerConfig) -> None:
    with pytest.raises(AddressTaken, match=f"port {config.client_inputs} "):
        loop.serve(config, lambda: None)

"""What several tests share: free ports, a server in a thread, a fake server, our own commands.

Everything here waits for signals with a patience far beyond what any machine needs; a test that
runs out of it fails.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self
from unittest import mock

import zmq

from linebus import limits, process
from linebus.errors import ProtocolError
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.server.config import ServerConfig
from linebus.server.loop import Server
from linebus.wire import messages as m
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30
PATIENCE_MS = 1000 * PATIENCE_S
# Below the range from which systems draw ports for outgoing connections: while a server is away,
# none of those can take its port, and nobody who tries to connect can meet itself.
_ALL_PORTS = range(10_000, 32_000)
# Each of the processes that run tests side by side has ports of its own.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = _ALL_PORTS[_PROCESS :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def free_ports(count: int = 4) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with socket.socket() as sock, suppress(OSError):
            sock.bind((limits.HOST, port))
            if port not in found:
                found.append(port)
    return found


def address_of(port: int) -> str:
    return f"tcp://{limits.HOST}:{port}"


def free_address() -> str:
    return address_of(free_ports(1)[0])


def config_on_free_ports(
    *, host: str = limits.HOST, echo: bool = False, insecure: bool = False
) -> ServerConfig:
    first, second, third, fourth = free_ports()
    return ServerConfig(first, second, third, fourth, host=host, echo=echo, insecure=insecure)


# ---- a server in a thread --------------------------------------------------------------------


class StandInSignals:
    """Takes the place of StopSignals, which only the main thread may use."""

    def __init__(self, *_: object) -> None:
        self.received: object = None
        self._read, self._write = socket.socketpair()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._write.close()

    def fileno(self) -> int:
        return self._read.fileno()

    def stop(self) -> None:
        self.received = True
        with suppress(OSError):
            self._write.send(b"!")


@contextmanager
def serving(
    config: ServerConfig | None = None,
    *,
    grace_s: float = 0.0,
    before: Callable[[Server], None] = lambda _: None,
) -> Iterator[ServerConfig]:
    """A server in a thread, which gives workers `grace_s` after its start; it ends cleanly.

    `before` is called with it before it runs.
    """
    config = config or config_on_free_ports()
    signals = StandInSignals()
    with mock.patch.object(limits, "START_GRACE_S", grace_s):
        server = Server(config)
    before(server)
    started = threading.Event()
    with mock.patch.object(process, "StopSignals", return_value=signals):
        thread = threading.Thread(target=server.run, args=(started.set,))
        thread.start()
        assert started.wait(PATIENCE_S)
    try:
        yield config
        assert thread.is_alive(), "the server has ended by itself"
    finally:
        signals.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# ---- a fake server ---------------------------------------------------------------------------


class FakeServer:
    """A ROUTER in a thread that greets clients and answers their lines; tests override parts.

    `hellos` are the clients' hellos in order, `lines` whatever was asked as (service, number,
    arguments). `news` is set whenever something has come.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.hellos: list[m.ClientHello] = []
        self.lines: list[tuple[str, int, str]] = []
        self.said: list[m.FromPeer] = []
        self.news = threading.Condition()
        self.token = os.urandom(limits.TOKEN_BYTES)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(address)
        self._read, self._write = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._write.send(b"!")
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self.news:
            assert self.news.wait_for(condition, PATIENCE_S)

    # what tests override

    def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
        self.greet(route, hello)

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        self.reply(route, ask)

    def on_message(self, route: bytes, message: m.FromPeer) -> None:
        if isinstance(message, m.Ask):
            self.on_ask(route, message)

    # what they use for it

    def greet(self, route: bytes, hello: m.ClientHello, **changes: object) -> None:
        greeting = m.ClientGreeting(
            hello.nonce, self.token, heartbeat_s=60.0, window_lines=100, seen={}
        )
        for name, value in changes.items():
            setattr(greeting, name, value)
        self.send(route, native.VERSION, greeting)

    def reply(self, route: bytes, ask: m.Ask) -> None:
        texts = [f"{ask.service} did {line}" for line in ask.lines]
        replies = m.Replies(ask.service, ask.first, texts, [], 7, 1, 0.0, 0.0)
        self.send(route, self.token, replies)

    def send(self, route: bytes, first: bytes, *messages: m.Message) -> None:
        for body in native.encode(messages):
            self._socket.send_multipart((route, first, body))

    # the thread

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._read.fileno(), zmq.POLLIN)
        while self._read.fileno() not in dict(poller.poll()):
            self._receive(self._socket.recv_multipart())
        self._context.destroy(linger=0)
        self._read.close()
        self._write.close()

    def _receive(self, frames: list[bytes]) -> None:
        route, first, body = frames
        with suppress(ProtocolError):
            if first == native.VERSION:
                hello = native.decode_hello(body)
                assert isinstance(hello, m.ClientHello)
                self._note_hello(hello)
                self.on_hello(route, hello)
            else:
                for message in native.decode_from_peer(body):
                    self._note(message)
                    self.on_message(route, message)

    def _note_hello(self, hello: m.ClientHello) -> None:
        with self.news:
            self.hellos.append(hello)
            self.news.notify_all()

    def _note(self, message: m.FromPeer) -> None:
        with self.news:
            self.said.append(message)
            if isinstance(message, m.Ask):
                numbered = enumerate(message.lines, message.first)
                self.lines += [(message.service, number, line) for number, line in numbered]
            self.news.notify_all()


class Valued(FakeServer):
    """Answers values, and tells of two services in two pages."""

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        said = {
            ("double", "4"): "8",
            ("linebus.services", ""): '{"services": [{"name": "a"}], "next": "b"}',
            ("linebus.services", "b"): '{"services": [{"name": "b"}], "next": null}',
        }
        assert ask.values == (ask.service == "double")
        text = said.get((ask.service, ask.lines[0]))
        failed = [] if text else [0]
        replies = m.Replies(ask.service, ask.first, [text or "no"], failed, 7, 1, 0.0, 0.0)
        self.send(route, self.token, replies)


# ---- our own commands ------------------------------------------------------------------------


def linebus(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "linebus", *arguments]


@contextmanager
def running(
    *command: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command with pipes to it; whatever is left of it at the end is killed."""
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


# ---- a pipe ----------------------------------------------------------------------------------


class Pipe:
    """A pipe, and what is read from it piece by piece."""

    def __init__(self, types: object) -> None:
        self.descriptor, self.write_end = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self.write_end, False)
        self.reader = PipeReader(self.descriptor, types)
        self.writer = PipeWriter(self.write_end)

    def close_writer(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.descriptor)


def framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body

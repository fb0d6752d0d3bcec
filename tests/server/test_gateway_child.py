"""The gateway as the server holds it: started when somebody connects, replaced, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
from linebus.server.door import Door
from linebus.server.gateway_child import GatewayChild
from linebus.server.listening import listen
from tests.support import PATIENCE_MS, PATIENCE_S, config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linebus.server.pipes import Came


class Server:
    """As much of a server as a gateway needs."""

    def __init__(self) -> None:
        self.config = config_on_free_ports()
        client_inputs, *listening = listen(self.config).values()
        client_inputs.close()
        self.child = GatewayChild(self.config.client_inputs, tuple(listening))
        self.poller = zmq.Poller()
        self.child.register(self.poller)
        self.context = new_context()
        self.ends = 0  # how many gateways have ended
        self.is_up = False  # one has spoken
        self.subscriptions: list[bytes] = []
        self._subscribers: list[zmq.Socket[bytes]] = []

    def hear(self) -> list[Came]:
        """Wait for the next thing to happen."""
        for subscriber in self._subscribers:
            subscriber.poll(0)  # a SUB that has reconnected subscribes when it is looked at
        ready = dict(self.poller.poll(10))
        heard = self.child.turn(ready, time.monotonic())
        self.ends += heard is None
        self.is_up = self.is_up or bool(heard)
        self.subscriptions += [each for came in heard or [] for each in came.subscriptions]
        return heard or []

    def hear_until(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, "it does not come to that"
            self.hear()

    def hear_subscription(self) -> bytes:
        """Wait for the next one."""
        self.hear_until(lambda: self.subscriptions)
        return self.subscriptions.pop(0)

    @property
    def gateway(self) -> subprocess.Popen[bytes] | None:
        return self.child._process if self.child._channel is not None else None

    def subscriber(self, name: str, prefix: bytes) -> zmq.Socket[bytes]:
        made = self.context.socket(zmq.SUB)
        made.setsockopt(zmq.SUBSCRIBE, prefix)
        made.connect(self.config.address(self.config.ports()[name]))
        self._subscribers.append(made)
        return made


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.child.close()
    server.context.destroy(linger=0)


def test_nothing_is_started_before_somebody_connects(server: Server) -> None:
    assert server.hear() == []
    assert server.gateway is None
    server.child.publish("nobody hears this")
    server.child.flush()
    subscriber = server.subscriber("worker_inputs", b"gcd")
    assert server.hear_subscription() == b"\x01gcd"
    assert server.gateway is not None
    server.child.broadcast("gcd 12 18 ü")
    server.child.flush()
    assert subscriber.poll(PATIENCE_MS)
    assert subscriber.recv() == "gcd 12 18 ü".encode()


def test_what_is_published_while_it_starts_reaches_whoever_had_connected(server: Server) -> None:
    subscriber = server.subscriber("client_outputs", b"")
    server.hear_until(lambda: server.gateway)
    server.child.publish("97 is prime \udcff ü")  # no Unicode, and still a text
    server.child.flush()
    assert subscriber.poll(PATIENCE_MS)
    assert subscriber.recv() == b"97 is prime \\udcff \xc3\xbc"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_ends_or_hangs_is_replaced_and_its_peers_come_back(
    server: Server, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber = server.subscriber("worker_inputs", b"gcd")
    server.hear_subscription()
    former = server.gateway
    assert former is not None
    if number is signal.SIGSTOP:
        monkeypatch.setattr(limits, "GATEWAY_SILENCE_S", 0.0)
    former.send_signal(number)
    server.hear_until(lambda: server.ends)
    monkeypatch.undo()
    assert former.returncode == -signal.SIGKILL
    assert server.hear_subscription() == b"\x01gcd"
    assert server.gateway is not former
    assert server.ends == 1
    server.child.broadcast("gcd 12 18")
    server.child.flush()
    assert subscriber.poll(PATIENCE_MS)


def test_a_door_that_one_has_left_shut_is_opened(server: Server) -> None:
    server.subscriber("worker_inputs", b"gcd")
    server.hear_subscription()
    door = Door(*server.child._listening)
    door.shut(PATIENCE_S)
    assert server.gateway is not None
    server.gateway.kill()
    assert server.hear_subscription() == b"\x01gcd"
    door.close()


def test_one_that_ends_again_and_again_is_replaced_ever_later(server: Server) -> None:
    pauses = []
    for _ in range(3):
        with socket.create_connection((limits.HOST, server.config.client_outputs)):
            server.hear_until(lambda: server.gateway)
        assert server.gateway is not None
        server.gateway.kill()
        ends = server.ends
        server.hear_until(lambda ends=ends: server.ends > ends)  # type: ignore[misc]
        pauses.append(server.child._restart_s)
    assert pauses == [limits.RESTART_S, 2 * limits.RESTART_S, 4 * limits.RESTART_S]
    assert server.child.next_deadline() < time.monotonic() + limits.RESTART_S_MAX


@pytest.mark.parametrize(("module", "name"), [(subprocess, "Popen"), (socket, "socketpair")])
def test_where_no_process_or_descriptor_is_to_be_had_it_is_tried_again(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: object,
    name: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("there are no more")

    monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(limits, "RESTART_S_MAX", 0.0)
    server.subscriber("worker_inputs", b"gcd")
    server.hear_until(lambda: caplog.messages)
    assert caplog.messages[0] == "the gateway cannot be started (there are no more); trying again"
    monkeypatch.undo()
    assert server.hear_subscription() == b"\x01gcd"


def test_what_a_gateway_does_not_keep_up_with_is_dropped(server: Server) -> None:
    server.subscriber("worker_inputs", b"gcd")
    server.hear_subscription()
    assert server.gateway is not None
    os.kill(server.gateway.pid, signal.SIGSTOP)
    for _ in range(3 * limits.GATEWAY_QUEUE_BYTES // limits.GATEWAY_BATCH_BYTES):
        server.child.publish("x" * limits.GATEWAY_BATCH_BYTES)
        server.child.flush()
    assert server.child.is_waiting
    waiting = server.child._writer.waiting_bytes
    assert waiting < limits.GATEWAY_QUEUE_BYTES + 2 * limits.GATEWAY_BATCH_BYTES
    os.kill(server.gateway.pid, signal.SIGCONT)


def test_many_texts_at_once_make_messages_that_the_gateway_takes(server: Server) -> None:
    subscriber = server.subscriber("client_outputs", b"")
    server.hear_until(lambda: server.gateway)
    count = 3 * limits.GATEWAY_BATCH_BYTES // 1_000
    for number in range(count):
        server.child.publish(f"{number:5}" + "x" * 1_000)
    server.child.flush()
    for number in range(count):
        while not subscriber.poll(10):
            server.hear()
            server.child.flush()
        assert int(subscriber.recv()[:5]) == number
    assert server.ends == 0


def test_closing_frees_the_ports_and_lets_last_words_out() -> None:
    server = Server()
    subscriber = server.subscriber("client_outputs", b"")
    server.hear_until(lambda: server.is_up)
    gateway = server.gateway
    while not subscriber.poll(10):  # it has not connected yet
        server.child.publish("first words")
        server.child.flush()
    server.child.publish("last words")
    server.child.close()
    assert gateway is not None
    assert gateway.returncode == 0
    while (text := subscriber.recv()) != b"last words":
        assert text == b"first words"
    for name, port in server.config.ports().items():
        if name != "client_inputs":
            socket.create_server((limits.HOST, port)).close()
    server.context.destroy(linger=0)

"""The gateway's process: what plain peers send and get, when it ends, and how much it may take."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Self

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.server.gateway_child import command
from linebus.server.listening import listen
from linebus.server.pipes import Broadcast, Came, Publish
from tests.support import PATIENCE_MS, PATIENCE_S, config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gateway:
    """A gateway, and the server's end of its channel."""

    def __init__(self) -> None:
        self.config = config_on_free_ports()
        _, *listening = listen(self.config).values()
        self.channel, its = socket.socketpair()
        self.channel.settimeout(0)
        descriptors = [its.fileno(), *[each.fileno() for each in listening]]
        self.process = subprocess.Popen(
            command(descriptors, self.config.client_inputs), pass_fds=descriptors
        )
        for each in (its, *listening):
            each.close()
        self._reader = PipeReader(self.channel.fileno(), Came)
        self.writer = PipeWriter(self.channel.fileno())
        self._context = new_context()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self._context.destroy(linger=0)

    def connect(self, kind: int, name: str) -> zmq.Socket[bytes]:
        connected = self._context.socket(kind)
        connected.connect(self.config.address(self.config.ports()[name]))
        return connected

    def subscriber(self, name: str, prefix: bytes = b"") -> zmq.Socket[bytes]:
        subscriber = self.connect(zmq.SUB, name)
        subscriber.setsockopt(zmq.SUBSCRIBE, prefix)
        return subscriber

    def hear(self) -> list[Came]:
        """Wait for the next messages."""
        poller = zmq.Poller()
        poller.register(self.channel.fileno(), zmq.POLLIN)
        assert poller.poll(PATIENCE_MS), "nothing has come"
        return self._reader.read()

    def hear_of(self, what: str) -> list[Any]:
        """Wait for the next subscriptions or results."""
        while True:
            found = [each for came in self.hear() for each in getattr(came, what)]
            if found:
                return found


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


def receive(subscriber: zmq.Socket[bytes]) -> bytes:
    assert subscriber.poll(PATIENCE_MS), "nothing has come"
    return subscriber.recv()


def test_it_says_that_it_is_there_and_goes_on_to(gateway: Gateway) -> None:
    for _ in range(3):
        assert gateway.hear() == [Came([], [])]


def test_what_it_was_told_before_it_began_reaches_whoever_was_there_before(
    gateway: Gateway,
) -> None:
    subscriber = gateway.subscriber("client_outputs")
    gateway.writer.write(Publish([b"97 is prime", b"91 is not prime"]))
    assert [receive(subscriber) for _ in range(2)] == [b"97 is prime", b"91 is not prime"]


def test_lines_reach_those_who_subscribe_to_them(gateway: Gateway) -> None:
    subscriber = gateway.subscriber("worker_inputs", b"gcd")
    assert gateway.hear_of("subscriptions") == [b"\x01gcd"]
    gateway.writer.write(Broadcast([b"isprime 97", b"gcd 12 18"]))
    assert receive(subscriber) == b"gcd 12 18"


def test_results_are_told_with_all_their_frames(gateway: Gateway) -> None:
    publisher = gateway.connect(zmq.PUB, "worker_outputs")
    gateway.hear()
    # PUB drops what it sends before it is connected, so it sends again until something comes.
    while not (results := [each for came in gateway.hear() for each in came.results]):
        publisher.send_multipart([b"97", b"is prime"])
    assert results[0] == [b"97", b"is prime"]


def test_a_server_that_does_not_listen_is_told_everything_later_and_in_order(
    gateway: Gateway,
) -> None:
    publisher = gateway.connect(zmq.PUB, "worker_outputs")
    publisher.setsockopt(zmq.SNDHWM, 0)
    gateway.hear()
    while not [each for came in gateway.hear() for each in came.results]:
        publisher.send(b"are you there?")
    count = 5_000
    for number in range(count):  # far more than fits into a channel
        publisher.send(b"%4d" % number + bytes(1_000))
    came: list[int] = []
    while len(came) < count:
        texts = [each[0] for each in gateway.hear_of("results")]
        came += [int(text[:4]) for text in texts if not text.startswith(b"are")]
    assert came == list(range(count))


def test_the_end_of_the_channel_ends_it_after_what_was_said_before(gateway: Gateway) -> None:
    subscriber = gateway.subscriber("client_outputs")
    gateway.hear()
    gateway.writer.write(Publish([b"first"]))
    assert receive(subscriber) == b"first"
    gateway.writer.write(Publish([b"last words"]))
    gateway.channel.shutdown(socket.SHUT_WR)
    assert receive(subscriber) == b"last words"
    assert gateway.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_servers_to_handle(gateway: Gateway, number: signal.Signals) -> None:
    gateway.hear()
    gateway.process.send_signal(number)
    gateway.hear()
    gateway.hear()
    assert gateway.process.poll() is None


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="elsewhere nobody can ask")
def test_the_kernel_bounds_its_memory(gateway: Gateway) -> None:
    gateway.hear()
    bound = resource.prlimit(gateway.process.pid, resource.RLIMIT_DATA)
    assert bound == (limits.GATEWAY_MEMORY_BYTES, limits.GATEWAY_MEMORY_BYTES)

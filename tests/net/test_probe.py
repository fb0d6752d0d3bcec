"""What listens at an address: told from the first bytes of a connection, which nobody notices."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus.errors import UsageError
from linebus.net import probe
from tests.support import PATIENCE_S, address_of, free_address, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT_S = 0.1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("tcp://127.0.0.1:5555", ("127.0.0.1", 5555)),
        ("tcp://[::1]:5555", ("::1", 5555)),
        ("tcp://somewhere.example:1", ("somewhere.example", 1)),
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, expected: tuple[str, int]) -> None:
    assert probe.host_and_port(address) == expected


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError, match="one looks like"):
        probe.host_and_port("localhost:5555")


def test_a_host_has_addresses_or_is_unknown() -> None:
    assert probe.resolve("127.0.0.1") == ["127.0.0.1"]
    assert set(probe.resolve("localhost")) & {"127.0.0.1", "::1"}
    assert probe.resolve("a..b") == []
    assert probe.resolve("a" * 70 + ".invalid") == []


def test_whether_something_accepts_connections_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert probe.accepts(address_of(listener.getsockname()[1]), PATIENCE_S)
    assert not probe.accepts(free_address(), PATIENCE_S)
    assert not probe.accepts("tcp://a..b:1", PATIENCE_S)


@contextmanager
def bound(kind: int) -> Iterator[str]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sock = context.socket(kind)
    port = sock.bind_to_random_port("tcp://127.0.0.1")
    try:
        yield address_of(port)
        assert not sock.poll(0), "it has heard something"
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("kind", ["ROUTER", "REP", "PULL", "SUB"])
def test_a_socket_of_zeromq_tells_its_type_and_hears_nothing(kind: str) -> None:
    with bound(getattr(zmq, kind)) as address:
        assert probe.socket_type(address, PATIENCE_S) == kind


def test_each_port_of_our_server_is_known_by_its_type() -> None:
    with serving() as config:
        kinds = {
            name: probe.socket_type(address_of(port), PATIENCE_S)
            for name, port in config.ports().items()
        }
    assert kinds == {
        "client_inputs": "ROUTER",
        "client_outputs": "PUB",
        "worker_inputs": "XPUB",
        "worker_outputs": "SUB",
    }


def test_where_nothing_listens_there_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        probe.socket_type(free_address(), PATIENCE_S)


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" + bytes(8) + b"\x7f\x03",
        GREETING,
        GREETING + b"\x04\x06\x05READX",
        GREETING + b"\x04\x06\x05READY",
        GREETING + b"\x04\x0a\x05READY\x0bSoc",
        GREETING + b"\x00\x01x",
        GREETING + b"\x04\x1a\x05READY\x0bSocket-Type\xff\xff\xff\xff",
    ],
)
def test_whatever_else_is_said_is_no_type(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            visitor, _ = listener.accept()
            with visitor:
                visitor.recv(64, socket.MSG_WAITALL)
                visitor.sendall(said)

        speaker = threading.Thread(target=speak)
        speaker.start()
        address = address_of(listener.getsockname()[1])
        assert probe.socket_type(address, PATIENCE_S) is None
        speaker.join(PATIENCE_S)


def test_who_says_nothing_is_waited_for_so_long_and_no_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert probe.socket_type(address_of(listener.getsockname()[1]), SHORT_S) is None

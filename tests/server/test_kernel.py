"""What the kernel tells of this process and of its connections."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from linebus.server.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Kernel.can_tell, reason="only Linux tells")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket, int]]:
    """Both ends of a connection, and the port on which it was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as there, listener.accept()[0] as here:
            yield here, there, port


def test_it_tells_how_much_has_come(pair: tuple[socket.socket, socket.socket, int]) -> None:
    here, there, port = pair
    there.sendall(b"x" * 1_000)
    assert here.recv(1_000, socket.MSG_WAITALL) == b"x" * 1_000
    [found] = Kernel({port}).connections({port})
    assert (found.descriptor, found.received) == (here.fileno(), 1_000)
    assert os.fstat(here.fileno()), "it is still open"


def test_other_ports_are_not_looked_at(pair: tuple[socket.socket, socket.socket, int]) -> None:
    _, _, port = pair
    assert list(Kernel({port}).connections({port + 1})) == []


def test_what_is_cut_is_closed_for_both_and_what_had_come_is_dropped(
    pair: tuple[socket.socket, socket.socket, int],
) -> None:
    here, there, port = pair
    there.sendall(b"never read")
    kernel = Kernel({port})
    kernel.cut(here.fileno())
    assert there.recv(10) == b""
    assert here.recv(10) == b""
    assert list(kernel.cut_lately) == [here.fileno()]


def test_a_connection_by_which_less_has_come_is_another_one(
    pair: tuple[socket.socket, socket.socket, int],
) -> None:
    here, there, port = pair
    there.sendall(b"x" * 100)
    assert here.recv(100, socket.MSG_WAITALL)
    kernel = Kernel({port})
    kernel.cut(here.fileno(), 101)
    there.sendall(b"still there")
    assert here.recv(20) == b"still there"
    assert not kernel.cut_lately
    Kernel({port}).cut(here.fileno(), 100)
    assert there.recv(10) == b""


def test_a_connection_at_another_port_is_left_alone(
    pair: tuple[socket.socket, socket.socket, int],
) -> None:
    here, there, port = pair
    Kernel({port + 1}).cut(here.fileno())
    there.sendall(b"still there")
    assert here.recv(20) == b"still there"


def test_what_is_no_connection_is_left_alone() -> None:
    read, write = os.pipe()
    Kernel(set()).cut(read)
    os.write(write, b"!")
    assert os.read(read, 1) == b"!"
    os.close(read)
    os.close(write)


def test_memory_is_known_and_can_be_trimmed() -> None:
    kernel = Kernel(set())
    kernel.trim()
    assert 1_000_000 < kernel.memory() < 100_000_000_000

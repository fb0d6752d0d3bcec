"""The server's four ports: sockets that listen, and what is said where one cannot be had."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from linebus.errors import AddressTaken, SetupError
from linebus.server.listening import listen
from tests.support import config_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.server.config import ServerConfig


@pytest.fixture
def config() -> ServerConfig:
    return config_on_free_ports()


def close(listening: dict[str, socket.socket]) -> None:
    for each in listening.values():
        each.close()


@pytest.mark.parametrize("place", range(4))
def test_a_port_that_is_taken_is_named_with_the_cure(config: ServerConfig, place: int) -> None:
    name, port = list(config.ports().items())[place]
    with taken(port), pytest.raises(AddressTaken) as caught:
        listen(config)
    free = " ".join(str(port + 1000) for port in config.ports().values())
    assert str(caught.value) == (
        f"port {port} ({name}) is taken on 127.0.0.1; another server may be running: "
        f"stop it, or give four other ports, such as {free}"
    )


def test_after_a_port_was_taken_none_of_the_others_is_held(config: ServerConfig) -> None:
    with taken(config.worker_outputs), pytest.raises(AddressTaken):
        listen(config)
    close(listen(config))


def test_a_host_that_is_not_here_cannot_be_bound() -> None:
    config = config_on_free_ports(host="192.0.2.7", insecure=True)
    with pytest.raises(SetupError, match=r"cannot bind client_inputs to tcp://192\.0\.2\.7:"):
        listen(config)


def test_closing_frees_the_ports_for_the_next_server(config: ServerConfig) -> None:
    for _ in range(3):
        close(listen(config))


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_whoever_connects_waits_until_somebody_accepts(config: ServerConfig) -> None:
    listening = listen(config)
    for name, port in config.ports().items():
        with socket.create_connection(("127.0.0.1", port)):
            assert not listening[name].getblocking()
            listening[name].accept()[0].close()
    close(listening)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_host_of_all_addresses_is_every_one() -> None:
    for host in ("*", "::"):
        config = config_on_free_ports(host=host, insecure=True)
        listening = listen(config)
        for port in config.ports().values():
            socket.create_connection(("127.0.0.1", port)).close()
        close(listening)

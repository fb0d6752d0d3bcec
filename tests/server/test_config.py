"""A server is told its ports and its host, and refuses what cannot be meant."""

from __future__ import annotations

import pytest

from linebus import limits
from linebus.errors import UsageError
from linebus.server.config import ServerConfig, is_loopback


def test_by_default_the_ports_are_those_of_the_exercise_on_this_machine() -> None:
    config = ServerConfig()
    assert config.ports() == {
        "client_inputs": 5555,
        "client_outputs": 5556,
        "worker_inputs": 5557,
        "worker_outputs": 5558,
    }
    assert config.host == limits.HOST == "127.0.0.1"
    assert not config.echo


def test_the_default_address_of_clients_is_where_the_default_server_takes_requests() -> None:
    config = ServerConfig()
    assert config.address(config.client_inputs) == limits.ADDRESS


@pytest.mark.parametrize("port", [0, -1, 65536, 10**9])
@pytest.mark.parametrize("place", range(4))
def test_a_port_that_none_is_gets_named(port: int, place: int) -> None:
    ports = [1, 2, 3, 65535]
    ServerConfig(1, 2, 3, 65535)
    ports[place] = port
    one, two, three, four = ports
    name = list(ServerConfig().ports())[place]
    with pytest.raises(UsageError, match=f"port {port} for {name} is not between 1 and 65535"):
        ServerConfig(one, two, three, four)


@pytest.mark.parametrize("ports", [(1, 1, 2, 3), (1, 2, 3, 1), (4, 5, 6, 6)])
def test_a_port_given_twice_is_refused(ports: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match="must differ"):
        ServerConfig(*ports)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "localhost"])
def test_a_host_that_only_this_machine_reaches_is_fine(host: str) -> None:
    assert is_loopback(host)
    assert ServerConfig(host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104
        "192.0.2.7",
        "::",
        "*",
        "",
        "eth0",
        "example.org",
        "localhost.example.org",
        "127.1",
    ],
)
def test_any_other_host_needs_consent(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(UsageError, match="--insecure"):
        ServerConfig(host=host)
    assert ServerConfig(host=host, insecure=True).host == host


def test_an_address_holds_host_and_port() -> None:
    assert ServerConfig().address(7) == "tcp://127.0.0.1:7"
    assert ServerConfig(host="::1").address(7) == "tcp://[::1]:7"

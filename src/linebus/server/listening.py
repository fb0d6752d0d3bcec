"""The server's four ports: sockets that listen, before anyone accepts what connects.

The server holds them for as long as it runs, so that nobody is refused while the process that
accepts connections at three of them is replaced.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from linebus import limits
from linebus.errors import AddressTaken, SetupError

if TYPE_CHECKING:
    from linebus.server.config import ServerConfig


def listen(config: ServerConfig) -> dict[str, socket.socket]:
    """Return the listening sockets by name. Raises AddressTaken and SetupError."""
    found: dict[str, socket.socket] = {}
    try:
        for name, port in config.ports().items():
            found[name] = _listen(config, name, port)
    except SetupError:
        for each in found.values():
            each.close()
        raise
    return found


def _listen(config: ServerConfig, name: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    host = "" if config.host == "*" else config.host
    try:
        listening = socket.create_server(
            (host, port),
            family=family,
            backlog=limits.LISTEN_BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = " ".join(map(str, _other_ports(config)))
            raise AddressTaken(
                f"port {port} ({name}) is taken on {config.host}; another server "
                f"may be running: stop it, or give four other ports, such as {free}"
            ) from error
        raise SetupError(
            f"cannot bind {name} to {config.address(port)}: {error.strerror}"
        ) from error
    listening.settimeout(0)
    return listening


def _other_ports(config: ServerConfig) -> list[int]:
    """Return ports that one may try instead."""
    ports = config.ports().values()
    step = 1000 if max(ports) + 1000 <= limits.PORT_MAX else -1000
    return [max(1, port + step) for port in ports]

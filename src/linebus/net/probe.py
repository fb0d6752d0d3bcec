"""What listens at an address, as far as that shows before anything is said to it.

Each end of a ZeroMQ connection opens with 64 bytes and then names the type of its socket (ZMTP 3,
RFC 23). So a server of the exercise, or another port of our own, can be told from a server of
ours. The other end sees a connection that ends before it begins: no message, no peer.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from linebus.net.dealer import check_address

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_VERSION = b"\x03\x00"
_GREETING = _SIGNATURE + _VERSION + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
_COMMAND = 0x04
_READY = b"\x05READY"
_SOCKET_TYPE = b"socket-type"

assert len(_GREETING) == 64  # noqa: PLR2004  as ZMTP has it


def host_and_port(address: str) -> tuple[str, int]:
    """Return the two parts of an address. Raises UsageError where it is none."""
    check_address(address)
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), int(port)


def resolve(host: str) -> list[str]:
    """Return the IP addresses of a host, none where it is unknown; may ask a name server."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # unknown; or nothing that a name server could know
        return []
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def accepts(address: str, timeout_s: float) -> bool:
    """Return whether something accepts connections there."""
    try:
        socket.create_connection(host_and_port(address), timeout_s).close()
    except (OSError, UnicodeError):
        return False
    return True


def socket_type(address: str, timeout_s: float) -> str | None:
    """Return the type of the ZeroMQ socket there, such as ROUTER; None where it tells none.

    Raises OSError where nothing accepts connections.
    """
    deadline = time.monotonic() + timeout_s
    with socket.create_connection(host_and_port(address), timeout_s) as sock:
        try:
            sock.sendall(_GREETING)
            if not _receive(sock, len(_SIGNATURE), deadline).startswith(b"\xff"):
                return None
            _receive(sock, len(_GREETING) - len(_SIGNATURE), deadline)
            flags, size = _receive(sock, 2, deadline)
            body = _receive(sock, size, deadline)
        except OSError:  # it says nothing, or hangs up
            return None
    if flags != _COMMAND or not body.startswith(_READY):
        return None
    kind = dict(_properties(body[len(_READY) :])).get(_SOCKET_TYPE, b"")
    return kind.decode("ascii", "replace") or None


def _receive(sock: socket.socket, count: int, deadline: float) -> bytes:
    received = b""
    while len(received) < count:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        some = sock.recv(count - len(received))
        if not some:
            raise ConnectionResetError
        received += some
    return received


def _properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names, in lower case, and values in a READY; whatever is cut short is left out."""
    while data:
        name, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        size = int.from_bytes(data[:4], "big")
        yield name.lower(), data[4 : 4 + size]
        data = data[4 + size :]

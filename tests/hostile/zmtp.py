"""Enough of ZMTP 3 by hand to say what libzmq would never say."""

from __future__ import annotations

import select
import socket
import struct
from typing import Self

HOST = "127.0.0.1"
PATIENCE_S = 10.0
_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT_MAX = 255


def frame(body: bytes = b"", *, more: bool = False, command: bool = False) -> bytes:
    """Return a frame as it is on the wire."""
    flags = _MORE * more | _COMMAND * command
    if len(body) > _SHORT_MAX:
        return bytes([flags | _LONG]) + struct.pack("!Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def message(*frames: bytes) -> bytes:
    """Return a message of several frames."""
    *first, last = frames
    return b"".join(frame(each, more=True) for each in first) + frame(last)


def ready(kind: bytes) -> bytes:
    """Return the command in which a peer says what kind of socket it is."""
    properties = ((b"Socket-Type", kind), (b"Identity", b""))
    body = b"".join(
        bytes([len(name)]) + name + struct.pack("!I", len(value)) + value
        for name, value in properties
    )
    return frame(b"\x05READY" + body, command=True)


class Closed(OSError):
    """The other end has closed the connection."""


class Wire:
    """A TCP connection to one of the server's sockets."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        """Connect; nothing is said yet. A small buffer makes a peer that reads nothing felt."""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect((HOST, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    @classmethod
    def shaken(cls, port: int, kind: bytes, receive_buffer: int = 0) -> Wire:
        """Connect and shake hands as a socket of this kind."""
        wire = cls(port, receive_buffer)
        try:
            wire.send(_GREETING + ready(kind), reading=False)
            wire.receive(len(_GREETING) + 2)
        except OSError:
            wire.close()
            raise
        return wire

    def send(self, data: bytes, *, reading: bool = True) -> int:
        """Send all; what comes meanwhile is read and dropped, unless `reading` is false."""
        view = memoryview(data)
        while view:
            wanted = [self.socket] if reading else []
            came, free, _ = select.select(wanted, [self.socket], [], PATIENCE_S)
            if not came and not free:
                raise Closed("it takes nothing any more")
            if came and not self.socket.recv(65_536):
                raise Closed("closed")
            if free:
                view = view[self.socket.send(view) :]
        return len(data)

    def receive(self, least: int) -> bytes:
        """Return what comes, at least so many bytes."""
        data = b""
        while len(data) < least:
            if not select.select([self.socket], [], [], PATIENCE_S)[0]:
                raise Closed("nothing comes")
            part = self.socket.recv(65_536)
            if not part:
                raise Closed("closed")
            data += part
        return data

    def wait_until_closed(self) -> bool:
        """Return whether the other end closes the connection within the patience."""
        try:
            while True:
                self.receive(1)
        except Closed as error:
            return str(error) == "closed"
        except ConnectionError:
            return True

    def leave(self) -> None:
        """Say that no more will come: what was said still arrives, then the connection ends."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close at once: nothing lingers, the port is free."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

"""What the kernel and the C library know of our memory and of single connections.

libzmq tells neither how much a connection has sent nor how much of that waits in memory; the kernel
does. It is Linux that is asked here; elsewhere nothing is known. Nothing here decides anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

# struct tcp_info of linux/tcp.h up to tcpi_bytes_received, which Linux has since 4.1.
_TCP_INFO = struct.Struct("=128xQ")


class Connection(NamedTuple):
    """A peer's connection: its descriptor, and how many bytes have come by it."""

    descriptor: int
    received: int


class Kernel:
    """Answers for this process."""

    can_tell = (
        sys.platform == "linux"
        and hasattr(socket, "TCP_INFO")
        and Path("/proc/self/statm").exists()
    )

    def __init__(self, ports: set[int]) -> None:
        """Find out what can be asked here; connections are those accepted on these ports."""
        self._ports = ports
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        # Descriptors of connections that have been cut, for whoever receives and takes them.
        self.cut_lately: deque[int] = deque(maxlen=limits.CUT_ROUTES_MAX)
        self._page_bytes = os.sysconf("SC_PAGESIZE")
        # Kept open: it is read ten times a second, also when no descriptor is to be had any more.
        self._statm = Path("/proc/self/statm").open("rb", 0) if self.can_tell else None  # noqa: SIM115

    def memory(self) -> int:
        """Return how many bytes of memory this process occupies now."""
        assert self._statm is not None, "where nothing can be told nobody asks"
        fields = os.pread(self._statm.fileno(), 100, 0).split()
        return int(fields[1]) * self._page_bytes

    def trim(self) -> None:
        """Give memory that is free back to the system; the C library alone would keep it."""
        if self._trim is not None:
            self._trim(0)

    def connections(self, ports: set[int]) -> Iterator[Connection]:
        """Yield all connections that were accepted on these of its ports."""
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  there may be ten thousand
            with contextlib.suppress(OSError, struct.error):
                found = _connection(int(name), ports)
                if found is not None:
                    yield found

    def cut(self, descriptor: int, received: int = 0) -> None:
        """Cut a connection of libzmq's, which then drops what it had of a message.

        Where less than `received` bytes have come by it, it is another one: libzmq still hands out
        messages of a connection that is gone, whose descriptor may have been used again. Where that
        cannot be told it is cut in any case; an honest peer connects again.
        """
        with contextlib.suppress(OSError, struct.error):
            found = _connection(descriptor, self._ports)
            if found is not None and found.received >= received:
                self.cut_lately.append(descriptor)
                with _borrowed(descriptor) as sock:
                    sock.shutdown(socket.SHUT_RDWR)
                    # What has come already would still be read: far more than one message.
                    while sock.recv(limits.PIPE_READ_BYTES, socket.MSG_DONTWAIT):
                        pass


def _connection(descriptor: int, ports: set[int]) -> Connection | None:
    with _borrowed(descriptor) as sock:
        address = sock.getsockname()
        if not isinstance(address, tuple) or address[1] not in ports:  # a path: of another kind
            return None
        sock.getpeername()  # raises where it is the listening socket
        if not Kernel.can_tell:
            return Connection(descriptor, sys.maxsize)
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return Connection(descriptor, *_TCP_INFO.unpack(info))


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Ask about a descriptor that belongs to libzmq, and leave it open whatever happens."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()

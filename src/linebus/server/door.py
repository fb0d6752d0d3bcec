"""Whether ports take new connections: what keeps those out for a while who come again when cut."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
import threading

# Of asm-generic/socket.h and linux/filter.h: a filter of one instruction, which keeps no byte.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_KEEP_NOTHING = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
_FILTER = struct.pack("@HP", 1, ctypes.addressof(_KEEP_NOTHING))


class Door:
    """Of sockets that listen. Elsewhere than on Linux it is always open.

    While it is shut the kernel drops what asks for a connection. The other end's kernel repeats
    that after a second, and then less and less often, so nobody is refused, and connections that
    there are go on. It is shut until all that had come is received, since what has come by a
    connection that is cut stays in memory, and who was cut comes again with more.
    """

    def __init__(self, *listening: socket.socket) -> None:
        """Leave it open; the sockets themselves may be given away afterwards."""
        self._listening = [each.dup() for each in listening]
        self._inlets: set[object] = set()
        self._full: set[object] = set()
        self._lock = threading.Lock()

    def add(self, inlet: object) -> None:
        """Keep it shut, once it is, until `received_all` is called for this too."""
        self._inlets.add(inlet)

    @property
    def is_shut(self) -> bool:
        """Whether no new connections are taken."""
        return bool(self._full)

    def shut(self) -> None:
        """Take no new connections for now; from whichever thread."""
        if sys.platform == "linux":
            with self._lock:
                self._full |= self._inlets
                for each in self._listening:
                    with contextlib.suppress(OSError):  # a kernel without filters
                        each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)

    def received_all(self, inlet: object) -> None:
        """Note that nothing waits at an inlet; where that was the last one, it is open again."""
        if inlet in self._full:
            with self._lock:
                self._full.discard(inlet)
                if not self._full:
                    for each in self._listening:
                        let_in(each)

    def close(self) -> None:
        """Let go of the sockets, which stay as they are."""
        for each in self._listening:
            each.close()


def let_in(listening: socket.socket) -> None:
    """Open a door that a process has left shut, if it has."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it was open
            listening.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

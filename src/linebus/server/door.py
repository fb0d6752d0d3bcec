"""Whether ports take new connections: what keeps those out for a while who come again when cut."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
import time

from linebus.server.kernel import Kernel

# Of asm-generic/socket.h and linux/filter.h: a filter of one instruction, which keeps no byte.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_KEEP_NOTHING = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
_FILTER = struct.pack("@HP", 1, ctypes.addressof(_KEEP_NOTHING))


class Door:
    """Of sockets that listen. Where nobody guards, which is elsewhere than on Linux, it stays open.

    While it is shut the kernel drops what asks for a connection; the other end's kernel asks again
    after a second or more. Connections that there are go on.
    """

    def __init__(self, *listening: socket.socket) -> None:
        """Leave it open; the sockets themselves may be given away afterwards."""
        self._listening = [each.dup() for each in listening]
        self._lock = threading.Lock()
        self._shut_until = 0.0
        self.is_shut = False

    def shut(self, for_s: float) -> None:
        """Take no new connections for so long at least; from whichever thread."""
        if not Kernel.can_tell:
            return
        with self._lock:
            self._shut_until = max(self._shut_until, time.monotonic() + for_s)
            if not self.is_shut:
                with contextlib.suppress(OSError):  # a kernel without filters
                    for each in self._listening:
                        each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)
                    self.is_shut = True

    def open_when_over(self) -> None:
        """Take new connections again if it is time; the guard calls this again and again."""
        with self._lock:
            if self.is_shut and time.monotonic() >= self._shut_until:
                for each in self._listening:
                    let_in(each)
                self.is_shut = False

    def close(self) -> None:
        """Let go of the sockets, which stay as they are."""
        for each in self._listening:
            each.close()


def let_in(listening: socket.socket) -> None:
    """Open a door that may have been left shut by a process that has gone."""
    with contextlib.suppress(OSError):  # it was open
        listening.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

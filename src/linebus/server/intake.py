"""Receiving from sockets that anyone may send to: a bounded number of messages, for a moment."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from linebus import limits
from linebus.net import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zmq

    from linebus.server.kernel import Kernel


class Intake:
    """Receives, counts for the guard what has come by each connection, and cuts senseless ones."""

    def __init__(self, kernel: Kernel) -> None:
        """Cut connections by means of `kernel`."""
        self._kernel = kernel
        self.arrived: Counter[int] = Counter()  # bytes in whole messages, by descriptor

    def drain(self, socket: zmq.Socket[bytes], own: int) -> Iterator[list[zmq.Frame]]:
        """Yield the messages that make sense; `own` is how many frames are the socket's."""
        until = time.monotonic() + limits.RECEIVE_S
        for _ in range(limits.DRAIN_MESSAGES_MAX):
            received = frames.receive(socket)
            if received is None:
                return
            if self._makes_sense(socket, received, own):
                yield received
            if time.monotonic() >= until or not frames.has_arrived(socket):
                return

    def _makes_sense(self, socket: zmq.Socket[bytes], received: list[zmq.Frame], own: int) -> bool:
        """Count a message for its connection; cut that one where it has far too many frames.

        The first `own` frames are the socket's, they never came by the connection.
        """
        descriptor = frames.descriptor_of(received[0])
        size = sum(map(len, received[own:]))
        is_senseless = len(received) > limits.FRAMES_MAX
        if is_senseless:
            size += frames.skip(socket)
        if descriptor is not None:
            self.arrived[descriptor] += size
            if is_senseless:
                self._kernel.cut(descriptor, size)
        return not is_senseless

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

    from linebus.server.door import Door
    from linebus.server.kernel import Kernel


_SHORT_BYTES_MAX = 255
_MADE_ROUTE_BYTES = 5


class Intake:
    """Receives, counts for the guard what has come by each connection, and cuts senseless ones."""

    def __init__(self, kernel: Kernel, door: Door) -> None:
        """Cut connections by means of `kernel`, and keep those who come again at the door."""
        self._kernel = kernel
        self._door = door
        self.arrived: Counter[int] = Counter()  # bytes of whole messages, by descriptor
        self._routes: dict[int, bytes] = {}  # from which a message came last, by descriptor
        self._cut_routes: dict[bytes, None] = {}  # in the order in which they were cut

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
        if own and descriptor is not None and self._is_of_a_cut(descriptor, received[0].bytes):
            descriptor = None  # it may be another connection's by now
            is_wanted = False
        else:
            is_wanted = len(received) <= limits.FRAMES_MAX
        size = _size(received[own:])
        if len(received) > limits.FRAMES_MAX:
            size += self._pass_over(socket, received[-1], descriptor, size)
        if descriptor is not None:
            self.arrived[descriptor] += size
        return is_wanted

    def _is_of_a_cut(self, descriptor: int, route: bytes) -> bool:
        """Return whether a message is left over from a connection that was cut here.

        There may be a million of them, and each costs far more than to drop it: as much may be lost
        of any connection that is cut. A descriptor may be used again, and so may a route that its
        peer has chosen; one that libzmq has made is one connection's only.
        """
        if len(route) != _MADE_ROUTE_BYTES or route[0]:
            return False
        while self._kernel.cut_lately:
            cut = self._routes.pop(self._kernel.cut_lately.popleft(), None)
            if cut is not None:
                self._cut_routes[cut] = None
                if len(self._cut_routes) > limits.CUT_ROUTES_MAX:
                    del self._cut_routes[next(iter(self._cut_routes))]
        if route in self._cut_routes:
            return True
        self._routes[descriptor] = route
        return False

    def _pass_over(
        self, socket: zmq.Socket[bytes], last: zmq.Frame, descriptor: int | None, size: int
    ) -> int:
        """Pass over what is left of a message that makes no sense; return how many bytes that was.

        Where that takes long its sender is cut before, or it would send more meanwhile, and kept
        out for a while, or it would come again.
        """
        passed, last = frames.skip(socket, last, limits.CHEAP_FRAMES)
        if last.more:
            self._door.shut(0.0)
        if descriptor is not None:
            self._kernel.cut(descriptor, size + passed)
        if last.more:
            began_at = time.monotonic()
            passed += frames.skip(socket, last)[0]
            self._door.shut(limits.DOOR_PER_COST * (time.monotonic() - began_at))
        return passed


def _size(received: list[zmq.Frame]) -> int:
    """Return how many bytes frames have taken on the way: ZMTP puts two or nine before each."""
    size = sum(map(len, received)) + 2 * len(received)
    if size > _SHORT_BYTES_MAX:
        size += 7 * sum(len(frame) > _SHORT_BYTES_MAX for frame in received)
    return size

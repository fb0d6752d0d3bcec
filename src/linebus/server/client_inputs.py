"""client_inputs, where native peers and REQ clients speak; and which connection is whose.

ROUTER stands in for the exercise's REP: the wire stays the same, and the server learns who asks and
when a connection is cut.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.net import frames, monitor
from linebus.server.binding import bind, new_socket, server_context
from linebus.server.intake import Intake
from linebus.wire import plain

if TYPE_CHECKING:
    import socket
    from collections.abc import Container, Iterator

    from linebus.server.door import Door
    from linebus.server.kernel import Kernel


class ClientInputs:
    """The ROUTER and its monitor."""

    def __init__(self, kernel: Kernel, door: Door, listening: socket.socket) -> None:
        """Accept what connects to a port; the socket that listens there is taken over.

        It has no high-water mark for receiving. Where one is reached libzmq 4.3.5 reads no more
        from the connection, and if the peer has gone meanwhile, a heartbeat among what had been
        read already aborts the process (`!_io_error` in stream_engine_base.cpp).
        """
        self._kernel = kernel
        self._context = server_context()
        self.socket = new_socket(
            self._context,
            zmq.ROUTER,
            (
                (zmq.ROUTER_MANDATORY, 1),
                (zmq.ROUTER_HANDOVER, 0),
                (zmq.SNDHWM, limits.SERVER_HWM_MESSAGES),
                (zmq.RCVHWM, 0),
                (zmq.MAXMSGSIZE, limits.MESSAGE_BYTES_MAX),
            ),
        )
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._news_descriptor = int(self.monitor.getsockopt(zmq.FD))
        self.monitor.poll(0)  # its descriptor tells of events only once a look has been in vain
        self._routes_by_descriptor: dict[int, bytes] = {}
        self._intake = Intake(kernel, door)
        self.arrived = self._intake.arrived
        bind(self.socket, listening)

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for all that can arrive.

        Polled as a socket, the monitor would be asked twice in each wait whether it has something.
        """
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self._news_descriptor, zmq.POLLIN)

    def has_arrivals(self, ready: Container[object]) -> bool:
        """Return whether a poller has found that messages have arrived."""
        return self.socket in ready

    def has_news(self, ready: Container[object]) -> bool:
        """Return whether connections may have been cut, by what a poller has found."""
        return self._news_descriptor in ready

    def receive(self) -> Iterator[list[zmq.Frame]]:
        """Yield messages that have arrived, a bounded number."""
        return self._intake.drain(self.socket, 1)

    def cut(self, route: bytes) -> None:
        """Cut the connection behind a route, from which nobody reads any more."""
        for descriptor, each in self._routes_by_descriptor.items():
            if each == route:
                self._kernel.cut(descriptor)
                return

    def note_route(self, route: zmq.Frame) -> None:
        """Remember which connection a hello came by, to know it when it is cut.

        Descriptors are used again: the caller looks at `cut_routes` first, since libzmq reports
        a cut connection before its descriptor is closed.
        """
        descriptor = frames.descriptor_of(route)
        if descriptor is not None:
            self._routes_by_descriptor[descriptor] = route.bytes

    def cut_routes(self) -> Iterator[bytes]:
        """Yield the routes whose connections have been cut since the last call.

        To be read to the end: of what is left a poller would not tell.
        """
        for event in monitor.events(self.monitor):
            self.arrived.pop(event.value, None)
            route = self._routes_by_descriptor.pop(event.value, None)
            if route is not None:
                yield route

    def send_to(self, route: bytes, first: bytes, body: bytes) -> bool | None:
        """Send to a native peer: True sent, False no room now, None no such connection."""
        try:
            frames.send(self.socket, route, first, body)
        except zmq.Again:
            return False
        except zmq.ZMQError:
            return None
        return True

    def confirm(self, envelope: list[zmq.Frame]) -> None:
        """Send the exercise's confirmation back along a REQ client's envelope.

        Confirmations may wait for a client that does not read, so an envelope has to be short.
        """
        if any(len(frame) > limits.REQUEST_ID_BYTES_MAX for frame in envelope):
            return
        with contextlib.suppress(zmq.ZMQError):
            frames.send(self.socket, *[frame.bytes for frame in envelope], plain.ACK)

    def close(self) -> None:
        """Close everything; what was sent has a moment to leave.

        Where nobody has read the monitor's events for long, libzmq's thread waits for room with the
        lock held that `disable_monitor` needs.
        """
        for _ in self.cut_routes():
            pass
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disable_monitor()
        self._context.destroy(linger=limits.LINGER_MS)

"""The server's four sockets, bound and set up; and which connection is whose.

ROUTER stands in for the exercise's REP and XPUB for its PUB: the wire stays the same, and the
server learns who asks, what plain workers subscribe to, and when a connection is cut.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING

import zmq
from zmq.utils.monitor import parse_monitor_message

from linebus import limits, process
from linebus.errors import AddressTaken, SetupError
from linebus.net import frames
from linebus.net.dealer import new_context
from linebus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.server.config import ServerConfig
    from linebus.server.kernel import Kernel

_KEEPALIVE = (
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, limits.KEEPALIVE_IDLE_S),
    (zmq.TCP_KEEPALIVE_INTVL, limits.KEEPALIVE_INTERVAL_S),
    (zmq.TCP_KEEPALIVE_CNT, limits.KEEPALIVE_PROBES),
)


def _other_ports(config: ServerConfig) -> list[int]:
    """Return ports that one may try instead."""
    ports = config.ports().values()
    step = 1000 if max(ports) + 1000 <= limits.PORT_MAX else -1000
    return [max(1, port + step) for port in ports]


class ServerSockets:
    """client_inputs (ROUTER), client_outputs (PUB), worker_inputs (XPUB), worker_outputs (SUB)."""

    def __init__(self, config: ServerConfig, kernel: Kernel) -> None:
        """Bind all four. Raises AddressTaken where a port is in use, SetupError otherwise."""
        process.seed_c_library()
        process.raise_descriptor_limit()
        self._config = config
        self._kernel = kernel
        self._context = new_context()
        self._context.setsockopt(zmq.IPV6, int(":" in config.host))
        with contextlib.suppress(zmq.ZMQError):
            self._context.setsockopt(zmq.MAX_SOCKETS, limits.SOCKETS_MAX)
        self.client_inputs = self._router()
        self.client_outputs = self._plain_socket(zmq.PUB)
        self.worker_inputs = self._xpub()
        self.worker_outputs = self._plain_socket(zmq.SUB)
        self.worker_outputs.setsockopt(zmq.SUBSCRIBE, b"")
        self.monitor = self.client_inputs.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._routes_by_descriptor: dict[int, bytes] = {}
        self.arrived: Counter[int] = Counter()  # bytes in whole messages, by descriptor
        try:
            self._bind_all()
        except SetupError:
            self.close()
            raise

    def _router(self) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.ROUTER_HANDOVER, 0),
            (zmq.SNDHWM, limits.SERVER_HWM_MESSAGES),
            (zmq.RCVHWM, limits.SERVER_RECEIVE_HWM_MESSAGES),
            (zmq.MAXMSGSIZE, limits.MESSAGE_BYTES_MAX),
            (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
            (zmq.BACKLOG, limits.LISTEN_BACKLOG),
            *_KEEPALIVE,
        ):
            socket.setsockopt(option, value)
        return socket

    def _plain_socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        for option, value in (
            (zmq.SNDHWM, limits.PLAIN_HWM_MESSAGES),
            (zmq.RCVHWM, limits.PLAIN_RECEIVE_HWM_MESSAGES),
            (zmq.MAXMSGSIZE, limits.PLAIN_FRAME_BYTES_MAX),
            (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
            (zmq.BACKLOG, limits.LISTEN_BACKLOG),
            *_KEEPALIVE,
        ):
            socket.setsockopt(option, value)
        return socket

    def _xpub(self) -> zmq.Socket[bytes]:
        socket = self._plain_socket(zmq.XPUB)
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        socket.setsockopt(zmq.XPUB_WELCOME_MSG, plain.hint(self._config.client_inputs))
        return socket

    def _bind_all(self) -> None:
        for name, port in self._config.ports().items():
            address = self._config.address(port)
            try:
                getattr(self, name).bind(address)
            except zmq.ZMQError as error:
                if error.errno == zmq.EADDRINUSE:
                    free = " ".join(map(str, _other_ports(self._config)))
                    raise AddressTaken(
                        f"port {port} ({name}) is taken on {self._config.host}; another server "
                        f"may be running: stop it, or give four other ports, such as {free}"
                    ) from error
                raise SetupError(f"cannot bind {name} to {address}: {error.strerror}") from error

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for all that can arrive."""
        for socket in (self.client_inputs, self.worker_inputs, self.worker_outputs, self.monitor):
            poller.register(socket, zmq.POLLIN)

    # -- native peers and REQ clients, on client_inputs ---------------------------------------

    def receive_inputs(self) -> Iterator[list[zmq.Frame]]:
        """Yield messages that have arrived on client_inputs, a bounded number."""
        return self._drain(self.client_inputs, 1)

    def _makes_sense(self, received: list[zmq.Frame], own: int) -> bool:
        """Count a message for its connection; cut that one where it has far too many frames.

        The first `own` frames are the socket's, they never came by the connection.

        Each frame takes a microsecond to receive, so a message of a million holds everyone up.
        """
        descriptor = frames.descriptor_of(received[0])
        if descriptor is not None:
            self.arrived[descriptor] += sum(map(len, received[own:]))
            if len(received) > limits.FRAMES_MAX:
                self._kernel.cut(descriptor)
        return len(received) <= limits.FRAMES_MAX

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
        """Yield the routes whose connections have been cut since the last call."""
        while self.monitor.poll(0):
            event = parse_monitor_message(self.monitor.recv_multipart(zmq.NOBLOCK))
            self.arrived.pop(event["value"], None)
            route = self._routes_by_descriptor.pop(event["value"], None)
            if route is not None:
                yield route

    def send_to(self, route: bytes, first: bytes, body: bytes) -> bool | None:
        """Send to a native peer: True sent, False no room now, None no such connection."""
        try:
            frames.send(self.client_inputs, route, first, body)
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
            frames.send(self.client_inputs, *[frame.bytes for frame in envelope], plain.ACK)

    # -- the exercise's other three sockets ---------------------------------------------------

    def receive_subscriptions(self) -> Iterator[bytes]:
        """Yield what XPUB reports of subscribers to worker_inputs, a bounded number."""
        return (message[0].bytes for message in self._drain(self.worker_inputs, 0))

    def receive_results(self) -> Iterator[list[bytes]]:
        """Yield what plain workers have published, a bounded number of messages."""
        for received in self._drain(self.worker_outputs, 0):
            yield [frame.bytes for frame in received]

    def _drain(self, socket: zmq.Socket[bytes], own: int) -> Iterator[list[zmq.Frame]]:
        """Yield the messages that make sense; `own` is how many frames are the socket's."""
        until = time.monotonic() + limits.RECEIVE_S
        for _ in range(limits.DRAIN_MESSAGES_MAX):
            if not frames.has_arrived(socket):
                return
            received = frames.receive(socket)
            if received is not None and self._makes_sense(received, own):
                yield received
            if time.monotonic() >= until:
                return

    def publish(self, text: str) -> None:
        """Publish a text to every plain client, as one UTF-8 frame."""
        self.client_outputs.send(text.encode("utf-8", "backslashreplace"), zmq.NOBLOCK)

    def broadcast(self, line: str) -> None:
        """Publish a line to the plain workers that subscribe to it."""
        self.worker_inputs.send(line.encode(), zmq.NOBLOCK)

    def close(self) -> None:
        """Close everything; what was sent has a moment to leave."""
        with contextlib.suppress(zmq.ZMQError):
            self.client_inputs.disable_monitor()
        self._context.destroy(linger=limits.LINGER_MS)

"""A peer's connection to the server: one DEALER and the monitor that tells how it fares.

What is sent while there is no connection waits, and reaches whatever server comes next; there the
token that it opens with is unknown, so it counts for nothing. ZMQ_IMMEDIATE would prevent that, but
with it libzmq 4.3.5 aborts the process whose connection is cut between two frames of a message that
it reads (docs/adr/0010). One thread owns the socket. Nothing here knows what frames mean.
"""

from __future__ import annotations

import contextlib
import re
import socket
from enum import Enum, auto
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.errors import UsageError
from linebus.net import frames, monitor

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


class Event(Enum):
    """What the monitor tells."""

    CONNECTED = auto()
    DISCONNECTED = auto()
    REFUSED = auto()  # nothing accepts connections there; libzmq tries again
    STRANGE = auto()  # what accepts connections there does not speak ZMTP as a ROUTER would


_EVENTS = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Event.CONNECTED,
    zmq.EVENT_DISCONNECTED: Event.DISCONNECTED,
    zmq.EVENT_CLOSED: Event.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Event.STRANGE,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Event.STRANGE,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Event.STRANGE,
}
_FRAMES = 2
_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return a context whose sockets never keep a process from exiting for long."""
    context = zmq.Context()
    context.setsockopt(zmq.LINGER, limits.LINGER_MS)
    return context


def check_address(address: str) -> None:
    """Raise UsageError unless this looks like tcp://host:port."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= limits.PORT_MAX:
        raise UsageError(f"'{address}' is not an address; one looks like {limits.ADDRESS}")


def can_resolve(address: str) -> bool:
    """Return whether the host in an address is known; may wait for a name server."""
    found = _ADDRESS.fullmatch(address)
    try:
        socket.getaddrinfo(found["host"].strip("[]") if found else "", None)
    except (OSError, UnicodeError):  # unknown; or nothing that a name server could know
        return False
    return True


class Dealer:
    """A DEALER connected to one address, such as tcp://127.0.0.1:5555."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str) -> None:
        """Connect in the background. Raises UsageError where the address makes no sense."""
        check_address(address)
        self.address = address
        self.socket = context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IPV6, int("[" in address)),
            (zmq.SNDHWM, limits.PEER_HWM_MESSAGES),
            (zmq.RCVHWM, limits.PEER_RECEIVE_HWM_MESSAGES),
            (zmq.MAXMSGSIZE, limits.PEER_MESSAGE_BYTES_MAX),
            (zmq.RECONNECT_IVL, limits.RECONNECT_MS),
            (zmq.RECONNECT_IVL_MAX, limits.RECONNECT_MS_MAX),
            (zmq.CONNECT_TIMEOUT, limits.CONNECT_MS),
            (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
            (zmq.HEARTBEAT_IVL, limits.ZMTP_HEARTBEAT_MS),
        ):
            self.socket.setsockopt(option, value)
        self.monitor = self.socket.get_monitor_socket(sum(_EVENTS))
        self._news_descriptor = int(self.monitor.getsockopt(zmq.FD))
        self.is_behind = False
        self.monitor.poll(0)  # its descriptor tells of events only once a look has been in vain
        try:
            self.socket.connect(address)
        except (zmq.ZMQError, UnicodeEncodeError) as error:
            self.close()
            raise UsageError(
                f"{address!r} is not an address; one looks like {limits.ADDRESS}"
            ) from error

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for arrivals and for news of the connection.

        Polled as a socket, the monitor would be asked twice in each wait whether it has something.
        """
        poller.register(self.socket, zmq.POLLIN)
        poller.register(self._news_descriptor, zmq.POLLIN)

    def unregister(self, poller: zmq.Poller) -> None:
        """Take both out of the poller again."""
        poller.unregister(self.socket)
        poller.unregister(self._news_descriptor)

    def has_arrivals(self, ready: Container[object]) -> bool:
        """Return whether a poller has found that messages have arrived."""
        return self.socket in ready

    def has_news(self, ready: Container[object]) -> bool:
        """Return whether there may be events, by what a poller has found."""
        return self.is_behind or self._news_descriptor in ready

    def events(self) -> Iterator[Event]:
        """Yield what has happened to the connection since the last call, in order, a bounded part.

        Where `is_behind` is true then, more may have happened, of which a poller does not tell.
        """
        self.is_behind = True
        for _ in range(limits.DRAIN_MESSAGES_MAX):
            event = monitor.next_event(self.monitor)
            if event is None:
                self.is_behind = False
                return
            yield _EVENTS[zmq.Event(event.kind)]

    def send(self, first: bytes, body: bytes) -> bool:
        """Send two frames without waiting; return False where there is no room now."""
        try:
            frames.send(self.socket, first, body)
        except zmq.Again:
            return False
        return True

    def arrivals(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the two frames of each message that has arrived, of a bounded number of messages.

        Messages with any other number of frames are dropped.
        """
        for _ in range(limits.DRAIN_MESSAGES_MAX):
            received = frames.receive(self.socket)
            if received is None:
                return
            if len(received) == _FRAMES:
                yield received[0].bytes, received[1].bytes
            elif len(received) > limits.FRAMES_MAX:
                frames.skip(self.socket, received[-1])
            if not frames.has_arrived(self.socket):
                return

    def close(self) -> None:
        """Close both sockets; what was sent has a moment to leave.

        Where nobody has read the events for long (two thousand attempts to reconnect), libzmq's
        thread waits for room with the lock held that `disable_monitor` needs.
        """
        for _ in monitor.events(self.monitor):
            pass
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disable_monitor()
        self.monitor.close(linger=0)
        self.socket.close()

"""A worker's two sockets of the exercise: SUB on worker_inputs, PUB on worker_outputs."""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.net.monitor import events
from linebus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class PlainLink:
    """Subscribes to the welcome line always, and to the services' lines while it is asked to."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], inputs: str, outputs: str) -> None:
        """Connect in the background. The welcome line is asked for before anything else."""
        self.inputs = context.socket(zmq.SUB)
        self._outputs = context.socket(zmq.PUB)
        self._prefixes: set[str] = set()
        for socket in (self.inputs, self._outputs):
            socket.setsockopt(zmq.RECONNECT_IVL, limits.RECONNECT_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, limits.RECONNECT_MS_MAX)
            socket.setsockopt(zmq.MAXMSGSIZE, limits.PEER_MESSAGE_BYTES_MAX)
            socket.setsockopt(zmq.RCVHWM, limits.PLAIN_HWM_MESSAGES)
            socket.setsockopt(zmq.SNDHWM, limits.PLAIN_HWM_MESSAGES)
        self._monitors = {
            socket: socket.get_monitor_socket(
                zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
            )
            for socket in (self.inputs, self._outputs)
        }
        self._accepted: set[zmq.Socket[bytes]] = set()
        self.inputs.setsockopt(zmq.SUBSCRIBE, plain.HINT_PREFIX.encode())
        self.inputs.connect(inputs)
        self._outputs.connect(outputs)

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for lines and for news of the connections."""
        for socket in (self.inputs, *self._monitors.values()):
            poller.register(socket, zmq.POLLIN)

    @property
    def is_accepted(self) -> bool:
        """Whether both sockets have met what they fit; read the news of the connections first."""
        return len(self._accepted) == len(self._monitors)

    def read_news(self) -> None:
        """Note how the connections fare, from a bounded number of news."""
        for socket, monitor in self._monitors.items():
            for event in islice(events(monitor), limits.DRAIN_MESSAGES_MAX):
                if event.kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    self._accepted.add(socket)
                else:
                    self._accepted.discard(socket)

    def subscribe(self, prefixes: Iterable[str]) -> None:
        """Subscribe to exactly these prefixes besides the welcome line."""
        wanted = set(prefixes)
        for prefix in self._prefixes - wanted:
            self.inputs.setsockopt(zmq.UNSUBSCRIBE, prefix.encode())
        for prefix in wanted - self._prefixes:
            self.inputs.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        self._prefixes = wanted

    def lines(self) -> Iterator[str]:
        """Yield the lines that have arrived, a bounded number; what is no text is dropped."""
        for _ in range(limits.DRAIN_MESSAGES_MAX):
            try:
                frames = self.inputs.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            line = plain.decode(frames[-1])
            if line is not None:
                yield line

    def publish(self, text: str) -> None:
        """Publish a result, one UTF-8 frame."""
        self._outputs.send(text.encode("utf-8", "backslashreplace"), zmq.NOBLOCK)

    def close(self) -> None:
        """Close both sockets; news that nobody reads would hold libzmq up, see net/dealer.py."""
        self.read_news()
        for socket, monitor in self._monitors.items():
            with contextlib.suppress(zmq.ZMQError):
                socket.disable_monitor()
            monitor.close(linger=0)
            socket.close()

"""client_outputs, worker_inputs and worker_outputs: what the exercise has besides client_inputs.

XPUB stands in for the exercise's PUB at worker_inputs: the wire stays the same, and the server
learns what plain workers subscribe to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.server.binding import bind, new_socket, server_context
from linebus.server.intake import Intake
from linebus.wire import plain

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from linebus.server.door import Door
    from linebus.server.kernel import Kernel

_OPTIONS = (
    (zmq.SNDHWM, limits.PLAIN_HWM_MESSAGES),
    (zmq.RCVHWM, limits.PLAIN_RECEIVE_HWM_MESSAGES),
    (zmq.MAXMSGSIZE, limits.PLAIN_FRAME_BYTES_MAX),
)


class PlainSockets:
    """client_outputs (PUB), worker_inputs (XPUB), worker_outputs (SUB)."""

    def __init__(
        self, kernel: Kernel, door: Door, client_inputs: int, listening: tuple[socket.socket, ...]
    ) -> None:
        """Accept what connects to the three ports; the sockets that listen there are taken over.

        Workers that look for the native way are told the port `client_inputs`.
        """
        self._context = server_context()
        self._intake = Intake(kernel, door)
        self.arrived = self._intake.arrived
        self.client_outputs = new_socket(self._context, zmq.PUB, _OPTIONS)
        self.worker_inputs = new_socket(self._context, zmq.XPUB, _OPTIONS)
        self.worker_inputs.setsockopt(zmq.XPUB_VERBOSER, 1)
        self.worker_inputs.setsockopt(zmq.XPUB_WELCOME_MSG, plain.hint(client_inputs))
        self.worker_outputs = new_socket(self._context, zmq.SUB, _OPTIONS)
        self.worker_outputs.setsockopt(zmq.SUBSCRIBE, b"")
        every = (self.client_outputs, self.worker_inputs, self.worker_outputs)
        for made, listens in zip(every, listening, strict=True):
            bind(made, listens)

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for all that can arrive."""
        for each in (self.worker_inputs, self.worker_outputs):
            poller.register(each, zmq.POLLIN)

    def receive_subscriptions(self) -> Iterator[bytes]:
        """Yield what XPUB reports of subscribers to worker_inputs, a bounded number."""
        return (message[0].bytes for message in self._intake.drain(self.worker_inputs, 0))

    def receive_results(self) -> Iterator[list[bytes]]:
        """Yield what plain workers have published, a bounded number of messages."""
        for received in self._intake.drain(self.worker_outputs, 0):
            yield [frame.bytes for frame in received]

    def publish(self, text: bytes) -> None:
        """Publish a text to every plain client, as one frame."""
        self.client_outputs.send(text, zmq.NOBLOCK)

    def broadcast(self, line: bytes) -> None:
        """Publish a line to the plain workers that subscribe to it."""
        self.worker_inputs.send(line, zmq.NOBLOCK)

    def close(self) -> None:
        """Close everything; what was sent has a moment to leave."""
        self._context.destroy(linger=limits.LINGER_MS)

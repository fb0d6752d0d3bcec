"""The gateway: a process of its own for the exercise's sockets that anyone may subscribe at.

libzmq takes subscriptions in, and whatever else comes by such a socket, without returning to its
caller and without bound. What strangers do there must not hold up native peers, so it happens
here. Linux gives this process no more memory than so much, and libzmq ends it where it gets none;
the server replaces it, and kills it where it says nothing for long. Plain peers connect again by
themselves.

Started as `python -m linebus.server.gateway SERVER_PID CHANNEL CLIENT_INPUTS_PORT` and the
descriptors of three sockets that listen. It ends when the other end of its channel is closed.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits, process
from linebus.net.clock import milliseconds_until
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.server.door import Door
from linebus.server.guard import Guard
from linebus.server.kernel import Kernel
from linebus.server.pipes import Broadcast, Came, Publish, ToGateway
from linebus.server.plain_sockets import PlainSockets

if TYPE_CHECKING:
    from collections.abc import Sequence


class Gateway:
    """Passes on what plain peers send to the server, and what that has for them."""

    def __init__(
        self, channel: int, client_inputs: int, listening: tuple[socket.socket, ...]
    ) -> None:
        """Accept what connects to the three ports from now on."""
        outputs, inputs, results = (each.getsockname()[1] for each in listening)
        kernel = Kernel({outputs, inputs, results})
        door = Door(*listening)
        self._sockets = PlainSockets(kernel, door, client_inputs, listening)
        self._guard = Guard(
            kernel, door, {outputs, inputs, results}, {outputs, inputs}, int, self._sockets.arrived
        )
        self._channel = channel
        self._reader = PipeReader(channel, ToGateway)
        self._writer = PipeWriter(channel)
        self._poller = zmq.Poller()
        self._sockets.register(self._poller)
        self._poller.register(channel, zmq.POLLIN)
        self._when_full = zmq.Poller()
        self._when_full.register(channel, zmq.POLLIN | zmq.POLLOUT)
        self._said_at = time.monotonic()
        self._opens_at = self._said_at + limits.GATEWAY_JOIN_S
        self._held: list[ToGateway] = []  # until those who were waiting have connected

    def run(self) -> None:
        """Work until the server closes its end; what it has said before is sent."""
        self._say(Came([], []))
        with self._guard:
            while not self._reader.is_at_end:
                self._round()
        self._pass_on_held()
        self._sockets.close()

    def _round(self) -> None:
        """Wait, pass on what the server says, and tell it what has come."""
        now = time.monotonic()
        # What does not fit into the channel must not become more meanwhile.
        is_full = self._writer.is_waiting
        until = inf if is_full else self._said_at + limits.GATEWAY_ALIVE_S
        if self._held:
            until = min(until, self._opens_at)
        poller = self._when_full if is_full else self._poller
        ready = dict(poller.poll(milliseconds_until(until, now)))
        if self._channel in ready:
            self._hear()
        if self._held and time.monotonic() >= self._opens_at:
            self._pass_on_held()
        if is_full:
            self._writer.flush()
            return
        came = self._take()
        if came.subscriptions or came.results or time.monotonic() >= until:
            self._say(came)

    def _hear(self) -> None:
        self._held += self._reader.read()
        if time.monotonic() >= self._opens_at:
            self._pass_on_held()

    def _pass_on_held(self) -> None:
        held, self._held = self._held, []
        for message in held:
            match message:
                case Publish(texts=texts):
                    for text in texts:
                        self._sockets.publish(text)
                case Broadcast(lines=lines):
                    for line in lines:
                        self._sockets.broadcast(line)

    def _take(self) -> Came:
        """Receive as much as makes one message."""
        came, size = Came([], []), 0
        for report in self._sockets.receive_subscriptions():
            came.subscriptions.append(report)
            size += len(report)
            if size > limits.GATEWAY_BATCH_BYTES // 2:
                break
        size = 0
        for result in self._sockets.receive_results():
            came.results.append(result)
            size += sum(map(len, result))
            if size > limits.GATEWAY_BATCH_BYTES // 2:
                break
        return came

    def _say(self, came: Came) -> None:
        self._said_at = time.monotonic()
        self._writer.write(came)


def main(arguments: Sequence[str]) -> int:
    """Run a gateway for the server with this pid."""
    server_pid, channel, client_inputs, *descriptors = map(int, arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # these are the server's to handle
        signal.signal(number, signal.SIG_IGN)
    process.end_with_parent(server_pid)
    process.seed_c_library()
    process.lower_limit(resource.RLIMIT_DATA, limits.GATEWAY_MEMORY_BYTES)
    process.lower_limit(resource.RLIMIT_CORE, 0)
    os.set_blocking(channel, False)
    listening = tuple(socket.socket(fileno=each) for each in descriptors)
    Gateway(channel, client_inputs, listening).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

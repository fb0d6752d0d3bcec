"""The gateway's process as the server holds it: started when somebody connects, replaced, ended."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits, process
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.server.door import let_in
from linebus.server.pipes import Broadcast, Came, Publish

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

log = logging.getLogger("linebus.server")


def command(descriptors: Sequence[int], client_inputs: int) -> list[str]:
    """Return the command that starts a gateway with a channel and three sockets that listen.

    What lies in the server's directory is no module of ours: -P.
    """
    numbers = (os.getpid(), descriptors[0], client_inputs, *descriptors[1:])
    return [sys.executable, "-P", "-m", "linebus.server.gateway", *map(str, numbers)]


class GatewayChild:
    """Has a gateway run from the first connection to one of its ports on.

    What cannot be passed on, since a gateway has ended or does not keep up, is dropped, as a PUB
    socket would: plain peers are promised nothing.
    """

    def __init__(self, client_inputs: int, listening: tuple[socket.socket, ...]) -> None:
        """Start nothing yet."""
        self._client_inputs = client_inputs
        self._listening = listening
        self._poller = zmq.Poller()
        self._is_awaiting = False
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._reader = PipeReader(-1, Came)
        self._writer = PipeWriter(-1)
        self._texts: list[bytes] = []
        self._lines: list[bytes] = []
        self._started_at = 0.0
        self._silent_at = inf  # when it will have said nothing for too long
        self._starts_at = inf  # after one that has ended
        self._restart_s = 0.0

    def register(self, poller: zmq.Poller) -> None:
        """Have the poller wake up for what concerns the gateway."""
        self._poller = poller
        self._await_connection()

    def next_deadline(self) -> float:
        """Return when to call `hear` again at the latest."""
        return min(self._starts_at, self._silent_at)

    def publish(self, text: str) -> None:
        """Have a text published to every plain client, as one UTF-8 frame."""
        self._texts.append(text.encode("utf-8", "backslashreplace"))

    def broadcast(self, line: str) -> None:
        """Have a line published to the plain workers that subscribe to it."""
        self._lines.append(line.encode())

    def flush(self) -> None:
        """Pass on what there is."""
        if self._writer.is_waiting:
            self._writer.flush()
        if self._texts:
            texts, self._texts = self._texts, []
            for part in _parts(texts):
                self._write(Publish(part))
        if self._lines:
            lines, self._lines = self._lines, []
            for part in _parts(lines):
                self._write(Broadcast(part))

    @property
    def is_waiting(self) -> bool:
        """Whether `flush` should be called again soon."""
        return self._writer.is_waiting

    def _write(self, message: Publish | Broadcast) -> None:
        if self._channel is not None and self._writer.waiting_bytes < limits.GATEWAY_QUEUE_BYTES:
            self._writer.write(message)

    def turn(self, ready: Container[object], now: float) -> list[Came] | None:
        """Do what is due, by what a poller has found; return what has come.

        None where a gateway has ended, with all that it knew of its peers.
        """
        if self._channel is not None:
            return self._hear(self._channel, ready, now)
        if self._is_awaiting and any(each.fileno() in ready for each in self._listening):
            self._start(now)
        elif now >= self._starts_at:
            self._await_connection()
        return []

    def _hear(
        self, channel: socket.socket, ready: Container[object], now: float
    ) -> list[Came] | None:
        came: list[Came] = []
        if channel.fileno() in ready:
            came = self._reader.read()
            self._silent_at = now + limits.GATEWAY_SILENCE_S
        elif now >= self._silent_at:
            log.warning("the gateway has said nothing for %g s", limits.GATEWAY_SILENCE_S)
            self._bury(now)
            return None
        if self._reader.is_at_end:
            self._bury(now)
            return None
        return came

    def _await_connection(self) -> None:
        """Wait for somebody to connect; nobody is refused meanwhile."""
        self._starts_at = inf
        self._is_awaiting = True
        for each in self._listening:
            self._poller.register(each.fileno(), zmq.POLLIN)

    def _start(self, now: float) -> None:
        self._is_awaiting = False
        for each in self._listening:
            self._poller.unregister(each.fileno())
        try:
            self._channel, self._process = self._spawn()
        except OSError as error:  # no process or descriptor is to be had at the moment
            log.warning("the gateway cannot be started (%s); trying again", error)
            self._starts_at = now + limits.RESTART_S_MAX
            return
        descriptor = self._channel.fileno()
        self._reader, self._writer = PipeReader(descriptor, Came), PipeWriter(descriptor)
        self._poller.register(descriptor, zmq.POLLIN)
        self._started_at = now
        self._silent_at = now + limits.GATEWAY_SILENCE_S

    def _spawn(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start a process; return our end of the channel to it. Raises OSError."""
        ours, its = socket.socketpair()
        ours.settimeout(0)
        with its:
            descriptors = [its.fileno(), *[each.fileno() for each in self._listening]]
            try:
                return ours, subprocess.Popen(
                    command(descriptors, self._client_inputs),
                    stdin=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    process_group=0,  # Ctrl-C is the server's to handle
                )
            except OSError:
                ours.close()
                raise

    def _bury(self, now: float) -> None:
        """Reap it, and have another one take its place."""
        how = self._end()
        if now - self._started_at >= limits.SHORT_LIFE_S:
            self._restart_s = 0.0
        log.warning("the gateway of the exercise's sockets is replaced: %s", how)
        self._starts_at = now + self._restart_s
        self._restart_s = min(max(limits.RESTART_S, 2 * self._restart_s), limits.RESTART_S_MAX)

    def _end(self) -> str:
        assert self._process, "it was started"
        assert self._channel, "it was started"
        self._poller.unregister(self._channel.fileno())
        self._channel.close()
        self._channel, self._silent_at = None, inf
        self._writer = PipeWriter(-1)
        self._process.kill()
        how = process.how_it_ended(self._process.wait())
        for each in self._listening:
            let_in(each)
        return how

    def kill(self) -> None:
        """End it at once, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Let it publish what it was given, and end it."""
        if self._channel is not None and self._process is not None:
            self.flush()
            until = time.monotonic() + limits.LINGER_MS / 1000
            while self._writer.is_waiting and time.monotonic() < until:
                poller = zmq.Poller()
                poller.register(self._channel.fileno(), zmq.POLLOUT)
                poller.poll(limits.LINGER_MS)
                self._writer.flush()
            self._channel.shutdown(socket.SHUT_WR)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2 * limits.LINGER_MS / 1000)
            self._end()
        for each in self._listening:
            each.close()


def _parts(texts: list[bytes]) -> Iterator[list[bytes]]:
    """Yield texts in lists that make one message each."""
    part: list[bytes] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size > limits.GATEWAY_BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part

"""The two sockets of a plain client: requests go one way, results, everyone's, come the other.

They speak the exercise and nothing else, so anyone's server will do. Nothing here prints.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.cli.unanswered import Unanswered
from linebus.errors import NobodyListens, UsageError
from linebus.net.monitor import events

if TYPE_CHECKING:
    from collections.abc import Callable

    Socket = zmq.Socket[bytes]
    Context = zmq.Context[Socket]


class Results:
    """What client_outputs publishes. A thread of its own owns the socket and prints at once."""

    def __init__(self, context: Context, address: str, show: Callable[[list[str]], None]) -> None:
        """Connect and start the thread, which ends when the context does."""
        self._show = show
        self._connected = threading.Event()
        self._news = threading.Condition()
        self._unanswered = Unanswered()
        self._socket = _new_socket(context, zmq.SUB)
        # Nothing it sends matters at the end, and once the context ends it is too late to say so.
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        try:
            _connect(self._socket, address)
        except UsageError:
            self._close()
            raise
        threading.Thread(target=self._run, name="results", daemon=True).start()

    def expect(self, line: str) -> None:
        """Note a line before it is sent; wait while too many have no result yet."""
        with self._news:
            if not self._news.wait_for(self._has_room, limits.PLAIN_PATIENCE_S):
                self._unanswered.clear()
            self._unanswered.add(line)

    def wait_until_connected(self) -> None:
        """Wait, not for long, until what is published now would arrive here."""
        self._connected.wait(limits.PLAIN_RESULTS_CONNECT_S)

    def wait_until_answered(self) -> None:
        """Return when every line has its result, or when nothing has come for too long."""
        with self._news:
            while self._unanswered and self._news.wait(limits.PLAIN_PATIENCE_S):
                pass

    def _has_room(self) -> bool:
        return len(self._unanswered) < limits.PLAIN_UNANSWERED_MAX

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if self._monitor in ready:
                    self._note_connection()
                if self._socket in ready:
                    self._pass_on(self._receive())
        except zmq.ContextTerminated:
            self._close()

    def _close(self) -> None:
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _note_connection(self) -> None:
        for event in events(self._monitor):
            if event.kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected.set()
            else:
                self._connected.clear()

    def _receive(self) -> list[str]:
        texts: list[str] = []
        with suppress(zmq.Again):
            while len(texts) < limits.DRAIN_MESSAGES_MAX:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
                texts.append(b" ".join(frames).decode("utf-8", "backslashreplace"))
        return texts

    def _pass_on(self, texts: list[str]) -> None:
        self._show(texts)
        with self._news:
            for text in texts:
                self._unanswered.hear(text)
            self._news.notify()


class Requests:
    """The way to client_inputs: one line, one confirmation, again and again."""

    def __init__(self, context: Context, address: str, warn: Callable[[str], None]) -> None:
        """Connect in the background; `warn` gets sentences for people."""
        self._context, self._address, self._warn = context, address, warn
        self._socket = self._connect()

    def send(
        self, line: str, before_each_attempt: Callable[[], None], *, attempts_max: float = inf
    ) -> None:
        """Return when the line is confirmed, by whatever text.

        Raises NobodyListens when `attempts_max` attempts were in vain.

        A REQ socket whose request was lost waits for ever. So it is closed after a while, and
        the line sent again through a new one (the "lazy pirate" of the ZeroMQ guide).
        """
        attempts = 0
        while not self._attempt(line, before_each_attempt):
            attempts += 1
            if attempts == 1:
                self._warn(
                    f"the server at {self._address} does not confirm; is it running, "
                    "and are the ports in the order CLIENT_INPUTS CLIENT_OUTPUTS?"
                )
            if attempts >= attempts_max:
                raise NobodyListens(f"no server confirms at {self._address}; start: linebus up")

    def _attempt(self, line: str, before: Callable[[], None]) -> bool:
        # With ZMQ_IMMEDIATE there is room only while there is a connection.
        if not self._socket.poll(limits.PLAIN_CONFIRMATION_MS, zmq.POLLOUT):
            return False
        before()
        with suppress(zmq.Again):
            self._socket.send_string(line, zmq.NOBLOCK)
            if self._socket.poll(limits.PLAIN_CONFIRMATION_MS):
                self._socket.recv_multipart()
                return True
        self.close()
        self._socket = self._connect()
        return False

    def close(self) -> None:
        """Close the socket; what was not sent yet never will be."""
        self._socket.close(linger=0)

    def _connect(self) -> Socket:
        socket = _new_socket(self._context, zmq.REQ)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        try:
            _connect(socket, self._address)
        except UsageError:
            socket.close()
            raise
        return socket


def _new_socket(context: Context, kind: int) -> Socket:
    socket = context.socket(kind)
    for option, value in (
        (zmq.LINGER, limits.LINGER_MS),
        (zmq.RCVHWM, limits.PLAIN_HWM_MESSAGES),
        (zmq.MAXMSGSIZE, limits.PEER_MESSAGE_BYTES_MAX),
        (zmq.RECONNECT_IVL, limits.RECONNECT_MS),
        (zmq.RECONNECT_IVL_MAX, limits.RECONNECT_MS_MAX),
        (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
    ):
        socket.setsockopt(option, value)
    return socket


def _connect(socket: Socket, address: str) -> None:
    socket.setsockopt(zmq.IPV6, int("[" in address))
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        raise UsageError(f"cannot connect to '{address}'; is the host's name right?") from error

"""Very many peers in one process: linebus's own sessions over hand-made connections.

    python bench/crowd.py workers PORT COUNT SERVICE      each with one executor
    python bench/crowd.py held PORT COUNT SERVICE         workers whose executor never comes
    python bench/crowd.py clients PORT COUNT SERVICE OUTSTANDING ASKING

A socket of libzmq takes three descriptors and a poll of thousands takes long, so a peer here is one
TCP connection that speaks ZMTP itself. It prints `ready` once all are in session. Each line on
standard input is an order: `go` lets ASKING of the clients ask, one request a message and each time
the next one in turn; `count` prints how many replies have come. It ends with its input.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from linebus import limits, process
from linebus.client.session import ClientSession
from linebus.wire import messages as m
from linebus.worker.session import ExecutorSession, GuardianSession
from tests.hostile.zmtp import frame, message, ready

if TYPE_CHECKING:
    from linebus.core.peer import PeerSession

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
PING = b"\x04PING"
TICK_S = 0.1
AT_ONCE = 100
LINE_COST_S = 2e-6


class Connection:
    """One DEALER by hand, and the session that it carries."""

    def __init__(self, port: int, session: PeerSession) -> None:
        self.session = session
        self.socket = socket.create_connection((limits.HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(GREETING + ready(b"DEALER"))
        self._came = bytearray()
        self._frames: list[bytes] = []
        self._is_greeted = self._is_ready = False

    def receive(self, now: float) -> None:
        """Read what has come and hand whole messages to the session."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server has closed a connection")
        self._came += data
        if not self._is_greeted:
            if len(self._came) < len(GREETING):
                return
            del self._came[: len(GREETING)]
            self._is_greeted = True
        while (found := self._next_frame()) is not None:
            flags, body = found
            if flags & COMMAND:
                self._is_ready = True  # READY is the first command
                if body.startswith(PING):
                    self.socket.sendall(frame(b"\x04PONG" + body[len(PING) + 2 :], command=True))
                continue
            self._frames.append(body)
            if not flags & MORE:
                frames, self._frames = self._frames, []
                if len(frames) == 2:
                    self.session.receive(frames[0], frames[1], now)

    def _next_frame(self) -> tuple[int, bytes] | None:
        came = self._came
        if len(came) < 2:
            return None
        flags, size, start = came[0], came[1], 2
        if flags & LONG:
            if len(came) < 9:
                return None
            (size,), start = struct.unpack_from("!Q", came, 1), 9
        if len(came) < start + size:
            return None
        body = bytes(came[start : start + size])
        del came[: start + size]
        return flags, body

    def send(self, now: float) -> None:
        """Send what the session has to say, once the handshake is over."""
        if not self._is_ready:
            return
        data = b"".join(message(*frames) for frames in self.session.outgoing(now))
        if data:
            self.socket.sendall(data)


class Crowd:
    """All connections of this process, and what they do once they are in session."""

    def __init__(self, port: int, service: str) -> None:
        self._port = port
        self._service = service
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._turns: deque[Connection] = deque()
        self.replies = 0

    def join(self, session: PeerSession) -> Connection:
        """Connect and say hello."""
        connection = Connection(self._port, session)
        self._connections[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket.fileno(), select.EPOLLIN)
        now = time.monotonic()
        session.connected(now)
        connection.send(now)
        return connection

    def join_worker(self, number: int, *, held: bool) -> None:
        """Connect a guardian and, unless it is held, its executor."""
        key = os.urandom(limits.KEY_BYTES)
        now = time.monotonic()
        guardian = GuardianSession(_ident(), f"crowd {number}", discovered=False)
        guardian.vouch(hashlib.sha256(key).digest())
        connection = self.join(guardian)
        guardian.offer([m.Offer(self._service, f"{self._service} TEXT", "")], now)
        connection.send(now)
        if not held:
            self.join(ExecutorSession(_ident(), key))

    def settle(self) -> None:
        """Wait until everyone is in session."""
        while not all(each.session.is_greeted for each in self._connections.values()):
            self.turn(TICK_S)
            self.tick(time.monotonic())

    def turn(self, wait_s: float) -> bool:
        """Take what has come; return whether there is an order to read."""
        ordered = False
        for descriptor, _ in self._epoll.poll(wait_s, 4_096):
            if descriptor == 0:
                ordered = True
                continue
            now = time.monotonic()
            connection = self._connections[descriptor]
            connection.receive(now)
            self._act(connection, now)
            connection.send(now)
        return ordered

    def tick(self, now: float) -> None:
        """Let time pass for all: hellos again, heartbeats."""
        for connection in self._connections.values():
            if connection.session.next_deadline() <= now:
                connection.session.tick(now)
                connection.send(now)

    def _act(self, connection: Connection, now: float) -> None:
        session = connection.session
        if isinstance(session, ExecutorSession):
            while (work := session.next_slice()) is not None:
                session.answer(work.first, work.lines, [], LINE_COST_S * len(work.lines))
        elif isinstance(session, ClientSession):
            stream = session.stream(self._service)
            for entry in session.take_arrivals():
                assert isinstance(entry, m.Replies), entry
                count = len(entry.texts)
                for number in range(entry.first, entry.first + count):
                    stream.take(number, 1)
                self.replies += count
                for _ in range(count):
                    self._ask_one(now)

    def _ask_one(self, now: float) -> None:
        """Have the client whose turn it is ask one request."""
        connection = self._turns[0]
        self._turns.rotate(-1)
        session = connection.session
        assert isinstance(session, ClientSession), "nobody else takes turns"
        stream = session.stream(self._service)
        stream.fresh.append("hello")
        session.commit(stream)
        connection.send(now)

    def begin(self, outstanding: int, asking: int) -> None:
        """Have so many clients ask so many requests, one a message."""
        self._turns.extend(list(self._connections.values())[:asking])
        for number in range(outstanding):
            self._ask_one(time.monotonic())
            # What is answered is asked anew, so with a turn for each this takes a minute or more.
            if number % AT_ONCE == AT_ONCE - 1:
                self.turn(0)

    def obey(self, outstanding: int, asking: int) -> None:
        """Follow the orders until there are no more."""
        self._epoll.register(0, select.EPOLLIN)
        tick_at = 0.0
        while True:
            if self.turn(TICK_S):
                order = os.read(0, 4_096)
                if not order:
                    return
                if b"go" in order:
                    self.begin(outstanding, asking)
                if b"count" in order:
                    print(self.replies, flush=True)
            if (now := time.monotonic()) >= tick_at:
                tick_at = now + TICK_S
                self.tick(now)


def _ident() -> bytes:
    return os.urandom(limits.SESSION_BYTES)


def main() -> None:
    kind, port, count, service, *more = sys.argv[1:]
    outstanding, asking = map(int, more or ("0", "0"))
    process.raise_descriptor_limit()
    crowd = Crowd(int(port), service)
    for number in range(int(count)):
        if kind == "clients":
            crowd.join(ClientSession(_ident(), f"crowd {number}"))
        else:
            crowd.join_worker(number, held=kind == "held")
        if number % AT_ONCE == AT_ONCE - 1:
            crowd.settle()
    crowd.settle()
    print("ready", flush=True)
    crowd.obey(outstanding, asking)


if __name__ == "__main__":
    main()

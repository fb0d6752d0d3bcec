"""`linebus.Client`: asks lines, hands out replies; the calling thread drives the socket."""

from __future__ import annotations

import os
import threading
import time
from math import inf
from typing import TYPE_CHECKING, NoReturn, Self

import zmq

from linebus import limits
from linebus.client.order import Order
from linebus.client.session import ClientSession
from linebus.client.sources import Chunks, LineReader
from linebus.errors import ConnectError, DeadlineExceeded, NobodyListens, NotLinebus, UsageError
from linebus.net.clock import milliseconds_until
from linebus.net.dealer import Dealer, Event, can_resolve, new_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from linebus.client.reply import Reply


def default_address() -> str:
    """Return the address in LINEBUS_URL, or the usual one on this machine."""
    return os.environ.get("LINEBUS_URL") or limits.ADDRESS


class Client:
    """A session with a server, for one thread at a time.

    >>> with Client() as bus:
    ...     bus.ask("gcd 12 18").text
    'gcd for 12 18 is 6'

    The session survives cut connections and restarts of the server: what is unanswered is asked
    again, and each line is answered exactly once. While there is no server, calls wait for at most
    `connect_timeout_s` seconds and then raise NobodyListens, or NotLinebus where something else
    listens at the address.
    """

    def __init__(
        self, address: str | None = None, *, connect_timeout_s: float = limits.CONNECT_S
    ) -> None:
        """Open a session with the server at `address`, by default LINEBUS_URL, in the background.

        Raises UsageError where the address makes no sense.
        """
        self.address = address or default_address()
        self._connect_timeout_s = connect_timeout_s
        self._pid = os.getpid()
        self._in_use = threading.Lock()
        self._session = ClientSession(os.urandom(limits.SESSION_BYTES), "linebus.Client")
        self._context = new_context()
        self._poller = zmq.Poller()
        self._dealer = self._connect()
        self._unsent: list[tuple[bytes, bytes]] = []
        self._away_since: float | None = None
        self._last_event: Event | None = None
        self._is_closed = False

    # -- asking ------------------------------------------------------------------------------

    def ask(self, line: str, *, timeout_s: float | None = None) -> Reply:
        """Ask one line and wait for its reply, whatever the outcome.

        Raises NobodyListens, NotLinebus, VersionMismatch, SessionRefused, UsageError for a client
        that is closed or used elsewhere, and DeadlineExceeded after `timeout_s` seconds (the
        request may still be carried out).
        """
        deadline = inf if timeout_s is None else time.monotonic() + timeout_s
        order = Order(self._session)
        with self._use():
            order.ask([line])
            try:
                while True:
                    for reply in order.take():
                        return reply
                    if time.monotonic() >= deadline:
                        self._give_up(timeout_s)
                    self._drive(deadline)
            finally:
                order.forget()

    def map(self, lines: Iterable[str], *, timeout_s: float | None = None) -> Iterator[Reply]:
        """Ask many lines and yield their replies in the lines' order, in bounded memory.

        Lines are read as replies are taken, at most a window's worth ahead; a million are fine.
        Raises what `ask` raises, when the iterator is advanced; `timeout_s` is how long the next
        reply may take.
        """
        order = Order(self._session)
        due = _Due(timeout_s)
        source = Chunks(lines)
        try:
            while order.owed or not source.is_at_end:
                wants_more = not source.is_at_end and order.owed < limits.WINDOW_LINES
                chunk = source.read() if wants_more else []  # may well use this client itself
                with self._use():
                    if wants_more:
                        order.ask(chunk)
                        self._drive(0)
                    replies = list(order.take())
                    if not (replies or wants_more):
                        self._drive(due.at)
                        replies = list(order.take())
                self._check_due(due, order, replies)
                yield from replies
        finally:
            order.forget()

    def map_descriptor(
        self, descriptor: int, *, timeout_s: float | None = None
    ) -> Iterator[list[Reply]]:
        """Ask the lines that can be read from a descriptor, as they come; yield replies in order.

        A line is asked as soon as it can be read, however long the next one takes. What is not
        UTF-8 gets a reply that says so. Each item is a list of the replies that have come.
        Raises what `map` raises.
        """
        order = Order(self._session)
        due = _Due(timeout_s)
        source = LineReader(descriptor)
        try:
            while order.owed or not source.is_at_end:
                with self._use():
                    wants_more = not source.is_at_end and order.owed < limits.WINDOW_LINES
                    replies = list(order.take())
                    if wants_more and self._can_read(descriptor, 0 if replies else due.at):
                        order.ask(source.read())
                    self._drive(0 if wants_more or replies else due.at)
                    replies += order.take()
                self._check_due(due, order, replies)
                if replies:
                    yield replies
        finally:
            order.forget()

    def close(self) -> None:
        """End the session; replies that are still owed are given up.

        Raises UsageError while another thread uses the client.
        """
        if self._is_closed or os.getpid() != self._pid:
            return
        with self._use():
            self._is_closed = True
            for first, body in self._session.goodbye():
                self._dealer.send(first, body)
            self._dealer.close()
            self._context.destroy(linger=limits.LINGER_MS)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    # -- the socket --------------------------------------------------------------------------

    def _use(self) -> _Use:
        if self._is_closed:
            raise UsageError("this client is closed; open another one")
        if os.getpid() != self._pid:
            raise UsageError("this client was opened before a fork; open one in the child")
        return _Use(self._in_use)

    def _connect(self) -> Dealer:
        dealer = Dealer(self._context, self.address)
        dealer.register(self._poller)
        return dealer

    def _can_read(self, descriptor: int, deadline: float) -> bool:
        """Wait for the descriptor or for the server; return whether the descriptor can be read."""
        self._send(time.monotonic())
        self._poller.register(descriptor, zmq.POLLIN)
        try:
            ready = dict(self._poller.poll(self._patience_ms(deadline)))
        finally:
            self._poller.unregister(descriptor)
        return descriptor in ready

    def _drive(self, deadline: float) -> None:
        """Send what can be sent, then wait for arrivals until the deadline at the latest."""
        self._send(time.monotonic())
        ready = dict(self._poller.poll(self._patience_ms(deadline)))
        now = time.monotonic()
        if self._dealer.monitor in ready:
            self._look_at_connection(now)
        while (frames := self._dealer.receive()) is not None:
            self._session.receive(*frames, now)
        self._leave_a_silent_server(now)
        self._session.tick(now)
        self._send(now)
        self._check_presence(now)

    def _patience_ms(self, deadline: float) -> int | None:
        at = min(deadline, self._session.next_deadline())
        if not self._session.is_greeted and self._away_since is not None:
            at = min(at, self._away_since + self._connect_timeout_s)
        if self._unsent:
            at = min(at, time.monotonic() + limits.STALLED_RETRY_S)
        return milliseconds_until(at, time.monotonic())

    def _send(self, now: float) -> None:
        if not self._unsent:
            self._unsent = list(self._session.outgoing(now))
        while self._unsent and self._dealer.send(*self._unsent[0]):
            del self._unsent[0]

    def _look_at_connection(self, now: float) -> None:
        for event in self._dealer.events():
            if event is Event.CONNECTED:
                self._session.connected(now)
                self._last_event = event
            elif event is Event.DISCONNECTED:
                self._session.disconnected()
                self._unsent.clear()
                if self._last_event is not Event.CONNECTED:
                    self._last_event = Event.STRANGE  # so PUB and SUB sockets turn a DEALER away
            elif self._last_event is not Event.CONNECTED or event is Event.REFUSED:
                self._last_event = event

    def _leave_a_silent_server(self, now: float) -> None:
        if self._session.is_silent(now):
            self._session.disconnected()
            self._unsent.clear()
            self._dealer.unregister(self._poller)
            self._dealer.close()
            self._dealer = self._connect()

    def _check_presence(self, now: float) -> None:
        """Raise where there has been no session for too long, saying what is there instead."""
        if self._session.is_greeted:
            self._away_since = None
            return
        if self._away_since is None:
            self._away_since = now
        if now < self._away_since + self._connect_timeout_s:
            return
        self._away_since = None
        raise self._absence()

    def _check_due(self, due: _Due, order: Order, replies: list[Reply]) -> None:
        if due.has_passed(progress=bool(replies) or not order.owed):
            self._give_up(due.timeout_s)

    def _give_up(self, timeout_s: float | None) -> NoReturn:
        why = "" if self._session.is_greeted else f": {self._absence()}"
        raise DeadlineExceeded(f"no reply within {timeout_s} s{why}")

    def _absence(self) -> ConnectError:
        """Return what tells best why there is no session."""
        if self._last_event in (Event.CONNECTED, Event.STRANGE):
            return NotLinebus(
                f"what listens at {self.address} does not answer a linebus greeting; if it is a "
                "server of the exercise, use: python3 client.py CLIENT_INPUTS CLIENT_OUTPUTS"
            )
        if not can_resolve(self.address):
            return NobodyListens(f"the host in {self.address} is unknown; check the address")
        return NobodyListens(
            f"nobody listens at {self.address}; start a server with: linebus up, "
            "or name another address with --bus or LINEBUS_URL"
        )


class _Due:
    """The moment at which the next reply is overdue; it moves with every one that comes."""

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = inf if timeout_s is None else timeout_s
        self.at = time.monotonic() + self.timeout_s

    def has_passed(self, *, progress: bool) -> bool:
        now = time.monotonic()
        if progress:
            self.at = now + self.timeout_s
        return now >= self.at


class _Use:
    """Holds a client for one call; a second thread gets an error instead of a crash."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise UsageError("this client is in use by another thread; open one client per thread")

    def __exit__(self, *_: object) -> None:
        self._lock.release()

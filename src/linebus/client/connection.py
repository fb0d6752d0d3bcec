"""A client's session and its socket, and what they tell of the server; one thread at a time.

Whoever calls holds the lock of `linebus.client.shared`, except in `poll`, which touches nothing
but the poller, and in `absence`. A socket may go from thread to thread so; two at once would end
the process.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.client.session import ClientSession
from linebus.errors import ConnectError, NobodyListens, NotLinebus
from linebus.net.clock import milliseconds_until
from linebus.net.dealer import Dealer, Event, can_resolve, new_context

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable


class Connection:
    """The way to one server, as far as the client knows it."""

    def __init__(self, address: str, program: str) -> None:
        """Connect in the background. Raises UsageError where the address makes no sense."""
        self.address = address
        self.session = ClientSession(os.urandom(limits.SESSION_BYTES), program)
        self.refusal: ConnectError | None = None
        self.away_since: float | None = time.monotonic()  # None: the server has greeted
        self._context = new_context()
        self._poller = zmq.Poller()
        self._dealer = self._connect()
        self._wake_read, self._wake_write = os.pipe()
        self._poller.register(self._wake_read, zmq.POLLIN)
        self._is_woken = False
        self._unsent: list[tuple[bytes, bytes]] = []
        self._last_event: Event | None = None

    def _connect(self) -> Dealer:
        dealer = Dealer(self._context, self.address)
        dealer.register(self._poller)
        return dealer

    def send(self, now: float) -> None:
        """Send what the session has to say, as far as there is room."""
        if not self._unsent:
            self._unsent = list(self.session.outgoing(now))
        while self._unsent and self._dealer.send(*self._unsent[0]):
            del self._unsent[0]

    def patience_ms(self, until: float, now: float) -> int | None:
        """Return how long `poll` may wait, for a caller who waits until then."""
        at = min(until, self.session.next_deadline())
        if self._unsent or self._dealer.is_behind:
            at = min(at, now + limits.STALLED_RETRY_S)
        return milliseconds_until(at, now)

    def poll(self, patience_ms: int | None, descriptors: Collection[int]) -> Container[object]:
        """Wait for the server, for `wake`, and for descriptors; return what is ready."""
        for each in descriptors:
            self._poller.register(each, zmq.POLLIN)
        try:
            return dict(self._poller.poll(patience_ms))
        finally:
            for each in descriptors:
                self._poller.unregister(each)

    def wake(self) -> None:
        """End another thread's `poll`."""
        if not self._is_woken:
            self._is_woken = True
            os.write(self._wake_write, b"!")

    def take_in(self, ready: Container[object], now: float) -> None:
        """Take what has arrived, and do what the passing of time causes."""
        if self._wake_read in ready:
            self._is_woken = False
            os.read(self._wake_read, 1)
        # What came before the connection was cut still counts: it is there once the cut is told.
        events = list(self._dealer.events()) if self._dealer.has_news(ready) else []
        if events or self._dealer.has_arrivals(ready):
            self._receive(now)
        if events:
            self._look_at_events(events, now)
        self._leave_a_silent_server(now)
        self.session.tick(now)
        self.send(now)
        if self.session.is_greeted:
            self.away_since = None
        elif self.away_since is None:
            self.away_since = now

    def _receive(self, now: float) -> None:
        try:
            for first, body in self._dealer.arrivals():
                self.session.receive(first, body, now)
        except ConnectError as error:
            self.refusal = error

    def _look_at_events(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            if event is Event.CONNECTED:
                self.session.connected(now)
                self._last_event = event
            elif event is Event.DISCONNECTED:
                self.session.disconnected()
                self._unsent.clear()
                if self._last_event is not Event.CONNECTED:
                    self._last_event = Event.STRANGE  # so PUB and SUB sockets turn a DEALER away
            elif self._last_event is not Event.CONNECTED or event is Event.REFUSED:
                self._last_event = event

    def _leave_a_silent_server(self, now: float) -> None:
        if self.session.is_silent(now):
            self.session.disconnected()
            self._unsent.clear()
            self._dealer.unregister(self._poller)
            self._dealer.close()
            self._dealer = self._connect()

    def try_again(self, now: float) -> None:
        """Say hello once more to a server that has refused the session."""
        self.refusal = None
        self.session.connected(now)

    def absence(self) -> ConnectError:
        """Return what tells best why there is no session; asks for no lock, and may take long."""
        if self._last_event in (Event.CONNECTED, Event.STRANGE):
            return NotLinebus(
                f"what listens at {self.address} does not answer a linebus greeting; linebus "
                "doctor says what it is; if it is a server of the exercise, use: python3 client.py "
                "CLIENT_INPUTS CLIENT_OUTPUTS"
            )
        if not can_resolve(self.address):
            return NobodyListens(f"the host in {self.address} is unknown; check the address")
        return NobodyListens(
            f"nobody listens at {self.address}; start a server with: linebus up, "
            "or name another address with --bus or LINEBUS_URL"
        )

    def close(self) -> None:
        """End the session; replies that are still owed are given up."""
        for first, body in self.session.goodbye():
            self._dealer.send(first, body)
        self._dealer.close()
        self._context.destroy(linger=limits.LINGER_MS)
        os.close(self._wake_read)
        os.close(self._wake_write)

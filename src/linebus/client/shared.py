"""One session, shared by all threads that use a client.

There is one socket, and only one thread may touch it at a time. So threads that wait for replies
take turns: one drives the socket, for all of them, and the others wait until it has news or
leaves. A single thread pays for this with two uses of a lock. Orders that no thread waits for
(`Client.submit`, `AsyncClient`) are waited for by a thread that is started for the first of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING, NoReturn, Self

from linebus import limits
from linebus.client.connection import Connection
from linebus.client.order import Order
from linebus.client.pending import Pending
from linebus.errors import ConnectError, DeadlineExceeded, LinebusError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from linebus.client.patience import Patience
    from linebus.client.pending import Listener


class SharedSession:
    """A session with the server at one address; as a context manager it is its own lock."""

    def __init__(self, address: str, connect_timeout_s: float) -> None:
        """Open it in the background. Raises UsageError where the address makes no sense."""
        self._connect_timeout_s = connect_timeout_s
        self._connection = Connection(address, f"linebus client, pid {os.getpid()}")
        self._pending = Pending()
        self._forgotten: deque[Order] = deque()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._submitted = threading.Condition(self._lock)
        self._is_driven = False
        self._followers = 0
        self._claims = 0
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        """Take the lock. Raises UsageError for a closed client, and in a child after a fork."""
        if os.getpid() != self._pid:
            raise UsageError("this client was opened before a fork; open one in the child")
        self._lock.acquire()
        if self._is_closed:
            self._lock.release()
            raise UsageError("this client is closed; open another one")
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next thread drive, if one waits for that."""
        self._hand_over()
        self._lock.release()

    def _hand_over(self) -> None:
        if self._followers and not self._is_driven:
            self._news.notify()

    # -- with the lock held ------------------------------------------------------------------

    def new_order(self) -> Order:
        """Return an order without lines."""
        return Order(self._connection.session)

    def ask(self, order: Order, lines: Collection[str], *, values: bool = False) -> None:
        """Ask lines; they leave with the next turn of whoever drives."""
        self._let_go()
        order.ask(lines, values=values)
        if self._connection.refusal is not None:
            self._connection.try_again(time.monotonic())
        if self._is_driven:
            self._connection.wake()

    def wait(self, patience: Patience, descriptor: int | None = None) -> bool:
        """Let something happen, or the patience end; return whether the descriptor can be read.

        Raises NobodyListens, NotLinebus, VersionMismatch, SessionRefused, and UsageError where
        the client was closed meanwhile.
        """
        until = min(patience.at, self._absence_until(patience))
        can_read = self._turn(until, descriptor)
        if self._is_closed:
            raise UsageError("this client was closed in another thread")
        self._check_presence(patience)
        return can_read

    def flush(self) -> None:
        """Send and receive what can be at once."""
        if not self._is_driven:
            self._drive(0, None)

    def _absence_until(self, patience: Patience) -> float:
        away_since = self._connection.away_since
        if away_since is None:
            return inf
        return patience.absence_until(away_since, self._connect_timeout_s)

    def _check_presence(self, patience: Patience) -> None:
        refusal = self._connection.refusal
        if refusal is not None:
            raise type(refusal)(str(refusal))
        if time.monotonic() >= self._absence_until(patience):
            raise self._connection.absence()

    def give_up(self, patience: Patience) -> NoReturn:
        """Raise DeadlineExceeded, with what is known of the server."""
        absent = self._connection.away_since is not None
        why = f": {self._connection.absence()}" if absent else ""
        raise DeadlineExceeded(f"no reply within {patience.timeout_s:g} s{why}")

    # -- turns -------------------------------------------------------------------------------

    def _turn(self, until: float, descriptor: int | None) -> bool:
        if descriptor is not None:
            return self._drive_for(until, descriptor)
        if self._is_driven or self._claims:
            self._follow(until)
            return False
        return self._drive(until, None)

    def _drive_for(self, until: float, descriptor: int) -> bool:
        """Drive in any case: only whoever drives can watch a descriptor as well."""
        self._claims += 1
        try:
            while self._is_driven:
                self._connection.wake()
                self._follow(until)
        finally:
            self._claims -= 1
        return not self._is_closed and self._drive(until, descriptor)

    def _follow(self, until: float) -> None:
        self._followers += 1
        try:
            patience_s = until - time.monotonic()
            self._news.wait(None if patience_s == inf else max(0.0, patience_s))
        finally:
            self._followers -= 1

    def _drive(self, until: float, descriptor: int | None) -> bool:
        """Send, wait without the lock, take in what has come."""
        self._let_go()
        connection = self._connection
        connection.send(time.monotonic())
        patience_ms = connection.patience_ms(until)
        self._is_driven = True
        self._lock.release()
        try:
            ready = connection.poll(patience_ms, descriptor)
        finally:
            self._lock.acquire()
            self._is_driven = False
            if self._claims or self._is_closed:
                self._news.notify_all()
        connection.take_in(ready, time.monotonic())
        entries = connection.session.take_arrivals()
        self._pending.arrived(entries)
        if self._followers and (entries or connection.away_since is not None):
            self._news.notify_all()
        return descriptor in ready

    # -- orders that no thread waits for -------------------------------------------------------

    def submit(self, order: Order, listener: Listener) -> None:
        """Have the client's own thread wait for an order; with the lock held, like `ask`."""
        self._pending.add(order, listener)
        if self._thread is None:
            # It never keeps a process alive: what it would wait for, nobody would hear.
            self._thread = threading.Thread(target=self._attend, name="linebus", daemon=True)
            self._thread.start()
        self._submitted.notify()

    def forget(self, order: Order) -> None:
        """Give an order up: nobody will hear of its replies.

        Takes no lock, since an iterator that nobody holds any more is closed at any moment, this
        one included; the order is let go in the next turn.
        """
        self._forgotten.append(order)

    def _let_go(self) -> None:
        while self._forgotten:
            self._pending.forget(self._forgotten.popleft())

    def _attend(self) -> None:
        """Wait for replies to what was submitted, and tell the listeners, without the lock."""
        is_over = False
        while not is_over:
            error: LinebusError | None = None
            deaf: list[Listener] = []
            with self._lock:
                is_over = self._is_closed
                heard = self._pending.take_heard()
                if not (heard or is_over):
                    error, deaf = self._wait_for_submitted()
                    self._hand_over()
            for listener, replies in heard:
                listener.replied(replies)
            for listener in deaf:
                assert error is not None, "they are deaf because of it"
                listener.failed(error)

    def _wait_for_submitted(self) -> tuple[LinebusError | None, list[Listener]]:
        """Wait for news; return the listeners that will hear nothing more, and why."""
        if not self._pending:
            self._submitted.wait()
            return None, []
        connection = self._connection
        patience_at = inf
        if connection.away_since is not None:
            since = max(connection.away_since, self._pending.waiting_since())
            patience_at = since + self._connect_timeout_s
        self._turn(patience_at, None)
        if connection.refusal is not None:
            return connection.refusal, self._pending.give_up(inf)
        now = time.monotonic()
        if connection.away_since is None or now < connection.away_since + self._connect_timeout_s:
            return None, []
        deaf = self._pending.give_up(now - self._connect_timeout_s)
        return (connection.absence(), deaf) if deaf else (None, [])

    # -- the end -----------------------------------------------------------------------------

    def close(self) -> None:
        """End the session; whoever still waits gets UsageError. Does nothing a second time."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            while self._is_driven:
                self._connection.wake()
                self._news.wait(limits.CONNECT_S)
            deaf = self._pending.give_up(inf)
            self._connection.close()
            self._news.notify_all()
            self._submitted.notify_all()
        error: ConnectError | UsageError = UsageError("the client was closed before the reply came")
        for listener in deaf:
            listener.failed(error)

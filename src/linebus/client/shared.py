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
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NoReturn, Self

from linebus.client.connection import Connection
from linebus.client.order import Order
from linebus.client.pending import Pending
from linebus.errors import ConnectError, LinebusError, UsageError

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
        self._watched: list[int] = []  # descriptors of threads that wait for them, too
        self._readable: set[int] = set()
        self._driver_watches: set[int] = set()
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

    def ask(
        self,
        order: Order,
        lines: Collection[str],
        deadline_s: float | None,
        *,
        values: bool = False,
    ) -> None:
        """Ask lines; they leave with the next turn of whoever drives."""
        self._let_go()
        expires_at = inf if deadline_s is None else time.monotonic() + deadline_s
        order.ask(lines, values=values, expires_at=expires_at)
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
            self._drive(0)

    def _absence_until(self, patience: Patience) -> float:
        away_since = self._connection.away_since
        if away_since is None:
            return inf
        return patience.absence_until(away_since, self._connect_timeout_s)

    def _check_presence(self, patience: Patience) -> None:
        refusal = self._connection.refusal
        if refusal is not None:
            raise type(refusal)(str(refusal))
        is_away = self._connection.away_since is not None
        if is_away and time.monotonic() >= self._absence_until(patience):
            raise self._absence()

    def give_up(self, patience: Patience) -> NoReturn:
        """Raise DeadlineExceeded, with what is known of the server."""
        absent = self._connection.away_since is not None
        why = f": {self._absence()}" if absent else ""
        raise patience.exceeded(why)

    def _absence(self) -> ConnectError:
        """Find out why there is no session, without the lock: looking up a host may take long."""
        self._hand_over()
        self._lock.release()
        try:
            return self._connection.absence()
        finally:
            self._lock.acquire()

    # -- turns -------------------------------------------------------------------------------

    def _turn(self, until: float, descriptor: int | None) -> bool:
        if descriptor is None:
            self._take_turn(until)
            return False
        self._watched.append(descriptor)
        try:
            if self._is_driven and descriptor not in self._driver_watches:
                self._connection.wake()
            self._take_turn(until)
            return descriptor in self._readable
        finally:
            self._watched.remove(descriptor)
            self._readable.discard(descriptor)

    def _take_turn(self, until: float) -> None:
        if self._is_driven:
            self._follow(until)
        else:
            while self._drive(until):
                pass

    def _follow(self, until: float) -> None:
        self._followers += 1
        try:
            patience_s = until - time.monotonic()
            self._news.wait(None if patience_s == inf else max(0.0, patience_s))
        finally:
            self._followers -= 1

    def _drive(self, until: float) -> bool:
        """Send, wait without the lock, take in what has come; for all threads.

        Returns whether nothing has come but another descriptor to watch. Whoever drives does not
        leave for that: then another thread would drive, and have to be woken in its turn.
        """
        self._let_go()
        connection = self._connection
        away_since = connection.away_since
        now = time.monotonic()
        connection.send(now)
        patience_ms = connection.patience_ms(until, now)
        watched = self._driver_watches = self._to_watch()
        self._is_driven = True
        self._lock.release()
        try:
            ready = connection.poll(patience_ms, watched)
        finally:
            self._lock.acquire()
            self._is_driven = False
            if self._is_closed:
                self._news.notify_all()
        connection.take_in(ready, time.monotonic())
        entries = connection.session.take_arrivals()
        self._pending.arrived(entries)
        readable = {each for each in self._to_watch() & watched if each in ready}
        self._readable |= readable
        if self._followers and (entries or readable or connection.away_since is not None):
            self._news.notify_all()
        if entries or readable or self._is_closed or connection.refusal is not None:
            return False
        return connection.away_since == away_since and not self._to_watch() <= watched

    def _to_watch(self) -> set[int]:
        """Return the descriptors that threads wait for and that nobody has found readable yet."""
        return set(self._watched) - self._readable

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
        """Wait for replies to what was submitted, and tell the listeners."""
        untold: list[Listener] = []
        try:
            while self._tell(untold):
                untold.clear()
        except BaseException as bug:
            self._thread_ended(bug, untold)
            raise

    def _tell(self, untold: list[Listener]) -> bool:
        """Wait for news and tell it, without the lock; return whether there may be more.

        Those who are about to hear something are noted in `untold` first.
        """
        error: LinebusError | None = None
        deaf: list[Listener] = []
        with self._lock:
            is_over = self._is_closed
            heard = self._pending.take_heard()
            if not (heard or is_over):
                error, deaf = self._wait_for_submitted()
                self._hand_over()
        untold += [*(listener for listener, _ in heard), *deaf]
        for listener, replies in heard:
            listener.replied(replies)
        for listener in deaf:
            assert error is not None, "they are deaf because of it"
            listener.failed(error)
        return not is_over

    def _thread_ended(self, bug: BaseException, untold: list[Listener]) -> None:
        """Fail whoever waits for the client's thread; another one is started for the next order."""
        with self._lock:
            deaf = [*untold, *(listener for listener, _ in self._pending.take_heard())]
            deaf += self._pending.give_up(inf)
            self._thread = None
            self._hand_over()
        error = LinebusError(
            f"the client's thread has ended, by {type(bug).__name__}: {bug}; "
            "ask again, and please report this as a bug of linebus"
        )
        error.__cause__ = bug
        for listener in deaf:
            with suppress(BaseException):  # one that cannot hear it keeps it from no other
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
        return (self._absence(), deaf) if deaf else (None, [])

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
                self._news.wait()
            deaf = self._pending.give_up(inf)
            self._connection.close()
            self._news.notify_all()
            self._submitted.notify_all()
        error: ConnectError | UsageError = UsageError("the client was closed before the reply came")
        for listener in deaf:
            listener.failed(error)

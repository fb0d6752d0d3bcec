"""`linebus.Client`: asks lines, hands out replies."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from linebus import limits
from linebus.client.calls import line_of, services_told, value_of
from linebus.client.patience import Patience
from linebus.client.pending import FutureListener
from linebus.client.shared import SharedSession
from linebus.client.sources import Chunks, LineReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from linebus.client.order import Order
    from linebus.client.reply import Reply
    from linebus.core.admin import ServiceInfo


def default_address() -> str:
    """Return the address in LINEBUS_URL, or the usual one on this machine."""
    return os.environ.get("LINEBUS_URL") or limits.ADDRESS


class Client:
    """A session with a server; any number of threads may use it.

    >>> with Client() as bus:
    ...     bus.ask("gcd 12 18").text
    'gcd for 12 18 is 6'

    The session survives quiet hours, cut connections and restarts of the server: what is unanswered
    is asked again, and each line is answered exactly once. While there is no server, calls wait for
    at most `connect_timeout_s` seconds and then raise NobodyListens, or NotLinebus where something
    else listens at the address. After a fork the child needs a client of its own.

    Every method raises VersionMismatch and SessionRefused where the server turns the session away,
    and UsageError for a client that is closed or was opened before a fork.
    """

    def __init__(
        self, address: str | None = None, *, connect_timeout_s: float = limits.CONNECT_S
    ) -> None:
        """Open a session with the server at `address`, by default LINEBUS_URL, in the background.

        Raises UsageError where the address makes no sense.
        """
        self.address = address or default_address()
        self._shared = SharedSession(self.address, connect_timeout_s)

    # -- one line ----------------------------------------------------------------------------

    def ask(
        self, line: str, *, timeout_s: float | None = None, deadline_s: float | None = None
    ) -> Reply:
        """Ask one line and wait for its reply, whatever the outcome.

        After `deadline_s` seconds the server ends the request: its outcome is expired, and whoever
        works on it is stopped. Raises DeadlineExceeded where nothing has come after `timeout_s`
        seconds; the request is cancelled then.
        """
        return self._ask(line, timeout_s, deadline_s, values=False)

    def call(
        self,
        service: str,
        *arguments: object,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Any:  # noqa: ANN401  what the service gives
        """Ask a service with Python values; return its result as a Python value.

        Arguments are int (of any size), float, str or bool; the result is whatever JSON can hold.
        Raises Failed, NoService, NoWorker, Overloaded, Quarantined or Expired for an outcome other
        than answered, UsageError for an argument that fits on no line, and DeadlineExceeded.
        """
        line = line_of(service, arguments)
        return value_of(service, self._ask(line, timeout_s, deadline_s, values=True))

    def _ask(
        self, line: str, timeout_s: float | None, deadline_s: float | None, *, values: bool
    ) -> Reply:
        patience = Patience(timeout_s)
        with self._shared as shared:
            order = shared.new_order()
            shared.ask(order, [line], deadline_s, values=values)
            try:
                while True:
                    for reply in order.take():
                        return reply
                    if patience.is_over:
                        shared.give_up(patience)
                    shared.wait(patience)
            finally:
                order.forget()

    def submit(self, line: str, *, deadline_s: float | None = None) -> Future[Reply]:
        """Ask one line and return at once; the future gets its reply, whatever the outcome.

        A thread of the client waits for it, started for the first one; callbacks run there. The
        future gets the exception that `ask` would raise. Cancelling it cancels the request, and
        whoever works on it is stopped.
        """
        future: Future[Reply] = Future()
        with self._shared as shared:
            order = shared.new_order()
            shared.ask(order, [line], deadline_s)
            shared.submit(order, FutureListener(future))
        future.add_done_callback(lambda done: shared.forget(order) if done.cancelled() else None)
        return future

    # -- many lines --------------------------------------------------------------------------

    def map(
        self,
        lines: Iterable[str],
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Iterator[Reply]:
        """Ask many lines and yield their replies in the lines' order, in bounded memory.

        Lines are read as replies are taken, at most a window's worth ahead; a million are fine.
        Each has `deadline_s` seconds from when it is read. Lines that are not answered when the
        iterator is closed are cancelled.
        Raises what `ask` raises, when the iterator is advanced; `timeout_s` is how long the next
        reply may take, while one is owed and the iterator is advanced.
        """
        patience = Patience(timeout_s, owed=0)
        source = Chunks(lines)
        with self._shared as shared:
            order = shared.new_order()
        try:
            while order.owed or not source.is_at_end:
                wants_more = not source.is_at_end and order.owed < limits.WINDOW_LINES
                chunk = self._read(source, patience) if wants_more else []
                with self._shared as shared:
                    if wants_more:
                        self._ask_more(patience, order, chunk, deadline_s)
                    replies = order.take()
                    if not (replies or wants_more):
                        shared.wait(patience)
                        replies = order.take()
                    self._check(patience, replies)
                if replies:
                    yield from replies
                    patience.renew(order.owed)
        finally:
            self._shared.forget(order)

    @staticmethod
    def _read(source: Chunks, patience: Patience) -> list[str]:
        """Read more lines, which is the caller's own code: it may well use this client itself."""
        began_at = time.monotonic()
        lines = source.read()
        patience.spare(time.monotonic() - began_at)
        return lines

    def map_descriptor(
        self,
        descriptor: int,
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Iterator[list[Reply]]:
        """Ask the lines that can be read from a descriptor, as they come; yield replies in order.

        A line is asked as soon as it can be read, however long the next one takes. What is not
        UTF-8 gets a reply that says so. Each item is a list of the replies that have come.
        Raises what `map` raises.
        """
        patience = Patience(timeout_s, owed=0)
        source = LineReader(descriptor)
        with self._shared as shared:
            order = shared.new_order()
        try:
            while order.owed or not source.is_at_end:
                with self._shared as shared:
                    wants_more = not source.is_at_end and order.owed < limits.WINDOW_LINES
                    replies = order.take()
                    if replies:
                        shared.flush()
                    elif shared.wait(patience, descriptor if wants_more else None):
                        self._ask_more(patience, order, source.read(), deadline_s)
                    replies += order.take()
                    self._check(patience, replies)
                if replies:
                    yield replies
                    patience.renew(order.owed)
        finally:
            self._shared.forget(order)

    def _ask_more(
        self, patience: Patience, order: Order, lines: list[str], deadline_s: float | None
    ) -> None:
        if not order.owed:
            patience.renew(len(lines))
        self._shared.ask(order, lines, deadline_s)
        self._shared.flush()

    def _check(self, patience: Patience, replies: list[Reply]) -> None:
        if patience.is_over and not replies:
            self._shared.give_up(patience)

    # -- the bus -----------------------------------------------------------------------------

    def services(self, *, timeout_s: float | None = None) -> list[ServiceInfo]:
        """Return who offers what, in the order of names.

        Raises Overloaded where the server is asked too often, and DeadlineExceeded.
        """
        return services_told(partial(self.ask, timeout_s=timeout_s))

    def close(self) -> None:
        """End the session; replies that are still owed are given up."""
        self._shared.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

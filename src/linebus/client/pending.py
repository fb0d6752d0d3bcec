"""Orders that no thread waits for: who is to hear of their replies, and when; no I/O, no lock.

An order is found by the line that it waits for next, so a reply costs one look-up however many
orders there are.
"""

from __future__ import annotations

import time
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from linebus.wire.messages import Entry, count_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linebus.client.order import Order
    from linebus.client.reply import Reply
    from linebus.errors import LinebusError


class Listener(Protocol):
    """Whoever is to hear of an order; called without any lock, in the client's own thread."""

    def replied(self, replies: list[Reply]) -> None:
        """Take the order's next replies."""

    def failed(self, error: LinebusError) -> None:
        """Take note that the rest of the order will never be answered."""


class AnyFuture(Protocol):
    """A thread's future, or an event loop's."""

    def done(self) -> bool:
        """Return whether it is set or cancelled."""

    def set_result(self, result: Reply, /) -> None:
        """Set the result."""

    def set_exception(self, exception: LinebusError, /) -> None:
        """Set the exception."""


class FutureListener:
    """Sets a future, a thread's or an event loop's, unless it was cancelled meanwhile."""

    def __init__(self, future: AnyFuture) -> None:
        """Set this future, whose order has one line."""
        self._future = future

    def replied(self, replies: list[Reply]) -> None:
        """Set the result."""
        if not self._future.done():
            with suppress(InvalidStateError):  # cancelled just now, in another thread
                self._future.set_result(replies[0])

    def failed(self, error: LinebusError) -> None:
        """Set the exception."""
        if not self._future.done():
            with suppress(InvalidStateError):
                self._future.set_exception(error)


class _Waiting(NamedTuple):
    order: Order
    listener: Listener
    since: float


class Pending:
    """Orders by the line that each waits for next."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_line: dict[tuple[str, int], _Waiting] = {}
        self._heard: list[tuple[Listener, list[Reply]]] = []

    def __len__(self) -> int:
        """Return how many orders wait for a reply."""
        return len(self._by_line)

    def add(self, order: Order, listener: Listener) -> None:
        """Wait for an order's replies; nothing changes where that is so already."""
        if order.next_line not in self._by_line:
            self._look(_Waiting(order, listener, time.monotonic()))

    def arrived(self, entries: Iterable[Entry]) -> None:
        """Note that these have come."""
        for entry in entries:
            if not self._by_line:
                return
            for number in range(entry.first, entry.first + count_of(entry)):
                waiting = self._by_line.pop((entry.service, number), None)
                if waiting is not None:
                    self._look(waiting)

    def _look(self, waiting: _Waiting) -> None:
        replies = waiting.order.take()
        if replies:
            self._heard.append((waiting.listener, replies))
        if (line := waiting.order.next_line) is not None:
            self._by_line[line] = waiting

    def take_heard(self) -> list[tuple[Listener, list[Reply]]]:
        """Hand out what listeners are to hear."""
        heard, self._heard = self._heard, []
        return heard

    def waiting_since(self) -> float:
        """Return since when the order waits that was added first."""
        return min(waiting.since for waiting in self._by_line.values())

    def give_up(self, before: float) -> list[Listener]:
        """Forget the orders that were added until then; return their listeners."""
        gone = [line for line, waiting in self._by_line.items() if waiting.since <= before]
        given_up = [self._by_line.pop(line) for line in gone]
        for waiting in given_up:
            waiting.order.forget()
        return [waiting.listener for waiting in given_up]

    def forget(self, order: Order) -> None:
        """Forget one order, for which nobody waits any more."""
        self._by_line.pop(order.next_line or ("", 0), None)
        order.forget()

"""A client of an in-process bus: the methods of `linebus.Client`, without a socket."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, Self

from linebus import limits
from linebus.client.calls import line_of, services_told, value_of
from linebus.client.order import Order
from linebus.client.patience import exceeded
from linebus.client.pending import FutureListener, Pending
from linebus.client.reply import Reply
from linebus.client.sources import several
from linebus.errors import DeadlineExceeded, UsageError
from linebus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from linebus.core.admin import ServiceInfo
    from linebus.testing.world import World


class Client:
    """A client's session on a bus in this process. `bus.client` opens one.

    Its methods are those of `linebus.Client`, and raise the same. While one of them waits, the bus
    runs and its clock moves as far as it must; `timeout_s` is measured by that clock.
    """

    def __init__(self, world: World) -> None:
        """Open a session."""
        self._world = world
        self._peer = world.client()
        self._pending = Pending()
        self._is_closed = False
        world.watchers.append(self._settle)

    def ask(
        self, line: str, *, timeout_s: float | None = None, deadline_s: float | None = None
    ) -> Reply:
        """Ask one line and return its reply, whatever the outcome."""
        order = self._order([line], deadline_s)
        try:
            return self._replies(order, timeout_s)[0]
        finally:
            order.forget()

    def call(
        self,
        service: str,
        *arguments: object,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Any:  # noqa: ANN401  what the service gives
        """Call a service with Python values; return its result, or raise any other outcome."""
        order = self._order([line_of(service, arguments)], deadline_s, values=True)
        try:
            return value_of(service, self._replies(order, timeout_s)[0])
        finally:
            order.forget()

    def submit(self, line: str, *, deadline_s: float | None = None) -> Future[Reply]:
        """Ask one line and return a future, which is done as soon as the bus has run.

        `result` and `exception` run the bus themselves.
        """
        order = self._order([line], deadline_s)
        future = _Submitted(self._run_until)
        self._pending.add(order, FutureListener(future))
        future.add_done_callback(
            lambda done: self._pending.forget(order) if done.cancelled() else None
        )
        return future

    def map(
        self,
        lines: Iterable[str],
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Iterator[Reply]:
        """Ask many lines and yield their replies in the lines' order."""
        source = iter(several(lines))
        while chunk := list(islice(source, limits.TESTING_CHUNK_LINES)):
            order = self._order(chunk, deadline_s)
            try:
                while order.owed:
                    yield from self._replies(order, timeout_s)
            finally:
                order.forget()

    def services(self, *, timeout_s: float | None = None) -> list[ServiceInfo]:
        """Return who offers what, in the order of names."""
        return services_told(partial(self.ask, timeout_s=timeout_s))

    def cut(self) -> None:
        """Cut the connection; it comes back by itself a moment of the clock later."""
        self._check_open()
        self._world.interrupt(self._peer.link)

    def close(self) -> None:
        """End the session; replies that are still owed are given up."""
        if self._is_closed:
            return
        self._is_closed = True
        self._world.watchers.remove(self._settle)
        self._world.dismiss_client(self._peer)
        for listener in self._pending.give_up(inf):
            listener.failed(UsageError("the client was closed before the reply came"))

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    # ----------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("this client is closed; open another one")

    def _order(self, lines: list[str], deadline_s: float | None, *, values: bool = False) -> Order:
        self._check_open()
        order = Order(self._peer.session)
        expires_at = inf if deadline_s is None else self._world.now + deadline_s
        order.ask(lines, values=values, expires_at=expires_at)
        return order

    def _replies(self, order: Order, timeout_s: float | None) -> list[Reply]:
        """Run the bus until replies have come; return at least one."""
        self._check_open()
        replies: list[Reply] = []

        def have_come() -> bool:
            replies.extend(order.take())
            return bool(replies)

        self._run_until(have_come, timeout_s)
        return replies

    def _run_until(self, is_done: Callable[[], bool], timeout_s: float | None) -> None:
        world = self._world
        patience_s = limits.TESTING_PATIENCE_S if timeout_s is None else timeout_s
        if world.run_until(is_done, world.now + patience_s):
            return
        if timeout_s is not None:
            raise exceeded(timeout_s)
        held = [plain.shorten(each.line) for each in world.executors if each.is_busy]
        raise UsageError(
            f"no reply is on its way: executors do not come to the end of {held}; "
            "end their worker, or give timeout_s to see the deadline pass"
        )

    def _settle(self) -> bool:
        """Complete the futures whose replies have come; return whether there were any."""
        self._pending.arrived(self._peer.session.take_arrivals())
        heard = self._pending.take_heard()
        for listener, replies in heard:
            listener.replied(replies)
        return bool(heard)


class _Submitted(Future[Reply]):
    """A future that runs the bus when it is asked for its result, since nobody else would."""

    def __init__(self, run_until: Callable[[Callable[[], bool], float | None], None]) -> None:
        super().__init__()
        self._run_until = run_until

    def result(self, timeout: float | None = None) -> Reply:
        """Run the bus until the reply is there, for `timeout` seconds of its clock."""
        self._run(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Run the bus as `result` does."""
        self._run(timeout)
        return super().exception(0)

    def _run(self, timeout: float | None) -> None:
        if not self.done():
            with suppress(DeadlineExceeded):  # the future itself says it in its own words
                self._run_until(self.done, timeout)

"""`linebus.AsyncClient`: the methods of `linebus.Client`, awaited.

The client's own thread drives the socket, and tells the event loop of replies. So heartbeats go on
however long the loop is held up, and a slow loop delays only itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from linebus import limits
from linebus.client.calls import Listing, line_of, value_of
from linebus.client.client import default_address
from linebus.client.patience import Patience
from linebus.client.pending import FutureListener
from linebus.client.shared import SharedSession
from linebus.client.sources import several
from linebus.errors import LinebusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

    from linebus.client.pending import Listener
    from linebus.client.reply import Reply
    from linebus.core.admin import ServiceInfo


class AsyncClient:
    """A session with a server, for one event loop.

    >>> async with AsyncClient() as bus:
    ...     (await bus.ask("gcd 12 18")).text
    'gcd for 12 18 is 6'

    What holds for `linebus.Client` holds here: sessions survive, calls wait `connect_timeout_s`
    seconds for a server, and the same exceptions are raised. Cancelling what waits for a reply
    gives the reply up.
    """

    def __init__(
        self, address: str | None = None, *, connect_timeout_s: float = limits.CONNECT_S
    ) -> None:
        """Open a session with the server at `address`, by default LINEBUS_URL, in the background.

        Raises UsageError where the address makes no sense.
        """
        self.address = address or default_address()
        self._shared = SharedSession(self.address, connect_timeout_s)

    async def ask(
        self, line: str, *, timeout_s: float | None = None, deadline_s: float | None = None
    ) -> Reply:
        """Ask one line and wait for its reply, whatever the outcome; see `Client.ask`."""
        return await self._ask(line, timeout_s, deadline_s, values=False)

    async def call(
        self,
        service: str,
        *arguments: object,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Any:  # noqa: ANN401  what the service gives
        """Ask a service with Python values; return its result; see `Client.call`."""
        line = line_of(service, arguments)
        return value_of(service, await self._ask(line, timeout_s, deadline_s, values=True))

    async def _ask(
        self, line: str, timeout_s: float | None, deadline_s: float | None, *, values: bool
    ) -> Reply:
        patience = Patience(timeout_s)
        future = self._submit(line, deadline_s, values=values)
        try:
            async with asyncio.timeout(patience.left_s):
                return await future
        except TimeoutError as error:
            raise patience.exceeded() from error

    def submit(self, line: str, *, deadline_s: float | None = None) -> asyncio.Future[Reply]:
        """Ask one line and return at once; the future gets its reply, whatever the outcome."""
        return self._submit(line, deadline_s, values=False)

    def _submit(
        self, line: str, deadline_s: float | None, *, values: bool
    ) -> asyncio.Future[Reply]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        with self._shared as shared:
            order = shared.new_order()
            shared.ask(order, [line], deadline_s, values=values)
            shared.submit(order, _LoopListener(loop, FutureListener(future)))
        future.add_done_callback(lambda done: shared.forget(order) if done.cancelled() else None)
        return future

    async def map(
        self,
        lines: Iterable[str] | AsyncIterable[str],
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> AsyncIterator[Reply]:
        """Ask many lines and yield their replies in the lines' order, in bounded memory.

        `lines` may be an iterable or an async one. They are read as replies are taken, at most a
        window's worth ahead. `timeout_s` is how long the next reply may take, while one is owed and
        waited for; each line has `deadline_s` seconds from when it is asked.
        """
        mapping = _Mapping(self._shared, timeout_s, deadline_s)
        reading = asyncio.create_task(mapping.read(several(lines)))
        try:
            while (replies := await mapping.next_replies()) is not None:
                for reply in replies:
                    yield reply
            await reading
        finally:
            reading.cancel()
            mapping.forget()

    async def services(self, *, timeout_s: float | None = None) -> list[ServiceInfo]:
        """Return who offers what, in the order of names; see `Client.services`."""
        listing = Listing()
        while listing.line is not None:
            listing.take(await self.ask(listing.line, timeout_s=timeout_s))
        return listing.services

    async def close(self) -> None:
        """End the session; replies that are still owed are given up."""
        await asyncio.to_thread(self._shared.close)

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.close()


class _LoopListener:
    """Passes on to the event loop what the client's thread hears."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: Listener) -> None:
        self._loop = loop
        self._listener = listener

    def replied(self, replies: list[Reply]) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._listener.replied, replies)

    def failed(self, error: LinebusError) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._listener.failed, error)


class _Mapping:
    """The lines and replies of one `map`, on the event loop.

    Lines are asked whenever the loop gets a turn, so those that come fast travel together and one
    that comes alone leaves at once.
    """

    def __init__(
        self, shared: SharedSession, timeout_s: float | None, deadline_s: float | None
    ) -> None:
        self._shared = shared
        self._deadline_s = deadline_s
        self._patience = Patience(timeout_s, owed=0)
        self._loop = asyncio.get_running_loop()
        self._listener = _LoopListener(self._loop, self)
        with shared:
            self._order = shared.new_order()
        self._chunk: list[str] = []
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._is_read = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def read(self, lines: Iterable[str] | AsyncIterable[str]) -> None:
        """Ask all lines, a window's worth ahead of the replies that were taken."""
        try:
            if hasattr(lines, "__aiter__"):
                async for line in lines:
                    await self._add(line)
            else:
                for line in lines:
                    await self._add(line)
            self._flush()
        except Exception as error:  # noqa: BLE001  it is raised where the replies are taken
            self._error = error
        finally:
            self._is_read = True
            self._news.set()

    async def _add(self, line: str) -> None:
        if not self._chunk:
            self._loop.call_soon(self._flush)
        self._chunk.append(line)
        self._owed += 1
        if self._owed == 1:
            self._patience.renew(self._owed)
            self._news.set()  # whoever waits for replies has a limit now
        if len(self._chunk) >= limits.CHUNK_LINES:
            self._flush()
        while self._owed >= limits.WINDOW_LINES:
            self._room.clear()
            await self._room.wait()

    def _flush(self) -> None:
        if self._chunk:
            chunk, self._chunk = self._chunk, []
            try:
                with self._shared as shared:
                    shared.ask(self._order, chunk, self._deadline_s)
                    shared.submit(self._order, self._listener)
            except LinebusError as error:  # the event loop calls this: nobody else would hear
                self.failed(error)

    async def next_replies(self) -> list[Reply] | None:
        """Return the replies that have come since the last call, None when there are no more."""
        self._patience.renew(self._owed)
        while not self._replies:
            if self._error is not None:
                raise self._error
            if self._is_read and not self._owed:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience.left_s):
                    await self._news.wait()
            except TimeoutError as error:
                raise self._patience.exceeded() from error
        replies = list(self._replies)
        self._replies.clear()
        self._owed -= len(replies)
        self._room.set()
        return replies

    def replied(self, replies: list[Reply]) -> None:
        """Take what the client's thread has heard."""
        self._replies += replies
        self._news.set()

    def failed(self, error: LinebusError) -> None:
        """Note that nothing more will come."""
        self._error = error
        self._news.set()

    def forget(self) -> None:
        """Give up what is owed."""
        self._chunk.clear()
        self._shared.forget(self._order)

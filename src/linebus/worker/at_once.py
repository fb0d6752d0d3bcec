"""Async services in an executor: many lines at once, in one event loop in a thread of its own.

The thread that holds the connection begins lines and collects their texts; a pipe wakes it when
there are some.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from linebus import limits
from linebus.errors import Refused
from linebus.worker.answering import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Done(NamedTuple):
    """A line that has ended: its number, its text, whether it failed, how long it took."""

    number: int
    text: str
    failed: bool
    ran_s: float


class Overdue(NamedTuple):
    """A line that its event loop does not give up, `at` which moment it should have been."""

    at: float
    number: int
    service: str
    time_limit_s: float


class AtOnce:
    """Lines under way. All methods are for the one thread that has made it."""

    def __init__(self) -> None:
        """Start the thread, with nothing to do."""
        self._done: deque[Done] = deque()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._under_way: set[int] = set()
        self._limited: dict[int, Overdue] = {}  # those with a time limit: looked at in every round
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._loop = asyncio.new_event_loop()
        self._ending: asyncio.Task[None] | None = None
        self._end: BaseException | None = None  # what a service raised to end its process
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return how many lines are under way."""
        return len(self._under_way)

    def fileno(self) -> int:
        """Return the descriptor that can be read when lines have ended."""
        return self._reader

    def begin(
        self,
        number: int,
        service: str,
        answer: Callable[[str], Coroutine[Any, Any, str]],
        arguments: str,
        time_limit_s: float,
    ) -> None:
        """Begin a line; with a time limit it is given up, and fails, where it takes longer."""
        self._under_way.add(number)
        if time_limit_s:
            over_at = time.monotonic() + time_limit_s
            self._limited[number] = Overdue(over_at, number, service, time_limit_s)
        work = self._work(number, service, answer, arguments, time_limit_s or None)
        self._loop.call_soon_threadsafe(self._start, number, work)

    def give_up(self, first: int, last: int) -> None:
        """Cancel what is under way of lines `first`…`last`; their texts come all the same."""
        for number in [each for each in self._under_way if first <= each <= last]:
            self._loop.call_soon_threadsafe(self._cancel, number)

    def take_done(self) -> list[Done]:
        """Hand out the lines that have ended; raise what a service raised to end its process."""
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            return []
        if self._end is not None:
            raise self._end
        done = []
        while self._done:
            done.append(self._done.popleft())
        for each in done:
            self._under_way.discard(each.number)
            self._limited.pop(each.number, None)
        return done

    def next_overdue(self) -> Overdue | None:
        """Return the line whose time limit ends first, None where none has one."""
        return min(self._limited.values(), default=None)

    def close(self) -> None:
        """Cancel everything and end the thread; nobody waits for any of it."""
        self._loop.call_soon_threadsafe(self._start_end)  # which a loop that has ended never does
        self._thread.join(limits.BLOCKED_LOOP_S)
        if self._thread.is_alive():
            return  # something computes there; it ends with the process
        self._loop.close()
        os.close(self._reader)
        os.close(self._writer)

    # -- in the loop's thread ----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        except BaseException as error:  # noqa: BLE001  raised again by the thread that can end us
            self._end = error
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is woken up already
            os.write(self._writer, b".")

    def _start_end(self) -> None:
        self._ending = self._loop.create_task(self._cancel_all())

    async def _cancel_all(self) -> None:
        """Give everything a moment to put its things in order, and stop the loop."""
        for line in self._running.values():
            line.cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=limits.STOP_PATIENCE_S)
        self._loop.stop()

    def _start(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        self._running[number] = self._loop.create_task(work)

    def _cancel(self, number: int) -> None:
        if (line := self._running.get(number)) is not None:
            self._loop.call_soon(line.cancel)  # once it has begun: before, it could not answer

    async def _work(
        self,
        number: int,
        service: str,
        answer: Callable[[str], Coroutine[Any, Any, str]],
        arguments: str,
        time_limit_s: float | None,
    ) -> None:
        begun_at, failed = time.monotonic(), True
        try:
            async with asyncio.timeout(time_limit_s) as limit:
                text = await answer(arguments)
            failed = False
        except Refused as error:
            text = str(error)
        except asyncio.CancelledError:
            text = "nobody waited for it any more"
        except TimeoutError as error:
            if limit.expired():
                text = f"{service} took longer than {time_limit_s:g} s, its time limit"
            else:
                text = failure(service, error)
        except Exception as error:  # noqa: BLE001  whatever a service raises is its answer
            text = failure(service, error)
        finally:
            del self._running[number]
        self._done.append(Done(number, text, failed, time.monotonic() - begun_at))
        self._wake()

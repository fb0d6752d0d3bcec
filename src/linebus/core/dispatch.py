"""Who gets which slice: services with queued runs, pools of executors with free credit.

A pool is all executors that offer the same services, so there are few pools however many
executors there are. Executors without work come first; services of a pool take turns, and so do
the clients of a service, a slice at a time. A slice is as long as SLICE_S of work, by what lines of
the service have cost lately.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from linebus.core.clients import Books
    from linebus.core.intervals import IntervalSet
    from linebus.core.runs import Run
    from linebus.core.workers import Executor, Worker
    from linebus.wire.messages import Offer


# How much the cost of the lines just worked on weighs against that of those before.
_COST_WEIGHT = 0.5
# No clock tells shorter durations apart.
_COST_LEAST_S = 1e-8


class Service:
    """A named kind of work: who offers it, and the clients' queues that wait for it."""

    __slots__ = (
        "absent_at",
        "askers",
        "dated",
        "expires_at",
        "is_awaited",
        "is_own",
        "line_cost_s",
        "name",
        "offer",
        "pools",
        "ring",
        "struck",
        "waiting",
    )

    def __init__(self, name: str, now: float) -> None:
        """Start without workers; `offer` stays None until the first one comes."""
        self.name = name
        self.offer: Offer | None = None
        self.pools: list[Pool] = []
        self.line_cost_s = 0.0  # what a line has cost lately; 0 while nobody knows
        self.absent_at = now
        self.is_own = False  # the broker answers it itself
        self.is_awaited = False  # a timer is set for the end of a grace
        self.ring: deque[Books] = deque()
        self.waiting = 0
        self.struck = 0  # runs that wait and have strikes
        self.askers = 0  # clients that have books for it
        self.dated: dict[Books, None] = {}  # those with lines that have a deadline
        self.expires_at = inf  # when it is looked at next

    @property
    def is_idle(self) -> bool:
        """Whether nobody would miss it: no worker offers it and no client has books for it."""
        return not (self.pools or self.askers or self.is_own)

    def note_cost(self, ran_s: float) -> None:
        """Note what lines have cost just now, each."""
        before = self.line_cost_s or ran_s
        self.line_cost_s = max(_COST_LEAST_S, before + _COST_WEIGHT * (ran_s - before))

    def line_load_s(self, at_once: int) -> float:
        """For how much of an executor's time a line of it counts, at most a slice's.

        Where an executor works on several lines `at_once`, so many of them are two slices.
        """
        if at_once:
            return limits.SLICE_S / (at_once - 1) if at_once > 1 else 2 * limits.SLICE_S
        if not self.line_cost_s:
            return limits.SLICE_S / limits.FIRST_SLICE_LINES
        return min(limits.SLICE_S, self.line_cost_s)

    def slice_lines(self, at_once: int) -> int:
        """How many lines are dispatched at a time: one where their replies come in any order."""
        return 1 if at_once else int(limits.SLICE_S / self.line_load_s(at_once))

    def queue(self, books: Books, run: Run) -> None:
        """Put a run at the end of its client's queue."""
        self.waiting += run.count
        last = books.queue[-1] if books.queue else None
        # Without workers runs stay apart, since each line has a grace of its own.
        if not self.pools or last is None or not last.extend(run):
            books.queue.append(run)
        self._join_ring(books)

    def requeue(self, run: Run) -> None:
        """Put a run whose lease ended back at the front of its client's queue."""
        self.waiting += run.count
        self.struck += run.strikes > 0
        run.books.queue.appendleft(run)
        self._join_ring(run.books)

    def _join_ring(self, books: Books) -> None:
        if not books.in_ring:
            books.in_ring = True
            self.ring.append(books)

    def slice(self, count: int) -> Run:
        """Cut at most `count` lines off the run whose client's turn it is."""
        books = self.ring.popleft()
        self.struck -= books.queue[0].strikes > 0
        run = books.queue[0]
        if run.count <= count:
            books.queue.popleft()
        else:
            run = run.cut(count)
        if books.queue:
            self.ring.append(books)
        else:
            books.in_ring = False
        self.waiting -= run.count
        return run

    def turn_to(self, *, struck: bool) -> bool:
        """Make it the turn of a run with strikes, or of one without; False: none such waits."""
        for books in self.ring:
            for index, run in enumerate(books.queue):
                if (run.strikes > 0) == struck:
                    books.queue.rotate(-index)
                    self.ring.remove(books)
                    self.ring.appendleft(books)
                    return True
        return False

    def next_grace_over(self, grace_s: float) -> float:
        """Return when the grace of what waits longest is over, without workers."""
        oldest = min(run.received_at for books in self.ring for run in books.queue)
        return max(self.absent_at, oldest) + grace_s

    def take_out(self, books: Books, lines: IntervalSet) -> list[Run]:
        """Take the lines with these numbers out of a client's queue; return their runs."""
        taken: list[Run] = []
        kept: list[Run] = []
        for run in books.queue:
            for part, is_meant in run.divide(lines):
                (taken if is_meant else kept).append(part)
        books.queue = deque(kept)
        self._leave(taken)
        if books.in_ring and not kept:
            self.ring.remove(books)
            books.in_ring = False
        return taken

    def clear(self, books: Books) -> list[Run]:
        """Take a client's whole queue out; return its runs."""
        runs = list(books.queue)
        books.queue.clear()
        self._leave(runs)
        if books.in_ring:
            self.ring.remove(books)
            books.in_ring = False
        return runs

    def _leave(self, runs: list[Run]) -> None:
        self.waiting -= sum(run.count for run in runs)
        self.struck -= sum(run.strikes > 0 for run in runs)


class Pool:
    """All executors that offer the same services, each as many lines `at_once` of them."""

    def __init__(self, at_once: dict[Service, int]) -> None:
        """Start without executors."""
        self.workers: set[Worker] = set()
        self.at_once = at_once
        self.services = deque(at_once)
        self._reserved: Executor | None = None  # it gets nothing until it is idle
        self._idle: dict[Executor, None] = {}
        self._partly: dict[Executor, None] = {}

    @property
    def idle_count(self) -> int:
        """How many executors have nothing to do and credit."""
        return len(self._idle)

    def update(self, executor: Executor) -> None:
        """Note how much an executor can take now."""
        self._idle.pop(executor, None)
        self._partly.pop(executor, None)
        if executor.free > 0:
            (self._partly if executor.leases else self._idle)[executor] = None

    def dispatch(self, now: float) -> list[Executor]:
        """Lease slices while an executor has credit and a run waits; return who got some."""
        granted: dict[Executor, None] = {}
        passed: set[Service] = set()
        while (self._idle or self._partly) and (service := self._next_service(passed)):
            takers = sum(pool.idle_count for pool in service.pools)
            if takers and not self._idle:
                break  # an idle executor of another pool comes first
            at_once = self.at_once[service]
            if at_once and service.struck and not self._turn_for_struck(service):
                passed.add(service)
                continue
            executor = next(iter(self._idle or self._partly))
            share = -(-service.waiting // (takers or 1))
            count = min(executor.free, share, service.slice_lines(at_once))
            executor.grant(service.slice(count), now)
            self.update(executor)
            granted[executor] = None
        return list(granted)

    def _turn_for_struck(self, service: Service) -> bool:
        """Give a line with strikes to an idle executor, where nothing is beside it to be charged.

        While there is none, one of those at work gets nothing more, and the others go on with what
        has no strikes; return whether there is any.
        """
        if self._idle:
            return service.turn_to(struck=True)
        if self._reserved is None or not self._reserved.is_reserved:
            self._reserved = next(iter(self._partly))
            self._reserved.is_reserved = True
            self.update(self._reserved)
        return bool(self._partly) and service.turn_to(struck=False)

    def _next_service(self, passed: set[Service]) -> Service | None:
        for _ in range(len(self.services)):
            service = self.services[0]
            self.services.rotate(-1)
            if service.waiting and service not in passed:
                return service
        return None

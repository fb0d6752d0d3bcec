"""Who gets which slice: services with queued runs, pools of executors with free credit.

A pool is all executors that offer the same services, so there are few pools however many
executors there are. Executors without work come first; services of a pool take turns, and so do
the clients of a service, a slice at a time. A slice is as long as SLICE_S of work, by what lines of
the service have cost lately.

Whoever asks a line now and then does not wait for those who ask a million, or for hours. A client
that has nothing leased comes before those that have, and one that is served by an executor that is
held up comes last. A spare executor works only where all others do, a slice at a time, and only for
a client that has nothing leased: so a flood never gets it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """A named kind of work: who offers it, and the clients' queues that wait for it.

    The queues take turns in two rings: `unserved` are those of clients that have nothing leased
    now, of any service, `served` all others. The order of a ring is that of the turns, and whatever
    leaves one does so at one step, however many wait.
    """

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
        "served",
        "struck",
        "turns",
        "unserved",
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
        self.unserved: OrderedDict[Books, None] = OrderedDict()
        self.served: OrderedDict[Books, None] = OrderedDict()
        self.turns = 1
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

    def queues(self) -> Iterator[Books]:
        """Return the books with lines that wait."""
        return chain(self.unserved, self.served)

    def queue(self, books: Books, run: Run) -> None:
        """Put a run at the end of its client's queue."""
        self.waiting += run.count
        if not books.queue:
            self._join_ring(books)
            books.queue.append(run)
        # Without workers runs stay apart, since each line has a grace of its own.
        elif not self.pools or not books.queue[-1].extend(run):
            books.queue.append(run)

    def requeue(self, run: Run) -> None:
        """Put a run whose lease ended back at the front of its client's queue."""
        self.waiting += run.count
        self.struck += run.strikes > 0
        if not run.books.queue:
            self._join_ring(run.books)
        run.books.queue.appendleft(run)

    def _ring(self, books: Books) -> OrderedDict[Books, None]:
        return self.served if books.client.leases else self.unserved

    def _join_ring(self, books: Books) -> None:
        self._ring(books)[books] = None
        books.client.queues += 1

    def _leave_ring(self, books: Books) -> None:
        del self._ring(books)[books]
        books.client.queues -= 1

    def change_ring(self, books: Books) -> None:
        """Have books wait in the ring that is now theirs, not in the other one."""
        ring = self._ring(books)
        if ring is self.served:
            del self.unserved[books]
        else:
            del self.served[books]
            for pool in self.pools:  # its spare executor may take what the others have no room for
                pool.stir()
        ring[books] = None

    @property
    def is_only_holding_up(self) -> bool:
        """Whether none wait but clients at whose lines executors are long."""
        return not self.unserved and all(books.client.held_up for books in self.served)

    @property
    def turn(self) -> Books:
        """Whose turn it is; now and then that of who comes last, or these might wait for ever."""
        if self.served and self.turns % limits.TURNS_HOLDING_UP == 0:
            return next(iter(self.served))
        if not (self.served and self.turns % limits.TURNS_SERVED == 0):
            for books in self.unserved:
                return books
        # As many as there are executors held up are passed over, at most.
        for books in self.served:
            if not books.client.held_up:
                return books
        return next(self.queues())

    def slice(self, count: int, books: Books) -> Run:
        """Cut at most `count` lines off the front of a client's queue: it has had its turn."""
        self.turns += 1
        run = books.queue[0]
        self.struck -= run.strikes > 0
        if run.count <= count:
            books.queue.popleft()
        else:
            run = run.cut(count)
        if books.queue:
            self._ring(books).move_to_end(books)
        else:
            self._leave_ring(books)
        self.waiting -= run.count
        return run

    def first_run(self, *, struck: bool) -> Books | None:
        """Return books with a run that has strikes, or with one that has none, in front."""
        for books in self.queues():
            for index, run in enumerate(books.queue):
                if (run.strikes > 0) == struck:
                    books.queue.rotate(-index)
                    return books
        return None

    def next_grace_over(self, grace_s: float) -> float:
        """Return when the grace of what waits longest is over, without workers."""
        oldest = min(run.received_at for books in self.queues() for run in books.queue)
        return max(self.absent_at, oldest) + grace_s

    def take_out(self, books: Books, lines: IntervalSet) -> list[Run]:
        """Take the lines with these numbers out of a client's queue; return their runs."""
        taken: list[Run] = []
        kept: list[Run] = []
        for run in books.queue:
            for part, is_meant in run.divide(lines):
                (taken if is_meant else kept).append(part)
        if books.queue and not kept:
            self._leave_ring(books)
        books.queue = deque(kept)
        self._leave(taken)
        return taken

    def clear(self, books: Books) -> list[Run]:
        """Take a client's whole queue out; return its runs."""
        runs = list(books.queue)
        if runs:
            self._leave_ring(books)
        books.queue.clear()
        self._leave(runs)
        return runs

    def _leave(self, runs: list[Run]) -> None:
        self.waiting -= sum(run.count for run in runs)
        self.struck -= sum(run.strikes > 0 for run in runs)


class Pool:
    """All executors that offer the same services, each as many lines `at_once` of them."""

    def __init__(self, at_once: dict[Service, int], stirred: dict[Pool, None]) -> None:
        """Start without executors; in `stirred` are the pools that may have something to lease."""
        self._stirred = stirred
        self.workers: set[Worker] = set()
        self.at_once = at_once
        self.services = deque(at_once)
        self._picks = 0  # of a service
        self._reserved: Executor | None = None  # it gets nothing until it is idle
        self._idle: dict[Executor, None] = {}
        self._partly: dict[Executor, None] = {}
        self._spares: dict[Executor, None] = {}  # those without work

    @property
    def idle_count(self) -> int:
        """How many executors have nothing to do and credit, the spare ones apart."""
        return len(self._idle)

    def stir(self) -> None:
        """Have it looked at in this round: something may be leased now."""
        self._stirred[self] = None

    def update(self, executor: Executor) -> None:
        """Note how much an executor can take now."""
        self._idle.pop(executor, None)
        self._partly.pop(executor, None)
        self._spares.pop(executor, None)
        if executor.free > 0:
            if not executor.is_spare:
                (self._partly if executor.leases else self._idle)[executor] = None
            elif not executor.leases:
                self._spares[executor] = None

    def dispatch(self, now: float) -> list[Executor]:
        """Lease slices while an executor has credit and a run waits; return who got some."""
        granted: dict[Executor, None] = {}
        passed: set[Service] = set()
        while True:
            if self._spares and not self._idle and (unserved := self._next_unserved()):
                self._grant(next(iter(self._spares)), unserved, 1, now, granted)
                continue
            if not (self._idle or self._partly) or not (service := self._next_service(passed)):
                break
            takers = sum(pool.idle_count for pool in service.pools)
            if takers and not self._idle:
                break  # an idle executor of another pool comes first
            books: Books | None = service.turn
            if self.at_once[service] and service.struck:
                books = self._turn_for_struck(service)
            if books is None:
                passed.add(service)
                continue
            self._grant(next(iter(self._idle or self._partly)), books, takers or 1, now, granted)
        return list(granted)

    def _grant(
        self,
        executor: Executor,
        books: Books,
        takers: int,
        now: float,
        granted: dict[Executor, None],
    ) -> None:
        """Lease the front of a client's queue to an executor, one of so many takers."""
        service = books.service
        share = -(-service.waiting // takers)
        count = min(executor.free, share, service.slice_lines(self.at_once[service]))
        executor.grant(service.slice(count, books), now)
        self.update(executor)
        granted[executor] = None

    def _turn_for_struck(self, service: Service) -> Books | None:
        """Give a line with strikes to an idle executor, where nothing is beside it to be charged.

        While there is none, one of those at work gets nothing more, and the others go on with what
        has no strikes; return whose turn it is, if there is any.
        """
        if self._idle:
            return service.first_run(struck=True)
        if self._reserved is None or not self._reserved.is_reserved:
            self._reserved = next(iter(self._partly))
            self._reserved.is_reserved = True
            self.update(self._reserved)
        return service.first_run(struck=False) if self._partly else None

    def _next_unserved(self) -> Books | None:
        """Return books for the spare executor, whose client has nothing leased.

        Lines of a service that works on several at once go to the others while these have room: it
        is its worker who says how many go on at a time.
        """
        for _ in range(len(self.services)):
            service = self.services[0]
            self.services.rotate(-1)
            has_room = self.at_once[service] and self._partly
            is_elsewhere = has_room or any(pool.idle_count for pool in service.pools)
            if service.unserved and not is_elsewhere:
                return next(iter(service.unserved))
        return None

    def _next_service(self, passed: set[Service]) -> Service | None:
        """Return the service whose turn it is, last one for which only those wait that hold up."""
        last: Service | None = None
        self._picks += 1
        is_anyones = self._picks % limits.TURNS_HOLDING_UP == 0
        for _ in range(len(self.services)):
            service = self.services[0]
            self.services.rotate(-1)
            if service.waiting and service not in passed:
                if is_anyones or not service.is_only_holding_up:
                    return service
                last = last or service
        if last is not None:
            self.services.rotate(-1 - self.services.index(last))
        return last

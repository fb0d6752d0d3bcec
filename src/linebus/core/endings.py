"""How requests end without a reply, and how they go on when an executor is lost.

No worker has come within the grace, a deadline has passed, the client does not want it any more,
executors keep dying of it. What concerns single lines cuts them out of their run: out of the queue,
or out of a lease, whose executor is then told to stop.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.intervals import IntervalSet
from linebus.core.lifecycle import Outcome, State
from linebus.core.timers import Cause
from linebus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from linebus.core.clients import Books, Client
    from linebus.core.directory import Directory
    from linebus.core.dispatch import Service
    from linebus.core.ledger import Ledger
    from linebus.core.runs import Run
    from linebus.core.timers import Timers
    from linebus.core.workers import Executor

_EXPIRED = {
    State.QUEUED: "its deadline passed before an executor was free",
    State.LEASED: "its deadline passed while an executor had it; the worker was told to stop",
}
_CANCELLED = dict.fromkeys(_EXPIRED, "the client does not want it any more")


class Endings:
    """Ends requests, each with the outcome that the table of the lifecycle has for it.

    `has_plain_workers` tells whether only plain workers offer a service.
    """

    def __init__(
        self,
        ledger: Ledger,
        timers: Timers,
        directory: Directory,
        has_plain_workers: Callable[[str], bool],
        grace_until: float,
    ) -> None:
        """Give everyone until `grace_until` to come back to a broker that has just started."""
        self._ledger = ledger
        self._timers = timers
        self._directory = directory
        self._has_plain_workers = has_plain_workers
        self.start_grace_until = grace_until

    # -- no worker ---------------------------------------------------------------------------

    def await_worker(self, service: Service, now: float) -> None:
        """See to it that what waits for a service is dispatched, or ends after the grace."""
        for pool in service.pools:
            pool.stir()
        if not service.pools and not service.is_awaited:
            service.is_awaited = True
            at = now + limits.NO_WORKER_GRACE_S
            self._timers.set(at, Cause.NO_WORKER_GRACE_OVER, service)

    def start_grace_over(self, now: float) -> None:
        """End what waits for names that nobody has offered since the broker started."""
        for service in self._directory.never_offered():
            self._end_waiting(service, now, grace_s=0.0)
        self._directory.forget_never_offered()

    def no_worker_grace_over(self, service: Service, now: float) -> None:
        """End what has waited for a worker for long enough."""
        service.is_awaited = False
        if service.pools:
            return
        grace_s = limits.NO_WORKER_GRACE_S
        if now >= max(self.start_grace_until, service.absent_at + grace_s):
            self._end_waiting(service, now, grace_s)
        if service.waiting:
            service.is_awaited = True
            soonest = now + limits.GRACE_STEP_S  # many graces end in one look
            at = max(self.start_grace_until, service.next_grace_over(grace_s), soonest)
            self._timers.set(at, Cause.NO_WORKER_GRACE_OVER, service)

    def absence(self, name: str, now: float) -> tuple[Outcome, str]:
        """Return how a native request for a service without native workers ends, and why."""
        if self._has_plain_workers(name):
            shown = plain.shorten(name)
            return Outcome.NO_WORKER, f"only plain workers offer '{shown}'; ask it with client.py"
        return self._directory.absence(name, now)

    def _end_waiting(self, service: Service, now: float, grace_s: float) -> None:
        """End what has waited for a service without workers for at least the grace."""
        outcome, text = self.absence(service.name, now)
        for books in list(service.queues()):
            for run in service.clear(books):
                if now >= run.received_at + grace_s:
                    self._end_queued(run, outcome, text)
                else:
                    service.queue(books, run)

    # -- nobody wants it, or not any more ----------------------------------------------------

    def cancel(self, books: Books, intervals: Iterable[tuple[int, int]]) -> None:
        """End those of a client's lines that have not ended: it does not want them any more."""
        self._end_lines(books, IntervalSet(intervals), Outcome.CANCELLED, _CANCELLED)

    def note_deadline(self, books: Books, at: float, now: float) -> None:
        """See to it that lines which were just queued end at this moment at the latest."""
        service = books.service
        service.dated[books] = None
        if at < service.expires_at:
            service.expires_at = min(at, now + limits.DEADLINE_LOOK_S)
            self._timers.set(service.expires_at, Cause.DEADLINE_OVER, service)

    def deadline_over(self, service: Service, now: float) -> None:
        """End the lines of a service whose deadline has passed, and wait for the next one."""
        soonest = inf
        for books in list(service.dated):
            dated = [run for run in books.open_runs() if run.expires_at < inf]
            over = [run for run in dated if run.expires_at <= now]
            if over:
                lines = IntervalSet((run.first, run.first + run.count - 1) for run in over)
                self._end_lines(books, lines, Outcome.EXPIRED, _EXPIRED)
            later = [run.expires_at for run in dated if run.expires_at > now]
            soonest = min([soonest, *later])
            if not later:
                del service.dated[books]
        service.expires_at = inf
        if soonest < inf:
            # Many deadlines pass in one look, and a look is never far ahead.
            soonest = max(soonest, now + limits.GRACE_STEP_S)
            service.expires_at = min(soonest, now + limits.DEADLINE_LOOK_S)
            self._timers.set(service.expires_at, Cause.DEADLINE_OVER, service)

    def _end_lines(
        self, books: Books, lines: IntervalSet, outcome: Outcome, why: dict[State, str]
    ) -> None:
        for run in books.service.take_out(books, lines):
            self._end_queued(run, outcome, why[State.QUEUED])
        for executor in list(books.holders):
            for run in executor.void(books, lines):
                interval = (run.first, run.count)
                self._ledger.finish(books, State.LEASED, outcome, why[State.LEASED], interval)
                self._have_stopped(executor)

    def _end_queued(self, run: Run, outcome: Outcome, text: str) -> None:
        self._ledger.hold(run.books.client, -run.size)
        self._ledger.finish(run.books, State.QUEUED, outcome, text, (run.first, run.count))

    def _have_stopped(self, executor: Executor) -> None:
        executor.worker.has_stops = True
        self._ledger.with_news[executor.worker] = None

    def client_ended(self, client: Client) -> None:
        """Let go of all that is leased for a client that has gone for good."""
        everything = IntervalSet([(1, limits.NUMBER_MAX)])
        for books in client.books.values():
            for executor in list(books.holders):
                if executor.void(books, everything):
                    self._have_stopped(executor)

    # -- an executor is lost -----------------------------------------------------------------

    def requeue(self, run: Run, reason: str, now: float) -> None:
        """Have a run dispatched again whose lease has ended, unless too many died of it."""
        client = run.books.client
        if client.ended or run.is_void:
            self._ledger.hold(client, -run.size)
        elif run.strikes >= limits.STRIKES_MAX:
            self._ledger.hold(client, -run.size)
            text = f"{run.strikes} executors died while working on it; the last: {reason}"
            lines = (run.first, run.count)
            self._ledger.finish(run.books, State.LEASED, Outcome.QUARANTINED, text, lines)
        else:
            run.books.service.requeue(run)
            self.await_worker(run.books.service, now)

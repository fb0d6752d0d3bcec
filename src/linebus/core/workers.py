"""Workers: guardians' sessions, their executors' sessions, and the streams of lines to these.

The way to an executor is a numbered stream. The broker numbers lines consecutively per session;
credit is absolute; a lease is the interval between what was sent and what was answered.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.runs import Lease, Run
from linebus.core.sessions import Session
from linebus.wire.messages import Received, Stop, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.core.clients import Books
    from linebus.core.dispatch import Pool
    from linebus.core.intervals import IntervalSet
    from linebus.core.sessions import Route, Token
    from linebus.wire.messages import Message


class Worker(Session):
    """A guardian's session: what it offers, and the executors that it vouches for."""

    def __init__(self, ident: bytes, number: int, program: str) -> None:
        """Start with nothing offered; `program` says for people what it is."""
        super().__init__(ident, number)
        self.program = program
        self.pool: Pool | None = None
        self.vouched: dict[bytes, Executor | None] = {}
        self.has_stops = False  # some of what its executors hold has become void

    def attach(self, route: Route, token: Token, greeting: Message) -> None:
        """Go on at a new route; what was told there about void leases may not have come."""
        super().attach(route, token, greeting)
        for _, lease in self._void_leases():
            lease.is_told = False
        self.has_stops = True

    def _void_leases(self) -> Iterator[tuple[Executor, Lease]]:
        for executor in filter(None, self.vouched.values()):
            for lease in executor.leases:
                if lease.run.is_void:
                    yield executor, lease

    def take(self) -> list[Message]:
        """Hand out what is to be sent; leases that have become void are told once."""
        if self.has_stops:
            self.has_stops = False
            for executor, lease in self._void_leases():
                if not lease.is_told:
                    lease.is_told = True
                    self.outbox.append(Stop(executor.key_hash, lease.first, lease.last))
        return super().take()


class Executor(Session):
    """An executor's session and its numbered stream.

    `sent` is the number of the last line dispatched to it, `answered` up to where texts have come;
    what lies between is leased, in order.
    """

    def __init__(
        self, ident: bytes, number: int, worker: Worker, key_hash: bytes, stream: bytes
    ) -> None:
        """Start a stream at number 1; `stream` is what only this one is called."""
        super().__init__(ident, number)
        self.stream = stream
        self.worker = worker
        self.key_hash = key_hash
        self.sent = 0
        self.answered = 0
        self.credit = 0
        self.leases: deque[Lease] = deque()
        self._told = 0

    @property
    def free(self) -> int:
        """How many more lines it may be sent now."""
        if self.route is None:
            return 0
        return min(self.credit, self.answered + limits.CREDIT_LINES_MAX) - self.sent

    def grant(self, run: Run, now: float) -> None:
        """Lease a slice to it: number the lines and queue them to be sent."""
        run.attempt += 1
        lease = Lease(self.sent + 1, run, max(0.0, now - run.received_at))
        self.leases.append(lease)
        run.books.holders[self] += 1
        self.sent += run.count
        self._send(lease)

    def resume(self, received: int) -> None:
        """Send again what was leased and has not arrived: the executor is back."""
        for lease in self.leases:
            if lease.first > received:
                self._send(lease)

    def _send(self, lease: Lease) -> None:
        run = lease.run
        name = run.books.service.name
        self.outbox.append(Work(lease.first, name, run.lines, self.answered, run.values))
        self._told = self.answered

    def take(self) -> list[Message]:
        """Hand out what is to be sent, and now and then what has been received."""
        if not self.outbox and self.answered - self._told >= limits.RECEIVED_LINES:
            self.outbox.append(Received(self.answered))
            self._told = self.answered
        return super().take()

    def end_first_lease(self) -> None:
        """Note that all lines of the oldest lease are answered."""
        self._let_go(self.leases.popleft())

    def end_leases(self, position: int) -> list[Run]:
        """End all leases; return their runs in order, the line at `position` with a strike."""
        for lease in self.leases:
            self._let_go(lease)
        runs = [run for lease in self.leases for run in lease.strike(position)]
        self.leases.clear()
        return runs

    def void(self, books: Books, lines: IntervalSet) -> list[Run]:
        """Make void what is leased of a client's lines with these numbers; return those runs.

        Their numbers in the stream stay, and their texts will come and be passed over.
        """
        voided: list[Run] = []
        leases: deque[Lease] = deque()
        for lease in self.leases:
            if lease.run.books is not books or lease.run.is_void:
                leases.append(lease)
                continue
            for part, is_meant in lease.divide(lines):
                leases.append(part)
                if is_meant:
                    part.run.is_void = True
                    voided.append(part.run)
        books.holders[self] += len(leases) - len(self.leases)
        self.leases = leases
        return voided

    def _let_go(self, lease: Lease) -> None:
        holders = lease.run.books.holders
        holders[self] -= 1
        if not holders[self]:
            del holders[self]

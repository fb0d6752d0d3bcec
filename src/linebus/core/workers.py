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
from linebus.wire.messages import Received, Work

if TYPE_CHECKING:
    from linebus.core.dispatch import Pool
    from linebus.wire.messages import Message


class Worker(Session):
    """A guardian's session: what it offers, and the executors that it vouches for."""

    def __init__(self, ident: bytes, number: int, program: str) -> None:
        """Start with nothing offered; `program` says for people what it is."""
        super().__init__(ident, number)
        self.program = program
        self.pool: Pool | None = None
        self.vouched: dict[bytes, Executor | None] = {}


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

    def end_leases(self, position: int) -> list[Run]:
        """End all leases; return their runs in order, the line at `position` with a strike."""
        runs = [run for lease in self.leases for run in lease.split(position)]
        self.leases.clear()
        return runs

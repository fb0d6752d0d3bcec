"""Workers: guardians' sessions, their executors' sessions, and the streams of lines to these.

The way to an executor is a numbered stream. The broker numbers lines consecutively per session;
credit is absolute; a lease is an interval of what was sent and has not been answered.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core import heartbeats
from linebus.core.intervals import IntervalSet
from linebus.core.runs import Lease, Run
from linebus.core.sessions import Session
from linebus.wire.messages import Received, Stop, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.core.clients import Books, Client
    from linebus.core.dispatch import Pool
    from linebus.core.sessions import Route, Token
    from linebus.wire.messages import Message

# Sums of a few hundred durations are as exact as this.
_ROUNDING_S = 1e-9


class Worker(Session):
    """A guardian's session: what it offers, and the executors that it vouches for."""

    def __init__(self, ident: bytes, number: int, program: str) -> None:
        """Start with nothing offered; `program` says for people what it is."""
        super().__init__(ident, number)
        self.program = program
        self.pool: Pool | None = None
        self.vouched: dict[bytes, Executor | None] = {}
        self.spares: set[bytes] = set()  # of those that it vouches for
        self.has_stops = False  # some of what its executors hold has become void
        self.silence_s = 0.0  # without a word, after which it is silent
        self._heartbeat_s = 0.0

    def note_interval(self, heartbeat_s: float) -> None:
        """Note the interval that it is told.

        Until it is told again it may still keep the one before, so the longer of both counts.
        """
        self.silence_s = heartbeats.silence_s(max(self._heartbeat_s, heartbeat_s))
        self._heartbeat_s = heartbeat_s

    @property
    def executors_at_work(self) -> int:
        """How many executors it has in session, the spare ones apart."""
        return sum(each is not None and not each.is_spare for each in self.vouched.values())

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

    `sent` is the number of the last line dispatched to it. `leases` are the intervals of what was
    sent and has neither been answered nor taken back, in order; `in_flight` counts their lines,
    `load_s` is about how long they will take. One that is held up is long at one line and will be
    sent nothing until it has told how far it got. A spare one works for whoever would wait for all
    the others.
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
        self.credit = 0
        self.leases: list[Lease] = []
        self.in_flight = 0
        self.load_s = 0.0
        self.is_spare = key_hash in worker.spares
        self._held_up_by: Client | None = None  # whose line it is long at
        self.is_reserved = False  # for a line with strikes, once it is idle
        self._is_alone = False  # it has a line with strikes, and nothing shall be beside that
        self._told = 0
        self._beyond = IntervalSet()
        self._beyond_lines = 0

    @property
    def answered(self) -> int:
        """The number up to which no line is leased any more."""
        return self.leases[0].first - 1 if self.leases else self.sent

    @property
    def is_held_up(self) -> bool:
        """Whether it is long at one line."""
        return self._held_up_by is not None

    def hold_up(self, client: Client) -> None:
        """Send it nothing: it is long at a line of this client's."""
        self.go_on()
        self._held_up_by = client
        client.held_up += 1

    def go_on(self) -> None:
        """Note that it is not held up any more."""
        if self._held_up_by is not None:
            self._held_up_by.held_up -= 1
            self._held_up_by = None

    @property
    def free(self) -> int:
        """How many more lines of the next slice it may be sent now, 0 while it has two slices."""
        is_full = self.load_s > limits.SLICE_S + _ROUNDING_S
        is_kept_free = self._is_alone or (self.is_reserved and self.in_flight > 0)
        if self.route is None or self._held_up_by is not None or is_kept_free or is_full:
            return 0
        return min(self.credit - self.sent, limits.CREDIT_LINES_MAX - self.in_flight)

    def grant(self, run: Run, now: float) -> None:
        """Lease a slice to it: number the lines and queue them to be sent."""
        run.attempt += 1
        line_load_s = run.books.service.line_load_s(self._at_once(run))
        lease = Lease(self.sent + 1, run, max(0.0, now - run.received_at), line_load_s)
        self.leases.append(lease)
        run.books.lease(self)
        self.sent += run.count
        self.in_flight += run.count
        self.load_s += run.count * line_load_s
        self._is_alone = self._is_alone or run.strikes > 0
        self.is_reserved = False
        self._send(lease)

    def _at_once(self, run: Run) -> int:
        """Return how many lines of this run's service it works on at a time, 0 for one by one."""
        pool = self.worker.pool
        return pool.at_once.get(run.books.service, 0) if pool is not None else 0

    def resume(self, received: int) -> None:
        """Send again what was leased and has not arrived: the executor is back."""
        for lease in self.leases:
            if lease.first > received:
                self._send(lease)

    def _send(self, lease: Lease) -> None:
        run = lease.run
        self._told = self.answered
        name = run.books.service.name
        self.outbox.append(Work(lease.first, name, run.lines, self._told, run.values))

    def take(self) -> list[Message]:
        """Hand out what is to be sent, and now and then what has been received."""
        is_far = not self.outbox and self.answered - self._told >= limits.RECEIVED_LINES
        if is_far or self._beyond_lines >= limits.RECEIVED_BEYOND_LINES:
            beyond = list(self._beyond)
            for start in range(0, max(1, len(beyond)), limits.GAPS_MAX):
                part = beyond[start : start + limits.GAPS_MAX]
                self.outbox.append(Received(self.answered, part))
            self._told = self.answered
            self._beyond, self._beyond_lines = IntervalSet(), 0
        return super().take()

    # -- leases ------------------------------------------------------------------------------

    def lease_at(self, number: int) -> Lease | None:
        """Return the first lease that has this line or later ones, None where there is none."""
        leases = self.leases
        if leases and leases[0].last >= number:
            return leases[0]
        index = bisect_left(leases, number, key=_last)
        return leases[index] if index < len(leases) else None

    def advance(self, lease: Lease, count: int) -> int:
        """Note that the first lines of a lease are answered; return their share of the size."""
        size = lease.run.drop(count)
        self.in_flight -= count
        self.load_s -= count * lease.line_load_s
        if lease.run.count:
            lease.first += count
        else:
            is_front = self.leases[0] is lease
            del self.leases[0 if is_front else bisect_left(self.leases, lease.first, key=_first)]
            self._let_go(lease)
        return size

    def confirm(self, first: int, last: int) -> None:
        """Have it told that these texts have come, where they came before those of others."""
        if last > self.answered:
            self._beyond.add(first, last)
            self._beyond_lines += last - first + 1

    def line_alone(self, number: int) -> Lease | None:
        """Cut a line out as a lease of its own, and return that; None where it is not leased."""
        lease = self.lease_at(number)
        if lease is None or lease.first > number:
            return None
        return next(part for part in self._divide(lease, number, number) if part.first == number)

    def take_back(self, first: int) -> list[Run]:
        """End what is leased from a number on, none of which has begun; return the runs.

        What of it has not left yet stays here: it will be part of other messages.
        """
        lease = self.lease_at(first)
        if lease is None:
            return []
        if lease.first < first:
            self._divide(lease, first, lease.last)
        index = bisect_left(self.leases, first, key=_first)
        back = self.leases[index:]
        del self.leases[index:]
        for each in back:
            each.run.attempt -= 1
            self.in_flight -= each.run.count
            self.load_s -= each.run.count * each.line_load_s
            self._let_go(each)
        self.outbox = [
            each for each in self.outbox if not isinstance(each, Work) or each.first < first
        ]
        return [each.run for each in back]

    def end_leases(self, position: int, *, all_at_once: bool = False) -> list[Run]:
        """End all leases; return their runs in order, the line at `position` with a strike.

        Where all that it did at once is to be charged, so are the lines of services of which it
        works on several.
        """
        runs: list[Run] = []
        self.go_on()
        for lease in self.leases:
            self._let_go(lease)
            if all_at_once and self._at_once(lease.run):
                lease.run.strikes += 1
                runs.append(lease.run)
            else:
                runs += lease.strike(position)
        self.leases.clear()
        self.in_flight, self.load_s, self.is_reserved = 0, 0.0, False
        return runs

    def void(self, books: Books, lines: IntervalSet) -> list[Run]:
        """Make void what is leased of a client's lines with these numbers; return those runs.

        Their numbers in the stream stay, and their texts will come and be passed over.
        """
        voided: list[Run] = []
        leases: list[Lease] = []
        for lease in self.leases:
            if lease.run.books is not books or lease.run.is_void:
                leases.append(lease)
                continue
            for part, is_meant in lease.divide(lines):
                leases.append(part)
                if is_meant:
                    part.run.is_void = True
                    voided.append(part.run)
        books.lease(self, len(leases) - len(self.leases))
        self.leases = leases
        return voided

    def _divide(self, lease: Lease, first: int, last: int) -> list[Lease]:
        """Put the parts of a lease in its place, cut around the lines numbered `first`…`last`."""
        index = bisect_left(self.leases, lease.first, key=_first)
        line = lease.run.first - lease.first
        parts = [part for part, _ in lease.divide(IntervalSet([(line + first, line + last)]))]
        self.leases[index : index + 1] = parts
        lease.run.books.lease(self, len(parts) - 1)
        return parts

    def _let_go(self, lease: Lease) -> None:
        lease.run.books.let_go(self)
        if not self.in_flight:
            self.load_s, self._is_alone = 0.0, False


def _first(lease: Lease) -> int:
    return lease.first


def _last(lease: Lease) -> int:
    return lease.last

"""The broker: who asked what, who works on what, and what is to be said to whom.

The shell calls `greet` and `receive` with what came in, `disconnected` when a connection is cut,
then `expire` and `dispatch` once a round, and sends what `outgoing` and `effects` hold. The broker
tracks runs: no step on a request's way looks at its lines one by one.

All bytes a peer sends may be wrong. What breaks the protocol ends that peer's session and nothing
else.
"""

from __future__ import annotations

from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core import heartbeats
from linebus.core.admin import OFFERS, Admin, Counts
from linebus.core.clients import Books, Client
from linebus.core.directory import Directory
from linebus.core.dispatch import Service
from linebus.core.effects import Effects
from linebus.core.endings import Endings
from linebus.core.ledger import Ledger
from linebus.core.lifecycle import Outcome, State
from linebus.core.plain import PlainSide
from linebus.core.returns import Returns
from linebus.core.runs import Run
from linebus.core.sessions import Route, Session, Token
from linebus.core.timers import Cause, Timers
from linebus.core.workers import Executor, Worker
from linebus.errors import Refused
from linebus.wire import messages as m
from linebus.wire.native import VERSION
from linebus.wire.packing import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

_FULL = "the server holds as much as it can; ask again later"
_STARTING = "the server has just started and awaits as many names as it can; ask again later"
_ASKED_TOO_OFTEN = (
    f"the server answers {limits.ADMIN_LINES_PER_S_MAX} lines a second about itself; ask later"
)


class Broker:
    """Routes lines to workers and exactly one reply to each back, without any I/O.

    `fresh_token` returns 16 unguessable bytes at each call; `now` is the shell's clock in seconds,
    at the start and at every call, and never runs backwards. `started_at` is what the machine's
    clock says at the start, in seconds since 1970; it is only told to whoever asks.
    """

    def __init__(
        self,
        fresh_token: Callable[[], Token],
        now: float,
        *,
        echo: bool = False,
        started_at: float = 0.0,
    ) -> None:
        """Start with empty books; `echo` publishes plain requests too, as in a chat."""
        self.effects = Effects()
        self._fresh_token = fresh_token
        self._routes: dict[Route, Session] = {}
        self._clients: dict[bytes, Client] = {}
        self._workers: dict[bytes, Worker] = {}
        # Those without a connection, the longest absent first.
        self._absent: dict[type[Session], dict[Session, None]] = {
            kind: {} for kind in (Client, Worker, Executor)
        }
        self._vouchers: dict[bytes, Worker] = {}
        self._directory = Directory()
        self._ledger = Ledger()
        self._timers = Timers()
        self.plain = PlainSide(self.effects, self._timers, self._directory, self._accept, echo=echo)
        self._admin = Admin(self._directory, self._counts, self.plain.names, now, started_at)
        for offer in OFFERS:
            self._directory.add_own(offer, now)
        self._numbers = 0
        self._is_draining = False
        grace_until = now + limits.START_GRACE_S
        self._endings = Endings(
            self._ledger,
            self._timers,
            self._directory,
            self.plain.offers,
            grace_until,
        )
        self._returns = Returns(self._ledger, self._endings)
        self._timers.set(grace_until, Cause.START_GRACE_OVER)
        self.plain.start(grace_until)

    # -- hello and greeting ------------------------------------------------------------------

    def greet(self, route: Route, hello: m.Hello, now: float) -> None:
        """Answer a hello: open the session, or take it up again at this route."""
        match hello:
            case m.ClientHello():
                self._greet_client(route, hello, now)
            case m.WorkerHello():
                self._greet_worker(route, hello, now)
            case _:
                self._greet_executor(route, hello, now)

    def _greet_client(self, route: Route, hello: m.ClientHello, now: float) -> None:
        client = self._clients.get(hello.session)
        if client is None:
            if len(self._clients) >= limits.CLIENTS_MAX and not self._make_room(Client, now):
                self._refuse(route, "too_many_clients", "the server has all the clients it takes")
                return
            client = self._clients[hello.session] = Client(hello.session, self._next_number())
        client.send_all_kept()
        token = self._fresh_token()
        greeting = m.ClientGreeting(
            hello.nonce,
            token,
            self._heartbeat_s(),
            limits.WINDOW_LINES,
            client.seen(),
        )
        self._attach(client, route, token, greeting, now)

    def _greet_worker(self, route: Route, hello: m.WorkerHello, now: float) -> None:
        worker = self._workers.get(hello.session)
        if worker is None:
            if len(self._workers) >= limits.WORKERS_MAX and not self._make_room(Worker, now):
                self._refuse(route, "too_many_workers", "the server has all the workers it takes")
                return
            if not self._directory.make_room_for(hello.services):
                self._refuse(route, "too_many_services", "the server knows as many names as it can")
                return
            worker = self._workers[hello.session] = Worker(
                hello.session, self._next_number(), hello.program
            )
            self._directory.join(worker, hello.services, now)
            self._timers.set(now + limits.SILENCE_LEAST_S, Cause.WORKER_SILENT, worker)
        worker.note_interval(self._heartbeat_s())
        self._vouch_only_for(worker, hello.executors, now, hello.spares)
        token = self._fresh_token()
        greeting = m.WorkerGreeting(hello.nonce, token, self._heartbeat_s())
        self._attach(worker, route, token, greeting, now)
        self.plain.worker_came(now, discovered=hello.discovered)

    def _greet_executor(self, route: Route, hello: m.ExecutorHello, now: float) -> None:
        key_hash = sha256(hello.key).digest()
        worker = self._vouchers.get(key_hash)
        if worker is None:
            self._call_back(route, m.HelloAgain(limits.VOUCH_RETRY_S))
            return
        executor = worker.vouched.get(key_hash)
        # The session alone does not tell whether both mean the same stream: a greeting that began
        # one may have been lost.
        goes_on = (
            executor is not None
            and executor.ident == hello.session
            and executor.stream == hello.stream
        )
        if executor is None or not goes_on:
            if executor is not None:
                self._supersede(executor, route)
                self._end_executor(executor, now)
            number, stream = self._next_number(), self._fresh_token()
            executor = Executor(hello.session, number, worker, key_hash, stream)
            worker.vouched[key_hash] = executor
        token = self._fresh_token()
        greeting = m.ExecutorGreeting(hello.nonce, token, executor.stream, executor.answered)
        self._attach(executor, route, token, greeting, now)
        if goes_on:
            executor.credit = max(executor.credit, hello.credit)
            executor.resume(hello.received)
        else:  # the stream starts anew at 1, with as much credit as there was beyond the answers
            executor.credit = max(0, hello.credit - hello.answered)
        self._stir(executor)

    def _attach(
        self, session: Session, route: Route, token: Token, greeting: m.Message, now: float
    ) -> None:
        other = self._routes.get(route)
        if other is not None and other is not session:
            self.disconnected(route, now)
        if session.route is not None:
            del self._routes[session.route]
            self._supersede(session, route)
        self._absent[type(session)].pop(session, None)
        self._routes[route] = session
        session.attach(route, token, greeting)
        session.heard_at = now
        self._ledger.with_news[session] = None

    def _supersede(self, session: Session, route: Route) -> None:
        """Have the connection cut that a session has left for another: nobody reads from it."""
        if session.route is not None and session.route != route:
            self.effects.cut.append(session.route)

    def _make_room(self, kind: type[Session], now: float) -> bool:
        """End the session that has been absent longest; return False where all are here."""
        longest = next(iter(self._absent[kind]), None)
        if longest is None:
            return False
        self._end(longest, now)
        return True

    def _refuse(self, route: Route, code: str, text: str) -> None:
        self.effects.notes[route] = m.Refusal(code, text[: limits.DESCRIPTION_CHARS_MAX])

    def _call_back(self, route: Route, again: m.HelloAgain) -> None:
        # A refusal in the same round says more: a broken peer must not be invited to try again.
        self.effects.notes.setdefault(route, again)

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # -- messages within a session -----------------------------------------------------------

    def receive(
        self, route: Route, token: Token, messages: Sequence[m.FromPeer], now: float
    ) -> None:
        """Take what a peer sent in one ZeroMQ message."""
        session = self._routes.get(route)
        if session is None or session.token != token:
            self._call_back(route, m.HelloAgain(0))
            return
        session.heard_at = now
        for message in messages:
            broken = self._receive_one(session, message, now)
            if broken:
                self.break_off(route, broken, now)
                return

    def _receive_one(self, session: Session, message: m.FromPeer, now: float) -> str | None:
        # Guards, since a pattern for both would be taken apart anew for each case.
        match message:
            case m.Answers() if isinstance(session, Executor):
                wrong = self._returns.texts(session, message)
                self._stir(session)
                return wrong
            case m.Ask() if isinstance(session, Client):
                # What is not taken here is asked again of the next server.
                return None if self._is_draining else self._ask(session, message, now)
            case m.Ack() if isinstance(session, Client):
                self._ack(session, message)
            case m.Cancel(service=name, intervals=intervals) if isinstance(session, Client):
                if (books := session.books.get(name)) is not None:
                    self._endings.cancel(books, intervals)
            case m.Lost() if isinstance(session, Worker):
                self._lost(session, message, now)
            case m.Skipped() if isinstance(session, Executor):
                wrong = self._returns.skipped(session, message, now)
                self._stir(session)
                return wrong
            case m.HandBack() if isinstance(session, Worker):
                self._hand_back(session, message, now)
            case m.Vouch() if isinstance(session, Worker):
                return self._vouch(session, message.executor, is_spare=message.is_spare)
            case m.Heartbeat():
                self._answer_heartbeat(session, now)
            case m.Goodbye():
                self._end(session, now)
            case _:
                return f"a {type(session).__name__.lower()} does not send {type(message).__name__}"
        return None

    def break_off(self, route: Route, reason: str, now: float) -> None:
        """End the session at a route, whose peer breaks the protocol, and say why."""
        session = self._routes.get(route)
        if session is not None:
            self._end(session, now)
        self._refuse(route, "protocol", reason)

    def disconnected(self, route: Route, now: float) -> None:
        """Note that the connection behind a route is cut; its session waits for a while."""
        session = self._routes.pop(route, None)
        if session is None:
            return
        session.detach(now)
        self._ledger.with_news.pop(session, None)
        if isinstance(session, Executor):
            self._stir(session)
        if isinstance(session, Client) and not session.lines_held:
            self._end_client(session)  # all it asked has ended: nothing can be asked again of it
            return
        self._absent[type(session)][session] = None
        self._timers.set(now + self._absence_s(session), Cause.NOT_BACK, session)

    def _absence_s(self, session: Session) -> float:
        """Return how long a session may be without a connection."""
        match session:
            case Client():
                return limits.CLIENT_ABSENCE_S_MAX
            case Executor(worker=worker) if worker.route is not None:
                return limits.EXECUTOR_RETURN_S
            case _:
                return limits.RECONNECT_GRACE_S

    # -- clients -----------------------------------------------------------------------------

    def _ask(self, client: Client, ask: m.Ask, now: float) -> str | None:
        before = client.overhead
        self._take_ask(client, ask, now)
        self._ledger.hold(client, client.overhead - before)
        if client.lines_held > limits.CLIENT_LINES_MAX:
            return f"more than {limits.CLIENT_LINES_MAX} lines are asked and not acknowledged"
        return None

    def _take_ask(self, client: Client, ask: m.Ask, now: float) -> None:
        service = self._service_for(ask.service, now)
        may_open = self._ledger.has_room(client, limits.BOOKS_BYTES)
        books = client.books_for(service, may_open=may_open) if service is not None else None
        last = ask.first + len(ask.lines) - 1
        missing = books.seen.missing(ask.first, last) if books is not None else []
        is_new = missing == [(ask.first, last)]
        if books is None or (is_new and not may_open) or not books.see(ask.first, last):
            # Nothing is kept without books: where this is lost, the client asks again.
            why = self._why_not_taken(client, service, ask.service, now)
            client.outbox.append(m.Ended(ask.service, ask.first, len(ask.lines), *why))
            self._ledger.with_news[client] = None
            return
        for first, until in missing:
            lines = ask.lines[first - ask.first : until - ask.first + 1]
            if books.service.is_own:
                self._answer_itself(books, first, lines, now)
            else:
                self._accept(books, first, lines, now, values=ask.values, deadline_s=ask.deadline_s)

    def _why_not_taken(
        self, client: Client, service: Service | None, name: str, now: float
    ) -> tuple[Outcome, str]:
        if service is None and not self._may_still_be_offered(now):
            return self._endings.absence(name, now)
        if not self._ledger.has_room(client, limits.BOOKS_BYTES):
            return Outcome.OVERLOADED, _FULL
        if service is None or service.offer is None:
            return Outcome.OVERLOADED, _STARTING
        if client.gaps >= limits.CLIENT_GAPS_MAX:
            return Outcome.OVERLOADED, f"the numbers have {client.gaps} gaps; wait for some replies"
        text = f"{len(client.books)} services are asked at once; wait for some replies"
        return Outcome.OVERLOADED, text

    def _accept(
        self,
        books: Books,
        first: int,
        lines: list[str],
        now: float,
        *,
        values: bool = False,
        deadline_s: float = 0.0,
    ) -> None:
        books.hold(len(lines))
        size = bytes_of(lines) + limits.RUN_BYTES
        if not self._ledger.has_room(books.client, size):
            self._ledger.finish(
                books, State.RECEIVED, Outcome.OVERLOADED, _FULL, (first, len(lines))
            )
            return
        self._ledger.hold(books.client, size)
        service = books.service
        expires_at = now + deadline_s if deadline_s else inf
        run = Run(books, first, lines, size, now, values=values, expires_at=expires_at)
        service.queue(books, run)
        if deadline_s:
            self._endings.note_deadline(books, expires_at, now)
        self._endings.await_worker(service, now)

    def _answer_itself(self, books: Books, first: int, lines: list[str], now: float) -> None:
        """Answer lines for one of the broker's own services, a few a second."""
        books.hold(len(lines))
        client, name = books.client, books.service.name
        allowed, why = client.admin_allowance(len(lines), now), _ASKED_TOO_OFTEN
        if not self._ledger.has_room(client):
            allowed, why = 0, _FULL
        for number, line in enumerate(lines[:allowed], first):
            failed: list[int] = []
            try:
                text = self._admin.answer(name, line, now)
            except Refused as error:
                text, failed = str(error), [0]
            replies = m.Replies(name, number, [text], failed, 0, 1, 0.0, 0.0)
            self._ledger.hold(client, client.end(books, replies, bytes_of([text])))
            self._ledger.with_news[client] = None
        if allowed < len(lines):
            rest = (first + allowed, len(lines) - allowed)
            self._ledger.finish(books, State.RECEIVED, Outcome.OVERLOADED, why, rest)

    def _counts(self) -> Counts:
        executors = sum(worker.executors_at_work for worker in self._workers.values())
        return Counts(len(self._clients), len(self._workers), executors, self._ledger.held_bytes)

    def _service_for(self, name: str, now: float) -> Service | None:
        """Return the service that a line may be queued for, or None where it must end at once."""
        service = self._directory.get(name)
        if service is not None and service.offer is not None:
            return service
        if self._may_still_be_offered(now):
            return self._directory.expect(name, now)
        return None

    def _may_still_be_offered(self, now: float) -> bool:
        """Return whether whoever offers what is not known may be on its way (back)."""
        return now < self._endings.start_grace_until or self.plain.undecided(now)

    def _ack(self, client: Client, ack: m.Ack) -> None:
        books = client.books.get(ack.service)
        if books is None:
            return
        for first, last in ack.intervals:
            size = books.forget(first, last)
            if size:
                self._ledger.hold(client, -size)
            elif first <= last and books.seen.missing(first, last):
                before = client.overhead
                books.see(first, last)
                self._ledger.hold(client, client.overhead - before)

    # -- workers -----------------------------------------------------------------------------

    def _vouch_only_for(
        self, worker: Worker, key_hashes: list[bytes], now: float, spares: Container[bytes] = ()
    ) -> None:
        wanted = set(key_hashes)
        for key_hash in [each for each in worker.vouched if each not in wanted]:
            self._forget_executor(worker, key_hash, now)
        for key_hash in key_hashes:
            self._vouch(worker, key_hash, is_spare=key_hash in spares)

    def _vouch(self, worker: Worker, key_hash: bytes, *, is_spare: bool) -> str | None:
        is_known = key_hash in worker.vouched
        if not is_known and len(worker.vouched) >= limits.EXECUTORS_PER_WORKER_MAX:
            return "a worker vouches for more executors than allowed"
        has_room = key_hash in self._vouchers or len(self._vouchers) < limits.EXECUTORS_MAX
        if has_room and self._vouchers.setdefault(key_hash, worker) is worker:
            executor = worker.vouched.setdefault(key_hash, None)
            (worker.spares.add if is_spare else worker.spares.discard)(key_hash)
            if executor is not None and executor.is_spare != is_spare:
                executor.is_spare = is_spare
                self._stir(executor)
        return None

    def _lost(self, worker: Worker, lost: m.Lost, now: float) -> None:
        executor = worker.vouched.get(lost.executor)
        if executor is not None and lost.stream not in (b"", executor.stream):
            lost.position = 0  # the number is one of another stream
        if executor is not None and lost.failed:
            self._returns.broken(executor, lost)
        self._forget_executor(worker, lost.executor, now, lost)

    def _hand_back(self, worker: Worker, hand_back: m.HandBack, now: float) -> None:
        executor = worker.vouched.get(hand_back.executor)
        if executor is not None and executor.stream == hand_back.stream:
            self._returns.hand_back(executor, hand_back, now)
            self._stir(executor)

    def _forget_executor(
        self, worker: Worker, key_hash: bytes, now: float, lost: m.Lost | None = None
    ) -> None:
        executor = worker.vouched.pop(key_hash, None)
        worker.spares.discard(key_hash)
        if self._vouchers.get(key_hash) is worker:
            del self._vouchers[key_hash]
        if executor is not None:
            if executor.route is not None:  # it lives; its guardian may come back and vouch again
                self._call_back(executor.route, m.HelloAgain(limits.VOUCH_RETRY_S))
            self._end_executor(executor, now, lost)

    def _end_executor(self, executor: Executor, now: float, lost: m.Lost | None = None) -> None:
        if executor.worker.vouched.get(executor.key_hash) is executor:
            executor.worker.vouched[executor.key_hash] = None
        self._close(executor)
        executor.credit = 0
        self._stir(executor)
        position, reason, all_at_once = 0, "", False
        if lost is not None:
            position, reason, all_at_once = lost.position, lost.reason, lost.all_at_once
        for run in reversed(executor.end_leases(position, all_at_once=all_at_once)):
            self._endings.requeue(run, reason, now)

    def _stir(self, executor: Executor) -> None:
        pool = executor.worker.pool
        assert pool is not None, "executors belong to workers that were greeted"
        pool.update(executor)
        pool.stir()
        if executor.route is not None:
            self._ledger.with_news[executor] = None

    # -- the ends of sessions ----------------------------------------------------------------

    def _close(self, session: Session) -> None:
        session.ended = True
        self._ledger.with_news.pop(session, None)
        self._absent[type(session)].pop(session, None)
        self._timers.forget(Cause.NOT_BACK, session)
        if session.route is not None:
            self._routes.pop(session.route, None)
            session.route = None

    def _end(self, session: Session, now: float) -> None:
        match session:
            case Client():
                self._end_client(session)
            case Worker():
                self._end_worker(session, now)
            case _:
                assert isinstance(session, Executor), "there are three kinds"
                self._end_executor(session, now)

    def _end_client(self, client: Client) -> None:
        self._clients.pop(client.ident, None)
        self._close(client)
        self._endings.client_ended(client)
        self._ledger.hold(client, -client.close_books())

    def _end_worker(self, worker: Worker, now: float) -> None:
        self._workers.pop(worker.ident, None)
        self._close(worker)
        self._timers.forget(Cause.WORKER_SILENT, worker)
        self._vouch_only_for(worker, [], now)
        for service in self._directory.leave(worker, now):
            if service.waiting:
                self._endings.await_worker(service, now)

    # -- time --------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take and dispatch nothing more; what is leased may still be answered."""
        self._is_draining = True

    @property
    def is_drained(self) -> bool:
        """Whether all that is leased and that somebody waits for has been answered."""
        vouched = (each for worker in self._workers.values() for each in worker.vouched.values())
        leases = (lease for executor in filter(None, vouched) for lease in executor.leases)
        return all(lease.run.is_void for lease in leases)

    def stalled(self, seconds: float) -> None:
        """Note that nobody could be heard for so long: it is no silence of theirs."""
        for worker in self._workers.values():
            worker.heard_at += seconds
        for session in (each for absent in self._absent.values() for each in absent):
            session.lost_at += seconds

    @property
    def held_bytes(self) -> int:
        """What is queued, leased and kept, by a bound of what it takes in memory."""
        return self._ledger.held_bytes

    def next_deadline(self) -> float:
        """Return when `expire` wants to be called, infinity where nothing is due."""
        return self._timers.next_at()

    def expire(self, now: float) -> None:
        """Do all that the passing of time causes."""
        for cause, about in self._timers.due(now):
            match cause, about:
                case Cause.START_GRACE_OVER, None:
                    self._endings.start_grace_over(now)
                    self.plain.reconsider(now)
                case Cause.NO_WORKER_GRACE_OVER, Service():
                    self._endings.no_worker_grace_over(about, now)
                case Cause.DEADLINE_OVER, Service():
                    self._endings.deadline_over(about, now)
                case Cause.NOT_BACK, Session():
                    self._not_back(about, now)
                case Cause.WORKER_SILENT, Worker():
                    self._worker_silent(about, now)
                case _:
                    assert cause is Cause.PLAIN_HOLD_OVER, "the last one"
                    self.plain.hold_over(now)
        self.plain.settle(now)

    def _not_back(self, session: Session, now: float) -> None:
        if session.route is not None:
            return
        back_until = session.lost_at + self._absence_s(session)
        if now < back_until:
            self._timers.set(back_until, Cause.NOT_BACK, session)
        else:
            self._end(session, now)

    def _answer_heartbeat(self, session: Session, now: float) -> None:
        session.heartbeat = m.Heartbeat(self._heartbeat_s())
        self._ledger.with_news[session] = None
        if isinstance(session, Worker):
            before_s = session.silence_s
            session.note_interval(session.heartbeat.every_s)
            if session.silence_s < before_s:  # it would be looked at only after the former time
                self._timers.set(now + session.silence_s, Cause.WORKER_SILENT, session)

    def _worker_silent(self, worker: Worker, now: float) -> None:
        silent_at = worker.heard_at + worker.silence_s
        if now < silent_at:
            self._timers.set(silent_at, Cause.WORKER_SILENT, worker)
        else:
            self._end(worker, now)

    def _heartbeat_s(self) -> float:
        return heartbeats.interval_s(len(self._workers))

    # -- what is to be sent ------------------------------------------------------------------

    def dispatch(self, now: float) -> None:
        """Lease waiting lines to executors with credit; called once a round, after receiving."""
        if self._is_draining:
            return
        stirred = self._directory.stirred.copy()
        self._directory.stirred.clear()
        goes_on = bool(stirred)
        while goes_on:  # until no pool waits for another one to take its share first
            goes_on = False
            for pool in stirred:
                for executor in pool.dispatch(now):
                    self._ledger.with_news[executor] = None
                    goes_on = len(stirred) > 1

    def outgoing(self, stalled: Container[Route]) -> Iterator[tuple[Route, bytes, list[m.Message]]]:
        """Yield what is to be sent: a route, the first frame, the messages.

        Sessions at a stalled route keep what they have until a later call.
        """
        for route, note in self.effects.take_notes().items():
            if route not in stalled:  # whoever does not read can say hello again
                yield route, VERSION, [note]
        with_news, self._ledger.with_news = self._ledger.with_news, {}
        for session in with_news:
            to = session.route
            if to in stalled:
                session.stall()
                self._ledger.with_news[session] = None
                continue
            if to is None:  # what it is owed is kept until it is back
                continue
            if session.greeting is not None:
                yield to, VERSION, [session.greeting]
                session.greeting = None
            if session.again is not None:
                yield to, VERSION, [session.again]
                session.again = None
            messages = session.take()
            if messages:
                yield to, session.token, messages

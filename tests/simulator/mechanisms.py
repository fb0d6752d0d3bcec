"""Each mechanism that keeps the promise, switched off, and how many seeds notice that.

`python -m tests.simulator.mechanisms [SEEDS]` prints the table of docs/simulator.md.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from linebus.client.session import ClientSession, Stream
from linebus.core.broker import Broker
from linebus.core.clients import Client
from linebus.core.dispatch import Pool, Service
from linebus.core.endings import Endings
from linebus.core.intervals import IntervalSet
from linebus.core.ledger import Ledger
from linebus.core.peer import PeerSession
from linebus.core.returns import Returns
from linebus.core.timers import Timers
from linebus.core.workers import Executor, Worker
from linebus.testing.simulator import SimulationFailed, simulate
from linebus.wire import messages as m
from linebus.wire.messages import count_of
from linebus.worker.session import ExecutorSession, GuardianSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.core.runs import Run
    from linebus.core.sessions import Session

Patch = pytest.MonkeyPatch
SEEDS = 200


def nothing(*_args: object, **_more: object) -> None:
    """Do nothing."""


def token_at_server(patch: Patch) -> None:
    usual = Broker.receive

    def receive(self: Broker, route: bytes, token: bytes, *more: Any) -> None:  # noqa: ANN401
        session = self._routes.get(route)
        usual(self, route, token if session is None else session.token, *more)

    patch.setattr(Broker, "receive", receive)


def token_at_peers(patch: Patch) -> None:
    usual = PeerSession.receive

    def receive(self: PeerSession, first: bytes, body: bytes, now: float) -> None:
        usual(self, self._token if first.startswith(b"token") else first, body, now)

    patch.setattr(PeerSession, "receive", receive)


def nonce(patch: Patch) -> None:
    usual = PeerSession._receive_greeting

    def receive(self: PeerSession, greeting: Any, now: float) -> None:  # noqa: ANN401
        greeting.nonce = self._nonce
        usual(self, greeting, now)

    patch.setattr(PeerSession, "_receive_greeting", receive)


def lines_sent_again(patch: Patch) -> None:
    patch.setattr(Executor, "resume", nothing)


def lines_sent_again_carelessly(patch: Patch) -> None:
    usual = Executor.resume
    patch.setattr(Executor, "resume", lambda self, _received: usual(self, 0))


def repeats_dropped_by_executors(patch: Patch) -> None:
    lines_sent_again_carelessly(patch)

    def handle(self: ExecutorSession, message: m.FromServer, now: float) -> None:
        match message:
            case m.Work(first=first, lines=lines):
                self._forget_through(message.received)
                self._held.append(_slice(message))
                self._received = first + len(lines) - 1
            case m.Received(through=through):
                self._forget_through(through)
            case _:
                pass

    patch.setattr(ExecutorSession, "handle", handle)


def _slice(work: m.Work) -> Any:  # noqa: ANN401
    from linebus.worker.session import Slice  # noqa: PLC0415

    return Slice(work.first, work.service, work.lines, work.values)


def texts_kept(patch: Patch) -> None:
    usual = ExecutorSession.messages

    def messages(self: ExecutorSession, now: float) -> list[m.Message]:
        self._kept.clear()
        return usual(self, now)

    patch.setattr(ExecutorSession, "messages", messages)


def texts_that_came_before_skipped(patch: Patch) -> None:
    """The broker believes that the first text is for the oldest line; executors send all again."""
    usual = Returns.texts

    def taken(self: Returns, executor: Executor, answers: m.Answers) -> str | None:
        answers.first = executor.answered + 1
        answers.texts = answers.texts[: executor.sent - executor.answered]
        if not answers.texts:
            return None
        answers.failed = [each for each in answers.failed if each < len(answers.texts)]
        return usual(self, executor, answers)

    patch.setattr(Returns, "texts", taken)


def texts_sent_again_carelessly(patch: Patch) -> None:
    usual = ExecutorSession.greeted

    def greeted(self: ExecutorSession, greeting: Any, now: float) -> None:  # noqa: ANN401
        greeting.answered = 0
        usual(self, greeting, now)

    patch.setattr(ExecutorSession, "greeted", greeted)


def both_of_texts(patch: Patch) -> None:
    texts_sent_again_carelessly(patch)
    texts_that_came_before_skipped(patch)


def stream_names(patch: Patch) -> None:
    """Both sides take the session's id for the name of its stream, as before ADR 2."""
    usual = Broker._greet_executor

    def greet(self: Broker, route: bytes, hello: m.ExecutorHello, now: float) -> None:
        known = [e for w in self._workers.values() for e in w.vouched.values() if e is not None]
        for executor in known:
            if executor.ident == hello.session:
                hello.stream = executor.stream
        usual(self, route, hello, now)

    patch.setattr(Broker, "_greet_executor", greet)


def held_lines_dropped(patch: Patch) -> None:
    """An executor goes on with what it held, though the server does not know its stream."""
    usual = ExecutorSession.greeted

    def greeted(self: ExecutorSession, greeting: Any, now: float) -> None:  # noqa: ANN401
        held, kept = list(self._held), list(self._kept.values())
        usual(self, greeting, now)
        self._held.extend(held)
        self._unsent = [*kept]

    patch.setattr(ExecutorSession, "greeted", greeted)


def lines_asked_again(patch: Patch) -> None:
    def resume(self: Stream, seen: IntervalSet) -> None:
        seen.add(1, self.next_number)
        usual(self, seen)

    usual = Stream.resume
    patch.setattr(Stream, "resume", resume)


def lines_asked_again_carelessly(patch: Patch) -> None:
    usual = Stream.resume
    patch.setattr(Stream, "resume", lambda self, _seen: usual(self, IntervalSet()))


def seen_numbers(patch: Patch) -> None:
    usual = Broker._take_ask

    def take_ask(self: Broker, client: Client, ask: m.Ask, now: float) -> None:
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(IntervalSet, "missing", lambda _self, first, last: [(first, last)])
            usual(self, client, ask, now)

    patch.setattr(Broker, "_take_ask", take_ask)


def asked_again_and_seen(patch: Patch) -> None:
    lines_asked_again_carelessly(patch)
    seen_numbers(patch)


def second_replies_dropped(patch: Patch) -> None:
    def arrive(self: Stream, entry: Any, last: int) -> int:  # noqa: ANN401
        count = count_of(entry)
        self._arrived[entry.first] = (entry, 0, count)
        self.answered.add(entry.first, last)
        self.settle()
        return count

    patch.setattr(Stream, "arrive", arrive)


def kept_replies(patch: Patch) -> None:
    patch.setattr(Client, "send_all_kept", nothing)


def acknowledgements(patch: Patch) -> None:
    patch.setattr(Broker, "_ack", nothing)


def strikes(patch: Patch) -> None:
    usual = Executor.end_leases
    patch.setattr(Executor, "end_leases", lambda self, _position, **_more: usual(self, 0))


def position(patch: Patch) -> None:
    """The first line that was not answered is charged, not the one at hand."""
    usual = Executor.end_leases

    def end_leases(self: Executor, position: int, **more: bool) -> Any:  # noqa: ANN401
        return usual(self, self.answered + 1 if position else 0, **more)

    patch.setattr(Executor, "end_leases", end_leases)


def deaths_told(patch: Patch) -> None:
    def lost(self: GuardianSession, lost: m.Lost) -> None:
        self._executors.pop(lost.executor, None)

    patch.setattr(GuardianSession, "lost", lost)


def stream_of_the_lost(patch: Patch) -> None:
    usual = Broker._lost

    def lost(self: Broker, worker: Worker, lost: m.Lost, now: float) -> None:
        executor = worker.vouched.get(lost.executor)
        if executor is not None:
            lost.stream = executor.stream
        usual(self, worker, lost, now)

    patch.setattr(Broker, "_lost", lost)


def charged_at_once(patch: Patch) -> None:
    usual = Executor.end_leases
    patch.setattr(Executor, "end_leases", lambda self, position, **_more: usual(self, position))


def broken_limits(patch: Patch) -> None:
    """What breaks a limit is dispatched again, as if its executor had died by itself."""
    patch.setattr(Returns, "broken", nothing)


def taken_back_told(patch: Patch) -> None:
    patch.setattr(ExecutorSession, "_taken_back", nothing)


def skipped_lines_queued(patch: Patch) -> None:
    patch.setattr(Returns, "_take_back", nothing)


def skipped_lines_dropped(patch: Patch) -> None:
    """An executor goes on with what it has said that it skips."""
    usual = ExecutorSession.skip

    def skip(self: ExecutorSession, rest: Any) -> None:  # noqa: ANN401
        usual(self, rest)
        self._skipped = None

    patch.setattr(ExecutorSession, "skip", skip)


def held_up(patch: Patch) -> None:
    """Lines go to an executor that is long at one."""
    patch.setattr(Executor, "hold_up", nothing)


def spare(patch: Patch) -> None:
    """Nobody gets the spare executors."""
    patch.setattr(Pool, "_next_unserved", nothing)


def spare_when_served(patch: Patch) -> None:
    """Who has had all replies, and waits for something else, is looked at when something comes."""
    usual = Service.change_ring

    def change_ring(self: Service, books: Any) -> None:  # noqa: ANN401
        pools, self.pools = self.pools, []
        usual(self, books)
        self.pools = pools

    patch.setattr(Service, "change_ring", change_ring)


def leases_ended(patch: Patch) -> None:
    patch.setattr(Executor, "end_leases", lambda _self, _position, **_more: [])


def start_grace(patch: Patch) -> None:
    patch.setattr(Broker, "_may_still_be_offered", lambda _self, _now: False)


def worker_grace(patch: Patch) -> None:
    usual = Endings.await_worker

    def await_worker(self: Endings, service: Any, now: float) -> None:  # noqa: ANN401
        usual(self, service, now)
        if not service.pools and service.offer is not None:
            self._end_waiting(service, now, 0.0)

    patch.setattr(Endings, "await_worker", await_worker)


def reconnect_grace(patch: Patch) -> None:
    patch.setattr(Broker, "_absence_s", lambda _self, _session: 0.0)


def absent_sessions_ended(patch: Patch) -> None:
    patch.setattr(Broker, "_not_back", nothing)


def silent_workers_ended(patch: Patch) -> None:
    patch.setattr(Broker, "_worker_silent", nothing)


def silent_server_left(patch: Patch) -> None:
    for kind in (ClientSession, GuardianSession):
        patch.setattr(kind, "is_silent", lambda _self, _now: False)


def cuts_noticed(patch: Patch) -> None:
    patch.setattr(Broker, "disconnected", nothing)


def hello_again(patch: Patch) -> None:
    patch.setattr(Broker, "_call_back", nothing)


def hello_repeated(patch: Patch) -> None:
    usual = PeerSession.tick

    def tick(self: PeerSession, now: float) -> None:
        due = now >= self._hello_at
        usual(self, now)
        if due:
            self._hello_at = inf

    patch.setattr(PeerSession, "tick", tick)


def ended_sessions_unheard(patch: Patch) -> None:
    """What has ended keeps its route and is still heard."""
    usual = Broker._close

    def close(self: Broker, session: Session) -> None:
        route = session.route
        usual(self, session)
        if route is not None:
            self._routes[route] = session
            session.route = route

    patch.setattr(Broker, "_close", close)


def _free(self: Executor, *, needs_route: bool, needs_credit: bool) -> int:
    if needs_route and self.route is None:
        return 0
    lines = (self.credit if needs_credit else self.answered + 64) - self.sent
    return 0 if self.is_held_up else lines


def route_for_dispatch(patch: Patch) -> None:
    free = partial(_free, needs_route=False, needs_credit=True)
    patch.setattr(Executor, "free", property(free))


def credit(patch: Patch) -> None:
    free = partial(_free, needs_route=True, needs_credit=False)
    patch.setattr(Executor, "free", property(free))


def budget(patch: Patch) -> None:
    patch.setattr(Ledger, "has_room", lambda *_args, **_more: True)


def deadlines(patch: Patch) -> None:
    patch.setattr(Endings, "deadline_over", nothing)


def stop(patch: Patch) -> None:
    patch.setattr(GuardianSession, "take_stops", lambda _self: [])


def cancel(patch: Patch) -> None:
    patch.setattr(Endings, "cancel", nothing)


def void_leases(patch: Patch) -> None:
    """What was cancelled while it was leased is dispatched again when its executor is lost."""
    usual = Endings.requeue

    def requeue(self: Endings, run: Run, reason: str, now: float) -> None:
        run.is_void = False
        usual(self, run, reason, now)

    patch.setattr(Endings, "requeue", requeue)


def void_timers(patch: Patch) -> None:
    patch.setattr(Timers, "forget", nothing)


def books_closed(patch: Patch) -> None:
    patch.setattr(Client, "close_books", lambda _self: 0)


# Adding a mechanism is adding its function here, by the name under which the table lists it.
MECHANISMS: dict[str, Callable[[Patch], None]] = {
    "the server looks at tokens": token_at_server,
    "peers look at tokens": token_at_peers,
    "a greeting answers one nonce": nonce,
    "lines are sent again to an executor that is back": lines_sent_again,
    "… only those that it has not received": lines_sent_again_carelessly,
    "… and it drops those that it has": repeats_dropped_by_executors,
    "executors keep texts until they are received": texts_kept,
    "texts that come again are passed over": texts_that_came_before_skipped,
    "… and executors look at what has come": texts_sent_again_carelessly,
    "… neither of those": both_of_texts,
    "streams have names": stream_names,
    "an executor drops what an unknown server knows nothing of": held_lines_dropped,
    "clients ask again what is unanswered": lines_asked_again,
    "… only what was not seen": lines_asked_again_carelessly,
    "seen numbers are not queued again": seen_numbers,
    "… neither of these": asked_again_and_seen,
    "clients drop second replies": second_replies_dropped,
    "kept replies are sent again to a client that is back": kept_replies,
    "acknowledged replies are forgotten": acknowledgements,
    "strikes": strikes,
    "the line at hand is charged": position,
    "… in the stream that it belongs to": stream_of_the_lost,
    "… and those that it was at beside it": charged_at_once,
    "what breaks a limit fails": broken_limits,
    "skipped lines are queued again": skipped_lines_queued,
    "… and not begun": skipped_lines_dropped,
    "executors hear what was taken back": taken_back_told,
    "nothing goes to an executor that is long at a line": held_up,
    "spare executors work for who has nothing leased": spare,
    "… also once what it had leased has ended": spare_when_served,
    "guardians tell of deaths": deaths_told,
    "ended leases are queued again": leases_ended,
    "grace at the start of a server": start_grace,
    "grace for absent workers": worker_grace,
    "grace for cut connections": reconnect_grace,
    "who does not come back is given up": absent_sessions_ended,
    "silent workers are given up": silent_workers_ended,
    "peers leave a silent server": silent_server_left,
    "the server notices cuts": cuts_noticed,
    "hello again": hello_again,
    "hello is repeated where no greeting comes": hello_repeated,
    "what ended sessions say is dropped": ended_sessions_unheard,
    "lines go to connected executors only": route_for_dispatch,
    "credit": credit,
    "one budget of bytes": budget,
    "deadlines": deadlines,
    "cancel": cancel,
    "what is void is not dispatched again": void_leases,
    "executors are stopped at lines that nobody waits for": stop,
    "timers go with what they concern": void_timers,
    "a client's books go with it": books_closed,
}


class Found(NamedTuple):
    """What one seed has found: what is wrong, or nothing."""

    seed: int
    what: str


def look(seed: int) -> Found:
    try:
        simulate(seeds=[seed])
    except SimulationFailed as failed:
        return Found(seed, failed.what)
    return Found(seed, "")


def switched_off(name: str, seeds: range, processes: int) -> list[Found]:
    """Run the seeds without a mechanism; return those that failed."""
    with pytest.MonkeyPatch.context() as patch:
        MECHANISMS[name](patch)
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            return [found for found in pool.imap(look, seeds, 4) if found.what]


def main(seeds: int) -> None:
    processes = os.cpu_count() or 1
    for name in MECHANISMS:
        failed = switched_off(name, range(seeds), processes)
        first = f"seed {failed[0].seed}: {failed[0].what[:90]}" if failed else ""
        print(f"{len(failed):4} of {seeds}  {name}  {first}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)

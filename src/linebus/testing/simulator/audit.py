"""The audit: whether the books of a broker and of its peers agree with themselves.

Each function says what is wrong with the books it looks at, or yields nothing. It opens what the
core keeps to itself: an auditor may.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.clients import Client
from linebus.core.intervals import IntervalSet
from linebus.core.timers import Cause
from linebus.core.workers import Executor, Worker
from linebus.wire.messages import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

    from linebus.client.session import ClientSession
    from linebus.core.broker import Broker
    from linebus.core.clients import Books
    from linebus.core.dispatch import Pool, Service
    from linebus.core.runs import Run
    from linebus.core.sessions import Session
    from linebus.worker.session import ExecutorSession


_ROUNDING_S = 1e-6


def broker(books: Broker, routes: Container[bytes]) -> Iterator[str]:
    """Yield what is wrong with a broker's books; `routes` are the connections that it knows of."""
    leased = _leased(books)
    yield from _sessions(books, routes)
    yield from _bytes(books, leased)
    for client in books._clients.values():
        yield from _client(client, leased)
    for executor in _executors(books):
        yield from _executor(executor)
    yield from _held_up(books)
    for service in _services(books):
        yield from _service(books, service)
    yield from _bounds(books)


def lost_lines(books: Broker, sessions: Mapping[bytes, ClientSession]) -> Iterator[str]:
    """Yield lines that a broker has seen and does not hold, although no reply to them has come."""
    leased = _leased(books)
    for client in books._clients.values():
        session = sessions.get(client.ident)
        for each in client.books.values():
            stream = session._streams.get(each.service.name) if session is not None else None
            if stream is None:
                continue  # its client has died, or has had all replies and forgotten about them
            held = IntervalSet()
            for first, last in _places(each, leased.get(each, [])):
                held.add(first, last)
            for interval in each.seen:
                gone = [
                    p for part in held.missing(*interval) for p in stream.answered.missing(*part)
                ]
                if gone:
                    yield f"{each.service.name} {gone} of client {client.number} is in no place"


def strikes(books: Broker, deaths: Callable[[str], float]) -> Iterator[str]:
    """Yield lines with more strikes than executors have truly died on them."""
    runs = [run for each in _leased(books).values() for run in each]
    queued = (
        run for service in _services(books) for each in service.queues() for run in each.queue
    )
    for run in (*runs, *queued):
        if run.strikes:
            line = f"{run.books.service.name} {run.lines[0]}"
            if run.strikes > deaths(line):
                yield f"{run.strikes} against {line}, on which {deaths(line)} executors died"


def overdue(books: Broker, now: float) -> Iterator[str]:
    """Yield lines that go on although their deadline has passed."""
    for service in _services(books):
        for each in service.dated:
            for run in each.open_runs():
                if run.expires_at < now - 2 * limits.GRACE_STEP_S:
                    yield f"{service.name} {run.lines[0]}, by {now - run.expires_at:.3f} s"


def dispatched(books: Broker, sent: dict[bytes, int]) -> Iterator[str]:
    """Yield executors that were sent lines although their connection is cut.

    `sent` holds how many had been sent in each stream at the last audit, and is brought up to date.
    """
    now = {each.stream: each for each in _executors(books)}
    for stream, each in now.items():
        if each.sent > sent.get(stream, 0) and each.route is None:
            yield f"executor {each.number} was sent line {each.sent}"
    sent.clear()
    sent.update((stream, each.sent) for stream, each in now.items())


def knows_worker(books: Broker, ident: bytes) -> bool:
    """Return whether a worker's session is in the books of a broker."""
    return ident in books._workers


def kept_lines(books: Broker, ident: bytes) -> int:
    """Return how many lines of a client have replies that are kept."""
    client = books._clients.get(ident)
    kept = [e for b in client.books.values() for e, _ in b.kept.values()] if client else []
    return sum(map(count_of, kept))


def remains(books: Broker) -> Iterator[str]:
    """Yield what is left in the books of a broker whose peers have all gone for good."""
    left = {
        "bytes": books.held_bytes,
        "clients": len(books._clients),
        "workers": len(books._workers),
        "vouchers": len(books._vouchers),
        "routes": len(books._routes),
        "absent sessions": sum(map(len, books._absent.values())),
        "pools": len(books._directory._pools),
        "lines that wait": sum(service.waiting for service in _services(books)),
        "clients that ask": sum(service.askers for service in _services(books)),
        "timers": len(books._timers._valid),
    }
    yield from (f"{count} {what} are left" for what, count in left.items() if count)


def client(session: ClientSession) -> Iterator[str]:
    """Yield what is wrong with a client's books."""
    unanswered = 0
    for stream in session._streams.values():
        answered = sum(last - first + 1 for first, last in stream.answered)
        unanswered += stream.next_number - 1 - answered
        parts = sorted((part.first, part.last) for part in (*stream.sent, *stream.unsent))
        if any(last >= first for (_, last), (first, _) in pairwise(parts)):
            yield f"{stream.service}: lines are twice in the books: {parts}"
    if session.owed != unanswered:
        yield f"{session.owed} replies are said to be owed, {unanswered} are"


def credit_of(session: ExecutorSession) -> int:
    """Return up to which line an executor says that it takes lines now."""
    return session._credit()


def credit_beyond(session: ExecutorSession) -> int:
    """Return how many lines an executor takes beyond what has ended there."""
    return session._credit() - session._ended


def executor(session: ExecutorSession, credit_max: float) -> Iterator[str]:
    """Yield what is wrong with an executor's stream, of which it has told this much credit."""
    if session._received > credit_max:
        yield f"line {session._received} has come with credit up to {credit_max}"
    first = 1
    for held in session._held:
        if held.first < first:
            yield f"line {held.first} is held twice"
        first = held.first + len(held.lines)
    if first > session._received + 1:
        yield f"line {first - 1} is held and has not come"
    kept_max = limits.CREDIT_LINES_MAX + limits.RECEIVED_LINES + limits.RECEIVED_BEYOND_LINES
    if len(session._kept) > kept_max:
        yield f"{len(session._kept)} texts are kept"


# -- what stands where -----------------------------------------------------------------------


def _executors(books: Broker) -> Iterator[Executor]:
    for worker in books._workers.values():
        yield from (each for each in worker.vouched.values() if each is not None)


def _services(books: Broker) -> Iterator[Service]:
    yield from books._directory._services.values()
    yield from books._directory._expected.values()


def _pools(books: Broker) -> Iterator[Pool]:
    yield from books._directory._pools.values()


def _leased(books: Broker) -> dict[Books, list[Run]]:
    leased: dict[Books, list[Run]] = {}
    for each in _executors(books):
        for lease in each.leases:
            leased.setdefault(lease.run.books, []).append(lease.run)
    return leased


def _places(books: Books, leased: list[Run]) -> list[tuple[int, int]]:
    """Return the intervals in which lines are queued, leased or kept, in ascending order."""
    open_ = [*books.queue, *(run for run in leased if not run.is_void)]
    runs = [(run.first, run.first + run.count - 1) for run in open_]
    kept = [(entry.first, entry.first + count_of(entry) - 1) for entry, _ in books.kept.values()]
    return sorted(runs + kept)


# -- the parts of the audit ------------------------------------------------------------------


def _sessions(books: Broker, routes: Container[bytes]) -> Iterator[str]:
    living: list[Session] = [*books._clients.values(), *books._workers.values()]
    living += _executors(books)
    for session in living:
        who = f"{type(session).__name__.lower()} {session.number}"
        absent = session in books._absent[type(session)]
        if session.ended:
            yield f"{who} has ended and is in the books"
        if session.route is not None and (
            books._routes.get(session.route) is not session or absent
        ):
            yield f"{who} has a route that is not its own"
        if session.route is None and not absent:
            yield f"{who} has no route and is not absent"
        if absent and (Cause.NOT_BACK, session) not in books._timers._valid:
            yield f"{who} is absent without a timer"
    if set(books._routes.values()) - set(living):
        yield "a route leads to a session that is not in the books"
    if [route for route in books._routes if route not in routes]:
        yield "a route leads to a connection that is cut"
    if {each for kind in books._absent.values() for each in kind} - set(living):
        yield "a session that is not in the books is absent"
    for worker in books._workers.values():
        if (Cause.WORKER_SILENT, worker) not in books._timers._valid:
            yield f"worker {worker.number} may be silent for ever"
        if worker.pool is None or worker not in worker.pool.workers:
            yield f"worker {worker.number} is in no pool"
        if any(books._vouchers.get(key) is not worker for key in worker.vouched):
            yield f"worker {worker.number} vouches for what is not noted"
    if len(books._vouchers) != sum(len(each.vouched) for each in books._workers.values()):
        yield "vouchers of workers that are gone are left"


def _bytes(books: Broker, leased: dict[Books, list[Run]]) -> Iterator[str]:
    held = 0
    for client in books._clients.values():
        size = client.overhead
        for each in client.books.values():
            size += sum(run.size for run in each.queue)
            size += sum(size for _, size in each.kept.values())
        # Books may be closed while a lease of theirs is void.
        size += sum(
            run.size for each, runs in leased.items() if each.client is client for run in runs
        )
        if client.held_bytes != size:
            yield f"client {client.number} is said to hold {client.held_bytes} bytes, not {size}"
        held += size
    for each, runs in leased.items():
        held += sum(run.size for run in runs) if each.client.ended else 0
    if books.held_bytes != held:
        yield f"{books.held_bytes} bytes are said to be held, {held} are"


def _client(client: Client, leased: dict[Books, list[Run]]) -> Iterator[str]:
    held = gaps = 0
    kept: set[int] = set()
    for each in client.books.values():
        name = f"{each.service.name} of client {client.number}"
        places = _places(each, leased.get(each, []))
        lines = sum(last - first + 1 for first, last in places)
        held += lines
        gaps += len(each.seen)
        kept |= {id(entry) for entry, _ in each.kept.values()}
        if any(last >= first for (_, last), (first, _) in pairwise(places)):
            yield f"{name}: a line is in two places: {places}"
        if any(each.seen.missing(*place) for place in places):
            yield f"{name}: a line is held that was not seen"
        if each.lines_held != lines:
            yield f"{name}: {each.lines_held} lines are said to be held, {lines} are"
        for run in (*each.queue, *leased.get(each, [])):
            if run.count < 1 or run.size < 0 or (run.strikes and run.count != 1):
                yield f"{name}: a run of {run.count} lines, {run.size} bytes, {run.strikes} strikes"
            if run.strikes >= limits.STRIKES_MAX:
                yield f"{name}: a line with {run.strikes} strikes goes on"
        rings = each in each.service.unserved, each in each.service.served
        waits = bool(each.queue)
        if rings != (waits and not client.leases, waits and client.leases > 0):
            yield f"{name}: what is queued is in the wrong rings: {rings}"
    queues = sum(bool(each.queue) for each in client.books.values())
    leases = sum(len(runs) for each, runs in leased.items() if each.client is client)
    if (client.queues, client.leases) != (queues, leases):
        counted = f"{client.queues} queues, {client.leases} leases"
        yield f"client {client.number}: {counted} are counted, {queues} and {leases} are there"
    if client.lines_held != held or client.gaps != gaps:
        yield f"client {client.number}: {client.lines_held} lines, {client.gaps} gaps are wrong"
    if not client._unsent.keys() <= kept:
        yield f"client {client.number}: a reply is to be sent that is not kept"
    if gaps > limits.CLIENT_GAPS_MAX or len(client.books) > limits.SERVICES_PER_CLIENT_MAX:
        yield f"client {client.number}: {gaps} gaps, {len(client.books)} books"


def _executor(executor: Executor) -> Iterator[str]:
    who = f"executor {executor.number}"
    number = 0
    for lease in executor.leases:
        if lease.first <= number:
            yield f"{who}: a lease begins at {lease.first} after {number}"
        number = lease.last
        if executor not in lease.run.books.holders:
            yield f"{who}: it holds a lease and is not noted as a holder"
    if number > executor.sent:
        yield f"{who}: leases end at {number}, lines at {executor.sent}"
    in_flight = sum(lease.run.count for lease in executor.leases)
    load_s = sum(lease.run.count * lease.line_load_s for lease in executor.leases)
    if executor.in_flight != in_flight or abs(executor.load_s - load_s) > _ROUNDING_S:
        counted = f"{executor.in_flight} lines, {executor.load_s} s"
        yield f"{who}: {counted} are counted, {in_flight} and {load_s} are leased"
    if executor.worker.vouched.get(executor.key_hash) is not executor:
        yield f"{who}: nobody vouches for it"
    pool = executor.worker.pool
    if pool is not None:
        takes = executor in pool._idle, executor in pool._partly, executor in pool._spares
        free, works, spare = executor.free > 0, bool(executor.leases), executor.is_spare
        idle = free and not works
        if takes != (idle and not spare, free and works and not spare, idle and spare):
            yield f"{who}: its pool takes it for {takes}, free for {executor.free}"


def _held_up(books: Broker) -> Iterator[str]:
    by = Counter(each._held_up_by for each in _executors(books) if each._held_up_by is not None)
    for client in {*books._clients.values(), *by}:
        if client.held_up != by[client]:
            yield f"client {client.number} is said to hold up {client.held_up} of {by[client]}"


def _service(books: Broker, service: Service) -> Iterator[str]:
    waiting = sum(run.count for each in service.queues() for run in each.queue)
    if service.waiting != waiting:
        yield f"{service.name}: {service.waiting} lines are said to wait, {waiting} do"
    askers = sum(service.name in client.books for client in books._clients.values())
    if service.askers != askers:
        yield f"{service.name}: {service.askers} clients are said to ask, {askers} do"
    if any(not pool.workers or pool not in _pools(books) for pool in service.pools):
        yield f"{service.name}: a pool is left that nobody is in"
    is_idle = any(pool.idle_count for pool in service.pools)
    if waiting and is_idle and not books._is_draining:
        yield f"{service.name}: {waiting} lines wait while an executor has nothing to do"
    has_spare = any(pool._spares and not pool.at_once[service] for pool in service.pools)
    if service.unserved and has_spare and not books._is_draining:
        yield f"{service.name}: who has nothing leased waits while a spare executor does"
    awaited = (Cause.NO_WORKER_GRACE_OVER, service) in books._timers._valid
    if waiting and not service.pools and not (service.is_awaited and awaited):
        yield f"{service.name}: {waiting} lines wait for ever"


def _bounds(books: Broker) -> Iterator[str]:
    shares = len(books._clients) * (limits.HELD_SHARE_BYTES + limits.BOOKS_BYTES)
    held_max = limits.HELD_BYTES_MAX + limits.HELD_FOR_REPLIES_BYTES + shares
    # An entry that says that a line was not taken, and a gap, are not refused for want of room.
    entries = sum(len(b.kept) for c in books._clients.values() for b in c.books.values())
    gaps = sum(client.gaps for client in books._clients.values())
    if books.held_bytes > held_max + entries * 2 * limits.ENTRY_BYTES + gaps * limits.GAP_BYTES:
        yield f"{books.held_bytes} bytes are held"
    if len(books._timers) > 2 * len(books._timers._valid) + limits.TIMERS_VOID_MAX:
        yield f"{len(books._timers)} timers are in memory"
    if len(books._directory._expected) > limits.EXPECTED_SERVICES_MAX:
        yield f"{len(books._directory._expected)} names that nobody offers are known"
    ended = [about for _, about in books._timers._valid if getattr(about, "ended", False)]
    if ended:
        yield f"{len(ended)} timers are set for sessions that have ended"
    for kind in (Client, Worker, Executor):
        if any(not isinstance(each, kind) for each in books._absent[kind]):
            yield f"what is no {kind.__name__} is absent as one"

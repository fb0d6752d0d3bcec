from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.testing.simulator import audit
from tests.testing.simulator.stage import run, stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.core.broker import Broker
    from linebus.core.clients import Books, Client
    from linebus.core.workers import Executor
    from linebus.testing.simulator.simulation import Simulation


def at_work(procs: int = 1) -> Simulation:
    """Some lines are leased, some queued, some kept."""
    sim = stage(procs=procs)
    sim.plan.cost_s["double"] = (0.01, 0.01)
    sim.askers[0].ask([f"double {n}" for n in range(40)])
    run(sim, 0.05)
    return sim


def client_of(broker: Broker) -> Client:
    return next(iter(broker._clients.values()))


def books_of(broker: Broker) -> Books:
    return client_of(broker).books["double"]


def executor_of(broker: Broker) -> Executor:
    return next(audit._executors(broker))


def test_the_books_of_a_broker_at_work_are_in_order() -> None:
    sim = at_work()
    books = books_of(sim.broker)
    assert books.queue
    assert books.kept
    assert executor_of(sim.broker).leases
    assert list(audit.broker(sim.broker, sim._known_routes)) == []


def _lose_bytes(broker: Broker) -> None:
    broker._ledger.held_bytes -= 1


def _hold_twice(broker: Broker) -> None:
    books = books_of(broker)
    books.queue.append(books.queue[0])


def _count_wrong(broker: Broker) -> None:
    books_of(broker).lines_held += 1


def _skip_a_lease(broker: Broker) -> None:
    executor_of(broker).leases.pop(0)


def _leave_the_ring(broker: Broker) -> None:
    books = books_of(broker)
    del books.service.served[books]


def _miscount_leases(broker: Broker) -> None:
    client_of(broker).leases += 1


def _miscount_held_up(broker: Broker) -> None:
    client_of(broker).held_up += 1


def _unvouch(broker: Broker) -> None:
    broker._vouchers.clear()


def _forget_a_timer(broker: Broker) -> None:
    broker._timers._valid.clear()


def _lose_a_route(broker: Broker) -> None:
    client_of(broker).route = None


def _end(broker: Broker) -> None:
    client_of(broker).ended = True


def _forget_an_asker(broker: Broker) -> None:
    books_of(broker).service.askers -= 1


def _leave_the_pool(broker: Broker) -> None:
    worker = next(iter(broker._workers.values()))
    assert worker.pool is not None
    worker.pool.workers.clear()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_lose_bytes, "bytes are said to be held"),
        (_hold_twice, "a line is in two places"),
        (_count_wrong, "lines are said to be held"),
        (_skip_a_lease, "are counted"),
        (_leave_the_ring, "in the wrong rings"),
        (_miscount_leases, "leases are counted"),
        (_miscount_held_up, "is said to hold up"),
        (_unvouch, "vouches for what is not noted"),
        (_forget_a_timer, "may be silent for ever"),
        (_lose_a_route, "has no route and is not absent"),
        (_end, "has ended and is in the books"),
        (_forget_an_asker, "clients are said to ask"),
        (_leave_the_pool, "is in no pool"),
    ],
)
def test_books_that_are_spoilt_are_found_out(spoil: Callable[[Broker], None], said: str) -> None:
    sim = at_work()
    spoil(sim.broker)
    found = list(audit.broker(sim.broker, sim._known_routes))
    assert any(said in problem for problem in found), found


def test_a_spare_executor_that_does_nothing_for_whoever_has_nothing_is_found_out() -> None:
    sim = at_work(procs=2)
    [pool] = audit._pools(sim.broker)
    books = books_of(sim.broker)
    spare = next(each for each in audit._executors(sim.broker) if each.is_spare)
    assert spare in pool._spares
    books.service.unserved[books] = None
    found = list(audit.broker(sim.broker, sim._known_routes))
    assert any("while a spare executor does" in problem for problem in found), found


def test_a_route_to_a_connection_that_is_cut_is_found_out() -> None:
    sim = at_work()
    assert "a route leads to a connection that is cut" in audit.broker(sim.broker, set())


def test_a_line_that_is_nowhere_is_found_out() -> None:
    sim = at_work()
    sessions = {asker.session.ident: asker.session for asker in sim.askers}
    assert list(audit.lost_lines(sim.broker, sessions)) == []
    books_of(sim.broker).queue.pop()
    [problem] = audit.lost_lines(sim.broker, sessions)
    assert "is in no place" in problem


def test_a_strike_without_a_death_and_work_for_the_dead_are_found_out() -> None:
    sim = at_work()
    executor = executor_of(sim.broker)
    sent: dict[bytes, int] = {}
    assert list(audit.dispatched(sim.broker, sent)) == []
    executor.leases[0].run.strikes = 1
    executor.sent += 1
    executor.route = None
    assert list(audit.strikes(sim.broker, lambda _line: 0))
    assert list(audit.dispatched(sim.broker, sent))


def test_a_client_that_miscounts_and_an_executor_beyond_its_credit_are_found_out() -> None:
    sim = at_work()
    session = sim.askers[0].session
    assert list(audit.client(session)) == []
    session.owed += 1
    assert list(audit.client(session))
    executor = sim.workers[0].all[0].session
    assert list(audit.executor(executor, limits.CREDIT_LINES_MAX)) == []
    assert list(audit.executor(executor, 0))


def test_what_is_left_when_all_have_gone_is_found_out() -> None:
    sim = at_work()
    assert "1 clients are left" in list(audit.remains(sim.broker))
    assert audit.kept_lines(sim.broker, sim.askers[0].session.ident) > 0
    assert audit.kept_lines(sim.broker, b"unknown") == 0
    guardian = sim.workers[0].session.ident
    assert audit.knows_worker(sim.broker, guardian)
    assert not audit.knows_worker(sim.broker, b"unknown")

import pytest

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Pool, Service
from linebus.core.intervals import IntervalSet
from linebus.core.runs import Run
from linebus.core.workers import Executor, Worker
from linebus.wire.messages import HelloAgain


def books_for(service: Service, number: int = 1) -> Books:
    return books_of(Client(b"c" * 16, number), service)


def books_of(client: Client, service: Service) -> Books:
    books = client.books_for(service)
    assert books is not None
    return books


def next_slice(service: Service, count: int) -> Run:
    return service.slice(count, service.turn)


def a_run(books: Books, first: int, count: int) -> Run:
    return Run(books, first, [str(n) for n in range(first, first + count)], count, 0.0)


def requeue_struck(service: Service, books: Books, number: int) -> Run:
    """Have a line wait that an executor has died of."""
    run = a_run(books, number, 1)
    run.strikes = 1
    service.requeue(run)
    return run


def an_executor(pool: Pool, credit: int, *, is_spare: bool = False) -> Executor:
    worker = Worker(b"w" * 16, 1, "test")
    worker.pool = pool
    if is_spare:
        worker.spares.add(b"k" * 32)
    executor = Executor(b"e" * 16, 2, worker, b"k" * 32, b"")
    executor.attach(b"route", b"token", HelloAgain(0.0))
    executor.credit = credit
    pool.update(executor)
    return executor


def a_pool(*services: Service, at_once: int = 0) -> Pool:
    pool = Pool(dict.fromkeys(services, at_once), {})
    for service in services:
        service.pools.append(pool)
    return pool


def test_consecutive_lone_requests_become_one_run() -> None:
    service = Service("echo", 0.0)
    a_pool(service)
    books = books_for(service)
    for number in range(1, 6):
        service.queue(books, a_run(books, number, 1))
    assert [run.count for run in books.queue] == [5]
    assert service.waiting == 5


def test_lines_join_the_run_that_came_last() -> None:
    service = Service("echo", 0.0)
    a_pool(service)
    books = books_for(service)
    for number in (1, 3, 4):
        service.queue(books, a_run(books, number, 1))
    assert [run.count for run in books.queue] == [1, 2]


def test_without_workers_each_request_keeps_the_moment_it_came() -> None:
    service = Service("echo", 0.0)
    books = books_for(service)
    for number in (1, 2):
        run = Run(books, number, ["x"], 1, received_at=float(number))
        service.queue(books, run)
    assert [run.received_at for run in books.queue] == [1.0, 2.0]
    assert service.next_grace_over(2.0) == 3.0


def test_clients_take_turns() -> None:
    service = Service("echo", 0.0)
    one, two = books_for(service, 1), books_for(service, 2)
    service.queue(one, a_run(one, 1, 10))
    service.queue(two, a_run(two, 1, 2))
    turns = [next_slice(service, 2).books for _ in range(4)]
    assert turns == [one, two, one, one]
    assert service.waiting == 4


def test_what_comes_back_goes_first() -> None:
    service = Service("echo", 0.0)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 10))
    back = next_slice(service, 3)
    service.requeue(back)
    assert next_slice(service, 100).first == 1
    assert service.waiting == 7


def test_a_cleared_queue_leaves_nothing_in_the_ring() -> None:
    service = Service("echo", 0.0)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 3))
    [run] = service.clear(books)
    assert (run.count, service.waiting, len([*service.queues()])) == (3, 0, 0)
    assert service.clear(books) == []


def test_idle_executors_come_first_and_share() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    one, two = an_executor(pool, 100), an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 10))
    assert set(pool.dispatch(0.0)) == {one, two}
    assert (one.sent, two.sent) == (5, 5)


def test_credit_is_never_exceeded() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    executor = an_executor(pool, 4)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 10))
    pool.dispatch(0.0)
    assert (executor.sent, service.waiting) == (4, 6)
    assert pool.dispatch(0.0) == []


def test_a_busy_executor_takes_what_waits_in_one_slice_where_no_other_is_idle() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    executor = an_executor(pool, 100)
    books = books_for(service)
    for first, count in ((1, 1), (2, 10)):
        service.queue(books, a_run(books, first, count))
        pool.dispatch(0.0)
    assert [lease.run.count for lease in executor.leases] == [1, 10]


def test_a_busy_executor_waits_while_one_of_another_pool_is_idle() -> None:
    service, other = Service("echo", 0.0), Service("other", 0.0)
    pool, other_pool = a_pool(service), a_pool(service, other)
    one, two = an_executor(pool, 100), an_executor(other_pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 1))
    assert pool.dispatch(0.0) == [one]
    service.queue(books, a_run(books, 2, 1))
    assert pool.dispatch(0.0) == []
    assert other_pool.dispatch(0.0) == [two]


def test_a_service_is_idle_where_nobody_would_miss_it() -> None:
    service = Service("echo", 0.0)
    assert service.is_idle
    books = books_for(service)
    assert not service.is_idle
    books.close()
    pool = a_pool(service)
    assert not service.is_idle
    service.pools.remove(pool)
    assert service.is_idle
    service.is_own = True
    assert not service.is_idle


# -- what lines cost, and how long a slice is for that ---------------------------------------------


def test_the_first_cost_counts_whole_and_later_ones_by_half() -> None:
    service = Service("echo", 0.0)
    assert service.line_cost_s == 0.0, "nobody knows"
    costs = []
    for ran_s in (0.008, 0.004, 0.004):
        service.note_cost(ran_s)
        costs.append(service.line_cost_s)
    assert costs == pytest.approx([0.008, 0.006, 0.005])


def test_what_costs_nothing_by_the_clock_is_known_all_the_same() -> None:
    service = Service("echo", 0.0)
    service.note_cost(0.0)
    assert service.line_cost_s > 0.0


def test_a_slice_is_as_long_as_its_lines_are_cheap() -> None:
    service = Service("echo", 0.0)
    lengths = {}
    for name, cost_s in {
        "unknown": 0.0,
        "cheap": limits.SLICE_S / 1000.5,
        "middling": limits.SLICE_S / 2.5,
        "dear": limits.SLICE_S,
        "very dear": 1000.0,
    }.items():
        service.line_cost_s = cost_s
        lengths[name] = service.slice_lines(0)
    assert lengths == {
        "unknown": limits.FIRST_SLICE_LINES,
        "cheap": 1000,
        "middling": 2,
        "dear": 1,
        "very dear": 1,
    }


def test_two_slices_of_any_cost_fill_an_executor() -> None:
    for cost_s in (0.0, 1e-5, limits.SLICE_S / 3, limits.SLICE_S, 5.0):
        service = Service("echo", 0.0)
        service.line_cost_s = cost_s
        pool = a_pool(service)
        executor = an_executor(pool, 100_000)
        books = books_for(service)
        service.queue(books, a_run(books, 1, 4_000))
        pool.dispatch(0.0)
        counts = [lease.run.count for lease in executor.leases]
        assert counts == [service.slice_lines(0)] * 2


def test_lines_of_an_async_service_are_dispatched_one_by_one_as_many_as_go_at_once() -> None:
    service = Service("slow", 0.0)
    service.note_cost(1e-6)  # what they cost does not count: they wait for something
    pool = a_pool(service, at_once=5)
    executor = an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 12))
    pool.dispatch(0.0)
    assert [lease.run.count for lease in executor.leases] == [1] * 5
    executor.advance(executor.leases[2], 1)
    pool.update(executor)
    pool.dispatch(0.0)
    assert [lease.first for lease in executor.leases] == [1, 2, 4, 5, 6]


def test_async_lines_are_shared_among_executors() -> None:
    service = Service("slow", 0.0)
    pool = a_pool(service, at_once=5)
    one, two = an_executor(pool, 100), an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 30))
    pool.dispatch(0.0)
    assert (one.in_flight, two.in_flight, service.waiting) == (5, 5, 20)


def test_a_line_that_killed_an_executor_travels_alone() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    executor = an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 2, 3))
    requeue_struck(service, books, 1)
    pool.dispatch(0.0)
    assert [lease.run.first for lease in executor.leases] == [1]
    executor.advance(executor.leases[0], 1)
    pool.update(executor)
    pool.dispatch(0.0)
    assert [lease.run.count for lease in executor.leases] == [3]


def test_a_struck_line_of_an_async_service_waits_until_nothing_is_beside_it() -> None:
    service = Service("slow", 0.0)
    pool = a_pool(service, at_once=3)
    one, two = an_executor(pool, 100), an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 2, 2))
    pool.dispatch(0.0)
    struck = requeue_struck(service, books, 1)
    service.queue(books, a_run(books, 10, 20))
    pool.dispatch(0.0)
    assert struck not in [lease.run for each in (one, two) for lease in each.leases]
    reserved, other = (one, two) if one.is_reserved else (two, one)
    assert (reserved.free, reserved.in_flight, other.in_flight) == (0, 1, 3)
    reserved.advance(reserved.leases[0], 1)
    pool.update(reserved)
    pool.dispatch(0.0)
    assert [lease.run for lease in reserved.leases] == [struck]
    assert (reserved.free, service.struck) == (0, 0)
    reserved.advance(reserved.leases[0], 1)
    pool.update(reserved)
    pool.dispatch(0.0)
    assert reserved.in_flight == 3


def test_a_struck_line_that_waits_holds_up_no_other_service() -> None:
    slow, echo = Service("slow", 0.0), Service("echo", 0.0)
    pool = Pool({slow: 3, echo: 0}, {})
    for service in (slow, echo):
        service.pools.append(pool)
    one, two = an_executor(pool, 100), an_executor(pool, 100)
    books = books_for(slow)
    slow.queue(books, a_run(books, 2, 2))
    pool.dispatch(0.0)
    requeue_struck(slow, books, 1)
    others = books_for(echo)
    echo.queue(others, a_run(others, 1, 1))
    pool.dispatch(0.0)
    assert (echo.waiting, slow.waiting, slow.struck) == (0, 1, 1)
    assert one.is_reserved != two.is_reserved


def test_what_waits_with_strikes_is_counted_wherever_it_leaves_the_queue() -> None:
    service = Service("slow", 0.0)
    a_pool(service, at_once=3)
    books = books_for(service)
    for number in (1, 2, 3):
        requeue_struck(service, books, number)
    service.take_out(books, IntervalSet([(2, 2)]))
    assert service.struck == 2
    next_slice(service, 10)
    assert service.struck == 1
    service.clear(books)
    assert service.struck == 0


# -- who goes first, and who gets the spare executor ----------------------------------------------


def leased_to(executor: Executor) -> list[Books]:
    return [lease.run.books for lease in executor.leases]


def fill(pool: Pool, books: Books, first: int = 1, count: int = 1_000) -> None:
    """Have a client ask more than all executors take."""
    books.service.queue(books, a_run(books, first, count))
    pool.dispatch(0.0)
    assert books.service.waiting


def test_a_flood_never_gets_the_spare_executor_and_whoever_has_nothing_does() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    executor, spare = an_executor(pool, 100), an_executor(pool, 100, is_spare=True)
    flood, honest = books_for(service, 1), books_for(service, 2)
    fill(pool, flood)
    assert (set(leased_to(executor)), leased_to(spare)) == ({flood}, [])
    service.queue(honest, a_run(honest, 1, 1))
    assert pool.dispatch(0.0) == [spare]
    assert leased_to(spare) == [honest]


def test_a_spare_executor_does_nothing_while_another_one_is_idle() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    spare, executor = an_executor(pool, 100, is_spare=True), an_executor(pool, 100)
    assert pool.idle_count == 1
    books = books_for(service)
    service.queue(books, a_run(books, 1, 1))
    assert pool.dispatch(0.0) == [executor]
    assert spare.in_flight == 0


def test_a_spare_executor_does_nothing_while_one_of_another_pool_is_idle() -> None:
    service, other = Service("echo", 0.0), Service("other", 0.0)
    pool, other_pool = a_pool(service), a_pool(service, other)
    spare, executor = an_executor(pool, 100, is_spare=True), an_executor(other_pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 1))
    assert pool.dispatch(0.0) == []
    assert other_pool.dispatch(0.0) == [executor]
    assert spare.in_flight == 0


def test_a_spare_executor_has_one_slice_at_a_time() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    spare = an_executor(pool, 100, is_spare=True)
    one, two = books_for(service, 1), books_for(service, 2)
    service.queue(one, a_run(one, 1, 100))
    service.queue(two, a_run(two, 1, 1))
    pool.dispatch(0.0)
    assert [lease.run.count for lease in spare.leases] == [limits.FIRST_SLICE_LINES]
    pool.dispatch(0.0)
    assert leased_to(spare) == [one]
    spare.advance(spare.leases[0], limits.FIRST_SLICE_LINES)
    pool.update(spare)
    pool.dispatch(0.0)
    assert leased_to(spare) == [two], "she had her turn before, though both have nothing leased"


def test_what_a_client_has_leased_of_any_service_counts() -> None:
    echo, other = Service("echo", 0.0), Service("other", 0.0)
    pool = a_pool(echo, other)
    executor, spare = an_executor(pool, 100), an_executor(pool, 100, is_spare=True)
    client = Client(b"c" * 16, 1)
    flood, further = books_of(client, echo), books_of(client, other)
    fill(pool, flood)
    other.queue(further, a_run(further, 1, 1))
    assert pool.dispatch(0.0) == []
    assert spare.in_flight == 0
    for run in reversed(executor.end_leases(position=0)):
        echo.requeue(run)
    executor.credit = 0
    pool.update(executor)
    assert (further in other.unserved, flood in echo.unserved) == (True, True)
    assert pool.dispatch(0.0) == [spare]


def test_who_has_nothing_leased_any_more_has_pools_looked_at_that_have_a_spare_executor() -> None:
    echo, other = Service("echo", 0.0), Service("other", 0.0)
    pool, other_pool = a_pool(echo), a_pool(other)
    executor = an_executor(pool, 100)
    client = Client(b"c" * 16, 1)
    books, further = books_of(client, echo), books_of(client, other)
    echo.queue(books, a_run(books, 1, 1))
    pool.dispatch(0.0)
    other.queue(further, a_run(further, 1, 1))
    assert further in other.served
    executor.advance(executor.leases[0], 1)
    assert further in other.unserved
    assert list(other_pool._stirred) == [other_pool]


def test_a_client_that_has_nothing_leased_comes_before_those_that_have() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    executor = an_executor(pool, 100)
    flood, late = books_for(service, 1), books_for(service, 2)
    fill(pool, flood)
    service.queue(late, a_run(late, 1, 1))
    executor.advance(executor.leases[0], limits.FIRST_SLICE_LINES)
    pool.update(executor)
    pool.dispatch(0.0)
    assert leased_to(executor) == [flood, late]


def test_a_client_that_holds_an_executor_up_comes_after_those_that_do_not() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    held_up, executor = an_executor(pool, 100), an_executor(pool, 1)
    patient, hostile = books_for(service, 1), books_for(service, 2)
    for books in (hostile, patient):
        service.queue(books, a_run(books, 1, 100))
    pool.dispatch(0.0)
    held_up.hold_up(hostile.client)
    pool.update(held_up)
    executor.credit = 100
    for _ in range(4):
        executor.load_s = 0.0
        pool.update(executor)
        pool.dispatch(0.0)
    assert set(leased_to(executor)) == {patient}


def test_where_only_those_wait_that_hold_executors_up_they_are_served() -> None:
    services = [Service(name, 0.0) for name in "abc"]
    pool = a_pool(*services)
    held_up, executor = an_executor(pool, 100), an_executor(pool, 0)
    client = Client(b"c" * 16, 1)
    for service in services:
        books = books_of(client, service)
        service.queue(books, a_run(books, 1, 100))
    pool.dispatch(0.0)
    held_up.hold_up(client)
    pool.update(held_up)
    turns = []
    executor.credit = 100
    for _ in range(6):
        executor.end_leases(position=0)
        pool.update(executor)
        executor.load_s = limits.SLICE_S
        pool.dispatch(0.0)
        turns.append(executor.leases[0].run.books.service.name)
    assert sorted(turns) == [*"aabbcc"], "and their services take turns"


def test_a_service_for_which_others_wait_comes_before_one_for_which_none_do() -> None:
    slow, echo = Service("slow", 0.0), Service("echo", 0.0)
    pool = a_pool(slow, echo)
    held_up, executor = an_executor(pool, 1), an_executor(pool, 0)
    hostile, patient = books_for(slow, 1), books_for(echo, 2)
    slow.queue(hostile, a_run(hostile, 1, 50))
    pool.dispatch(0.0)
    held_up.hold_up(hostile.client)
    pool.update(held_up)
    echo.queue(patient, a_run(patient, 1, 50))
    executor.credit = 100
    pool.update(executor)
    pool.dispatch(0.0)
    assert set(leased_to(executor)) == {patient}


def test_lines_of_an_async_service_go_to_the_spare_executor_where_no_other_has_room() -> None:
    service = Service("slow", 0.0)
    pool = a_pool(service, at_once=2)
    executor, spare = an_executor(pool, 100), an_executor(pool, 100, is_spare=True)
    one, two, three = (books_for(service, number) for number in (1, 2, 3))
    for books in (one, two, three):
        service.queue(books, a_run(books, 1, 1))
        pool.dispatch(0.0)
    assert (leased_to(executor), leased_to(spare)) == ([one, two], [three])


def test_an_executor_that_is_spare_no_more_works_as_the_others_do() -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    spare = an_executor(pool, 100, is_spare=True)
    books = books_for(service)
    fill(pool, books)
    assert len(spare.leases) == 1
    spare.is_spare = False
    pool.update(spare)
    pool.dispatch(0.0)
    assert len(spare.leases) == 2
    assert pool.idle_count == 0


@pytest.mark.parametrize("is_held_up", [False, True])
def test_a_crowd_that_asks_line_by_line_keeps_nobody_from_its_turn_for_ever(
    *, is_held_up: bool
) -> None:
    service = Service("echo", 0.0)
    pool = a_pool(service)
    other, executor = an_executor(pool, 1), an_executor(pool, 0)
    first, *crowd = (books_for(service, number) for number in range(1, 5))
    service.queue(first, a_run(first, 1, 2))
    pool.dispatch(0.0)
    if is_held_up:
        other.hold_up(first.client)
        pool.update(other)
    executor.credit = 10_000
    for number in range(1, limits.TURNS_HOLDING_UP + 1):
        for books in crowd:
            if not books.queue:
                service.queue(books, a_run(books, number, 1))
        executor.end_leases(position=0)
        executor.load_s = limits.SLICE_S
        pool.update(executor)
        pool.dispatch(0.0)
        if first in leased_to(executor):
            break
    assert first in leased_to(executor)
    assert (number > limits.TURNS_SERVED) == is_held_up


def test_an_executor_that_dies_while_it_is_kept_free_is_kept_free_no_more() -> None:
    service = Service("slow", 0.0)
    pool = a_pool(service, at_once=3)
    one, two = an_executor(pool, 100), an_executor(pool, 100)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 2))
    pool.dispatch(0.0)
    requeue_struck(service, books, 10)
    pool.dispatch(0.0)
    dead = one if one.is_reserved else two
    dead.route = None
    dead.end_leases(position=0)
    pool.update(dead)
    pool.dispatch(0.0)
    living = two if dead is one else one
    assert living.is_reserved

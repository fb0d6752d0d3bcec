import pytest

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Pool, Service
from linebus.core.intervals import IntervalSet
from linebus.core.runs import Run
from linebus.core.workers import Executor, Worker
from linebus.wire.messages import HelloAgain, Received, Work


def an_executor(credit: int = 100) -> Executor:
    executor = Executor(b"e" * 16, 2, Worker(b"w" * 16, 1, "test"), b"k" * 32, b"stream")
    executor.attach(b"route", b"token", HelloAgain(0.0))
    executor.credit = credit
    return executor


def a_run(count: int) -> Run:
    books = Books(Client(b"c" * 16, 1), Service("echo", 0.0))
    return Run(books, 1, [str(n) for n in range(count)], count, 0.0)


def test_lines_are_numbered_consecutively_across_slices() -> None:
    executor = an_executor()
    executor.grant(a_run(3), 5.0)
    executor.grant(a_run(2), 6.0)
    first, second = executor.take()
    assert isinstance(first, Work)
    assert isinstance(second, Work)
    assert (first.first, second.first, executor.sent) == (1, 4, 5)
    assert [lease.queued_s for lease in executor.leases] == [5.0, 6.0]


def test_credit_is_absolute_and_bounded() -> None:
    executor = an_executor(credit=10)
    assert executor.free == 10
    executor.grant(a_run(4), 0.0)
    assert executor.free == 6
    executor.credit = 10**12
    assert executor.free == limits.CREDIT_LINES_MAX - 4
    executor.detach(0.0)
    assert executor.free == 0


def test_only_what_has_not_arrived_is_sent_again() -> None:
    executor = an_executor()
    executor.grant(a_run(3), 0.0)
    executor.grant(a_run(2), 0.0)
    executor.attach(b"other route", b"token", HelloAgain(0.0))
    executor.resume(received=3)
    [work] = executor.take()
    assert isinstance(work, Work)
    assert work.first == 4


def test_what_was_received_is_told_with_work_and_else_only_now_and_then() -> None:
    executor = an_executor(credit=10_000)
    executor.sent = 5
    assert executor.take() == []
    executor.grant(a_run(1), 0.0)
    [work] = executor.take()
    assert isinstance(work, Work)
    assert work.received == 5
    executor.advance(executor.leases[0], 1)
    executor.sent = 4 + limits.RECEIVED_LINES
    assert executor.take() == [], "with the work it was told of 5"
    executor.sent = 5 + limits.RECEIVED_LINES
    assert executor.take() == [Received(5 + limits.RECEIVED_LINES)]
    assert executor.take() == []


def test_ended_leases_come_back_in_order_with_the_line_at_hand_charged() -> None:
    executor = an_executor()
    executor.grant(a_run(3), 0.0)
    executor.grant(a_run(2), 0.0)
    runs = executor.end_leases(position=4)
    assert [(run.count, run.strikes) for run in runs] == [(3, 0), (1, 1), (1, 0)]
    assert not executor.leases


def at_once(executor: Executor, lines: int) -> Service:
    """A service of which the executor works on so many lines at once."""
    service = Service("slow", 0.0)
    executor.worker.pool = Pool({service: lines}, {})
    return service


def a_run_of(service: Service, count: int, first: int = 1) -> Run:
    lines = [str(number) for number in range(first, first + count)]
    return Run(Books(Client(b"c" * 16, 1), service), first, lines, count, 0.0)


def test_an_executor_takes_two_slices_and_no_more() -> None:
    executor = an_executor()
    executor.grant(a_run(limits.FIRST_SLICE_LINES), 0.0)
    assert executor.free > 0
    executor.grant(a_run(limits.FIRST_SLICE_LINES), 0.0)
    assert (executor.free, executor.in_flight) == (0, 2 * limits.FIRST_SLICE_LINES)
    executor.advance(executor.leases[0], limits.FIRST_SLICE_LINES)
    assert executor.free > 0


def test_a_line_counts_for_what_one_cost_when_it_was_dispatched() -> None:
    executor = an_executor()
    service = Service("echo", 0.0)
    service.note_cost(limits.SLICE_S / 4)
    executor.grant(a_run_of(service, 2), 0.0)
    service.note_cost(100.0)
    assert executor.load_s == pytest.approx(limits.SLICE_S / 2)
    executor.advance(executor.leases[0], 2)
    assert executor.load_s == 0.0


def test_lines_of_an_async_service_fill_an_executor_one_by_one() -> None:
    for lines in (1, 2, 3, 100, limits.AT_ONCE_MAX):
        executor = an_executor(credit=2 * limits.AT_ONCE_MAX)
        service = at_once(executor, lines)
        while executor.free:
            executor.grant(a_run_of(service, 1), 0.0)
        assert executor.in_flight == lines


def test_beside_a_line_that_killed_an_executor_there_is_no_other() -> None:
    executor = an_executor()
    struck = a_run(1)
    struck.strikes = 1
    executor.grant(struck, 0.0)
    assert executor.free == 0
    executor.advance(executor.leases[0], 1)
    assert executor.free == 99


def test_an_executor_that_is_held_up_takes_nothing() -> None:
    executor = an_executor()
    client = Client(b"c" * 16, 1)
    executor.hold_up(client)
    assert (executor.free, executor.is_held_up, client.held_up) == (0, True, 1)
    executor.go_on()
    executor.go_on()
    assert (executor.free, executor.is_held_up, client.held_up) == (100, False, 0)


def test_it_is_held_up_by_one_client_at_a_time_and_by_none_once_it_has_ended() -> None:
    executor = an_executor()
    one, two = Client(b"1" * 16, 1), Client(b"2" * 16, 2)
    executor.hold_up(one)
    executor.hold_up(two)
    assert (one.held_up, two.held_up) == (0, 1)
    executor.end_leases(position=0)
    assert (two.held_up, executor.is_held_up) == (0, False)


def test_a_number_leads_to_its_lease_or_the_next_one() -> None:
    executor = an_executor()
    executor.sent = 10
    for count in (3, 2):
        executor.grant(a_run(count), 0.0)
    first, second = executor.leases
    found = [executor.lease_at(number) for number in (1, 11, 13, 14, 15, 16)]
    assert found == [first, first, first, second, second, None]
    executor.advance(first, 2)
    assert executor.lease_at(11) is first
    assert an_executor().lease_at(1) is None


def test_leases_end_in_any_order() -> None:
    executor = an_executor()
    for count in (1, 2, 3):
        executor.grant(a_run(count), 0.0)
    one, two, three = executor.leases
    executor.advance(two, 2)
    assert (executor.leases, executor.answered) == ([one, three], 0)
    executor.advance(one, 1)
    assert (executor.leases, executor.answered) == ([three], 3)
    assert executor.advance(three, 1) == 1, "its share of the size"
    assert (executor.answered, executor.in_flight) == (4, 2)
    executor.advance(three, 2)
    assert (executor.answered, executor.in_flight, executor.leases) == (6, 0, [])
    assert not any(each.run.books.holders for each in (one, two, three))


@pytest.mark.parametrize(
    ("number", "parts"), [(1, [1, 3]), (3, [2, 1, 1]), (4, [3, 1])], ids=["front", "middle", "end"]
)
def test_a_line_can_be_cut_out_as_a_lease_of_its_own(number: int, parts: list[int]) -> None:
    executor = an_executor()
    executor.grant(a_run(4), 0.0)
    [whole] = executor.leases
    books = whole.run.books
    lease = executor.line_alone(number)
    assert lease is not None
    assert (lease.first, lease.run.lines) == (number, [str(number - 1)])
    assert [each.run.count for each in executor.leases] == parts
    assert [each.first for each in executor.leases] == [
        1,
        *[n for n in (number, number + 1) if 1 < n < 5],
    ]
    assert books.holders[executor] == len(parts)
    assert (executor.in_flight, executor.sent) == (4, 4)


def test_a_line_that_is_not_leased_cannot_be_cut_out() -> None:
    executor = an_executor()
    executor.grant(a_run(2), 0.0)
    executor.advance(executor.leases[0], 1)
    assert executor.line_alone(1) is None
    assert executor.line_alone(3) is None


def test_what_has_not_begun_is_taken_back_from_the_middle_of_a_lease_on() -> None:
    executor = an_executor()
    for count in (2, 3, 1):
        executor.grant(a_run(count), 0.0)
    runs = executor.take_back(4)
    assert [run.lines for run in runs] == [["1", "2"], ["0"]]
    assert [run.attempt for run in runs] == [0, 0]
    assert [(each.first, each.last) for each in executor.leases] == [(1, 2), (3, 3)]
    assert executor.in_flight == 3
    assert executor.load_s == pytest.approx(3 * limits.SLICE_S / limits.FIRST_SLICE_LINES)
    assert executor.sent == 6, "their numbers are used up"
    assert executor.take_back(4) == []


def test_when_all_is_taken_back_nothing_is_left() -> None:
    executor = an_executor()
    struck = a_run(1)
    struck.strikes = 1
    executor.grant(struck, 0.0)
    assert executor.take_back(1) == [struck]
    assert (executor.leases, executor.in_flight, executor.load_s) == ([], 0, 0.0)
    assert executor.free == 99
    assert not struck.books.holders


def test_an_end_charges_all_that_it_was_at_only_where_it_was_at_several() -> None:
    for is_several, strikes in ((True, [0, 1, 1, 1]), (False, [0, 1, 0, 0])):
        executor = an_executor()
        executor.grant(a_run(2), 0.0)
        service = at_once(executor, 10)
        for _ in range(2):
            executor.grant(a_run_of(service, 1), 0.0)
        runs = executor.end_leases(position=2, all_at_once=is_several)
        assert [run.strikes for run in runs] == strikes
        assert (executor.leases, executor.in_flight, executor.load_s) == ([], 0, 0.0)


def test_the_books_know_whoever_holds_their_lines_and_nobody_else() -> None:
    executor, run = an_executor(), a_run(5)
    books = run.books
    executor.grant(run, 0.0)
    executor.void(books, IntervalSet([(2, 3)]))
    for left in (2, 1, 0):
        assert set(books.holders) == {executor}
        executor.advance(executor.leases[0], executor.leases[0].run.count)
        assert len(executor.leases) == left
    assert not books.holders
    executor.grant(a_run(3), 0.0)
    [lease] = executor.leases
    executor.end_leases(position=0)
    assert not lease.run.books.holders

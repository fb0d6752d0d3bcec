from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Service
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

from linebus.core.clients import Books, Client
from linebus.core.dispatch import Pool, Service
from linebus.core.runs import Run
from linebus.core.workers import Executor, Worker
from linebus.wire.messages import HelloAgain


def books_for(service: Service, number: int = 1) -> Books:
    return Books(Client(b"c" * 16, number), service)


def a_run(books: Books, first: int, count: int) -> Run:
    return Run(books, first, [str(n) for n in range(first, first + count)], count, 0.0)


def an_executor(pool: Pool, credit: int) -> Executor:
    worker = Worker(b"w" * 16, 1, "test")
    worker.pool = pool
    executor = Executor(b"e" * 16, 2, worker, b"k" * 32, b"")
    executor.attach(b"route", b"token", HelloAgain(0.0))
    executor.credit = credit
    pool.update(executor)
    return executor


def a_pool(*services: Service) -> Pool:
    pool = Pool(list(services))
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
    turns = [service.slice(2).books for _ in range(4)]
    assert turns == [one, two, one, one]
    assert service.waiting == 4


def test_what_comes_back_goes_first() -> None:
    service = Service("echo", 0.0)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 10))
    back = service.slice(3)
    service.requeue(back)
    assert service.slice(100).first == 1
    assert service.waiting == 7


def test_a_cleared_queue_leaves_nothing_in_the_ring() -> None:
    service = Service("echo", 0.0)
    books = books_for(service)
    service.queue(books, a_run(books, 1, 3))
    [run] = service.clear(books)
    assert (run.count, service.waiting, len(service.ring)) == (3, 0, 0)
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

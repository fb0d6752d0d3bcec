import pytest

from linebus import limits
from linebus.core.clients import Books
from linebus.core.dispatch import Service
from linebus.core.effects import Effects
from linebus.core.plain_peers import Audience, HeldLines, PlainClients, PlainWorkers
from linebus.core.runs import Run
from linebus.wire.messages import Ended, Replies


def test_replies_are_published_and_failed_lines_are_quoted() -> None:
    effects = Effects()
    clients = PlainClients(effects)
    books = Books(clients, Service("echo", 0.0))
    run = Run(books, 1, ["a", "b\x1b[0m"], 2, 0.0)
    clients.lines_held = 2
    kept = clients.deliver(run, Replies("echo", 1, ["A", "wrong"], [1], 7, 1, 0.0, 0.0), 99)
    assert effects.take_published() == ["A", "error: echo b\\x1b[0m: wrong"]
    assert (kept, clients.lines_held) == (0, 0)


def test_every_request_that_ends_otherwise_has_its_error_line() -> None:
    effects = Effects()
    clients = PlainClients(effects)
    books = Books(clients, Service("echo", 0.0))
    clients.end(books, Ended("echo", 1, 2, "no_worker", "no worker offers 'echo' now"), 9)
    assert effects.take_published() == ["error: no worker offers 'echo' now"] * 2


def test_plain_lines_are_numbered_for_each_service() -> None:
    clients = PlainClients(Effects())
    assert [clients.next_number(name) for name in ("a", "a", "b", "a")] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("prefix", "line", "audience"),
    [
        (b"isprime", "isprime 7", Audience.PREFIX),
        (b"isprime ", "isprime 7", Audience.PREFIX),
        (b"isprime ", "isprime", Audience.NOBODY),
        (b"gcd", "isprime 7", Audience.NOBODY),
        (b"", "isprime 7", Audience.PREFIX),
        (b"", "upper a", Audience.EVERYTHING),
        (b"", "linebus/1 6666", Audience.NOBODY),
        (b"linebus", "linebus/1 6666", Audience.NOBODY),
    ],
)
def test_a_line_reaches_those_who_subscribe_to_it(
    prefix: bytes, line: str, audience: Audience
) -> None:
    workers = PlainWorkers()
    workers.subscription(b"\x01" + prefix, 0.0)
    assert workers.audience(line) is audience


def test_subscriptions_are_counted() -> None:
    workers = PlainWorkers()
    for frame in (b"\x01gcd", b"\x01gcd", b"\x00gcd"):
        workers.subscription(frame, 0.0)
    assert workers.audience("gcd 1 2") is Audience.PREFIX
    for frame in (b"\x00gcd", b"\x00gcd", b"", b"\x07gcd"):
        workers.subscription(frame, 0.0)
    assert workers.audience("gcd 1 2") is Audience.NOBODY


def test_a_line_is_looked_up_only_by_lengths_that_are_subscribed_to() -> None:
    workers = PlainWorkers()
    for prefix in (b"gcd", b"gcd", b"max", b"isprime"):
        workers.subscription(b"\x01" + prefix, 0.0)
    assert sorted(workers._lengths.elements()) == [3, 3, 7]
    for prefix in (b"gcd", b"gcd", b"isprime"):
        workers.subscription(b"\x00" + prefix, 0.0)
    assert workers.audience("max 1 2") is Audience.PREFIX
    assert list(workers._lengths) == [3]


def test_prefixes_are_bounded() -> None:
    workers = PlainWorkers()
    for n in range(2 * limits.PLAIN_PREFIXES_MAX):
        workers.subscription(b"\x01%d" % n, 0.0)
    assert len(workers._prefixes) == limits.PLAIN_PREFIXES_MAX
    workers.subscription(b"\x01isprime", 0.0)
    workers.subscription(b"\x01gcd ", 0.0)
    for line in ("isprime 7", "gcd 12 18"):
        assert workers.audience(line) is Audience.PREFIX, "the exercise always has room"


def test_a_prefix_longer_than_any_that_makes_sense_is_not_kept() -> None:
    workers = PlainWorkers()
    prefix = b"p" * limits.PLAIN_PREFIX_BYTES_MAX
    workers.subscription(b"\x01" + prefix + b"p", 0.0)
    assert workers.audience("p" * 1_000) is Audience.NOBODY
    workers.subscription(b"\x01" + prefix, 0.0)
    assert workers.audience("p" * 1_000) is Audience.PREFIX


def test_a_worker_that_asks_for_the_native_way_is_waited_for_a_moment() -> None:
    workers = PlainWorkers()
    workers.subscription(b"\x01linebus/", 10.0)
    assert workers.undecided_until == 10.0 + limits.PLAIN_HOLD_S
    workers.subscription(b"\x01linebus/", 20.0)
    workers.found_native()
    assert workers.undecided_until == 20.0 + limits.PLAIN_HOLD_S, "the other one is not here yet"
    workers.found_native()
    assert workers.undecided_until == 0.0


def test_a_new_worker_has_a_moment_to_join() -> None:
    workers = PlainWorkers()
    workers.subscription(b"\x01gcd", 10.0)
    assert workers.undecided_until == 10.0 + limits.PLAIN_JOIN_S


def test_held_lines_are_bounded_and_keep_their_order() -> None:
    held = HeldLines()
    assert all(held.hold(f"line {n}", 0.0) for n in range(limits.PLAIN_HELD_LINES_MAX))
    assert not held.hold("one more", 0.0)
    assert [line for _, line in held.take_all()][:2] == ["line 0", "line 1"]
    assert held.take_all() == []


def test_held_lines_are_bounded_by_their_bytes_too() -> None:
    held, line = HeldLines(), "x" * limits.PLAIN_TEXT_BYTES_MAX
    count = 0
    while held.hold(line, 0.0):
        count += 1
    assert count == limits.PLAIN_HELD_BYTES_MAX // (len(line) + limits.TEXT_BYTES)
    assert len(held.take_all()) == count
    assert held.hold(line, 0.0)


def plain_books(clients: PlainClients, service: Service, lines: int) -> None:
    books = clients.books_for(service)
    assert books is not None
    books.hold(lines)


def test_a_service_that_does_not_answer_leaves_room_for_the_others() -> None:
    clients, dead, live = PlainClients(Effects()), Service("dead", 0.0), Service("live", 0.0)
    plain_books(clients, dead, limits.PLAIN_HELD_LINES_MAX)
    assert clients.books_for(dead) is None
    plain_books(clients, live, limits.PLAIN_RESERVED_LINES - 1)
    plain_books(clients, live, 1)
    assert clients.books_for(live) is None


def test_the_books_of_plain_clients_go_when_they_are_idle() -> None:
    clients = PlainClients(Effects())
    busy = Service("busy", 0.0)
    plain_books(clients, busy, 1)
    clients.next_number("busy")
    for n in range(3 * limits.SERVICES_PER_CLIENT_MAX):
        plain_books(clients, Service(f"s{n}", 0.0), 0)
        clients.next_number(f"s{n}")
    assert len(clients.books) <= limits.SERVICES_PER_CLIENT_MAX
    assert len(clients._last_numbers) <= limits.SERVICES_PER_CLIENT_MAX
    assert clients.books["busy"].service is busy
    assert clients.next_number("busy") == 2

import pytest

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Service
from linebus.core.runs import Run
from linebus.wire.messages import Ended, HelloAgain, Offer, Replies

KEPT = limits.ENTRY_BYTES


def replies(first: int, *texts: str) -> Replies:
    return Replies("echo", first, list(texts), [], 7, 1, 0.0, 0.0)


def offered(name: str) -> Service:
    service = Service(name, 0.0)
    service.offer = Offer(name, "", "")
    return service


def a_client() -> tuple[Client, Books]:
    client = Client(b"c" * 16, 1)
    books = client.books["echo"] = Books(client, Service("echo", 0.0))
    return client, books


def test_a_reply_is_kept_until_it_is_acknowledged_and_sent_once() -> None:
    client, books = a_client()
    run = Run(books, 1, ["a", "b"], 2, 0.0)
    assert client.deliver(run, replies(1, "A", "B"), 30) == KEPT + 30
    assert client.take() == [replies(1, "A", "B")]
    assert client.take() == []
    assert books.forget(1, 2) == KEPT + 30
    assert books.forget(1, 2) == 0


def test_everything_kept_is_sent_again_when_the_client_is_back() -> None:
    client, books = a_client()
    client.end(books, replies(1, "A"), 1)
    client.end(books, Ended("echo", 2, 3, "overloaded", "no room"), 1)
    client.take()
    books.forget(1, 1)
    client.send_all_kept()
    assert client.take() == [Ended("echo", 2, 3, "overloaded", "no room")]


def test_an_acknowledgement_that_fits_no_reply_is_ignored() -> None:
    client, books = a_client()
    client.end(books, replies(5, "A", "B"), 9)
    for first, last in ((5, 5), (6, 6), (1, 2**53 - 1), (5, 7)):
        assert books.forget(first, last) == 0
    assert books.forget(5, 6) == KEPT + 9


def test_books_without_a_line_make_room_for_others() -> None:
    client = Client(b"c" * 16, 1)
    for n in range(limits.SERVICES_PER_CLIENT_MAX):
        books = client.books_for(offered(f"s{n}"))
        assert books is not None
        books.hold(1)
    assert client.books_for(offered("one more")) is None
    client.books["s7"].hold(-1)
    idle = client.books["s7"].service
    assert client.books_for(offered("one more")) is not None
    assert "s7" not in client.books
    assert idle.is_idle, "nobody would miss its name"


def test_names_that_nobody_has_offered_cannot_fill_the_books() -> None:
    client = Client(b"c" * 16, 1)
    for n in range(limits.UNOFFERED_PER_CLIENT_MAX):
        assert client.books_for(Service(f"s{n}", 0.0)) is not None
    assert client.books_for(Service("one more", 0.0)) is None
    assert client.books_for(offered("gcd")) is not None


def test_the_greeting_tells_what_is_in_the_books() -> None:
    client, books = a_client()
    books.seen.add(1, 5)
    books.seen.add(9, 9)
    assert client.seen() == {"echo": [(1, 5), (9, 9)]}


def test_a_reply_acknowledged_before_it_was_sent_is_not_sent_any_more() -> None:
    client, books = a_client()
    client.end(books, replies(1, "A"), 1)
    client.end(books, replies(2, "B"), 1)
    books.forget(1, 1)
    assert client.take() == [replies(2, "B")]


def test_a_client_that_says_hello_again_and_again_is_sent_everything_once() -> None:
    client, books = a_client()
    client.end(books, replies(1, "A"), 1)
    for _ in range(3):
        client.send_all_kept()
    assert client.take() == [replies(1, "A")]
    assert client.take() == []


def test_while_a_client_does_not_read_nothing_waits_that_it_can_ask_again() -> None:
    client, books = a_client()
    client.end(books, replies(1, "A"), 1)
    client.outbox.append(Ended("nosuch", 1, 1, "no_service", "unknown"))
    client.stall()
    assert client.again == HelloAgain(0)
    assert client.take() == [replies(1, "A")]
    client.again = None
    client.stall()
    assert client.again is None


def test_books_and_gaps_weigh_something_and_nothing_once_they_are_closed() -> None:
    client = Client(b"c" * 16, 1)
    service = offered("gcd")
    books = client.books_for(service)
    assert books is not None
    for number in range(1, 10, 2):
        books.see(number, number)
    assert client.overhead == limits.BOOKS_BYTES + 5 * limits.GAP_BYTES
    books.see(2, 2)
    assert client.gaps == 4
    client.end(books, replies(1, "A"), 7)
    service.queue(books, Run(books, 2, ["b"], 30, 0.0))
    held = limits.BOOKS_BYTES + 4 * limits.GAP_BYTES + KEPT + 7 + 30
    assert client.close_books() == held
    assert (client.overhead, client.take(), service.askers, service.waiting) == (0, [], 0, 0)


def test_where_no_books_may_be_opened_those_that_are_open_serve_on() -> None:
    client = Client(b"c" * 16, 1)
    gcd, echo = offered("gcd"), offered("echo")
    books = client.books_for(gcd)
    assert client.books_for(gcd, may_open=False) is books
    assert client.books_for(echo, may_open=False) is None


def test_numbers_beside_those_that_were_seen_are_no_gap_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 2)
    client, books = a_client()
    assert [books.see(n, n) for n in (1, 5)] == [True, True]
    assert [books.see(n, n) for n in (3, 7, 9)] == [False, False, False]
    assert [books.see(n, n) for n in (2, 4, 6)] == [True, True, True]
    assert client.seen() == {"echo": [(1, 2), (4, 6)]}

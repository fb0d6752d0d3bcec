from linebus import limits
from linebus.core.clients import Books, Client, count_of
from linebus.core.dispatch import Service
from linebus.core.runs import Run
from linebus.wire.messages import Ended, Offer, Replies


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
    assert client.deliver(run, replies(1, "A", "B"), 30) == 30
    assert client.take() == [replies(1, "A", "B")]
    assert client.take() == []
    assert books.forget(1, 2) == 30
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
    assert books.forget(5, 6) == 9


def test_books_without_a_line_make_room_for_others() -> None:
    client = Client(b"c" * 16, 1)
    for n in range(limits.SERVICES_PER_CLIENT_MAX):
        books = client.books_for(offered(f"s{n}"))
        assert books is not None
        books.hold(1)
    assert client.books_for(offered("one more")) is None
    client.books["s7"].hold(-1)
    assert client.books_for(offered("one more")) is not None
    assert "s7" not in client.books


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


def test_entries_count_the_requests_that_they_end() -> None:
    assert count_of(replies(1, "A", "B")) == 2
    assert count_of(Ended("echo", 1, 9, "failed", "")) == 9

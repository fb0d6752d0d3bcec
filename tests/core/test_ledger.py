"""What is owed to clients: held, bounded, and each outcome only where the table allows it."""

from __future__ import annotations

import pytest

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Service
from linebus.core.ledger import Ledger
from linebus.core.lifecycle import Outcome, State
from linebus.core.runs import Lease, Run
from linebus.wire import messages as m


@pytest.fixture
def client() -> Client:
    return Client(b"client", 1)


@pytest.fixture
def books(client: Client) -> Books:
    return Books(client, Service("gcd", 0.0))


def lease(books: Books) -> Lease:
    return Lease(1, Run(books, 1, ["1 1", "2 2"], 100, 0.0), 0.5, 0.001)


def test_replies_are_kept_counted_and_announced(client: Client, books: Books) -> None:
    ledger = Ledger()
    ledger.deliver(lease(books), 7, ["a", "b"], [1], 0.25)
    assert client in ledger.with_news
    assert ledger.held_bytes == client.held_bytes > 0
    assert client.take() == [m.Replies("gcd", 1, ["a", "b"], [1], 7, 0, 0.5, 0.25)]


def test_a_reply_without_room_ends_its_lines_overloaded(
    client: Client, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 0)
    monkeypatch.setattr(limits, "HELD_FOR_REPLIES_BYTES", 0)
    Ledger().deliver(lease(books), 7, ["a", "b" * limits.HELD_SHARE_BYTES], [], 0.25)
    [ended] = client.take()
    assert isinstance(ended, m.Ended)
    assert (ended.first, ended.count, ended.outcome) == (1, 2, Outcome.OVERLOADED)


def test_replies_have_a_reserve_of_their_own(
    client: Client, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 0)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", 0)
    ledger = Ledger()
    ledger.deliver(lease(books), 7, ["a", "b"], [], 0.25)
    [replies] = client.take()
    assert isinstance(replies, m.Replies)
    assert not ledger.has_room(client), "nothing else has it"


def test_a_client_that_has_gone_is_owed_nothing(client: Client, books: Books) -> None:
    ledger = Ledger()
    client.ended = True
    ledger.deliver(lease(books), 7, ["a", "b"], [], 0.25)
    ledger.finish(books, State.QUEUED, Outcome.EXPIRED, "late", (1, 1))
    assert (ledger.held_bytes, ledger.with_news, books.kept) == (0, {}, {})


def test_an_outcome_that_does_not_follow_is_a_bug(books: Books) -> None:
    with pytest.raises(AssertionError, match="does not follow"):
        Ledger().finish(books, State.QUEUED, Outcome.ANSWERED, "", (1, 1))

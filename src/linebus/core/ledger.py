"""What is owed to clients and what that weighs; who has something to be sent.

One budget of bytes covers what is queued, leased and kept, and every outcome is entered here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.lifecycle import ENDS, Outcome, State
from linebus.wire import messages as m
from linebus.wire.packing import bytes_of

if TYPE_CHECKING:
    from linebus.core.clients import Books, Client
    from linebus.core.runs import Lease
    from linebus.core.sessions import Session

_DROPPED = "the server holds as much as it can and had to drop the reply; ask again later"


class Ledger:
    """The broker's one account. `with_news` are the sessions that have something to be sent."""

    def __init__(self) -> None:
        """Start with nothing held."""
        self.held_bytes = 0
        self.with_news: dict[Session, None] = {}

    def hold(self, client: Client, size: int) -> None:
        """Count bytes that are held for a client from now on (or, below 0, no more)."""
        self.held_bytes += size
        client.held_bytes += size

    def has_room(self, client: Client, size: int = 0, *, for_reply: bool = False) -> bool:
        """Return whether so many more bytes may be held for a client.

        Where others use up all there is, a small share is left to each.
        """
        reserve = limits.HELD_FOR_REPLIES_BYTES if for_reply else 0
        return (
            self.held_bytes + size <= limits.HELD_BYTES_MAX + reserve
            or client.held_bytes + size <= client.share_bytes
        )

    def deliver(
        self, lease: Lease, worker: int, texts: list[str], failed: list[int], ran_s: float
    ) -> None:
        """Owe a client the texts for the front of a lease, from the executor with this number."""
        run, count = lease.run, len(texts)
        books = run.books
        client = books.client
        size = bytes_of(texts)
        if not self.has_room(client, size, for_reply=True):
            self.finish(books, State.LEASED, Outcome.OVERLOADED, _DROPPED, (run.first, count))
        elif not client.ended:
            name = books.service.name
            told = (worker, run.attempt, lease.queued_s, ran_s)
            replies = m.Replies(name, run.first, texts, failed, *told)
            self.hold(client, client.deliver(run, replies, size))
            self.with_news[client] = None

    def finish(
        self, books: Books, state: State, outcome: Outcome, text: str, lines: tuple[int, int]
    ) -> None:
        """End `lines` (first number, count) without an executor's reply."""
        assert outcome in ENDS[state], f"{outcome} does not follow {state}"
        if books.client.ended:
            return
        ended = m.Ended(books.service.name, *lines, outcome, text)
        self.hold(books.client, books.client.end(books, ended, len(text)))
        self.with_news[books.client] = None

"""A client's books: which numbers were seen, what is in progress, which replies are kept.

The kept replies are the outbox: what has not been sent is a queue of references to them, no second
copy. After a reconnect everything kept is sent once more; the client's session drops what it has.
The outbox proper holds only what is not kept: the ends of requests for which there are no books.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.intervals import IntervalSet
from linebus.core.sessions import Session
from linebus.wire.messages import HelloAgain, count_of

if TYPE_CHECKING:
    from linebus.core.dispatch import Service
    from linebus.core.runs import Run
    from linebus.core.workers import Executor
    from linebus.wire.messages import Entry, Message, Replies


class Books:
    """What the broker knows of one client's lines to one service."""

    __slots__ = ("client", "holders", "kept", "lines_held", "queue", "seen", "service")

    def __init__(self, client: Client, service: Service) -> None:
        """Start with nothing seen."""
        service.askers += 1
        self.client = client
        self.service = service
        self.seen = IntervalSet()
        self.kept: dict[int, tuple[Entry, int]] = {}
        self.queue: deque[Run] = deque()
        self.holders: Counter[Executor] = Counter()  # who holds leases on lines of these books
        self.lines_held = 0

    def lease(self, executor: Executor, leases: int = 1) -> None:
        """Count leases that an executor holds on lines of these books from now on."""
        self.holders[executor] += leases
        client = self.client
        client.leases += leases
        if client.queues and client.leases == leases:
            client.change_rings()

    def let_go(self, executor: Executor) -> None:
        """Count a lease less."""
        self.holders[executor] -= 1
        if not self.holders[executor]:
            del self.holders[executor]
        client = self.client
        client.leases -= 1
        if client.queues and not client.leases:
            client.change_rings()

    def hold(self, lines: int) -> None:
        """Count lines that are queued, leased or kept from now on (or, below 0, no more)."""
        self.lines_held += lines
        self.client.lines_held += lines

    def see(self, first: int, last: int) -> bool:
        """Note numbers as seen, whatever becomes of them; False: that would be a gap too many."""
        seen, client = self.seen, self.client
        if client.gaps >= limits.CLIENT_GAPS_MAX:
            around = (first - 1, last + 1)
            if seen.missing(*around) == [around]:
                return False
        before = len(seen)
        seen.add(first, last)
        client.gaps += len(seen) - before
        return True

    def open_runs(self) -> list[Run]:
        """Return the runs that have not ended: those that are queued, and those that are leased."""
        leases = (lease for executor in self.holders for lease in executor.leases)
        leased = [lease.run for lease in leases if lease.run.books is self]
        return [*self.queue, *(run for run in leased if not run.is_void)]

    def close(self) -> int:
        """Forget everything; return the bytes of what was queued and kept."""
        self.service.dated.pop(self, None)
        size = sum(run.size for run in self.service.clear(self))
        size += sum(size for _, size in self.kept.values())
        self.kept.clear()
        self.client.gaps -= len(self.seen)
        self.service.askers -= 1
        return size

    def forget(self, first: int, last: int) -> int:
        """Forget the kept reply that covers `first`…`last`; return its bytes.

        A client acknowledges the intervals in which replies came, so one look-up finds each;
        an interval that is none of those (or no_service, for which nothing is kept) is ignored.
        """
        entry, size = self.kept.get(first, (None, 0))
        if entry is None or first + count_of(entry) - 1 != last:
            return 0
        del self.kept[first]
        self.client.unqueue(entry)
        self.hold(-count_of(entry))
        return size


class Client(Session):
    """A client's session and its books, one for each service that it has asked."""

    def __init__(self, ident: bytes, number: int) -> None:
        """Start with no books."""
        super().__init__(ident, number)
        self.books: dict[str, Books] = {}
        self.lines_held = 0
        self.held_bytes = 0
        self.gaps = 0  # intervals of seen numbers, in all books
        self.leases = 0  # on its lines, in all books
        self.queues = 0  # how many of its books have lines that wait
        self.held_up = 0  # executors that are long at a line of its
        self._unsent: dict[int, Entry] = {}  # by identity, so that an acknowledged one can go
        self._is_back = False
        self._counted_since = 0.0
        self._admin_lines = 0

    def books_for(self, service: Service, *, may_open: bool = True) -> Books | None:
        """Return the books for a service, None where too many services are asked at once.

        Where new ones may not be opened, None too if there are none yet.

        Books without a line in them can go: all that they have seen is answered and acknowledged,
        so it is never asked again.
        """
        books = self.books.get(service.name)
        if books is None and may_open:
            if len(self.books) >= limits.SERVICES_PER_CLIENT_MAX:
                self.close_idle_books()
            if len(self.books) >= limits.SERVICES_PER_CLIENT_MAX:
                return None
            if service.offer is None and self._unoffered() >= limits.UNOFFERED_PER_CLIENT_MAX:
                return None
            books = self.books[service.name] = Books(self, service)
        return books

    def change_rings(self) -> None:
        """Have its queues wait in the other rings: now it has something leased, or nothing."""
        for books in self.books.values():
            if books.queue:
                books.service.change_ring(books)

    def close_idle_books(self) -> None:
        """Close the books without a line in them."""
        for idle in [each for each in self.books.values() if not each.lines_held]:
            idle.close()
            del self.books[idle.service.name]

    def admin_allowance(self, wanted: int, now: float) -> int:
        """Return how many of so many lines for the broker itself may be answered now."""
        if now - self._counted_since >= 1:
            self._counted_since, self._admin_lines = now, 0
        allowed = min(wanted, limits.ADMIN_LINES_PER_S_MAX - self._admin_lines)
        self._admin_lines += allowed
        return allowed

    def _unoffered(self) -> int:
        return sum(books.service.offer is None for books in self.books.values())

    def deliver(self, run: Run, replies: Replies, size: int) -> int:
        """Keep the replies to the front of a run; return the bytes that are kept."""
        return self.end(run.books, replies, size)

    def end(self, books: Books, entry: Entry, size: int) -> int:
        """Keep an entry until it is acknowledged, and queue it; return the bytes that are kept."""
        size += limits.ENTRY_BYTES
        books.kept[entry.first] = (entry, size)
        self._unsent[id(entry)] = entry
        return size

    def unqueue(self, entry: Entry) -> None:
        """Do not send an entry that is acknowledged already."""
        self._unsent.pop(id(entry), None)

    @property
    def share_bytes(self) -> int:
        """What may be held for it however much is held for others."""
        return limits.HELD_SHARE_BYTES

    @property
    def overhead(self) -> int:
        """The bytes of its books without a line in them."""
        return len(self.books) * limits.BOOKS_BYTES + self.gaps * limits.GAP_BYTES

    def close_books(self) -> int:
        """Forget everything; return the bytes of all that was held."""
        size = self.overhead + sum(books.close() for books in self.books.values())
        self.books.clear()
        self._unsent.clear()
        return size

    def stall(self) -> None:
        """Keep nothing for which there are no books: the client shall ask again."""
        if self.outbox:
            self.outbox.clear()
            self.again = HelloAgain(0)

    def send_all_kept(self) -> None:
        """Send everything that is kept once more: the client is back, however often it says so."""
        self._is_back = True

    def seen(self) -> dict[str, list[tuple[int, int]]]:
        """Return the numbers in the books by service, as the greeting tells them."""
        return {name: list(books.seen) for name, books in self.books.items()}

    def take(self) -> list[Message]:
        """Hand out what is to be sent; the replies stay kept."""
        if self._is_back:
            self._is_back = False
            kept = (books.kept.values() for books in self.books.values())
            self._unsent = {id(entry): entry for entries in kept for entry, _ in entries}
        messages = super().take()
        messages.extend(self._unsent.values())
        self._unsent.clear()
        return messages

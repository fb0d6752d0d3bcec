"""Plain clients and plain workers, as far as the broker can know them.

All plain clients are one client to the core. Of plain workers it sees the prefixes that they
subscribe to, nothing else.
"""

from __future__ import annotations

from collections import Counter, deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.wire import plain
from linebus.wire.messages import Ended, Replies
from linebus.wire.packing import bytes_of

if TYPE_CHECKING:
    from linebus.core.dispatch import Service
    from linebus.core.effects import Effects
    from linebus.core.runs import Run
    from linebus.wire.messages import Entry

_SUBSCRIBE, _UNSUBSCRIBE = 1, 0
_HINT_PREFIX = plain.HINT_PREFIX.encode()
_OF_THE_EXERCISE = {
    f"{name} "[:length].encode() for name in plain.EXERCISE for length in range(len(name) + 2)
}


class PlainClients(Client):
    """All plain clients together: what they are owed is published at once and never kept."""

    def __init__(self, effects: Effects) -> None:
        """Publish through `effects`."""
        super().__init__(b"", 0)
        self._effects = effects
        self._last_numbers: Counter[str] = Counter()

    @property
    def share_bytes(self) -> int:
        """What may be held for all of them together, however much is held for others."""
        return limits.PLAIN_HELD_BYTES_MAX

    def next_number(self, service: str) -> int:
        """Number the next line to a service, since plain clients do not."""
        self._last_numbers[service] += 1
        return self._last_numbers[service]

    def books_for(self, service: Service, *, may_open: bool = True) -> Books | None:
        """Return the books for a service, None where there is no room for another line.

        A service that does not answer must not use up the room of all others, so a few lines for
        each find room always.
        """
        books = self.books.get(service.name)
        if books is None:
            if len(self.books) >= limits.SERVICES_PER_CLIENT_MAX:
                self.close_idle_books()
                self._last_numbers = Counter(
                    {each: self._last_numbers[each] for each in self.books}
                )
            books = self.books[service.name] = Books(self, service)
        reserved = books.lines_held < limits.PLAIN_RESERVED_LINES
        return books if reserved or self.lines_held < limits.PLAIN_HELD_LINES_MAX else None

    def deliver(self, run: Run, replies: Replies, size: int) -> int:
        """Publish replies; a line that failed is quoted, since everyone sees its error."""
        texts = replies.texts
        if replies.failed:
            texts = list(texts)
            for offset in replies.failed:
                line = plain.shorten(f"{replies.service} {run.lines[offset]}".rstrip())
                texts[offset] = plain.error(f"{line}: {texts[offset]}")
        return self._publish(run.books, texts)

    def end(self, books: Books, entry: Entry, size: int) -> int:
        """Publish an error line for each request that ended without a reply."""
        assert isinstance(entry, Ended), "replies come through deliver"
        return self._publish(books, [plain.error(entry.text)] * entry.count)

    def _publish(self, books: Books, texts: list[str]) -> int:
        books.hold(-len(texts))
        for text in texts:
            self._effects.publish(text)
        return 0


class Audience(Enum):
    """Which plain workers a line would reach."""

    NOBODY = auto()
    EVERYTHING = auto()  # only workers that subscribe to whatever comes
    PREFIX = auto()  # a worker that subscribes to lines like this one


class PlainWorkers:
    """What is known of plain workers: the prefixes that are subscribed to."""

    def __init__(self) -> None:
        """Start with no subscription."""
        self._prefixes: Counter[bytes] = Counter()
        self._lengths: Counter[int] = Counter()  # of the prefixes: one look-up each finds them all
        self._unmet_hints = 0
        self._hold_until = 0.0
        self._join_until = 0.0

    def subscription(self, frame: bytes, now: float) -> None:
        """Take what worker_inputs reports."""
        kind, prefix = frame[:1], frame[1:]
        if kind == bytes([_SUBSCRIBE]):
            if prefix == _HINT_PREFIX:
                self._unmet_hints += 1
                self._hold_until = now + limits.PLAIN_HOLD_S
                return
            self._join_until = now + limits.PLAIN_JOIN_S
            if prefix in self._prefixes or self._has_room_for(prefix):
                self._lengths[len(prefix)] += not self._prefixes[prefix]
                self._prefixes[prefix] += 1
        elif kind == bytes([_UNSUBSCRIBE]) and prefix in self._prefixes:
            self._prefixes[prefix] -= 1
            if not self._prefixes[prefix]:
                del self._prefixes[prefix]
                self._lengths[len(prefix)] -= 1
                if not self._lengths[len(prefix)]:
                    del self._lengths[len(prefix)]

    def _has_room_for(self, prefix: bytes) -> bool:
        """Return whether one more prefix can be told apart; those of the exercise always can."""
        if len(prefix) > limits.PLAIN_PREFIX_BYTES_MAX:
            return False
        return len(self._prefixes) < limits.PLAIN_PREFIXES_MAX or prefix in _OF_THE_EXERCISE

    def found_native(self) -> None:
        """Note that a worker that looked for the native way has said hello."""
        self._unmet_hints = max(0, self._unmet_hints - 1)

    @property
    def undecided_until(self) -> float:
        """The moment until which broadcasts wait.

        A worker may still be about to say hello, or its results not get through yet.
        """
        hold_until = self._hold_until if self._unmet_hints else 0.0
        return max(hold_until, self._join_until)

    def names(self) -> set[str]:
        """Return the prefixes that are names of services, as `isprime` and `isprime ` are."""
        texts = (prefix.decode("ascii", "replace").rstrip(" ") for prefix in self._prefixes)
        return {text for text in texts if plain.NAME.fullmatch(text)}

    def audience(self, line: str) -> Audience:
        """Return which plain workers would get this line."""
        if line.startswith(plain.HINT_PREFIX):
            return Audience.NOBODY
        data = line.encode()
        if any(data[:length] in self._prefixes for length in self._lengths if length):
            return Audience.PREFIX
        if b"" not in self._prefixes:
            return Audience.NOBODY
        if plain.split(line)[0] in plain.EXERCISE:
            return Audience.PREFIX
        return Audience.EVERYTHING


class HeldLines:
    """Plain lines that wait for a worker to come, each with the moment it came."""

    def __init__(self) -> None:
        """Start with none."""
        self._lines: deque[tuple[float, str]] = deque()
        self._bytes = 0

    def hold(self, line: str, received_at: float) -> bool:
        """Hold a line; return False where there is no room."""
        size = bytes_of([line])
        too_many = len(self._lines) >= limits.PLAIN_HELD_LINES_MAX
        if too_many or self._bytes + size > limits.PLAIN_HELD_BYTES_MAX:
            return False
        self._bytes += size
        self._lines.append((received_at, line))
        return True

    def take_all(self) -> list[tuple[float, str]]:
        """Hand out all lines, in order; those still without a worker are held again."""
        taken = list(self._lines)
        self._lines.clear()
        self._bytes = 0
        return taken

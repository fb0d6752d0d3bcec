"""A client's session: numbered streams of lines out, each line's reply back exactly once; no I/O.

Sequence numbers count per service. A line stays here until its reply has come, so that after a
reconnect whatever the server has not seen is asked again, and nothing that it has. A reply that
comes twice is dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core import heartbeats
from linebus.core.intervals import IntervalSet
from linebus.core.lifecycle import Outcome
from linebus.core.peer import Greeting, PeerSession
from linebus.wire import messages as m
from linebus.wire import plain
from linebus.wire.messages import Entry, count_of
from linebus.wire.packing import parts

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(slots=True)
class _Part:
    """Consecutive lines that are asked in one message; `expires_at` is when they shall end."""

    first: int
    lines: list[str]
    chars: int
    values: bool
    expires_at: float

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    def without(self, known: IntervalSet) -> list[_Part]:
        """Return the part's lines whose numbers are not known."""
        missing = known.missing(self.first, self.last)
        return [self.piece(first - self.first, last - self.first + 1) for first, last in missing]

    def piece(self, start: int, end: int) -> _Part:
        """Return the lines from offset `start` up to `end` as a part of their own."""
        lines = self.lines[start:end]
        chars = sum(map(len, lines))
        return _Part(self.first + start, lines, chars, self.values, self.expires_at)


class Stream:
    """The lines to one service, numbered from `start`, and the replies that have come.

    Callers append arguments to `fresh` and then have the session number them.
    """

    def __init__(self, service: str, start: int) -> None:
        """Start with no line asked."""
        self.service = service
        self.fresh: list[str] = []
        self.next_number = start
        self.sent_through = start - 1
        # What is over: replies that have come, and numbers that are never asked.
        self.answered = IntervalSet()
        if start > 1:
            self.answered.add(1, start - 1)
        self.acks: list[tuple[int, int]] = []
        self.cancels: list[tuple[int, int]] = []
        self._told_through = 0  # up to where the server's books have all that is asked or over
        self._arrived: dict[int, tuple[Entry, int, int]] = {}
        self._abandoned = IntervalSet()
        self.unsent: deque[_Part] = deque()
        self.sent: deque[_Part] = deque()
        self.sent_chars = 0

    @property
    def settled_through(self) -> int:
        """The number up to which every line is answered."""
        return self.answered.unbroken

    @property
    def is_idle(self) -> bool:
        """Whether nothing is owed and nothing waits to be numbered or to be taken."""
        all_settled = self.settled_through == self.next_number - 1
        return all_settled and not self._arrived and not self.fresh

    def arrive(self, entry: Entry, last: int) -> int:
        """Note replies up to line `last`; return how many of the lines were not answered before."""
        if last >= self.next_number:
            return 0
        new = 0
        for first, until in self.answered.missing(entry.first, last):
            for wanted, through in self._abandoned.missing(first, until):
                self._arrived[wanted] = (entry, wanted - entry.first, through - wanted + 1)
            new += until - first + 1
        self.answered.add(entry.first, last)
        self.settle()
        return new

    def settle(self) -> None:
        """Let go of the parts that are answered, as far as all before them are."""
        settled, sent = self.settled_through, self.sent
        while sent and sent[0].last <= settled:
            self.sent_chars -= sent.popleft().chars

    def take(self, number: int, count_max: int) -> tuple[Entry, int, int] | None:
        """Hand out the replies from line `number` on, at most `count_max` of them.

        Returns the entry, the offset in it and the count, or None where they have not come.
        """
        if not self._arrived:
            return None
        found = self._arrived.pop(number, None) or self._split_at(number)
        if found is None:
            return None
        entry, offset, left = found
        if left > count_max:
            self._arrived[number + count_max] = (entry, offset + count_max, left - count_max)
        return entry, offset, min(left, count_max)

    def _split_at(self, number: int) -> tuple[Entry, int, int] | None:
        """Find the replies to `number` inside an entry that begins with another caller's lines."""
        if self.answered.missing(number, number):
            return None
        for first, (entry, offset, left) in self._arrived.items():
            before = number - first
            if 0 < before < left:
                self._arrived[first] = (entry, offset, before)
                return entry, offset + before, left - before
        return None

    def resume(self, seen: IntervalSet) -> int:
        """Queue again, in ascending order, what is unanswered and not seen by the server.

        What nobody wants any more is not asked again; return how many lines that is.
        """
        settled = self._resume_abandoned(seen)
        unanswered = [p for part in self.sent for p in part.without(self.answered)]
        again = [p for part in unanswered for p in part.without(seen)]
        to_ask = IntervalSet()
        for part in again:
            to_ask.add(part.first, part.last)
        self.sent = deque(p for part in unanswered for p in part.without(to_ask))
        self.sent_chars = sum(part.chars for part in self.sent)
        self.sent_through = self.sent[-1].last if self.sent else self.settled_through
        self.unsent.extendleft(reversed(again))
        _, self._told_through = max(seen, default=(0, 0))
        self.acks = [gap for over in self.answered for gap in self._gaps(seen.missing(*over))]
        return settled

    def _gaps(self, unseen: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return those of the numbers unseen that are gaps in the server's books by now."""
        return [each for each in unseen if each[1] < self._told_through]

    def asked(self, part: _Part) -> tuple[int, int] | None:
        """Note that a part is asked; return the numbers before it that never will be, if any.

        They are asked in ascending order, so the server can be told of each gap as it arises.
        """
        last = part.last
        gap = (self._told_through + 1, part.first - 1)
        self._told_through = max(self._told_through, last)
        _insert(self.sent, part)
        self.sent_chars += part.chars
        self.sent_through = max(self.sent_through, last)
        return gap if gap[0] <= gap[1] else None

    def _resume_abandoned(self, seen: IntervalSet) -> int:
        """Cancel once more what the server knows of what was abandoned; settle the rest."""
        open_ = [each for gone in self._abandoned for each in self.answered.missing(*gone)]
        self.cancels = [each for interval in open_ for each in seen.within(*interval)]
        unseen = [each for interval in open_ for each in seen.missing(*interval)]
        for first, last in unseen:
            self.answered.add(first, last)
        return sum(last - first + 1 for first, last in unseen)

    def abandon(self, number: int, count: int) -> int:
        """Drop `count` lines from `number` on, whose replies nobody will take any more.

        What was not sent is never asked; return how many lines that is. The others are cancelled;
        replies to them are dropped when they come.
        """
        last = number + count - 1
        for first, (entry, offset, left) in list(self._arrived.items()):
            end = first + left - 1
            if end < number or first > last:
                continue
            del self._arrived[first]  # but for what belongs to other callers
            if first < number:
                self._arrived[first] = (entry, offset, number - first)
            if end > last:
                self._arrived[last + 1] = (entry, offset + last + 1 - first, end - last)
        gone = IntervalSet()
        gone.add(number, last)
        before = sum(len(part.lines) for part in self.unsent)
        kept = [rest for part in self.unsent for rest in part.without(gone)]
        dropped = before - sum(len(part.lines) for part in kept)
        if dropped:
            asked = IntervalSet()
            for part in (*self.sent, *kept):
                asked.add(part.first, part.last)
            for first, until in asked.missing(number, last):
                self.acks += self._gaps(self.answered.missing(first, until))
                self.answered.add(first, until)
            self.unsent = deque(kept)
        for first, until in self.answered.missing(number, last):
            self._abandoned.add(first, until)
            self.cancels.append((first, until))
        return dropped


class ClientSession(PeerSession):
    """All streams of one client, within the window that the server grants."""

    greeting_type = m.ClientGreeting

    def __init__(self, ident: bytes, program: str) -> None:
        """Start with no line asked; `program` says for people what this client is."""
        super().__init__(ident)
        self._program = program
        self._streams: dict[str, Stream] = {}
        self._forget_at = limits.SERVICES_PER_CLIENT_MAX
        self._window_lines = limits.WINDOW_LINES
        self._heartbeat_s = limits.HEARTBEAT_S
        self._heartbeat_at = inf
        # Our first word since the server was heard: while the caller works on replies, nobody
        # says or hears anything, and that is no silence.
        self._spoke_at = inf
        self._unacknowledged = 0
        self._start = 1
        self._arrivals: list[Entry] = []
        self.owed = 0

    # -- asking ------------------------------------------------------------------------------

    def stream(self, service: str) -> Stream:
        """Return the stream to a service, whose name must be well formed."""
        stream = self._streams.get(service)
        if stream is None:
            if len(self._streams) >= self._forget_at:
                self._forget_idle_streams()
                # Where few are idle, not at each new name: that would be quadratic.
                self._forget_at = max(limits.SERVICES_PER_CLIENT_MAX, 2 * len(self._streams))
            stream = self._streams[service] = Stream(service, self._start)
        return stream

    def commit(self, stream: Stream, *, values: bool = False, expires_at: float = inf) -> int:
        """Number the stream's fresh lines and queue them to be asked; return the first number.

        Where `values` is true their results are asked for as values. At `expires_at`, by the
        caller's clock, they end if they have not.
        """
        first = stream.next_number
        lines, stream.fresh = stream.fresh, []
        stream.next_number += len(lines)
        self.owed += len(lines)
        for start, end in parts(lines):
            part = lines if end - start == len(lines) else lines[start:end]
            chars = sum(map(len, part))
            stream.unsent.append(_Part(first + start, part, chars, values, expires_at))
        return first

    def _forget_idle_streams(self) -> None:
        for name, stream in list(self._streams.items()):
            if stream.is_idle and not stream.acks:
                # The name may come back: its numbers then go on beyond any that were used.
                self._start = max(self._start, stream.next_number)
                del self._streams[name]

    # -- the session -------------------------------------------------------------------------

    def hello(self, nonce: int) -> m.Hello:
        """Say who asks."""
        return m.ClientHello(nonce, self.ident, self._program)

    def greeted(self, greeting: Greeting, now: float) -> None:
        """Ask again what the server has not seen, in ascending order."""
        assert isinstance(greeting, m.ClientGreeting), "its `greeting_type`"
        self._spoke_at = inf
        self._window_lines = greeting.window_lines
        self._heartbeat_s = max(limits.HEARTBEAT_S, greeting.heartbeat_s)
        self._heartbeat_at = now + self._heartbeat_s
        for stream in self._streams.values():
            seen = IntervalSet()
            for first, last in greeting.seen.get(stream.service, []):
                seen.add(first, last)
            self.owed -= stream.resume(seen)

    def handle(self, message: m.FromServer, now: float) -> None:
        """Take one message of the session."""
        match message:
            case m.Replies() | m.Ended():
                self._arrive(message)
            case m.Heartbeat(every_s=every_s):
                self._heartbeat_s = max(limits.HEARTBEAT_S, every_s)
            case _:
                pass
        self._spoke_at = inf
        self._heartbeat_at = now + self._heartbeat_s

    def take_arrivals(self) -> list[Entry]:
        """Hand out what has come since the last call; the replies stay in their streams."""
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def _arrive(self, entry: Entry) -> None:
        self._arrivals.append(entry)
        stream = self._streams.get(entry.service)
        if stream is None:
            if entry.first >= self._start:
                return  # nobody has asked that
            # Its stream was forgotten and the acknowledgement lost: it is kept until that comes.
            stream = self.stream(entry.service)
        count = count_of(entry)
        last = entry.first + count - 1
        self.owed -= stream.arrive(entry, last)
        stream.acks.append((entry.first, last))
        self._unacknowledged += count

    def messages(self, now: float) -> list[m.Message]:
        """Return the next lines within the window, and acknowledgements where they are worth it."""
        busy = [each for each in self._streams.values() if each.unsent or each.cancels]
        asks = self._asks(busy, now) if busy else []
        idle = not self.owed and self._unacknowledged >= limits.IDLE_ACK_LINES
        said: list[m.Message] = []
        if asks or idle or self._unacknowledged >= limits.ACK_LINES:
            said = self._acks()
        said += asks
        if busy:
            said += self._cancels(busy)
        # Our first word since the server was heard puts the heartbeat off, later ones do not: an
        # `ask` alone is not answered, so a server with nothing else to say would seem silent.
        if not self.owed or (said and self._spoke_at == inf):
            self._heartbeat_at = now + self._heartbeat_s
        elif now >= self._heartbeat_at:
            said.append(m.Heartbeat(self._heartbeat_s))
            self._heartbeat_at = now + self._heartbeat_s
        if said:
            self._spoke_at = min(self._spoke_at, now)
        return said

    def _asks(self, streams: list[Stream], now: float) -> list[m.Message]:
        asks: list[m.Message] = []
        # In flight is what lies between a stream's oldest unanswered line and the last one sent.
        room, room_chars = self._window_lines, limits.WINDOW_BYTES
        for stream in self._streams.values():
            room -= stream.sent_through - stream.settled_through
            room_chars -= stream.sent_chars
        for stream in streams:
            while stream.unsent and room > 0 and room_chars > 0:
                part = stream.unsent.popleft()
                deadline_s = _deadline_s(part.expires_at, now)
                asks.append(m.Ask(stream.service, part.first, part.lines, part.values, deadline_s))
                room += stream.sent_through
                room_chars -= part.chars
                gap = stream.asked(part)
                room -= stream.sent_through
                if gap is not None:
                    asks.append(m.Ack(stream.service, [gap]))
        return asks

    def _acks(self) -> list[m.Message]:
        acks: list[m.Message] = []
        for stream in self._streams.values():
            while stream.acks:
                acks.append(m.Ack(stream.service, stream.acks[: limits.GAPS_MAX]))
                stream.acks = stream.acks[limits.GAPS_MAX :]
        self._unacknowledged = 0
        return acks

    def _cancels(self, streams: list[Stream]) -> list[m.Message]:
        cancels: list[m.Message] = []
        for stream in streams:
            while stream.cancels:
                cancels.append(m.Cancel(stream.service, stream.cancels[: limits.GAPS_MAX]))
                stream.cancels = stream.cancels[limits.GAPS_MAX :]
        return cancels

    def next_deadline(self) -> float:
        """Return when to call `tick` and `outgoing` next."""
        beat = self._heartbeat_at if self.is_greeted and self.owed else inf
        return min(super().next_deadline(), beat)

    def is_silent(self, now: float) -> bool:
        """Return whether the server, which owes something, has not been heard from too long."""
        patience = heartbeats.silence_s(self._heartbeat_s)
        return self.is_greeted and self.owed > 0 and now - self._spoke_at > patience

    def goodbye(self) -> list[tuple[bytes, bytes]]:
        """Forget everything that is asked and owed; return the frames that end the session."""
        self._streams.clear()
        self.owed = 0
        return self.last_words()


def split(line: str) -> tuple[str, str] | m.Ended:
    """Split any line into the service's name and the arguments, or tell how the request ends."""
    name, arguments = plain.split(line)
    if not name:
        text = "the line is empty; it starts with a service's name, for example: gcd 12 18"
        return m.Ended("-", 1, 1, Outcome.NO_SERVICE, text)
    if not plain.NAME.fullmatch(name):
        shown = name if len(name) <= limits.NAME_CHARS_MAX else name[:40] + "…"
        text = f"unknown service '{shown}'; a name has letters, digits, '_', '.' and '-'"
        return m.Ended("-", 1, 1, Outcome.NO_SERVICE, text)
    if reason := why_unfit(arguments):
        return m.Ended("-", 1, 1, Outcome.FAILED, reason)
    return name, arguments


def are_fit(lines: Collection[str]) -> bool:
    """Return whether lines can be sent, as far as that is told at a glance; else look at each."""
    return max(map(len, lines), default=0) <= limits.LINE_BYTES_MAX and all(map(str.isascii, lines))


def why_unfit(line: str) -> str | None:
    """Return why a line's arguments cannot be sent, or None where they can."""
    if len(line) > limits.LINE_BYTES_MAX:
        return f"the line is too long; at most {limits.LINE_BYTES_MAX} bytes can be sent"
    if line.isascii():
        return None
    try:
        size = len(line.encode())
    except UnicodeEncodeError:
        return "the line is not Unicode text: it holds half a surrogate pair or a stray byte"
    if size > limits.LINE_BYTES_MAX:
        return f"the line is too long; at most {limits.LINE_BYTES_MAX} bytes can be sent"
    return None


def _deadline_s(expires_at: float, now: float) -> float:
    """Return how long a line has left, as a message tells it: 0 where there is no deadline."""
    if expires_at == inf:
        return 0.0
    return min(max(expires_at - now, limits.DEADLINE_LEAST_S), limits.WAIT_S_MAX)


def _insert(sent: deque[_Part], part: _Part) -> None:
    """Put a part among those that were sent, in ascending order (nearly always last)."""
    if not sent or sent[-1].first < part.first:
        sent.append(part)
        return
    parts_ = sorted([*sent, part], key=lambda each: each.first)
    sent.clear()
    sent.extend(parts_)

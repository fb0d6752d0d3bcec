"""The sessions of a worker: its guardian's, and the numbered stream of each executor; no I/O."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import NamedTuple

from linebus import limits
from linebus.core import heartbeats
from linebus.core.intervals import IntervalSet
from linebus.core.peer import Greeting, PeerSession
from linebus.wire import messages as m
from linebus.wire.packing import parts


class GuardianSession(PeerSession):
    """A guardian's dialogue: what is offered, which executors live, I am alive.

    It says hello once a connection stands and the first executor has told what it offers.
    """

    greeting_type = m.WorkerGreeting

    def __init__(self, ident: bytes, program: str, *, discovered: bool) -> None:
        """Start with nothing offered; `program` says for people what this worker is."""
        super().__init__(ident)
        self._program = program
        self.offers: list[m.Offer] = []
        self._discovered = discovered
        self._is_connected = False
        self._has_said_hello = False
        self._executors: dict[bytes, bool] = {}  # whether it is a spare one
        self.full = ""  # why the server has no room for this worker at the moment
        self._full_retry_s = 0.0
        self._said: list[m.Message] = []
        self._stops: list[m.Stop] = []
        self._heartbeat_s = limits.HEARTBEAT_S
        self._heartbeat_at = inf

    def offer(self, offers: list[m.Offer], now: float) -> None:
        """Offer these services from now on."""
        self.offers = offers
        if self._is_connected:
            super().connected(now)

    def connected(self, now: float) -> None:
        """Say hello, if there is something to offer."""
        self._is_connected = True
        if self.offers:
            super().connected(now)

    def disconnected(self) -> None:
        """Note that the connection is cut."""
        self._is_connected = self._has_said_hello = False
        self.full = ""
        super().disconnected()

    def vouch(self, key_hash: bytes, *, is_spare: bool = False) -> None:
        """Vouch for an executor that was just started, or that is a spare one no more."""
        self._executors[key_hash] = is_spare
        if self._has_said_hello:
            self._said.append(m.Vouch(key_hash, is_spare))

    def lost(self, lost: m.Lost) -> None:
        """Tell that an executor has died, and what that means for the line it worked on."""
        self._executors.pop(lost.executor, None)
        if self._has_said_hello:
            self._said.append(lost)

    def hand_back(self, executor: bytes, stream: bytes, position: int) -> None:
        """Tell that an executor is long at a line, and has not begun what is behind it."""
        if self._has_said_hello:
            self._said.append(m.HandBack(executor, stream, position))

    def hello(self, nonce: int) -> m.Hello:
        """Say what is offered and who works on it; later changes are told after the greeting."""
        self._has_said_hello = True
        self._said.clear()
        executors = list(self._executors)
        spares = [key_hash for key_hash, is_spare in self._executors.items() if is_spare]
        return m.WorkerHello(
            nonce, self.ident, self._program, self.offers, executors, self._discovered, spares
        )

    def greeted(self, greeting: Greeting, now: float) -> None:
        """Take up the rhythm that the server wants."""
        assert isinstance(greeting, m.WorkerGreeting), "its `greeting_type`"
        self.full, self._full_retry_s = "", 0.0
        self._heartbeat_s = max(limits.HEARTBEAT_S, greeting.heartbeat_s)
        self._heartbeat_at = now + self._heartbeat_s

    def refused(self, code: str, text: str, now: float) -> None:
        """Try again later where the server is full at the moment; give up otherwise."""
        if not code.startswith("too_many_"):
            super().refused(code, text, now)
        self.full = text
        self._full_retry_s = min(
            max(limits.FULL_RETRY_S, 2 * self._full_retry_s), limits.FULL_RETRY_S_MAX
        )
        self._say_hello_again(now, self._full_retry_s)

    def handle(self, message: m.FromServer, now: float) -> None:
        """Take one message of the session."""
        match message:
            case m.Heartbeat(every_s=every_s):
                self._heartbeat_s = max(limits.HEARTBEAT_S, every_s)
                self._heartbeat_at = min(self._heartbeat_at, now + self._heartbeat_s)
            case m.Stop():
                self._stops.append(message)
            case _:
                pass

    def take_stops(self) -> list[m.Stop]:
        """Hand out which lines of which executors nobody waits for any more."""
        stops, self._stops = self._stops, []
        return stops

    def messages(self, now: float) -> list[m.Message]:
        """Return what is to be said; a heartbeat where it is time for one."""
        if now >= self._heartbeat_at:
            self._said.append(m.Heartbeat(self._heartbeat_s))
            self._heartbeat_at = now + self._heartbeat_s
        said, self._said = self._said, []
        return said

    def next_deadline(self) -> float:
        """Return when to call `tick` and `outgoing` next."""
        beat = self._heartbeat_at if self.is_greeted else inf
        return min(super().next_deadline(), beat)

    def is_silent(self, now: float) -> bool:
        """Return whether the server has not been heard from for too long."""
        patience = heartbeats.silence_s(self._heartbeat_s)
        return self.is_greeted and now - self.heard_at > patience


class Slice(NamedTuple):
    """Lines to work on, numbered from `first` in the executor's stream.

    Where `values` is true their results are wanted as values, not as sentences.
    """

    first: int
    service: str
    lines: list[str]
    values: bool


def _without_long_texts(texts: list[str], failed: list[int]) -> tuple[list[str], list[int]]:
    """Put an error in the place of each text that is too long to be sent."""
    fit = []
    for offset, text in enumerate(texts):
        size = len(text.encode("utf-8", "backslashreplace"))
        if size > limits.TEXT_BYTES_MAX:
            fit.append(f"the reply is too long: {size} bytes; at most {limits.TEXT_BYTES_MAX}")
            failed = sorted({*failed, offset})
        else:
            fit.append(text)
    return fit, failed


class ExecutorSession(PeerSession):
    """An executor's numbered stream: lines held, texts kept until the broker has them.

    Credit is absolute: so many lines beyond those that have ended here; how many of these the
    broker sends at a time is its own affair. `generation` changes when the broker does not know the
    session any more, so that whoever works on a line knows that nobody waits for it.

    Once `skip` has been called no line is handed out until the broker has said which ones it has
    taken back.
    """

    greeting_type = m.ExecutorGreeting

    def __init__(self, ident: bytes, key: bytes) -> None:
        """Start a stream; `key` is what the guardian vouched for."""
        super().__init__(ident)
        self.generation = 0
        self.stream = b""
        self._key = key
        self._received = 0
        self._ended = 0  # lines that were answered or skipped
        self._held: deque[Slice] = deque()
        self._kept: dict[int, m.Answers] = {}
        self._unsent: list[m.Message] = []
        self._skipped: m.Skipped | None = None  # and not heard yet what was taken back

    @property
    def next_service(self) -> str | None:
        """Which service the next lines are for; None where no line may be begun."""
        return self._held[0].service if self._held and self._skipped is None else None

    def next_slice(self) -> Slice | None:
        """Hand out the next lines, in order."""
        return self._held.popleft() if self.next_service is not None else None

    def answer(self, first: int, texts: list[str], failed: list[int], took_s: float) -> None:
        """Take the texts for lines `first`, …; `failed` holds the offsets of those that failed."""
        ran_s = took_s / len(texts)
        self._ended += len(texts)
        if sum(map(len, texts)) > limits.TEXT_BYTES_MAX // 4:  # a rare look at single texts
            texts, failed = _without_long_texts(texts, failed)
        for start, end in parts(texts):
            here = [offset - start for offset in failed if start <= offset < end]
            part = texts if end - start == len(texts) else texts[start:end]
            answers = m.Answers(first + start, part, here, ran_s, self._credit())
            self._kept[answers.first] = answers
            self._unsent.append(answers)

    def skip(self, rest: Slice | None) -> None:
        """Begin nothing that has come; `rest` is what has not been begun of the slice at hand."""
        if rest is not None:
            self._held.appendleft(rest)
        first = self._held[0].first if self._held else self._received + 1
        self._skipped = m.Skipped(first, self._credit())
        self._unsent.append(self._skipped)

    def _credit(self) -> int:
        return self._ended + limits.CREDIT_LINES_MAX

    # -- the session -------------------------------------------------------------------------

    def hello(self, nonce: int) -> m.Hello:
        """Show the key and say how far this stream got."""
        far = (self._received, self._ended, self._credit())
        return m.ExecutorHello(nonce, self.ident, self._key, self.stream, *far)

    def greeted(self, greeting: Greeting, now: float) -> None:
        """Send what the broker has not got; or start anew where it does not know the session."""
        assert isinstance(greeting, m.ExecutorGreeting), "its `greeting_type`"
        if greeting.stream == self.stream:
            self._forget_through(greeting.answered)
        else:
            self.stream = greeting.stream
            self.generation += 1
            self._received = self._ended = 0
            self._held.clear()
            self._kept.clear()
            self._skipped = None
        self._unsent = list(self._kept.values())
        if self._skipped is not None:
            self._unsent.append(self._skipped)

    def handle(self, message: m.FromServer, now: float) -> None:
        """Take one message of the session."""
        match message:
            case m.Work(first=first, lines=lines):
                self._forget_through(message.received)
                if self._skipped is not None:
                    pass  # it was sent before that was heard, and is taken back
                elif first > self._received + 1:
                    self.connected(now)  # lines are missing: say hello, and go on from there
                elif first + len(lines) > self._received + 1:
                    fresh = lines[self._received + 1 - first :]
                    self._held.append(
                        Slice(self._received + 1, message.service, fresh, message.values)
                    )
                    self._received += len(fresh)
            case m.Received(through=through, beyond=beyond):
                self._forget_through(through)
                self._forget(IntervalSet(beyond))
            case m.TakenBack(through=through):
                self._taken_back(through)
            case _:
                pass

    def messages(self, now: float) -> list[m.Message]:
        """Return the texts that have not been sent."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _taken_back(self, through: int) -> None:
        if self._skipped is None or through < self._skipped.first - 1:
            return
        self._ended += through - self._skipped.first + 1
        self._received = max(self._received, through)
        self._skipped = None
        self._held.clear()

    def _forget_through(self, number: int) -> None:
        kept = self._kept
        while kept:
            first, answers = next(iter(kept.items()))
            if first + len(answers.texts) - 1 > number:
                return
            del kept[first]

    def _forget(self, beyond: IntervalSet) -> None:
        """Forget the texts for these lines, which came out of their order."""
        if len(beyond):
            kept = self._kept.items()
            self._kept = {first: each for first, each in kept if beyond.missing(first, first)}

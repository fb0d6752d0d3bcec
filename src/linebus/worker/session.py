"""The sessions of a worker: its guardian's, and the numbered stream of each executor; no I/O."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import NamedTuple

from linebus import limits
from linebus.core.peer import Greeting, PeerSession
from linebus.wire import messages as m
from linebus.wire.packing import parts

# How much the cost of the lines just worked on weighs against that of those before.
_COST_WEIGHT = 0.5


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
        self._executors: dict[bytes, None] = {}
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

    def vouch(self, key_hash: bytes) -> None:
        """Vouch for an executor that was just started."""
        self._executors[key_hash] = None
        if self._has_said_hello:
            self._said.append(m.Vouch(key_hash))

    def lost(self, key_hash: bytes, position: int, reason: str) -> None:
        """Tell that an executor has died, and on which line (0: on none)."""
        self._executors.pop(key_hash, None)
        if self._has_said_hello:
            self._said.append(m.Lost(key_hash, position, reason))

    def hello(self, nonce: int) -> m.Hello:
        """Say what is offered and who works on it; later changes are told after the greeting."""
        self._has_said_hello = True
        self._said.clear()
        executors = list(self._executors)
        return m.WorkerHello(
            nonce, self.ident, self._program, self.offers, executors, self._discovered
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
        patience = self._heartbeat_s * limits.HEARTBEATS_MISSED_MAX
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

    Credit is absolute and follows the measured cost of a line: SLICES_UNDER_WAY times SLICE_S of
    work beyond what is answered. `generation` changes when the broker does not know the session
    any more, so that whoever works on a line knows that nobody waits for it.
    """

    greeting_type = m.ExecutorGreeting

    def __init__(self, ident: bytes, key: bytes) -> None:
        """Start a stream; `key` is what the guardian vouched for."""
        super().__init__(ident)
        self.generation = 0
        self._key = key
        self._stream = b""
        self._received = 0
        self._answered = 0
        self._line_cost_s = 0.0
        self._held: deque[Slice] = deque()
        self._kept: deque[m.Answers] = deque()
        self._unsent: list[m.Message] = []

    @property
    def next_service(self) -> str | None:
        """Which service the next lines are for; None where no line waits."""
        return self._held[0].service if self._held else None

    def next_slice(self) -> Slice | None:
        """Hand out the next lines, in order."""
        return self._held.popleft() if self._held else None

    def answer(self, first: int, texts: list[str], failed: list[int], took_s: float) -> None:
        """Take the texts for lines `first`, …; `failed` holds the offsets of those that failed."""
        ran_s = took_s / len(texts)
        before = self._line_cost_s or ran_s
        self._line_cost_s = before + _COST_WEIGHT * (ran_s - before)
        self._answered = first + len(texts) - 1
        if sum(map(len, texts)) > limits.TEXT_BYTES_MAX // 4:  # a rare look at single texts
            texts, failed = _without_long_texts(texts, failed)
        for start, end in parts(texts):
            here = [offset - start for offset in failed if start <= offset < end]
            part = texts if end - start == len(texts) else texts[start:end]
            answers = m.Answers(first + start, part, here, ran_s, self._credit())
            self._kept.append(answers)
            self._unsent.append(answers)

    def _credit(self) -> int:
        if not self._line_cost_s:
            return self._answered + limits.FIRST_CREDIT_LINES
        lines = int(limits.SLICES_UNDER_WAY * limits.SLICE_S / self._line_cost_s)
        lines = max(limits.SLICES_UNDER_WAY, min(lines, limits.CREDIT_LINES_MAX))
        return self._answered + lines

    # -- the session -------------------------------------------------------------------------

    def hello(self, nonce: int) -> m.Hello:
        """Show the key and say how far this stream got."""
        far = (self._received, self._answered, self._credit())
        return m.ExecutorHello(nonce, self.ident, self._key, self._stream, *far)

    def greeted(self, greeting: Greeting, now: float) -> None:
        """Send what the broker has not got; or start anew where it does not know the session."""
        assert isinstance(greeting, m.ExecutorGreeting), "its `greeting_type`"
        if greeting.stream == self._stream:
            self._forget_through(greeting.answered)
        else:
            self._stream = greeting.stream
            self.generation += 1
            self._received = self._answered = 0
            self._held.clear()
            self._kept.clear()
        self._unsent = list(self._kept)

    def handle(self, message: m.FromServer, now: float) -> None:
        """Take one message of the session."""
        match message:
            case m.Work(first=first, lines=lines):
                self._forget_through(message.received)
                if first > self._received + 1:
                    self.connected(now)  # lines are missing: say hello, and go on from there
                elif first + len(lines) > self._received + 1:
                    fresh = lines[self._received + 1 - first :]
                    self._held.append(
                        Slice(self._received + 1, message.service, fresh, message.values)
                    )
                    self._received += len(fresh)
            case m.Received(through=through):
                self._forget_through(through)
            case _:
                pass

    def messages(self, now: float) -> list[m.Message]:
        """Return the texts that have not been sent."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _forget_through(self, number: int) -> None:
        kept = self._kept
        while kept and kept[0].first + len(kept[0].texts) - 1 <= number:
            kept.popleft()

"""The exercise's side of the broker: plain lines to whom, results to everyone.

Lines of plain clients go to native workers where there are some, else to the plain workers that
subscribe to them, else, after a grace, into an error line on client_outputs. The promise of exactly
one outcome begins with the native dialect; here it is "never silence".
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.lifecycle import Outcome
from linebus.core.plain_peers import Audience, HeldLines, PlainClients, PlainWorkers
from linebus.core.timers import Cause, Timers
from linebus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linebus.core.clients import Books
    from linebus.core.directory import Directory
    from linebus.core.dispatch import Service
    from linebus.core.effects import Effects

    Accept = Callable[[Books, int, list[str], float], None]


class PlainSide:
    """Takes what the exercise's four sockets bring and decides where it goes.

    `accept` is the broker's way to queue lines for native workers.
    """

    def __init__(
        self, effects: Effects, timers: Timers, directory: Directory, accept: Accept, *, echo: bool
    ) -> None:
        """Start with no peer known; `echo` publishes requests too, as in a chat."""
        self._effects = effects
        self._timers = timers
        self._directory = directory
        self._accept = accept
        self._echo = echo
        self._clients = PlainClients(effects)
        self._workers = PlainWorkers()
        self._held_lines = HeldLines()
        self._start_grace_until = 0.0
        self._wakes_at = inf
        self._has_changed = False

    def start(self, grace_until: float) -> None:
        """Give everyone until this moment to come back."""
        self._start_grace_until = grace_until

    def request(self, frame: bytes, now: float) -> None:
        """Take a plain client's line."""
        line = plain.decode(frame)
        if line is None:
            reason = f"not UTF-8 text, or longer than {limits.PLAIN_TEXT_BYTES_MAX} bytes"
            cure = "ask long lines with linebus ask"
            self._effects.publish(plain.error(f"a line was refused: {reason}; {cure}"))
        elif line.strip():
            if self._echo:
                self._effects.publish(line)
            self._route_or_hold(line, now, now)

    def result(self, frames: Sequence[bytes]) -> None:
        """Take a plain worker's result and pass it on to every plain client."""
        data = b" ".join(frames)
        text = plain.decode(data)
        if text is not None:
            self._effects.publish(text)
        elif len(data) > limits.PLAIN_TEXT_BYTES_MAX:
            self._effects.publish(plain.error(f"a plain worker's {plain.too_long(len(data))}"))

    def subscription(self, frame: bytes, now: float) -> None:
        """Take what worker_inputs reports of a subscriber."""
        self._workers.subscription(frame, now)
        self._has_changed = True

    def subscriptions_lost(self, now: float) -> None:
        """Note that all plain peers have been cut off: give them time to come back."""
        self._workers = PlainWorkers()
        self._start_grace_until = max(self._start_grace_until, now + limits.START_GRACE_S)
        self._has_changed = True

    def worker_came(self, now: float, *, discovered: bool) -> None:
        """Note that a native worker has said hello."""
        if discovered:
            self._workers.found_native()
        self._has_changed = True

    def undecided(self, now: float) -> bool:
        """Return whether a worker may still be about to find the native way."""
        return now < self._workers.undecided_until

    def offers(self, name: str) -> bool:
        """Return whether plain workers subscribe to lines for this service."""
        return self._workers.audience(f"{name} ") is Audience.PREFIX

    def names(self) -> set[str]:
        """Return the names to whose lines plain workers subscribe."""
        return self._workers.names()

    def hold_over(self, now: float) -> None:
        """Look at the lines that are held, if the earliest of their moments has come."""
        if now >= self._wakes_at:
            self.reconsider(now)

    def settle(self, now: float) -> None:
        """Look at the lines that are held once a round, however many workers have come in it."""
        if self._has_changed:
            self._has_changed = False
            self.reconsider(now)

    def _wake_at(self, at: float) -> None:
        # One timer for all lines: one for each would multiply at every look.
        if at < self._wakes_at:
            self._wakes_at = at
            self._timers.set(at, Cause.PLAIN_HOLD_OVER)

    def reconsider(self, now: float) -> None:
        """Look at the lines that are held once more."""
        self._wakes_at = inf
        for received_at, line in self._held_lines.take_all():
            self._route_or_hold(line, received_at, now)

    def _route_or_hold(self, line: str, received_at: float, now: float) -> None:
        decided_at = self._decided_at(received_at)
        if self._route(line, now, decided_at):
            return
        until = max(self._grace_until(plain.split(line)[0], received_at), decided_at)
        if now < until:
            if self._held_lines.hold(line, received_at):
                self._wake_at(decided_at if now < decided_at else until)
            else:
                self._overloaded(line)
            return
        if self._workers.audience(line) is Audience.EVERYTHING:
            self._effects.broadcast.append(line)
        _, text = self._directory.absence(plain.split(line)[0], now)
        self._effects.publish(plain.error(text))

    def _decided_at(self, received_at: float) -> float:
        """Return until when a line waits for workers that may still be about to come.

        However many come one after the other: a line waits for all of them together.
        """
        return min(self._workers.undecided_until, received_at + limits.PLAIN_HOLD_S)

    def _grace_until(self, name: str, received_at: float) -> float:
        service = self._directory.get(name)
        known = name in plain.EXERCISE or (service is not None and service.offer is not None)
        grace_s = limits.NO_WORKER_GRACE_S if known else 0.0
        return max(self._start_grace_until, received_at + grace_s)

    def _route(self, line: str, now: float, decided_at: float) -> bool:
        """Hand a line to native or plain workers; return False where there are none."""
        name, arguments = plain.split(line)
        service = self._directory.get(name)
        if service is not None and service.pools:
            self._ask(service, arguments, now)
            return True
        if now < decided_at or self._workers.audience(line) is not Audience.PREFIX:
            return False
        usage = plain.malformed(line)
        if usage is None:
            self._effects.broadcast.append(line)
        else:
            text = f"{plain.shorten(line)}: not a line for '{name}'; usage: {usage}"
            self._effects.publish(plain.error(text))
        return True

    def _ask(self, service: Service, arguments: str, now: float) -> None:
        books = self._clients.books_for(service)
        if books is None:
            self._overloaded(f"{service.name} {arguments}")
            return
        self._accept(books, self._clients.next_number(service.name), [arguments], now)

    def _overloaded(self, line: str) -> None:
        reason = f"{Outcome.OVERLOADED}: too many plain requests wait; try again later"
        self._effects.publish(plain.error(f"{plain.shorten(line)}: {reason}"))

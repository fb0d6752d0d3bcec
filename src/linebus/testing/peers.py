"""Clients, guardians and executors in one thread: their real sessions, moved by a world."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from linebus import limits
from linebus.client.order import Order
from linebus.client.session import ClientSession
from linebus.wire.messages import Lost, Offer, Stop
from linebus.worker import position as page
from linebus.worker.answering import answer_of, not_offered, offer_of
from linebus.worker.session import ExecutorSession, GuardianSession, Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.client.reply import Reply
    from linebus.services.catalog import AnyService
    from linebus.testing.world import World

PROGRAM = "linebus.testing"

Answer = Callable[[str], str]


class Offered(NamedTuple):
    """What a worker offers under one name, and the functions that do the work."""

    offer: Offer
    answer: Answer
    value: Answer


def of_function(name: str, answer: Answer, at_once: int = 0) -> Offered:
    """Offer a plain function of text; asked for a value, it gives the same text."""
    return Offered(Offer(name, f"{name} X", "", at_once=at_once), answer, answer)


def hand_back(executor: ExecutorPeer) -> None:
    """Have what is behind an executor's line given to others, as where that takes long."""
    executor.page.cell[page.PAUSE] = 1
    told = (executor.key_hash, executor.session.stream, executor.position)
    executor.guardian.session.hand_back(*told)


def of_service(service: AnyService) -> Offered:
    """Offer a service as a worker does that has loaded it."""
    return Offered(offer_of(service), service.answer, service.value)


class ClientPeer:
    """A client: what it asked, and each reply in order."""

    def __init__(self, world: World, number: int) -> None:
        """Start without a connection."""
        self.session = ClientSession(b"client-%09d" % number, PROGRAM)
        self.link = world.new_link(self.session)
        self.order = Order(self.session)
        self.asked: list[str] = []
        self.replies: list[Reply] = []

    def ask(self, *lines: str) -> None:
        """Ask lines; they leave when the world moves."""
        self.asked += lines
        self.order.ask(lines)

    def collect(self) -> None:
        """Take the replies that have come."""
        self.session.take_arrivals()  # they are found by their order
        self.replies += self.order.take()

    @property
    def texts(self) -> list[str]:
        """The replies' texts, in order."""
        return [reply.text for reply in self.replies]

    @property
    def outcomes(self) -> list[str]:
        """The replies' outcomes, in order."""
        return [str(reply.outcome) for reply in self.replies]


class SharedPage:
    """What an executor and its guardian share, without shared memory."""

    def __init__(self, session: ExecutorSession) -> None:
        """Start with no line at hand."""
        self.cell = [0] * page.CELLS
        self._session = session

    @property
    def stream(self) -> bytes:
        """What the executor's stream is called."""
        return self._session.stream


class ExecutorPeer:
    """An executor: works on one line at a time when it is told to.

    `position` is the number of the line at hand, 0 where there is none. `is_busy` says that it
    does not come to the line's end: it hangs, or its service waits for something itself.
    """

    def __init__(self, world: World, guardian: GuardianPeer, number: int) -> None:
        """Start without a connection, with a key that its guardian can vouch for."""
        self.key = b"key-%028d" % number
        self.key_hash = hashlib.sha256(self.key).digest()
        self.guardian = guardian
        self.session = ExecutorSession(b"executor-%07d" % number, self.key)
        self.link = world.new_link(self.session)
        self.page = SharedPage(self.session)
        self.is_alive = True
        self.is_busy = False
        self.is_spare = False
        self._world = world
        self._slice: Slice | None = None
        self._generation = 0

    @property
    def position(self) -> int:
        """The number of the line at hand in the executor's stream."""
        return self.page.cell[page.NUMBER]

    @position.setter
    def position(self, number: int) -> None:
        self.page.cell[page.NUMBER] = number

    @property
    def line(self) -> str:
        """The line at hand, empty where there is none."""
        work = self._slice
        return f"{work.service} {work.lines[0]}" if work is not None and self.position else ""

    @property
    def can_move(self) -> bool:
        """Whether it lives and neither its host nor its service holds it up."""
        return self.is_alive and not self.is_busy and self.link not in self._world.stopped

    def begin(self) -> bool:
        """Begin the next line; return whether there is one at hand."""
        if not self.can_move:
            return False
        if self.position and self._generation == self.session.generation:
            return True
        self.position = 0
        if self._generation != self.session.generation:
            self._slice = None
            self._generation = self.session.generation
        if self.page.cell[page.PAUSE]:
            self.pause()
        elif self._slice is None:
            self._slice = self.session.next_slice()
        if self._slice is None:
            return False
        self.position = self._slice.first
        return True

    def pause(self) -> None:
        """Say what has not been begun, since it was asked to begin nothing more."""
        self.page.cell[page.PAUSE] = 0
        rest, self._slice = self._slice, None
        self.session.skip(rest)

    def finish(self, cost_s: float | None = None) -> None:
        """Answer the line that was begun, at the world's cost of a line or at this one.

        What the service adds to the world's clock counts as well. A service that ends its process
        takes the executor with it.
        """
        work = self._slice
        assert work is not None, "begin it first"
        if self._generation != self.session.generation:
            self.position = 0
            self._slice = None
            return
        began_at = self._world.now
        self.is_busy = True
        try:
            run = self.guardian.function_for(work)
            text, failed = answer_of(run, work.service, work.lines[0])
        except SystemExit as end:
            self.guardian.kill_executor(self, reason=f"ended with exit code {_exit_code(end)}")
            return
        finally:
            self.is_busy = False
        took_s = self._world.line_cost_s if cost_s is None else cost_s
        took_s += self._world.now - began_at
        self._world.mishaps.line_done(self, work.service, work.lines[0])
        if self.is_alive and not self.is_busy:
            self.hand_in(work, text, took_s, failed=failed)

    def hand_in(self, work: Slice, text: str, took_s: float, *, failed: bool) -> None:
        """Give the session the text for the first line of a slice, and go on with the rest."""
        self.position = 0
        if self._generation != self.session.generation:  # nobody waits for it any more
            self._slice = None
            return
        self.session.answer(work.first, [text], [0] if failed else [], took_s)
        rest = work.lines[1:]
        self._slice = Slice(work.first + 1, work.service, rest, work.values) if rest else None


class GuardianPeer:
    """A guardian with executors, and what they offer.

    As a real one it has a spare executor beside its own where these are several.
    """

    def __init__(
        self, world: World, number: int, offered: Sequence[Offered], executors: int
    ) -> None:
        """Start the executors; the guardian itself has no connection yet."""
        self.world = world
        self.services = {each.offer.name: each for each in offered}
        self.session = GuardianSession(b"guardian-%07d" % number, PROGRAM, discovered=False)
        self.link = world.new_link(self.session)
        self.executors: list[ExecutorPeer] = []
        self.stops: list[Stop] = []  # what it was told that nobody waits for
        self.session.offer([each.offer for each in offered], world.now)
        for _ in range(executors):
            self.start_executor()
        if executors >= limits.SPARE_PROCS_MIN:
            self.start_executor(is_spare=True)

    @property
    def spare(self) -> ExecutorPeer | None:
        """The spare executor, if it lives."""
        return next((each for each in self.executors if each.is_spare), None)

    def start_executor(self, *, is_spare: bool = False) -> ExecutorPeer:
        """Start an executor, vouched for and connected."""
        executor = self.world.new_executor(self)
        executor.is_spare = is_spare
        self.session.vouch(executor.key_hash, is_spare=is_spare)
        self.executors.append(executor)
        executor.link.connect()
        return executor

    def promote_spare(self) -> bool:
        """Have the spare executor take the place of one that has ended; False: there is none."""
        spare = self.spare
        if spare is not None:
            spare.is_spare = False
            self.session.vouch(spare.key_hash)
        return spare is not None

    def kill_executor(
        self, executor: ExecutorPeer, *, reason: str = "killed by SIGKILL", replace: bool = True
    ) -> None:
        """End an executor, tell the server, and start another one in its place."""
        self.executors.remove(executor)
        executor.is_alive = False
        executor.link.cut()
        self.world.remove(executor.link)
        stream = executor.session.stream
        self.session.lost(Lost(executor.key_hash, executor.position, reason, stream))
        if replace:
            self.start_executor(is_spare=executor.is_spare or self.promote_spare())

    def heed_stops(self) -> bool:
        """Kill executors that hang at lines nobody waits for; return whether there were any."""
        self.stops += self.session.take_stops()
        stuck = [each for each in self.executors if each.is_busy and self._is_unwanted(each)]
        for executor in stuck:
            executor.position = 0  # no line is to be charged for it
            self.kill_executor(executor, reason="stopped")
        return bool(stuck)

    def _is_unwanted(self, executor: ExecutorPeer) -> bool:
        return any(
            stop.executor == executor.key_hash and stop.first <= executor.position <= stop.last
            for stop in self.stops
        )

    def function_for(self, work: Slice) -> Answer:
        """Return what does the work on these lines."""
        offered = self.services.get(work.service)
        if offered is None:
            return not_offered
        return offered.value if work.values else offered.answer


def _exit_code(end: SystemExit) -> int:
    """Return the code with which a process ends that raises this."""
    if end.code is None:
        return 0
    return end.code if isinstance(end.code, int) else 1

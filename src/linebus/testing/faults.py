"""What can go wrong at a line, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from linebus.client.session import split
from linebus.errors import UsageError
from linebus.testing.world import Mishaps
from linebus.wire import messages as m
from linebus.wire import native
from linebus.wire.messages import count_of

if TYPE_CHECKING:
    from linebus.testing.network import Link
    from linebus.testing.peers import ExecutorPeer
    from linebus.testing.world import World


class Fault(StrEnum):
    """What can go wrong at a line.

    Those of executors, workers and the server strike at the worst moment: the service has done its
    work, and the reply has not left. So a line that is tried again is worked on twice.
    """

    EXECUTOR_DIES = "executor_dies"
    """The executor dies, as by SIGKILL. The line gets a strike; another executor starts."""
    EXECUTOR_HANGS = "executor_hangs"
    """The executor never comes to the line's end. Its worker's heartbeats go on."""
    EXECUTOR_CUT_OFF = "executor_cut_off"
    """The executor's connection is cut. It comes back and hands in its reply."""
    WORKER_DIES = "worker_dies"
    """The worker and all its executors are killed. Their lines go to others, without a strike."""
    WORKER_VANISHES = "worker_vanishes"
    """The worker's host falls silent, and its connections stay open. So does `Worker.stop`."""
    SERVER_RESTARTS = "server_restarts"
    """The server is killed and started again, and knows nothing of what it was asked."""
    REQUEST_LOST = "request_lost"
    """The client's connection is cut with the request under way. The client asks again."""
    REPLY_LOST = "reply_lost"
    """The client's connection is cut with the reply under way. The server sends it again."""


_AT_WORK = frozenset(Fault) - {Fault.REQUEST_LOST, Fault.REPLY_LOST}


@dataclass(slots=True, eq=False)
class _Armed:
    """A fault that waits for its line."""

    fault: Fault
    at: str
    service: str
    arguments: str
    times: int
    struck: int = 0

    def waits_for(self, service: str, arguments: str) -> bool:
        """Return whether it strikes at such a line, which may be spelled with more blanks."""
        if self.struck >= self.times or self.service != service:
            return False
        return self.arguments == arguments.strip(" \t")


class Faults(Mishaps):
    """The faults that are to strike in a world. At one moment one of them strikes."""

    def __init__(self, world: World) -> None:
        """Start with none."""
        self._world = world
        self._armed: list[_Armed] = []
        self._replies_to_lose: dict[tuple[Link, str, int], _Armed] = {}

    def arm(self, name: str, at: str, times: int) -> None:
        """Let a fault strike the next `times` times that the line `at` comes by.

        Raises UsageError where there is no such fault or line.
        """
        try:
            fault = Fault(name)
        except ValueError as error:
            raise UsageError(
                f"no fault is called {name!r}; there are: {', '.join(Fault)}"
            ) from error
        parts = split(at)
        if isinstance(parts, m.Ended):
            raise UsageError(f"a fault strikes at a line: {parts.text}")
        if times < 1:
            raise UsageError(f"a fault strikes at least once; got times={times!r}")
        self._armed.append(_Armed(fault, at, *parts, times))

    def check(self) -> None:
        """Raise UsageError for a fault that has never struck: the test did not see it."""
        for armed in self._armed:
            if not armed.struck:
                raise UsageError(
                    f"the fault {armed.fault} at {armed.at!r} has never struck; "
                    "was the line asked, in just these words, and worked on?"
                )

    def line_done(self, executor: ExecutorPeer, service: str, arguments: str) -> None:
        """Strike at an executor that has worked on a line."""
        armed = self._waiting(_AT_WORK, service, arguments)
        if armed is None:
            return
        armed.struck += 1
        world, guardian = self._world, executor.guardian
        match armed.fault:
            case Fault.EXECUTOR_DIES:
                guardian.kill_executor(executor)
            case Fault.EXECUTOR_HANGS:
                executor.is_busy = True
            case Fault.EXECUTOR_CUT_OFF:
                world.interrupt(executor.link)
            case Fault.WORKER_DIES:
                world.kill_guardian(guardian)
            case Fault.WORKER_VANISHES:
                world.stop_guardian(guardian)
            case Fault.SERVER_RESTARTS:
                world.restart_server()

    def on_the_way(self, link: Link, body: bytes, *, to_server: bool) -> None:
        """Strike at a client's connection with a message under way."""
        if not self._armed:
            return
        if to_server:
            for asked in native.decode_from_peer(body):
                if isinstance(asked, m.Ask):
                    self._asked(link, asked)
        elif self._replies_to_lose:
            for reply in native.decode_from_server(body):
                if isinstance(reply, m.Replies | m.Ended):
                    self._replied(link, reply)

    def _asked(self, link: Link, asked: m.Ask) -> None:
        for number, arguments in enumerate(asked.lines, asked.first):
            armed = self._waiting({Fault.REQUEST_LOST}, asked.service, arguments)
            if armed is not None:
                self._cut(link, armed)
            elif armed := self._waiting({Fault.REPLY_LOST}, asked.service, arguments):
                self._replies_to_lose[link, asked.service, number] = armed

    def _replied(self, link: Link, reply: m.Replies | m.Ended) -> None:
        for number in range(reply.first, reply.first + count_of(reply)):
            armed = self._replies_to_lose.get((link, reply.service, number))
            if armed is not None and armed.struck < armed.times:
                self._cut(link, armed)

    def _cut(self, link: Link, armed: _Armed) -> None:
        armed.struck += 1
        self._world.interrupt(link)

    def _waiting(
        self, faults: set[Fault] | frozenset[Fault], service: str, arguments: str
    ) -> _Armed | None:
        for armed in self._armed:
            if armed.fault in faults and armed.waits_for(service, arguments):
                return armed
        return None

"""The broker against a plain model: for each line the outcomes that it may have, and one of them.

Hypothesis draws what happens: peers come, die, are cut and stop, the server restarts, time passes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from linebus import limits
from linebus.errors import Refused
from linebus.testing.world import World

if TYPE_CHECKING:
    from linebus.testing.peers import ExecutorPeer, GuardianPeer

SERVICES = ("echo", "odd")
PICK = st.integers(0, 7)
# After this long without faults everything has ended: an executor's return, then the grace.
CALM_S = 2 * (limits.EXECUTOR_RETURN_S + limits.NO_WORKER_GRACE_S)


def echo(arguments: str) -> str:
    return f"echo {arguments}"


def odd(arguments: str) -> str:
    if not int(arguments) % 2:
        raise Refused(f"{arguments} is even")
    return f"odd {arguments}"


def text_of(line: str) -> tuple[str, str]:
    """The model of the services: how a line that is worked on ends."""
    service, number = line.split()
    if service == "odd" and not int(number) % 2:
        return "failed", f"{number} is even"
    return "answered", line


class Machine(RuleBasedStateMachine):
    """`may` says of each line which outcomes have become possible beside that of its text."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.clients = [self.world.client() for _ in range(2)]
        self.may: dict[str, set[str]] = defaultdict(set)
        self.numbers: dict[str, int] = {}  # of each line, in its client's stream
        self.deaths: Counter[str] = Counter()
        self.asked = 0

    def absent(self) -> None:
        """No worker may be here for any line that waits, at some moment."""
        for client in self.clients:
            for line in client.asked[len(client.replies) :]:
                self.may[line] |= {"no_worker", "no_service"}

    def offering(self) -> set[str]:
        world = self.world
        here = [g for g in world.guardians if g.session.is_greeted and g.link not in world.stopped]
        return {name for guardian in here for name in guardian.services}

    @invariant()
    def one_outcome_for_each_line_in_order(self) -> None:
        for client in self.clients:
            assert len(client.replies) <= len(client.asked)
            for line, reply in zip(client.asked, client.replies, strict=False):
                if reply.outcome in {"answered", "failed"}:
                    assert (reply.outcome, reply.text) == text_of(line)
                    assert reply.worker > 0
                    assert reply.attempt > 0
                else:
                    assert str(reply.outcome) in self.may[line]

    @invariant()
    def books_are_sound(self) -> None:
        broker = self.world.broker
        assert broker.held_bytes >= 0
        assert all(service.waiting >= 0 for service in broker._directory._services.values())

    @rule(who=PICK, service=st.sampled_from(SERVICES), count=st.integers(1, 40), late=st.booleans())
    def ask(self, who: int, service: str, count: int, late: bool) -> None:
        client = self.clients[who % 2]
        lines = [f"{service} {number}" for number in range(self.asked, self.asked + count)]
        self.asked += count
        first = client.session.stream(service).next_number
        self.numbers |= {line: first + offset for offset, line in enumerate(lines)}
        client.asked += lines
        if late:
            client.order.ask(lines, expires_at=self.world.now + count / 10)
            for line in lines:
                self.may[line].add("expired")
        else:
            client.order.ask(lines)
        if service not in self.offering():
            self.absent()

    @rule(who=PICK, nth=PICK, count=st.integers(1, 5))
    def cancel(self, who: int, nth: int, count: int) -> None:
        client = self.clients[who % 2]
        for line in client.asked[len(client.replies) :][nth : nth + count]:
            stream = client.session.stream(line.split()[0])
            stream.cancels.append((self.numbers[line], self.numbers[line]))
            self.may[line].add("cancelled")

    @rule(who=PICK)
    def cut_client(self, who: int) -> None:
        link = self.clients[who % 2].link
        if link.route is not None:
            self.world.interrupt(link)

    @precondition(lambda self: len(self.world.guardians) < 4)
    @rule(procs=st.integers(0, 3), both=st.booleans())
    def come(self, procs: int, both: bool) -> None:
        self.world.guardian({"echo": echo, "odd": odd} if both else {"echo": echo}, procs)

    def _guardian(self, which: int) -> GuardianPeer | None:
        guardians = self.world.guardians
        return guardians[which % len(guardians)] if guardians else None

    def _executor(self, which: int) -> ExecutorPeer | None:
        executors = self.world.executors
        return executors[which % len(executors)] if executors else None

    @rule(which=PICK)
    def leave(self, which: int) -> None:
        if guardian := self._guardian(which):
            self.world.kill_guardian(guardian)
            self.absent()

    @rule(which=PICK)
    def stop_or_go_on(self, which: int) -> None:
        if guardian := self._guardian(which):
            if guardian.link in self.world.stopped:
                self.world.resume_guardian(guardian)
            else:
                self.world.stop_guardian(guardian)
            self.absent()

    @rule(which=PICK, begins=st.booleans())
    def die(self, which: int, begins: bool) -> None:
        if (executor := self._executor(which)) and executor.can_move:
            if begins and executor.begin():
                self.deaths[executor.line] += 1
                if self.deaths[executor.line] >= limits.STRIKES_MAX:
                    self.may[executor.line].add("quarantined")
            executor.guardian.kill_executor(executor)

    @rule(which=PICK)
    def finish_one(self, which: int) -> None:
        if (executor := self._executor(which)) and executor.begin():
            executor.finish()

    @rule(which=PICK, executors=st.booleans())
    def cut_worker(self, which: int, executors: bool) -> None:
        peer = self._executor(which) if executors else self._guardian(which)
        if peer and peer.link.route is not None:
            self.world.interrupt(peer.link)
            self.absent()

    @rule()
    def restart(self) -> None:
        self.world.restart_server()
        self.absent()

    @rule(seconds=st.floats(0, 8))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(work=st.booleans())
    def go_on(self, work: bool) -> None:
        (self.world.work if work else self.world.pump)()

    def teardown(self) -> None:
        world = self.world
        self.absent()
        world.stopped.clear()
        world.guardian({"echo": echo, "odd": odd})
        world.run_until(lambda: not any(c.session.owed for c in self.clients), world.now + CALM_S)
        assert [len(c.replies) for c in self.clients] == [len(c.asked) for c in self.clients]
        self.one_outcome_for_each_line_in_order()
        world.pass_time(1)  # whoever is cut comes back
        for client in list(self.clients):
            world.dismiss_client(client)
        world.run_until(lambda: False, world.now + CALM_S)
        assert world.broker.held_bytes == 0
        assert not world.broker._clients


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

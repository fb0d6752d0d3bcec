"""The real broker and the real sessions under random faults; a failure is a seed.

`LINEBUS_FAULT_SEEDS=5000 pytest tests/faults` looks further than CI does.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.core.clients import count_of
from linebus.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.testing.network import Link
    from linebus.testing.peers import ClientPeer

SEEDS = int(os.environ.get("LINEBUS_FAULT_SEEDS", "150"))
STEPS = 400
# After the faults stop everything ends within this time of the simulated clock.
CALM_S = 30.0


def answer(arguments: str) -> str:
    return f"answer to {arguments}"


class Storm:
    """Random steps: messages move one by one, connections are cut, processes die and return."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World()
        self.world.guardian({"echo": answer, "other": answer}, procs=2)
        self.world.guardian({"echo": answer}, procs=1)
        self.clients = [self.world.client() for _ in range(3)]
        self.asked = 0
        self._steps = [
            (60, self.move),
            (12, self.round),
            (16, self.work),
            (6, self.ask),
            (4, self.let_time_pass),
            (2, self.cut),
            (6, self.come_back),
            (1, self.kill_executor),
            (0.4, self.replace_guardian),
            (0.4, self.restart_broker),
        ]

    def run(self, steps: int) -> None:
        weights = [weight for weight, _ in self._steps]
        actions = [action for _, action in self._steps]
        for action in self.random.choices(actions, weights, k=steps):
            action()
            self.check()

    def move(self) -> None:
        link = self.random.choice(self.world.links)
        link.collect()
        if link.to_server and self.random.random() < 0.5:
            link.deliver_to_server()
        elif link.to_peer:
            link.deliver_to_peer()

    def round(self) -> None:
        self.world.broker_round()

    def work(self) -> None:
        for executor in self.world.executors:
            if self.random.random() < 0.7 and executor.begin() and self.random.random() < 0.8:
                executor.finish(cost_s=self.random.choice([1e-6, 1e-3, 0.05]))

    def ask(self) -> None:
        client = self.random.choice(self.clients)
        lines = []
        for _ in range(self.random.choice([1, 1, 5, 200])):
            self.asked += 1
            lines.append(f"{self.random.choice(['echo', 'echo', 'other'])} {self.asked}")
        client.ask(*lines)

    def let_time_pass(self) -> None:
        self.world.now += self.random.choice([0.001, 0.03, 0.3])

    def cut(self) -> None:
        link = self.random.choice(self.world.links)
        self.lose(link, link.cut)

    def lose(self, link: Link, how: Callable[..., None]) -> None:
        """Lose a connection; some of what was under way reaches its next one."""
        unsent = self.random.choice([0, 1, len(link.to_server)])
        unread = self.random.choice([0, 1, len(link.to_peer)])
        how(unsent=unsent, unread=unread)

    def come_back(self) -> None:
        for link in self.world.links:
            if link.route is None and self.random.random() < 0.5:
                link.connect()

    def kill_executor(self) -> None:
        executor = self.random.choice(self.world.executors)
        executor.position = 0  # strikes have tests of their own; here every line shall be answered
        executor.guardian.kill_executor(executor)

    def replace_guardian(self) -> None:
        guardian = self.random.choice(self.world.guardians)
        services = dict.fromkeys(guardian.services, answer)
        self.world.guardian(services, procs=len(guardian.executors))
        self.world.kill_guardian(guardian)

    def restart_broker(self) -> None:
        self.world.restart_broker(lambda link: self.lose(link, link.lose))

    def check(self) -> None:
        for client in self.clients:
            check_replies(client)
        workers = self.world.broker._workers.values()
        known = [executor for worker in workers for executor in worker.vouched.values()]
        for executor in filter(None, known):
            check_stream(executor.sent, executor.answered, [x.run.count for x in executor.leases])
        assert self.world.broker.held_bytes >= 0

    def calm_down(self) -> None:
        """Let everyone come back; then all that was asked must end."""
        end = self.world.now + CALM_S
        while self.world.now < end and any(client.order.owed for client in self.clients):
            for link in self.world.links:
                if link.route is None:
                    link.connect()
            self.world.pass_time(0.05)
            self.world.work()


def check_replies(client: ClientPeer) -> None:
    client.collect()
    for line, reply in zip(client.asked, client.replies, strict=False):
        assert (reply.outcome, reply.text) == ("answered", answer(line.partition(" ")[2])), line
    del client.asked[: len(client.replies)]
    client.replies.clear()


def check_stream(sent: int, answered: int, counts: list[int]) -> None:
    assert sum(counts) == sent - answered, "what is leased lies between answered and sent"
    assert all(counts)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_line_is_answered_once_right_and_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No grace ends during a storm: absent workers are not what this looks at.
    monkeypatch.setattr(limits, "START_GRACE_S", 3_600.0)
    monkeypatch.setattr(limits, "NO_WORKER_GRACE_S", 3_600.0)
    storm = Storm(seed)
    storm.run(STEPS)
    storm.calm_down()
    storm.check()
    for client in storm.clients:
        assert client.order.owed == 0, "everything that was asked has ended"
        assert not client.asked
    broker = storm.world.broker
    assert all(service.waiting == 0 for service in broker._directory._services.values())
    for held in broker._clients.values():
        kept = sum(count_of(e) for b in held.books.values() for e, _ in b.kept.values())
        assert held.lines_held == kept

"""Spare executors as the broker knows them: by what guardians say of them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.testing.peers import hand_back
from linebus.testing.world import World
from linebus.wire import messages as m
from tests.core.test_broker_bounds import Peer, key

if TYPE_CHECKING:
    from linebus.core.workers import Executor, Worker

AHEAD = 100


class Stage:
    """A guardian that vouches for two executors, the second of which is a spare one."""

    def __init__(self) -> None:
        self.world = World()
        self.world.pass_time(limits.START_GRACE_S + 1)
        self.hashes = [sha256(key(number)).digest() for number in (1, 2)]
        self.guardian = Peer(self.world)
        self.hello(spares=self.hashes[1:])
        for number in (1, 2):
            Peer(self.world).executor(key(number), AHEAD)

    def hello(self, *, spares: list[bytes]) -> None:
        offers = [m.Offer("echo", "", "")]
        hello = m.WorkerHello(1, b"w" * 16, "", offers, self.hashes, False, spares)
        self.guardian.hello(hello)

    @property
    def worker(self) -> Worker:
        [worker] = self.world.broker._workers.values()
        return worker

    @property
    def spares(self) -> list[bool]:
        """Which executors the broker takes for spare ones."""
        return [self.executor(index).is_spare for index in range(2)]

    def executor(self, index: int) -> Executor:
        found = self.worker.vouched[self.hashes[index]]
        assert found is not None
        return found

    def flood(self) -> Peer:
        client = Peer(self.world)
        client.client()
        client.say(m.Ask("echo", 1, ["x"] * 500))
        client.hear()
        return client


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_flood_leaves_the_spare_executor_alone_and_a_lone_line_gets_it(stage: Stage) -> None:
    stage.flood()
    assert stage.executor(0).in_flight == 2 * limits.FIRST_SLICE_LINES
    assert stage.executor(1).in_flight == 0
    honest = Peer(stage.world)
    honest.client()
    honest.say(m.Ask("echo", 1, ["y"]))
    honest.hear()
    assert stage.executor(1).in_flight == 1


def test_one_that_is_vouched_for_as_a_regular_one_works_at_once(stage: Stage) -> None:
    stage.flood()
    stage.guardian.say(m.Vouch(stage.hashes[1]))
    stage.guardian.hear()
    assert stage.spares == [False, False]
    assert stage.executor(1).in_flight == 2 * limits.FIRST_SLICE_LINES


def test_one_that_becomes_a_spare_one_keeps_what_it_has(stage: Stage) -> None:
    stage.flood()
    stage.guardian.say(m.Vouch(stage.hashes[0], is_spare=True))
    stage.guardian.hear()
    assert stage.spares == [True, True]
    assert stage.executor(0).in_flight == 2 * limits.FIRST_SLICE_LINES


def test_a_hello_says_anew_which_are_spare_ones(stage: Stage) -> None:
    stage.hello(spares=[])
    assert stage.spares == [False, False]
    stage.hello(spares=[*stage.hashes[:1], b"of somebody else that is unknown"])
    assert stage.spares == [True, False]
    assert len(stage.worker.spares) == 1


def test_what_was_said_before_the_executor_said_hello_counts(stage: Stage) -> None:
    late = sha256(key(3)).digest()
    stage.guardian.say(m.Vouch(late, is_spare=True))
    Peer(stage.world).executor(key(3))
    found = stage.worker.vouched[late]
    assert found is not None
    assert found.is_spare


def test_a_guardian_that_vouches_for_as_many_as_it_may_can_say_that_one_is_spare_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTORS_PER_WORKER_MAX", 2)
    stage.guardian.say(m.Vouch(stage.hashes[1]))
    assert stage.spares == [False, False]
    stage.guardian.say(m.Vouch(sha256(key(3)).digest()))
    assert isinstance(stage.guardian.hear()[-1], m.Refusal)


def test_a_spare_executor_that_is_lost_is_forgotten(stage: Stage) -> None:
    stage.guardian.say(m.Lost(stage.hashes[1], 0, ""))
    assert stage.worker.spares == set()


def test_spare_executors_are_not_counted_among_those_of_a_worker(stage: Stage) -> None:
    assert stage.worker.executors_at_work == 1
    assert stage.world.broker._counts().executors == 1


# -- with the real sessions ----------------------------------------------------------------------


def test_while_all_executors_are_at_one_clients_long_lines_anothers_is_answered() -> None:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    guardian = world.guardian({"slow": str.upper, "echo": str.upper}, procs=2)
    hostile, honest = world.client(), world.client()
    hostile.ask(*[f"slow {number}" for number in range(50)])
    world.pump()
    for stuck in guardian.executors[:2]:
        assert stuck.begin()
        stuck.is_busy = True
        hand_back(stuck)
    for word in "abc":
        honest.ask(f"echo {word}")
        world.work()
    assert honest.texts == ["A", "B", "C"]
    assert hostile.texts == []


def test_the_spare_executor_takes_the_place_of_one_that_dies_and_there_is_another() -> None:
    world = World()
    guardian = world.guardian({"echo": str.upper}, procs=2)
    world.pump()
    first, _, spare = guardian.executors
    assert guardian.spare is spare
    guardian.kill_executor(first)
    world.pump()
    [worker] = world.broker._workers.values()
    assert worker.executors_at_work == 2
    assert guardian.spare not in (None, spare)
    assert worker.spares == {each.key_hash for each in guardian.executors if each.is_spare}
    another = guardian.spare
    assert another is not None
    guardian.kill_executor(another)
    world.pump()
    assert worker.executors_at_work == 2
    assert len(worker.spares) == 1

"""Requests that end without a reply: cancelled and past their deadline, queued and leased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.core.workers import Worker
from linebus.testing.world import World

if TYPE_CHECKING:
    from linebus.testing.peers import ClientPeer, GuardianPeer


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def guardian(world: World) -> GuardianPeer:
    return world.guardian({"echo": lambda line: line})


@pytest.fixture
def client(world: World, guardian: GuardianPeer) -> ClientPeer:
    client = world.client()
    world.pump()
    return client


def expect(client: ClientPeer, *expected: str) -> None:
    """Compare each reply, as `outcome text` or, without a text, `outcome`."""
    found = [
        str(reply.outcome) if " " not in each else f"{reply.outcome} {reply.text}"
        for reply, each in zip(client.replies, expected, strict=True)
    ]
    assert found == list(expected)


def cancel(world: World, client: ClientPeer, *intervals: tuple[int, int]) -> None:
    """Have a client cancel lines whose outcome it still wants to hear."""
    client.session._streams["echo"].cancels += intervals
    world.pump()


def leased_lines(world: World) -> int:
    executors = [e for worker in world.broker._workers.values() for e in worker.vouched.values()]
    return sum(lease.run.count for each in executors if each for lease in each.leases)


def stops(guardian: GuardianPeer) -> list[tuple[int, int]]:
    """Return what a guardian was told to stop since the last call."""
    told, guardian.stops = guardian.stops, []
    return [(stop.first, stop.last) for stop in told]


# ---- cancel ----------------------------------------------------------------------------------


def test_lines_are_cancelled_out_of_the_middle_of_a_queue(world: World) -> None:
    guardian = world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    world.pump()
    client.ask(*[f"echo {n}" for n in range(1, 7)])
    world.pump()
    cancel(world, client, (2, 3), (5, 5))
    guardian.start_executor()
    world.work()
    expect(client, "answered 1", "cancelled", "cancelled", "answered 4", "cancelled", "answered 6")


def test_a_line_is_cancelled_out_of_the_middle_of_a_lease(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask(*[f"echo {n}" for n in range(1, 6)])
    world.pump()
    assert leased_lines(world) == 5
    cancel(world, client, (3, 3))
    assert stops(guardian) == [(3, 3)]
    world.work()
    expect(client, "answered 1", "answered 2", "cancelled", "answered 4", "answered 5")
    assert leased_lines(world) == 0


def test_whoever_is_lost_with_a_cancelled_line_leaves_only_the_others(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask(*[f"echo {n}" for n in range(1, 4)])
    world.pump()
    cancel(world, client, (2, 2))
    executor = guardian.executors[0]
    executor.position = 2
    guardian.kill_executor(executor)
    world.work()
    expect(client, "answered 1", "cancelled", "answered 3")
    assert [reply.attempt for reply in client.replies] == [2, 0, 2]


def test_what_has_ended_is_not_cancelled(world: World, client: ClientPeer) -> None:
    client.ask("echo 1", "echo 2")
    world.work()
    cancel(world, client, (1, 2), (2, 1), (7, limits.NUMBER_MAX))
    expect(client, "answered 1", "answered 2")
    assert world.broker.held_bytes >= 0


def test_a_cancelled_line_is_void_once(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    for _ in range(2):
        cancel(world, client, (1, 1))
    world.work()
    expect(client, "cancelled the client does not want it any more")
    assert stops(guardian) == [(1, 1)]


def test_a_guardian_that_comes_back_is_told_again_what_is_void(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    guardian.link.cut()
    cancel(world, client, (1, 1))
    assert stops(guardian) == []
    guardian.link.connect()
    world.pump()
    assert stops(guardian) == [(1, 1)]


def test_a_cancel_for_a_service_that_was_never_asked_is_ignored(
    world: World, client: ClientPeer
) -> None:
    client.session.stream("other").cancels.append((1, 1))
    client.ask("echo 1")
    world.work()
    expect(client, "answered 1")


def test_whoever_leaves_for_good_stops_what_works_for_it(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1", "echo 2")
    world.pump()
    world.dismiss_client(client)
    world.pump()
    assert stops(guardian) == [(1, 2)]
    world.work()
    assert world.broker.held_bytes == 0
    assert leased_lines(world) == 0


def test_lines_that_are_given_up_are_cancelled_and_not_asked_again(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1", "echo 2")
    world.pump()
    client.order.forget()
    world.pump()
    assert stops(guardian) == [(1, 2)]
    world.restart_server()
    world.pass_time(3)
    world.work()
    assert client.session.owed == 0
    assert leased_lines(world) == 0
    client.ask("echo 3")
    world.work()
    expect(client, "answered 3")


# ---- deadlines -------------------------------------------------------------------------------


def test_a_line_in_the_queue_ends_at_its_deadline(world: World) -> None:
    guardian = world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    world.pump()
    client.order.ask(["echo 1", "echo 2"], expires_at=world.now + 1.0)
    client.order.ask(["echo 3"])
    world.pump()
    world.pass_time(0.9)
    assert client.replies == []
    world.pass_time(0.2)
    expect(client, *["expired its deadline passed before an executor was free"] * 2)
    guardian.start_executor()
    world.work()
    assert client.outcomes == ["expired", "expired", "answered"]


def test_a_line_at_work_ends_at_its_deadline_and_the_worker_is_told_to_stop(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.order.ask(["echo 1"], expires_at=world.now + 1.0)
    client.order.ask(["echo 2"], expires_at=world.now + 5.0)
    client.order.ask(["echo 3"])
    world.pass_time(1.1)
    assert client.outcomes == ["expired"]
    assert stops(guardian) == [(1, 1)]
    world.work()
    expect(client, "expired", "answered 2", "answered 3")
    world.pass_time(10)
    assert client.outcomes == ["expired", "answered", "answered"]


def test_each_line_has_its_own_deadline(world: World) -> None:
    world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    world.pump()
    for number in (1, 2, 3):
        client.order.ask([f"echo {number}"], expires_at=world.now + number)
    world.pump()
    for number in (1, 2, 3):
        world.pass_time(1.0)
        world.pass_time(limits.GRACE_STEP_S)
        assert client.outcomes == ["expired"] * number


def test_a_deadline_that_is_over_when_it_comes_ends_at_once(
    world: World, client: ClientPeer
) -> None:
    client.order.ask(["echo 1"], expires_at=world.now - 100.0)
    world.pump()
    world.pass_time(2 * limits.GRACE_STEP_S)
    assert client.outcomes == ["expired"]


def test_after_a_restart_only_what_is_left_of_a_deadline_counts(
    world: World, client: ClientPeer
) -> None:
    client.order.ask(["echo 1"], expires_at=world.now + 3.0)
    world.pump()
    world.kill_guardian(world.guardians[0])
    world.pass_time(1.5)
    world.restart_server()
    world.pass_time(1.6)
    assert client.outcomes == ["expired"]


def test_a_deadline_far_ahead_leaves_no_timer_behind(world: World, client: ClientPeer) -> None:
    for number in range(50):
        client.order.ask([f"echo {number}"], expires_at=world.now + 100_000.0)
        world.work()
    world.pass_time(limits.DEADLINE_LOOK_S + 1)
    service = world.broker._directory.get("echo")
    assert service is not None
    assert not service.dated
    assert all(about is not service for _, about in world.broker._timers._valid)


def test_a_service_is_not_looked_at_for_a_client_that_has_gone(
    world: World, client: ClientPeer
) -> None:
    client.order.ask(["echo 1"], expires_at=world.now + 10.0)
    world.pump()
    world.dismiss_client(client)
    service = world.broker._directory.get("echo")
    assert service is not None
    assert not service.dated


# ---- drain -----------------------------------------------------------------------------------


def test_a_server_that_drains_takes_nothing_more_and_ends_what_is_at_work(
    world: World, client: ClientPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    world.broker.drain()
    assert not world.broker.is_drained
    client.ask("echo 2")
    world.work()
    expect(client, "answered 1")
    assert world.broker.is_drained
    world.restart_server()
    world.pass_time(3)
    world.work()
    expect(client, "answered 1", "answered 2")


def test_a_server_that_drains_dispatches_nothing_of_what_waits(world: World) -> None:
    guardian = world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    client.ask("echo 1")
    world.pump()
    world.broker.drain()
    guardian.start_executor()
    world.work()
    assert client.replies == []
    assert leased_lines(world) == 0


def test_nobody_waits_for_what_is_void(world: World, client: ClientPeer) -> None:
    client.ask("echo 1")
    world.pump()
    cancel(world, client, (1, 1))
    world.broker.drain()
    assert world.broker.is_drained


def test_only_workers_are_told_of_void_leases() -> None:
    worker = Worker(b"", 1, "")
    worker.vouched[b"key"] = None
    worker.has_stops = True
    assert worker.take() == []


def test_whoever_leaves_has_what_is_void_already_stopped_once(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    cancel(world, client, (1, 1))
    assert stops(guardian) == [(1, 1)]
    world.dismiss_client(client)
    world.pump()
    assert stops(guardian) == []


def test_a_guardian_that_comes_back_is_told_of_nothing_that_is_wanted(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    guardian.link.cut()
    guardian.link.connect()
    world.pump()
    assert stops(guardian) == []


def test_the_grace_begins_again_with_each_worker_that_leaves(
    world: World, client: ClientPeer
) -> None:
    world.pass_time(limits.START_GRACE_S)
    world.kill_guardian(world.guardians[0])
    world.pass_time(limits.NO_WORKER_GRACE_S)
    client.ask("echo 1")
    world.pump()
    other = world.guardian({"echo": lambda line: line}, procs=0)
    world.pass_time(limits.NO_WORKER_GRACE_S / 2)
    world.kill_guardian(other)
    world.pass_time(limits.NO_WORKER_GRACE_S * 0.75)
    assert client.outcomes == []
    world.pass_time(limits.NO_WORKER_GRACE_S)
    expect(client, "no_worker")


def test_each_void_lease_is_told_once(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask(*[f"echo {n}" for n in range(1, 6)])
    world.pump()
    cancel(world, client, (2, 2))
    cancel(world, client, (4, 4))
    assert stops(guardian) == [(2, 2), (4, 4)]


def test_a_guardian_to_which_a_stop_was_lost_is_told_again(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    client.session._streams["echo"].cancels.append((1, 1))
    client.link.collect()
    client.link.deliver_to_server()
    world.broker_round()
    guardian.link.cut()
    assert stops(guardian) == []
    guardian.link.connect()
    world.pump()
    assert stops(guardian) == [(1, 1)]


def test_a_queue_that_was_cancelled_whole_holds_up_nobody(world: World) -> None:
    guardian = world.guardian({"echo": lambda line: line}, procs=0)
    one, two = world.client(), world.client()
    one.ask("echo 1")
    world.pump()
    cancel(world, one, (1, 1))
    two.ask("echo 2")
    one.ask("echo 3")
    world.pump()
    guardian.start_executor()
    world.work()
    expect(one, "cancelled", "answered 3")
    expect(two, "answered 2")


def test_a_deadline_after_one_that_has_passed_is_kept_as_well(world: World) -> None:
    world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    world.pump()
    for number in (1, 2):
        client.order.ask([f"echo {number}"], expires_at=world.now + 1.0)
        world.pump()
        world.pass_time(1.1)
        assert client.outcomes == ["expired"] * number


def test_a_service_is_looked_at_when_deadlines_pass_but_not_for_each_of_them(world: World) -> None:
    world.guardian({"echo": lambda line: line}, procs=0)
    client = world.client()
    world.pump()
    service, began_at = world.broker._directory.get("echo"), world.now
    assert service is not None
    for after_s in (1.0, 1.01, 1.02, 30.0):
        client.order.ask(["echo 1"], expires_at=began_at + after_s)
    world.pump()
    looks = []
    for after_s in (0.9, 1.001, 1.2):
        world.pass_time(began_at + after_s - world.now)
        looks.append(service.expires_at - began_at)
    assert looks == pytest.approx([1.0, 1.0 + limits.GRACE_STEP_S, 30.0])
    assert client.outcomes == ["expired"] * 3


# ---- no worker -------------------------------------------------------------------------------


def test_whoever_keeps_asking_does_not_put_off_the_end_of_what_waits(
    world: World, client: ClientPeer
) -> None:
    world.pass_time(limits.START_GRACE_S)
    world.kill_guardian(world.guardians[0])
    world.pass_time(2 * limits.NO_WORKER_GRACE_S)
    ended = []
    for number in range(5):
        client.ask(f"echo {number}")
        world.pump()
        world.pass_time(0.75 * limits.NO_WORKER_GRACE_S)
        ended.append(len(client.replies))
    assert ended == [0, 1, 2, 3, 4]
    assert set(client.outcomes) == {"no_worker"}


def test_the_grace_of_an_unknown_name_ends_with_that_of_the_start() -> None:
    world = World()
    client = world.client()
    world.pass_time(limits.START_GRACE_S - 0.1)
    client.ask("echo 1")
    world.pump()
    assert client.replies == []
    world.pass_time(0.2)
    expect(client, "no_service")


def test_a_name_that_was_asked_for_in_the_start_grace_and_offered_is_not_given_up() -> None:
    world = World()
    client = world.client()
    client.ask("echo 1")
    world.pump()
    guardian = world.guardian({"echo": lambda line: line}, procs=0)
    world.pass_time(limits.START_GRACE_S + limits.NO_WORKER_GRACE_S + 1)
    assert client.replies == []
    guardian.start_executor()
    world.work()
    expect(client, "answered 1")


def test_each_absence_of_a_worker_has_its_grace_and_its_end(
    world: World, client: ClientPeer
) -> None:
    world.pass_time(limits.START_GRACE_S)
    world.kill_guardian(world.guardians[0])
    world.pass_time(limits.NO_WORKER_GRACE_S)
    client.ask("echo 1")
    world.pump()
    world.pass_time(limits.NO_WORKER_GRACE_S / 2)
    busy = world.guardian({"echo": lambda line: line}, procs=0)
    world.pass_time(2 * limits.NO_WORKER_GRACE_S)
    assert client.replies == [], "a worker is there, though it is busy"
    world.kill_guardian(busy)
    world.pass_time(limits.RECONNECT_GRACE_S + limits.NO_WORKER_GRACE_S + 0.1)
    expect(client, "no_worker")

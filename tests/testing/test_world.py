"""A world moves only when it is told to, and comes to rest."""

from __future__ import annotations

import pytest

from linebus import limits
from linebus.testing.world import RECONNECT_S, Mishaps, World


@pytest.fixture
def world() -> World:
    world = World()
    world.guardian({"echo": str})
    world.pass_time(3)
    return world


def test_pumping_moves_messages_and_works_on_nothing(world: World) -> None:
    client = world.client()
    client.ask("echo a")
    world.pump()
    assert not client.replies
    assert sum(len(each.lines) for each in world.executors[0].session._held) == 1
    world.work()
    assert client.texts == ["a"]
    assert world.now == 103.0


def test_passing_time_works_on_nothing(world: World) -> None:
    client = world.client()
    client.ask("echo a")
    world.pass_time(10)
    assert (client.replies, world.now) == ([], 113.0)


def test_running_goes_from_deadline_to_deadline_until_it_is_done(world: World) -> None:
    world.kill_guardian(world.guardians[0])
    client = world.client()
    client.ask("echo a")
    begun_at = world.now
    assert world.run_until(lambda: bool(client.replies), begun_at + 60)
    assert client.outcomes == ["no_worker"]
    assert world.now - begun_at == pytest.approx(
        limits.RECONNECT_GRACE_S + limits.NO_WORKER_GRACE_S, abs=limits.GRACE_STEP_S
    )


def test_running_ends_where_the_time_is_up(world: World) -> None:
    assert not world.run_until(lambda: False, world.now + 60)
    assert world.now == 163.0


def test_a_connection_that_is_interrupted_comes_back(world: World) -> None:
    client = world.client()
    world.pump()
    world.interrupt(client.link)
    world.pump()
    assert client.link.route is None
    assert world.next_deadline() == world.now + RECONNECT_S
    world.pass_time(RECONNECT_S)
    assert client.session.is_greeted


def test_what_is_stopped_comes_back_only_when_it_goes_on(world: World) -> None:
    [guardian] = world.guardians
    world.stop_guardian(guardian)
    world.restart_server()
    world.pass_time(60)
    assert guardian.link.route is None
    world.resume_guardian(guardian)
    world.pass_time(1)
    assert guardian.session.is_greeted
    assert all(executor.session.is_greeted for executor in guardian.executors)


def test_a_restarted_server_knows_nothing_until_its_peers_are_back(world: World) -> None:
    client = world.client()
    client.ask("echo a")
    world.pump()
    world.restart_server()
    assert not world.broker._clients
    world.pass_time(1)
    world.work()
    assert client.texts == ["a"]


def test_whoever_leaves_is_forgotten(world: World) -> None:
    client = world.client()
    world.interrupt(client.link)
    world.dismiss_client(client)
    world.kill_guardian(world.guardians[0])
    assert (world.links, world.away, world.clients, world.executors) == ([], {}, [], [])


def test_watchers_look_when_all_has_come_to_rest_and_may_set_it_in_motion(world: World) -> None:
    client = world.client()
    seen: list[int] = []

    def ask_thrice() -> bool:
        seen.append(len(client.replies))
        if len(seen) <= 3:
            client.ask("echo a")
        return len(seen) <= 3

    world.watchers.append(ask_thrice)
    world.work()
    assert client.texts == ["a"] * 3


def test_nothing_goes_wrong_by_itself(world: World) -> None:
    mishaps = Mishaps()
    link = world.client().link
    mishaps.on_the_way(link, b"", to_server=True)
    mishaps.line_done(world.executors[0], "echo", "a")
    assert link.route is not None

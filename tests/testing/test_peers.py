"""What executors and guardians do with lines, one step at a time."""

from __future__ import annotations

import pytest

import linebus
from linebus.errors import Refused
from linebus.testing.peers import ExecutorPeer, of_function, of_service
from linebus.testing.world import Mishaps, World
from linebus.worker.session import Slice


@linebus.service(usage="half NUMBER", reply="half of {number} is {result}")
def half(number: int) -> int:
    return number // 2


def refuse(arguments: str) -> str:
    raise Refused(f"not {arguments}")


def leave(arguments: str) -> str:
    raise SystemExit({"none": None, "text": "why"}.get(arguments, 3))


@pytest.fixture
def world() -> World:
    world = World()
    world.worker([of_service(half), of_function("refuse", refuse), of_function("leave", leave)], 1)
    world.pass_time(3)
    return world


def with_work(world: World, *lines: str) -> ExecutorPeer:
    client = world.client()
    client.ask(*lines)
    world.pump()
    [executor] = world.executors
    return executor


def test_a_service_is_offered_as_a_worker_offers_it(world: World) -> None:
    [guardian] = world.guardians
    assert guardian.session.offers[0].usage == "half NUMBER"
    assert guardian.function_for(Slice(1, "half", ["8"], values=False))("8") == "half of 8 is 4"
    assert guardian.function_for(Slice(1, "half", ["8"], values=True))("8") == "4"
    with pytest.raises(Refused, match="does not offer"):
        guardian.function_for(Slice(1, "gcd", ["8"], values=False))("8")


def test_an_executor_works_on_one_line_at_a_time(world: World) -> None:
    executor = with_work(world, "half 8", "half x")
    assert (executor.position, executor.line) == (0, "")
    assert executor.begin()
    assert (executor.position, executor.line) == (1, "half 8")
    executor.finish()
    assert executor.position == 0
    assert executor.begin()
    assert executor.line == "half x"
    executor.finish()
    assert not executor.begin()
    world.pump()
    assert world.clients[0].texts == [
        "half of 8 is 4",
        "'x' is not an integer; usage: half NUMBER",
    ]
    assert world.clients[0].outcomes == ["answered", "failed"]


def test_a_line_costs_what_the_world_says_and_what_its_clock_says(world: World) -> None:
    world.line_cost_s = 0.25
    executor = with_work(world, "half 8")
    executor.begin()
    executor.finish()
    world.pump()
    assert world.clients[0].replies[0].ran_s == 0.25


def test_a_line_that_nobody_waits_for_any_more_is_dropped(world: World) -> None:
    executor = with_work(world, "half 8")
    executor.begin()
    world.restart_server()
    world.pass_time(1)
    executor.finish()
    assert not executor.session._kept
    world.work()
    assert world.clients[0].texts == ["half of 8 is 4"]


def test_an_executor_that_is_busy_begins_nothing(world: World) -> None:
    executor = with_work(world, "half 8")
    executor.is_busy = True
    assert not executor.begin()
    executor.is_busy = False
    world.stop_guardian(executor.guardian)
    assert not executor.begin()
    world.resume_guardian(executor.guardian)
    assert executor.begin()


def test_an_executor_that_is_killed_is_replaced(world: World) -> None:
    executor = with_work(world, "refuse a")
    executor.begin()
    executor.guardian.kill_executor(executor)
    assert not executor.can_move
    assert executor.link not in world.links
    world.work()
    [reply] = world.clients[0].replies
    assert (reply.text, reply.attempt) == ("not a", 2)


@pytest.mark.parametrize(("how", "code"), [("none", 0), ("text", 1), ("number", 3)])
def test_a_service_that_ends_its_process_ends_the_executor(
    world: World, how: str, code: int
) -> None:
    with_work(world, f"leave {how}")
    world.work()
    [reply] = world.clients[0].replies
    assert reply.outcome == "quarantined"
    assert reply.text.endswith(f"ended with exit code {code}")


class Hanging(Mishaps):
    """Keeps executors from the end of their lines."""

    def line_done(self, executor: ExecutorPeer, service: str, arguments: str) -> None:
        executor.is_busy = True


def test_a_line_whose_end_is_not_reached_has_no_reply(world: World) -> None:
    world.mishaps = Hanging()
    executor = with_work(world, "half 8")
    world.work()
    assert (executor.line, world.clients[0].replies) == ("half 8", [])

from __future__ import annotations

from random import Random

from linebus.testing.simulator.processes import DRIFT_MAX, Agenda, Process
from linebus.testing.world import World


def a_process() -> tuple[World, Agenda, Process, list[float]]:
    world = World()
    agenda = Agenda(world)
    process = Process(agenda, "one", Random(1))
    turns: list[float] = []
    process.turn = lambda: turns.append(world.now)
    return world, agenda, process, turns


def run(agenda: Agenda, until: float) -> None:
    while agenda.step(until):
        pass


def test_what_is_due_happens_in_order_and_then_the_time_is_what_was_asked() -> None:
    world, agenda, _, _ = a_process()
    done: list[str] = []
    agenda.after(2, lambda: done.append("later"))
    agenda.after(1, lambda: done.append("first"))
    agenda.after(1, lambda: done.append("second"))
    run(agenda, world.now + 1.5)
    assert (done, world.now) == (["first", "second"], 101.5)


def test_a_process_takes_one_turn_however_often_it_is_woken() -> None:
    world, agenda, process, turns = a_process()
    process.wake(2.0)
    process.wake(1.0)
    process.wake(1.0)
    run(agenda, world.now + 5)
    assert turns == [101.0]


def test_a_stopped_process_takes_its_turn_when_it_goes_on() -> None:
    world, agenda, process, turns = a_process()
    process.stop()
    process.wake()
    run(agenda, world.now + 5)
    assert turns == []
    process.resume()
    run(agenda, world.now + 1)
    assert turns == [105.0]


def test_a_deadline_is_by_the_clock_of_the_process_and_a_jump_brings_it_on() -> None:
    world, agenda, process, turns = a_process()
    deadline = process.now + 10
    process.wake_at(deadline)
    run(agenda, world.now + 10 / (1 - DRIFT_MAX) + 0.1)
    assert len(turns) == 1
    assert process.now >= deadline
    process.jump(3_600)
    assert process.now >= deadline + 3_600
    run(agenda, world.now + 1)
    assert len(turns) == 2

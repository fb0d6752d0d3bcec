from __future__ import annotations

from linebus import limits
from tests.testing.simulator.stage import run, stage


def test_an_executor_that_dies_is_replaced_and_its_line_gets_the_strike() -> None:
    sim = stage()
    [asker], [guardian] = sim.askers, sim.workers
    asker.ask(["double 13", "double 4"])
    run(sim, 5.0)
    assert sim.figures.outcomes == {"quarantined": 1, "answered": 1}
    assert sim.fate_of("double 13").deaths == limits.STRIKES_MAX
    assert sim.fate_of("double 4").deaths == 0
    assert len(guardian.all) == 1


def test_an_executor_hands_over_several_texts_at_once() -> None:
    sim = stage()
    sim.plan.cost_s["double"] = (1e-6, 1e-6)
    [asker] = sim.askers
    asker.ask([f"double {n}" for n in range(20, 36)])
    run(sim, 1.0)
    assert asker.owed == 0
    assert "answers 1…16" in str(sim.trace)


def test_a_worker_that_is_told_to_stop_finishes_its_line_and_says_goodbye() -> None:
    sim = stage(workers=2)
    [asker], guardian = sim.askers, sim.workers[0]
    asker.ask([f"double {n}" for n in range(20)])
    run(sim, 0.015)
    guardian.leave()
    run(sim, 3.0)
    assert asker.owed == 0
    assert guardian not in sim.workers
    assert len(sim.broker._workers) == 1


def test_a_guardian_that_dies_takes_its_executors_along_or_leaves_orphans() -> None:
    sim = stage(workers=2)
    one, other = sim.workers
    executors = [*one.all, *other.all]
    one.die()
    other.die(orphans=True)
    assert [executor.is_alive for executor in executors] == [False, True]
    run(sim, 1.0)
    assert not any(executor.is_alive for executor in executors)

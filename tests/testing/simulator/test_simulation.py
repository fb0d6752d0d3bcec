from __future__ import annotations

import pytest

import linebus
from linebus.core.dispatch import Service
from linebus.testing import Scenario, SimulationFailed, simulate
from linebus.testing.simulator.simulation import Simulation
from tests.testing.simulator.stage import double, run, stage


def test_a_scenario_of_ones_own_is_run_for_each_seed() -> None:
    figures = simulate(Scenario([double], ["double 2", "double x"], requests=20), seeds=range(3))
    assert figures.runs == 3
    assert figures.outcomes.total() >= 40
    assert set(figures.outcomes) <= {"answered", "failed", "no_service", "no_worker"} | {
        "quarantined",
        "cancelled",
    }
    assert figures.simulated_s > 3 * 600, "everyone is given time to be forgotten"


def test_a_service_that_says_something_else_each_time_needs_a_check() -> None:
    said: list[int] = []

    @linebus.service(reply="{result}")
    def count() -> int:
        said.append(1)
        return len(said)

    def check(line: str, reply: linebus.Reply) -> str | None:
        return None if reply.text.isdigit() else f"{line} gave no number"

    with pytest.raises(SimulationFailed, match="expected was"):
        simulate(Scenario([count], ["count"], requests=20, faults=()), seeds=[1])
    simulate(Scenario([count], ["count"], requests=20, faults=(), check=check), seeds=[1])


def test_a_failure_has_its_seed_and_a_trace_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "requeue", lambda _self, _run: None)
    with pytest.raises(SimulationFailed) as caught:
        simulate(seeds=range(20))
    failed = caught.value
    assert f"seed {failed.seed}: {failed.what}" in str(failed)
    assert "server       hears" in failed.trace
    with pytest.raises(SimulationFailed) as again:
        simulate(seeds=[failed.seed])
    assert again.value.trace == failed.trace


def test_what_a_session_raises_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "queue", lambda _self, _books, _run: 1 / 0)
    with pytest.raises(SimulationFailed, match="ZeroDivisionError"):
        simulate(seeds=[1])


def test_a_server_that_is_killed_knows_nothing_and_everything_is_asked_again() -> None:
    sim = stage()
    [asker] = sim.askers
    asker.ask([f"double {n}" for n in range(9)])
    run(sim, 0.02)
    before = sim.broker
    sim.kill_server()
    run(sim, 1.0)
    assert asker.owed
    sim.start_server()
    run(sim, 3.0)
    assert sim.broker is not before
    assert asker.owed == 0


def test_what_goes_on_for_ever_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linebus.testing.simulator.simulation._STEPS_MAX", 10)
    with pytest.raises(SimulationFailed, match="without end"):
        Simulation(1).run()

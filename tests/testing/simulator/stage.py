"""A simulation without clients' lines and without faults, for tests of its parts."""

from __future__ import annotations

import linebus
from linebus.testing.simulator.scenario import Scenario
from linebus.testing.simulator.simulation import Simulation


@linebus.service(reply="{result}")
def double(a: int) -> int:
    if a == 13:
        raise SystemExit(1)
    return 2 * a


def stage(seed: int = 1, *, clients: int = 1, workers: int = 1, procs: int = 1) -> Simulation:
    scenario = Scenario(
        [double], ["double 1"], 0, clients, workers, procs, cost_s=(0.01, 0.02), faults=()
    )
    simulation = Simulation(seed, scenario)
    simulation._cut_chance = simulation._repeat_chance = 0.0
    run(simulation, 1.0)
    return simulation


def run(simulation: Simulation, seconds: float) -> None:
    simulation._run_until(lambda: False, simulation.now + seconds)

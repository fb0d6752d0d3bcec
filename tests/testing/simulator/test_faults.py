from __future__ import annotations

import pytest

from linebus.testing.simulator.faults import FAULTS
from tests.testing.simulator.stage import run, stage


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_says_what_it_does_and_everything_ends_after_it(kind: str) -> None:
    sim = stage(clients=2, workers=2)
    sim.plan.is_tight = True  # so that whatever floods may end overloaded
    sim.plan.flood = "double"
    for asker in sim.askers:
        asker.ask([f"double {n}" for n in range(30)])
    run(sim, 0.02)
    said = FAULTS[kind](sim)
    assert len(said) > 10
    sim._calm()
    assert not any(asker.owed for asker in sim.askers)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_finds_nobody_and_says_so(kind: str) -> None:
    sim = stage(workers=0)
    sim.kill_server()
    assert FAULTS[kind](sim)

from __future__ import annotations

from random import Random

import linebus
from linebus.core.lifecycle import Outcome
from linebus.testing.simulator.scenario import Expected, Scenario, draw_plan, plan_of


@linebus.service(reply="{a} doubled is {result}")
def double(a: int) -> int:
    if a == 13:
        raise SystemExit(1)
    return 2 * a


SCENARIO = Scenario([double], ["double 1", "double 2"], requests=500, clients=3)


def test_the_lines_of_a_scenario_are_spread_over_its_clients_and_its_time() -> None:
    plan = plan_of(SCENARIO, Random(1))
    asked = [line for _, _, lines in plan.asks for line in lines]
    assert (len(asked), set(asked)) == (500, {"double 1", "double 2"})
    assert {number for _, number, _ in plan.asks} == {0, 1, 2}
    assert all(0 <= at <= SCENARIO.duration_s for at, _, _ in plan.asks)


def test_what_is_expected_of_a_line_is_what_its_service_makes_of_it_alone() -> None:
    plan = plan_of(SCENARIO, Random(1))
    assert plan.expected("double 4") == Expected(Outcome.ANSWERED, "4 doubled is 8")
    assert plan.expected("double x").outcome == Outcome.FAILED
    assert plan.expected("double 13") == Expected(None)
    assert plan.expected("triple 4").outcome == Outcome.NO_SERVICE
    assert plan.expected("").outcome == Outcome.NO_SERVICE
    assert plan.offers("double")
    assert not plan.offers("triple")


def test_a_plan_follows_from_its_seed_and_asks_no_line_twice() -> None:
    plans = [draw_plan(Random(seed)) for seed in range(30)]
    assert draw_plan(Random(7)).asks == plans[7].asks
    for plan in plans:
        asked = [line for _, _, lines in plan.asks for line in lines]
        assert len(set(asked)) == len(asked)
        # What holds an executor up is bounded, so that everything ends soon after the faults.
        assert sum(line.startswith(("stuck", "lethal")) for line in asked) <= 5
    assert len({plan.is_tight for plan in plans}) == 2

from __future__ import annotations

import pytest

from linebus.testing.simulator.simulation import SimulationFailed
from tests.testing.simulator.stage import run, stage


def test_a_client_asks_and_its_replies_are_judged() -> None:
    sim = stage()
    [asker] = sim.askers
    asker.ask(["double 2", "double x", "nothing 1"])
    assert asker.owed == 3
    run(sim, 3.0)
    assert asker.owed == 0
    assert sim.figures.outcomes == {"answered": 1, "failed": 1, "no_service": 1}


def test_a_wrong_reply_fails_the_run() -> None:
    sim = stage()
    [asker] = sim.askers
    asker.ask(["double 2"])
    request = asker.orders[0][1][0]
    request.expected = request.expected._replace(text="5")
    with pytest.raises(SimulationFailed, match=r"asked 'double 2' and got .* expected was"):
        run(sim, 1.0)


def test_a_client_that_gives_up_is_owed_nothing() -> None:
    sim = stage()
    [asker] = sim.askers
    asker.ask(["double 2"])
    assert asker.give_up() == "on 1 lines from double 2"
    assert asker.give_up() == "which waits for nothing"
    run(sim, 1.0)
    assert asker.owed == 0
    assert not sim.figures.outcomes


@pytest.mark.parametrize("how", ["leave", "die"])
def test_a_client_that_has_gone_is_forgotten_where_it_said_goodbye(how: str) -> None:
    sim = stage()
    [asker] = sim.askers
    asker.ask(["double 2"])
    run(sim, 0.005)
    getattr(asker, how)()
    run(sim, 1.0)
    assert sim.askers == []
    assert bool(sim.broker._clients) == (how == "die")


def test_a_client_leaves_a_silent_server() -> None:
    sim = stage()
    [asker] = sim.askers
    sim.server.stop()
    asker.ask(["double 2"])
    run(sim, 5.0)
    assert "leaves a silent server" in str(sim.trace)
    sim.server.resume()
    run(sim, 1.0)
    assert asker.owed == 0

from __future__ import annotations

import pytest

from linebus import limits
from linebus.testing.simulator.wires import KEEPALIVE_S, ZMTP_SILENCE_S
from tests.testing.simulator.stage import run, stage


def test_a_peer_whose_connection_is_cut_comes_back_by_another_route() -> None:
    sim = stage()
    [asker] = sim.askers
    before = asker.wire.route
    asker.wire.sever()
    assert asker.wire.route is None
    run(sim, 1.0)
    assert asker.wire.route not in (None, before)
    assert asker.session.is_greeted


@pytest.mark.parametrize("number", [0, 1])
def test_what_stalls_arrives_later_and_in_order(number: int) -> None:
    sim = stage()
    [asker] = sim.askers
    lane = asker.wire.lanes[number]
    lane.stall()
    assert asker.wire.is_hampered
    for n in range(3):
        asker.ask([f"double {n}"])
        run(sim, 0.1)
    assert asker.owed == 3
    lane.release()
    run(sim, 1.0)
    assert asker.owed == 0


def test_a_cut_that_nobody_tells_is_found_out_by_the_peer_and_much_later_by_the_server() -> None:
    sim = stage()
    [asker] = sim.askers
    route = asker.wire.route
    asker.wire.unplug()
    run(sim, ZMTP_SILENCE_S - 0.1)
    assert asker.wire.route == route
    run(sim, 0.2)
    assert asker.wire.route is None
    asker.die()
    run(sim, KEEPALIVE_S - 1)
    assert route in sim.broker._routes
    run(sim, 2.0)
    assert route not in sim.broker._routes


def test_a_message_of_an_earlier_connection_can_come_once_more() -> None:
    sim = stage()
    [asker] = sim.askers
    lane = asker.wire.lanes[0]
    assert asker.wire.past_message(lane) is None
    asker.wire.sever()
    run(sim, 1.0)
    past = asker.wire.past_message(asker.wire.lanes[0])
    assert past is not None
    asker.wire.lanes[0].send(past)
    run(sim, limits.GREETING_S)
    asker.ask(["double 1"])
    run(sim, 1.0)
    assert asker.owed == 0


def test_what_waits_for_a_connection_reaches_the_next_server() -> None:
    sim = stage()
    [asker] = sim.askers
    sim.kill_server()
    asker.wire.to_server.append((b"token-0000000009", b"\x90"))
    sim.start_server()
    run(sim, 1.0)
    assert "[9]" in str(sim.trace)
    assert asker.session.is_greeted


def test_a_peer_that_does_not_read_is_stalled_and_loses_nothing() -> None:
    sim = stage(clients=2)
    slow = sim.askers[0]
    slow.ask([f"double {n}" for n in range(300)])
    run(sim, 0.01)
    slow.wire.process.stop()
    run(sim, 10.0)
    assert slow.wire.unread <= limits.SERVER_HWM_MESSAGES + 1
    slow.wire.process.resume()
    run(sim, 5.0)
    assert slow.owed == 0

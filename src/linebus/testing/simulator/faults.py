"""What goes wrong in a simulation: each kind of fault is a function, and has a line in `FAULTS`.

A fault strikes whom it draws, says in words what it did, and ends by itself or by what it has
given to `simulation.later`, at the latest when the storm is over.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.core.broker import Broker
    from linebus.testing.simulator.processes import Process
    from linebus.testing.simulator.simulation import Simulation
    from linebus.testing.simulator.wires import Wire
    from linebus.testing.simulator.workers import Executor, Guardian

# How long what stops, is cut off or is away stays so: from a blink to longer than any grace.
_DURATIONS_S = (0.01, 0.3, 1.0, 4.0, 12.0)
_JUMPS_S = (1.0, 10.0, 3_600.0)
_FLOOD_LINES = 400
_FLOOD_NAMES = 60
_CANCELLED_FROM, _CANCELS = 40, 4


def _duration_s(sim: Simulation) -> float:
    return sim.fault_random.choice(_DURATIONS_S) * sim.fault_random.uniform(0.5, 1)


def _wire(sim: Simulation) -> Wire:
    return sim.fault_random.choice(sim.wires)


def _guardian(sim: Simulation) -> Guardian | None:
    return sim.fault_random.choice(sim.workers) if sim.workers else None


def _executor(sim: Simulation) -> Executor | None:
    living = [executor for guardian in sim.workers for executor in guardian.all]
    return sim.fault_random.choice(living) if living else None


# -- the network -----------------------------------------------------------------------------


def _connection_cut(sim: Simulation) -> str:
    wire = _wire(sim)
    wire.sever()
    return f"the connection of {wire.process.name} is cut"


def _connection_stalls(sim: Simulation) -> str:
    wire, for_s = _wire(sim), _duration_s(sim)
    if not wire.lanes:
        return f"{wire.process.name} has no connection that could stall"
    number = sim.fault_random.randrange(2)
    lane = wire.lanes[number]
    lane.stall()
    sim.later(for_s, lane.release)
    return f"nothing passes {('from', 'to')[number]} {wire.process.name} for {for_s:.2f} s"


def _unplugged(sim: Simulation) -> str:
    wire, for_s = _wire(sim), _duration_s(sim)
    wire.unplug()
    sim.later(for_s, wire.plug_in)
    return f"{wire.process.name} is unplugged for {for_s:.2f} s"


def _past_repeated(sim: Simulation) -> str:
    wire = _wire(sim)
    if not wire.lanes:
        return f"{wire.process.name} has no connection that could repeat anything"
    number = sim.fault_random.randrange(2)
    lane = wire.lanes[number]
    frames = wire.past_message(lane)
    what = f"a message {('from', 'to')[number]} {wire.process.name} of an earlier connection"
    if frames is None:
        return f"there is not {what} that could be repeated"
    lane.send(frames)
    return f"{what} comes once more"


# -- clients ---------------------------------------------------------------------------------


def _client_killed(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    silently = sim.fault_random.random() < 0.3  # noqa: PLR2004  now and then
    asker.die(silently=silently)
    sim.replace_client()
    return f"{asker.wire.process.name} is killed" + (" with its host" if silently else "")


def _client_leaves(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    asker.leave()
    sim.replace_client()
    return f"{asker.wire.process.name} says goodbye"


def _client_gives_up(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    return f"{asker.wire.process.name} gives up {asker.give_up()}"


def _line_cancelled(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    if sim.plan.flood:  # what waits already may be nothing
        asker.ask(sim.new_lines(sim.plan.flood, _CANCELLED_FROM))
    for _ in range(_CANCELS):
        sim.later(sim.draw_delay_s(), partial(asker.cancel_one, sim.fault_random))
    return f"{asker.wire.process.name} cancels {_CANCELS} lines"


def _flood_of_requests(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    asker.ask(sim.new_lines(sim.plan.flood, _FLOOD_LINES))
    return f"{asker.wire.process.name} floods"


def _flood_of_names(sim: Simulation) -> str:
    asker = sim.fault_random.choice(sim.askers)
    asker.ask([line for n in range(_FLOOD_NAMES) for line in sim.new_lines(f"absent{n}", 1)])
    return f"{asker.wire.process.name} asks for names that nobody offers"


# -- workers ---------------------------------------------------------------------------------


def _executor_killed(sim: Simulation) -> str:
    executor = _executor(sim)
    if executor is None:
        return "no executor is there to be killed"
    executor.die("killed by SIGKILL")
    return f"{executor.link.process.name} is killed"


def _worker_killed(sim: Simulation) -> str:
    guardian = _guardian(sim)
    if guardian is None:
        return "no worker is there to be killed"
    how = sim.fault_random.choice(
        ["is killed", "vanishes with its host", "dies before its children"]
    )
    guardian.die(silently="vanishes" in how, orphans="children" in how)
    _return_later(sim, guardian)
    return f"{guardian.link.process.name} {how}"


def _worker_leaves(sim: Simulation) -> str:
    guardian = _guardian(sim)
    if guardian is None or guardian.is_leaving:
        return "no worker is there to be told to stop"
    guardian.leave()
    _return_later(sim, guardian)
    return f"{guardian.link.process.name} is told to stop"


def _return_later(sim: Simulation, guardian: Guardian) -> None:
    sim.later(_duration_s(sim), partial(sim.start_worker, guardian.troupe))


# -- all processes ---------------------------------------------------------------------------


def _process_stopped(sim: Simulation) -> str:
    wire, for_s = _wire(sim), _duration_s(sim)
    return _stop(sim, [wire.process], wire.process.name, for_s)


def _worker_stopped(sim: Simulation) -> str:
    guardian, for_s = _guardian(sim), _duration_s(sim)
    if guardian is None:
        return "no worker is there to be stopped"
    processes = [wire.process for wire in guardian.wires]
    return _stop(sim, processes, f"{guardian.link.process.name} with its executors", for_s)


def _server_stopped(sim: Simulation) -> str:
    return _stop(sim, [sim.server], "the server", _duration_s(sim))


def _stop(sim: Simulation, processes: list[Process], name: str, for_s: float) -> str:
    for process in processes:
        process.stop()
        sim.later(for_s, process.resume)
    return f"{name} is stopped for {for_s:.2f} s"


def _server_killed(sim: Simulation) -> str:
    if not sim.server.is_alive:
        return "the server is dead already"
    for_s = _duration_s(sim)
    sim.kill_server()
    sim.later(for_s, sim.start_server)
    return f"the server is killed and started again {for_s:.2f} s later"


def _server_leaves(sim: Simulation) -> str:
    if not sim.server.is_alive:
        return "the server is dead already"
    sim.broker.drain()
    for_s = sim.fault_random.uniform(0, limits.DRAIN_S)
    sim.later(for_s, partial(_restart, sim, sim.broker))
    return f"the server is told to end, and ends {for_s:.2f} s later"


def _restart(sim: Simulation, broker: Broker) -> None:
    if sim.server.is_alive and sim.broker is broker:
        sim.kill_server()
        sim.start_server()


def _clock_jumps(sim: Simulation) -> str:
    process = sim.fault_random.choice([sim.server, *[wire.process for wire in sim.wires]])
    seconds = sim.fault_random.choice(_JUMPS_S)
    process.jump(seconds)
    return f"the clock of {process.name} jumps by {seconds:g} s"


def _suspend(sim: Simulation) -> str:
    seconds = sim.fault_random.choice(_JUMPS_S)
    for process in [sim.server, *[wire.process for wire in sim.wires]]:
        process.jump(seconds)
    return f"all clocks jump by {seconds:g} s"


FAULTS: dict[str, Callable[[Simulation], str]] = {
    "connection_cut": _connection_cut,
    "connection_stalls": _connection_stalls,
    "unplugged": _unplugged,
    "past_repeated": _past_repeated,
    "client_killed": _client_killed,
    "client_leaves": _client_leaves,
    "client_gives_up": _client_gives_up,
    "line_cancelled": _line_cancelled,
    "flood_of_requests": _flood_of_requests,
    "flood_of_names": _flood_of_names,
    "executor_killed": _executor_killed,
    "worker_killed": _worker_killed,
    "worker_leaves": _worker_leaves,
    "process_stopped": _process_stopped,
    "worker_stopped": _worker_stopped,
    "server_stopped": _server_stopped,
    "server_killed": _server_killed,
    "server_leaves": _server_leaves,
    "clock_jumps": _clock_jumps,
    "suspend": _suspend,
}

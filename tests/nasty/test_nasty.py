"""The cases that break other buses, each told once, in one thread and on a clock that we move.

Those that need real processes and sockets are in test_processes.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import linebus
from linebus import limits
from linebus.testing.world import World

if TYPE_CHECKING:
    from linebus.testing.peers import ClientPeer, GuardianPeer

HOUR_S = 3_600.0
SILENCE_S = limits.SILENCE_LEAST_S + 1


def echo(arguments: str) -> str:
    return f"echo {arguments}"


@pytest.fixture
def world() -> World:
    """A server beyond its first grace."""
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    return world


@pytest.fixture
def guardian(world: World) -> GuardianPeer:
    """A worker with one executor that answers `echo`."""
    return world.guardian({"echo": echo})


@pytest.fixture
def client(world: World, guardian: GuardianPeer) -> ClientPeer:
    client = world.client()
    world.pump()
    return client


def lines(count: int, first: int = 0) -> list[str]:
    return [f"echo {number}" for number in range(first, first + count)]


def answer_whole_slices(guardian: GuardianPeer) -> int:
    """Have executors answer all they hold, slices at a time, for speed; return how many lines."""
    count = 0
    for executor in guardian.executors:
        while (work := executor.session.next_slice()) is not None:
            texts = [f"{work.service} {line}" for line in work.lines]
            executor.session.answer(work.first, texts, [], 0.000_001 * len(texts))
            count += len(texts)
    return count


def check_nothing_held(world: World) -> None:
    """Have the clients leave; nothing may be held for them then."""
    for client in list(world.clients):
        world.dismiss_client(client)
    world.work()
    assert world.broker.held_bytes == 0


# ---- workers that die, hang and lie -----------------------------------------------------------


def test_a_line_that_kills_every_executor_it_touches_beside_innocent_neighbours(
    world: World,
) -> None:
    deaths = []

    def fragile(arguments: str) -> str:
        if arguments == "poison":
            deaths.append(arguments)
            raise SystemExit(9)
        return f"fragile {arguments}"

    world.guardian({"fragile": fragile}, procs=3)
    asking, beside = world.client(), world.client()
    world.pump()
    asking.ask("fragile before", "fragile poison", *[f"fragile {n}" for n in range(50)])
    beside.ask(*[f"fragile {n}" for n in range(50)])
    world.work()
    assert len(deaths) == limits.STRIKES_MAX
    assert asking.outcomes == ["answered", "quarantined", *["answered"] * 50]
    assert "ended with exit code 9" in asking.texts[1]
    assert beside.texts == [f"fragile {n}" for n in range(50)]
    check_nothing_held(world)


def test_a_worker_stopped_until_its_leases_ended_that_comes_back_with_late_answers(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1", "echo 2")
    world.pump()
    [stopped] = guardian.executors
    assert stopped.begin()
    world.stop_guardian(guardian)
    world.guardian({"echo": lambda arguments: f"{arguments} by another"})
    world.pass_time(SILENCE_S)
    world.work()
    assert client.texts == ["1 by another", "2 by another"]
    world.resume_guardian(guardian)
    stopped.finish()  # it does not know yet
    stopped.session.answer(2, ["late"], [], 0.001)
    world.pass_time(SILENCE_S)
    world.work()
    assert client.texts == ["1 by another", "2 by another"]
    client.ask(*lines(20))
    world.work()
    assert {reply.worker for reply in client.replies[2:]} > {client.replies[0].worker}
    check_nothing_held(world)


def test_a_worker_whose_heart_beats_while_its_work_is_stuck(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.order.ask(["echo stuck"], expires_at=world.now + HOUR_S)
    client.ask("echo 2")
    world.pump()
    [executor] = guardian.executors
    assert executor.begin()
    executor.is_busy = True
    world.pass_time(HOUR_S - 1)
    assert client.outcomes == [], "a line may take an hour, and nobody knows that it is stuck"
    world.pass_time(2)
    assert client.outcomes == ["expired"]
    [stop] = guardian.stops
    assert stop.executor == executor.key_hash
    assert not executor.is_alive, "another one has its place"
    world.work()
    assert client.outcomes == ["expired", "answered"]
    assert client.replies[1].attempt == 2
    check_nothing_held(world)


def test_an_executors_own_connection_down_while_its_guardians_is_up(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    [executor] = guardian.executors
    executor.begin()
    executor.link.cut()
    world.pass_time(limits.EXECUTOR_RETURN_S / 2)
    executor.finish()
    executor.link.connect()
    world.work()
    assert client.texts == ["echo 1"]
    assert client.replies[0].attempt == 1


def test_guardian_dead_while_its_children_live(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1", "echo 2")
    world.pump()
    [orphan] = guardian.executors
    orphan.begin()
    guardian.link.cut()
    world.remove(guardian.link)
    world.guardians.remove(guardian)
    world.guardian({"echo": lambda arguments: f"{arguments} by another"})
    world.pass_time(SILENCE_S)
    while orphan.begin():  # it works on what it holds, in vain
        orphan.finish()
    world.pass_time(SILENCE_S)
    world.work()
    assert client.texts == ["1 by another", "2 by another"]
    client.ask("echo 3")
    world.work()
    assert client.texts[2] == "3 by another"
    assert not orphan.begin(), "nobody vouches for it any more, so it gets nothing"
    check_nothing_held(world)


# ---- clients that die, stop and repeat themselves ---------------------------------------------


def test_a_client_that_dies_after_asking_and_comes_back_within_its_session(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask(*lines(100))
    world.pump()
    client.link.cut()
    world.work()
    world.pass_time(limits.CLIENT_ABSENCE_S_MAX - 1)
    assert client.replies == []
    client.ask(*lines(10, first=100))
    client.link.connect()
    world.work()
    assert client.texts == lines(110)
    assert {reply.attempt for reply in client.replies} == {1}
    check_nothing_held(world)


def test_the_same_request_again_while_the_first_attempt_runs(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    [executor] = guardian.executors
    assert executor.begin()
    for _ in range(3):
        stream = client.session.stream("echo")
        again = stream.sent[0].piece(0, 1)
        client.link.cut()
        client.link.connect()
        world.pump()
        stream.unsent.append(again)  # as if the greeting had not told that it is known
        world.pump()
    executor.finish()
    world.pump()
    assert client.texts == ["echo 1"]
    assert not executor.begin(), "it has been asked four times and runs once"
    check_nothing_held(world)


def test_a_stopped_client_that_is_owed_100000_replies(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask(*lines(100_000))
    world.pump()
    world.stopped.add(client.link)
    while answer_whole_slices(guardian):
        world.pump()
    [books] = [each.books["echo"] for each in world.broker._clients.values()]
    assert len(client.link.to_peer) > 0
    assert books.lines_held >= limits.WINDOW_LINES
    assert books.lines_held <= limits.CLIENT_LINES_MAX
    world.pass_time(HOUR_S)
    beside = world.client()
    beside.ask(*lines(1_000))
    world.work()
    assert beside.texts == lines(1_000)
    world.stopped.clear()
    world.pump()
    while answer_whole_slices(guardian):
        world.pump()
    assert client.texts == lines(100_000)
    check_nothing_held(world)


def test_a_flood_of_names_never_offered(world: World, client: ClientPeer) -> None:
    for start in range(0, 20_000, 100):
        client.ask(*[f"nosuch{number} x" for number in range(start, start + 100)])
        world.pump()
    assert client.outcomes == ["no_service"] * 20_000
    assert world.broker.held_bytes == 0
    assert len(world.broker._directory._services) < 10
    client.ask("echo 1")
    world.work()
    assert client.texts[-1] == "echo 1"
    world.restart_server()
    world.pass_time(limits.RECONNECT_MS / 1_000)
    flood = [world.client() for _ in range(20)]
    for nth, each in enumerate(flood):
        each.ask(*[f"nosuch{nth}.{number} x" for number in range(250)])
    client.ask("echo 2")
    world.pump()  # now every name may still be offered, by whoever comes back
    assert len(world.broker._directory._expected) == limits.EXPECTED_SERVICES_MAX
    world.pass_time(2 * limits.START_GRACE_S)
    world.work()
    assert {outcome for each in flood for outcome in each.outcomes} == {"no_service", "overloaded"}
    assert [len(each.outcomes) for each in flood] == [250] * 20
    assert client.texts[-1] == "echo 2"
    check_nothing_held(world)


# ---- servers that die, and time that jumps ----------------------------------------------------


def test_broker_killed_between_answer_and_delivery(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    client.ask("echo 1")
    world.pump()
    [executor] = guardian.executors
    executor.begin()
    executor.finish()
    executor.link.collect()
    executor.link.deliver_to_server()
    [session] = world.broker._clients.values()
    assert session.books["echo"].kept, "it is owed, and dies with the broker"
    world.restart_server()
    world.pass_time(limits.START_GRACE_S)
    world.work()
    assert client.texts == ["echo 1"]
    check_nothing_held(world)


def test_suspend_and_wall_clock_jumps_of_an_hour(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    away = world.client()
    away.ask("echo away")
    client.ask("echo 1", "echo 2")
    world.pump()
    [executor] = guardian.executors
    executor.begin()
    away.link.cut()
    world.now += HOUR_S
    world.broker.stalled(HOUR_S)  # as the server's loop tells it, which slept as well
    world.work()
    away.link.connect()
    world.work()
    assert client.texts == ["echo 1", "echo 2"]
    assert away.texts == ["echo away"]
    assert {reply.attempt for reply in [*client.replies, *away.replies]} == {1}
    check_nothing_held(world)
    # The wall clock decides nothing here: the server tells when it started, `doctor` compares
    # clocks, and `work --reload` the times of files with when an executor was started.
    readers = {
        path.name: len(found)
        for path in Path(linebus.__file__).parent.rglob("*.py")
        if (found := re.findall(r"\btime\.time\(|\bdatetime\.|\btime_ns\(", path.read_text()))
    }
    assert readers == {"loop.py": 1, "checks.py": 1, "children.py": 1}


def test_ten_thousand_clients_coming_back_at_once_after_a_restart(
    world: World, guardian: GuardianPeer
) -> None:
    clients = [world.client() for _ in range(10_000)]
    for number, each in enumerate(clients):
        each.ask(f"echo {number}")
    world.pump()
    world.restart_server()
    world.now += limits.RECONNECT_MS / 1_000
    world.pump()
    assert len(world.broker._clients) == 10_000
    while answer_whole_slices(guardian):
        world.pump()
    assert [each.texts for each in clients] == [[f"echo {n}"] for n in range(10_000)]
    assert {reply.outcome for each in clients for reply in each.replies} == {"answered"}


def test_an_hour_long_request_while_a_million_others_are_answered_and_acknowledged_around_it(
    world: World, client: ClientPeer, guardian: GuardianPeer
) -> None:
    slow = world.guardian({"slow": lambda _: "an hour later"})
    asking = world.client()
    asking.ask("slow 1")
    world.pump()
    [executor] = slow.executors
    assert executor.begin()
    executor.is_busy = True
    session, stream = client.session, client.session.stream("echo")
    beside = asking.session.stream("echo")  # of the client whose other line takes the hour
    taken, batch = 0, 10_000
    for _ in range(50):
        for each in (stream, beside):
            each.fresh += map(str, range(batch))
        first = session.commit(stream)
        asking.session.commit(beside)
        world.pump()
        while answer_whole_slices(guardian):
            world.pump()
        for each in (stream, beside):
            number = first
            while number < first + batch:
                found = each.take(number, batch)
                assert found is not None
                number += found[2]
                taken += found[2]
        assert world.broker.held_bytes < 10 * limits.MESSAGE_BYTES_MAX
        world.pass_time(HOUR_S / 50)
    assert taken == 1_000_000
    assert asking.replies == []
    executor.is_busy = False
    executor.finish()
    world.pump()
    assert asking.texts == ["an hour later"]
    assert asking.replies[0].attempt == 1
    check_nothing_held(world)

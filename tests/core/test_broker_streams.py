"""Executors' streams and the sessions around them, where messages come in rare ways."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.testing.world import World
from linebus.wire import messages as m
from tests.core.test_broker_bounds import Peer, key

if TYPE_CHECKING:
    from collections.abc import Sequence

CREDIT = 8


@pytest.fixture
def world() -> World:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    return world


def a_worker(world: World, *names: str, keys: Sequence[bytes]) -> Peer:
    worker = Peer(world)
    worker.worker(*names, keys=keys)
    return worker


def an_executor(world: World, shown: bytes, credit: int = CREDIT) -> Peer:
    executor = Peer(world)
    assert isinstance(executor.executor(shown, credit), m.ExecutorGreeting)
    return executor


def clients(world: World, count: int) -> list[Peer]:
    peers = [Peer(world) for _ in range(count)]
    for peer in peers:
        peer.client()
    return peers


def said_in_a_round(world: World) -> dict[bytes, list[m.Message]]:
    """Return what the server says in one round, by route."""
    world.broker.expire(world.now)
    world.broker.dispatch(world.now)
    said: dict[bytes, list[m.Message]] = defaultdict(list)
    for route, _, messages in world.broker.outgoing(()):
        said[route] += messages
    return said


def lines_for(peer: Peer, said: dict[bytes, list[m.Message]]) -> list[list[str]]:
    return [message.lines for message in said[peer.route] if isinstance(message, m.Work)]


# -- answers -------------------------------------------------------------------------------------


def test_one_message_may_answer_lines_of_several_clients(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor = an_executor(world, key(1))
    askers = clients(world, 3)
    for asker in askers:
        asker.say(m.Ask("echo", 1, ["x"]))
    assert lines_for(executor, said_in_a_round(world)) == [["x"]] * 3
    executor.say(m.Answers(1, ["a", "b", "c"], [2, 0], 0.1, CREDIT))
    said = said_in_a_round(world)
    heard = [said[asker.route] for asker in askers]
    replies = [(each.texts, each.failed) for [each] in heard if isinstance(each, m.Replies)]
    assert replies == [(["a"], [0]), (["b"], []), (["c"], [0])]


def test_an_executor_without_more_work_is_told_what_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVED_LINES", 1)
    a_worker(world, "echo", keys=[key(1)])
    executor, [asker] = an_executor(world, key(1)), clients(world, 1)
    asker.say(m.Ask("echo", 1, ["x"]))
    said_in_a_round(world)
    executor.say(m.Answers(1, ["a"], [], 0.1, CREDIT))
    assert said_in_a_round(world)[executor.route] == [m.Received(1)]


# -- executors that come and go ------------------------------------------------------------------


def came_back(world: World, executor: Peer, greeting: m.Message, answered: int) -> None:
    """Let an executor say hello again that has got the first line, and takes three in all."""
    assert isinstance(greeting, m.ExecutorGreeting)
    ident = b"raw-execut-%05d" % executor.number
    hello = m.ExecutorHello(2, ident, key(1), greeting.stream, 1, answered, 3)
    world.broker.greet(executor.route, hello, world.now)


def test_an_executor_that_is_back_is_sent_what_it_has_not_received(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor = Peer(world)
    greeting = executor.executor(key(1), credit=2)
    for asker in clients(world, 2):
        asker.say(m.Ask("echo", 1, [f"of {asker.number}"]))
    _, second = lines_for(executor, said_in_a_round(world))
    executor.cut()
    came_back(world, executor, greeting, answered=0)
    assert lines_for(executor, said_in_a_round(world)) == [second]


def test_an_executor_that_is_back_has_the_credit_that_its_hello_tells(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor = Peer(world)
    greeting = executor.executor(key(1), credit=1)
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["a", "b", "c", "d"]))
    assert lines_for(executor, said_in_a_round(world)) == [["a"]]
    executor.say(m.Answers(1, ["A"], [], 1e-6, 1))
    executor.cut()
    came_back(world, executor, greeting, answered=1)
    assert lines_for(executor, said_in_a_round(world)) == [["b", "c"]]


@pytest.mark.parametrize(("credit", "lines"), [(5, []), (7, [["a", "b"]])])
def test_a_stream_that_starts_anew_has_the_credit_beyond_what_was_answered(
    world: World, credit: int, lines: list[list[str]]
) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor, [asker] = Peer(world), clients(world, 1)
    executor.hello(m.ExecutorHello(1, b"e" * 16, key(1), b"of another server", 6, 5, credit))
    asker.say(m.Ask("echo", 1, ["a", "b", "c"]))
    assert lines_for(executor, said_in_a_round(world)) == lines


def test_an_executor_whose_connection_is_cut_has_no_share_in_the_work(world: World) -> None:
    a_worker(world, "echo", keys=[key(1), key(2)])
    here, away = an_executor(world, key(1)), an_executor(world, key(2))
    away.cut()
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["a", "b", "c", "d"]))
    assert lines_for(here, said_in_a_round(world)) == [["a", "b", "c", "d"]]


def test_an_executor_that_has_ended_has_no_share_in_the_work(world: World) -> None:
    a_worker(world, "echo", keys=[key(1), key(2)])
    here, gone = an_executor(world, key(1)), an_executor(world, key(2))
    gone.say(m.Goodbye())
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["a", "b", "c", "d"]))
    assert lines_for(here, said_in_a_round(world)) == [["a", "b", "c", "d"]]


def test_an_executor_that_is_not_vouched_for_any_more_costs_no_strike(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STRIKES_MAX", 1)
    worker = a_worker(world, "echo", keys=[key(1)])
    an_executor(world, key(1))
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["x"]))
    said_in_a_round(world)
    worker.worker("echo", keys=[key(2)])  # it is back, with another executor
    assert said_in_a_round(world)[asker.route] == []
    other = Peer(world)
    ident = b"raw-execut-%05d" % other.number
    hello = m.ExecutorHello(1, ident, key(2), b"", 0, 0, CREDIT)
    world.broker.greet(other.route, hello, world.now)
    assert lines_for(other, said_in_a_round(world)) == [["x"]]


def test_lines_that_one_pool_leaves_go_to_another_in_the_same_round(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    a_worker(world, "echo", "other", keys=[key(2)])
    busy, idle = an_executor(world, key(1), 4), an_executor(world, key(2), 2)
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["a"]))
    assert lines_for(busy, said_in_a_round(world)) == [["a"]]
    asker.say(m.Ask("echo", 2, ["b", "c", "d", "e"]))
    said = said_in_a_round(world)
    assert (lines_for(idle, said), lines_for(busy, said)) == ([["b", "c"]], [["d", "e"]])


# -- clients -------------------------------------------------------------------------------------


def test_of_a_run_that_was_seen_in_part_only_the_rest_is_taken(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor, [asker] = an_executor(world, key(1)), clients(world, 1)
    asker.say(m.Ask("echo", 3, ["c"]), m.Ask("echo", 1, ["a", "b", "c", "d", "e"]))
    assert lines_for(executor, said_in_a_round(world)) == [["c"], ["a", "b"], ["d", "e"]]


def test_what_comes_beside_a_message_that_breaks_off_is_not_taken(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    executor, [wrong] = an_executor(world, key(1)), clients(world, 1)
    wrong.say(m.Answers(1, ["x"], [], 0.0, 5), m.Ask("echo", 1, ["x"]))
    said = said_in_a_round(world)
    assert [type(message) for message in said[wrong.route]] == [m.Refusal]
    assert lines_for(executor, said) == []


def test_a_client_that_was_forgotten_makes_room_only_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENTS_MAX", 1)
    [gone] = clients(world, 1)
    gone.cut()
    assert isinstance(Peer(world).client(), m.ClientGreeting)
    refused = Peer(world)
    world.broker.greet(refused.route, m.ClientHello(1, b"r" * 16, "raw"), world.now)
    assert [type(message) for message in refused.hear()] == [m.Refusal]


def test_a_gap_that_closes_gives_back_what_it_weighed(world: World) -> None:
    a_worker(world, "echo", keys=[key(1)])
    [asker] = clients(world, 1)
    asker.say(m.Ask("echo", 1, ["x"]), m.Ask("echo", 3, ["x"]), m.Ack("echo", [(2, 2)]))
    asker.say(m.Goodbye())
    assert world.broker.held_bytes == 0


def test_whoever_does_not_read_keeps_no_other_waiting(world: World) -> None:
    stalled, other = clients(world, 2)
    for peer in (stalled, other):
        peer.say(m.Heartbeat(0.5))
    assert other.hear(stalled.route) == [m.Heartbeat(limits.HEARTBEAT_S)]
    assert list(world.broker._ledger.with_news) == list(world.broker._clients.values())[:1]
    assert stalled.hear() == [m.Heartbeat(limits.HEARTBEAT_S)]


def test_a_client_that_did_not_read_is_told_once_to_ask_again(world: World) -> None:
    [peer] = clients(world, 1)
    peer.say(m.Ask("unknown", 1, ["x"]))
    assert peer.hear(peer.route) == []
    assert peer.hear() == [m.HelloAgain(0)]
    peer.say(m.Heartbeat(0.5))
    assert peer.hear() == [m.Heartbeat(limits.HEARTBEAT_S)]


@pytest.mark.parametrize(("bound", "most"), [("SERVICES_MAX", 2), ("WORKERS_MAX", 0)])
def test_a_worker_that_is_refused_offers_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(limits, bound, most)  # two names are the broker's own
    assert isinstance(Peer(world).worker("another", keys=[key(1)]), m.Refusal)
    assert isinstance(Peer(world).executor(key(1)), m.HelloAgain)
    client = world.client()
    client.ask("another 1")
    world.pump()
    assert client.outcomes == ["no_service"]

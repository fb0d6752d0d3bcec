"""Every message in every state of a request, from each kind of peer: only what the table allows."""

from __future__ import annotations

from collections import defaultdict
from typing import get_args

import pytest

from linebus import limits
from linebus.core.lifecycle import ENDS, Outcome, State
from linebus.testing.world import World
from linebus.wire import messages as m
from linebus.wire.messages import count_of
from tests.core.test_broker_bounds import Peer, key

KEY_HASH = b"h" * 32
# The states of the lifecycle, and those before and after it. What is received is so only while its
# message is looked at.
STATES = ["never asked", "queued", "leased", "ended", "acknowledged"]
AFTER: dict[str, set[Outcome]] = {
    "never asked": set().union(*ENDS.values()),  # the message may ask it
    "queued": ENDS[State.QUEUED] | ENDS[State.LEASED],
    "leased": ENDS[State.LEASED] | ENDS[State.QUEUED],  # it may come back to the queue
    "ended": {Outcome.ANSWERED},
    "acknowledged": {Outcome.ANSWERED},
}
SENDERS = ["client", "worker", "executor", "stranger", "cut client", "client that left"]
MESSAGES: list[m.FromPeer] = [
    m.Ask("echo", 1, ["x"]),
    m.Ask("echo", 1, ["x", "y"], values=True, deadline_s=1.0),
    m.Ask("linebus.server", 1, ["x"]),
    m.Ack("echo", [(1, 1)]),
    m.Ack("echo", [(2, 1), (1, 9)]),
    m.Cancel("echo", [(1, 1)]),
    m.Cancel("other", [(1, limits.NUMBER_MAX)]),
    m.Vouch(KEY_HASH),
    m.Lost(KEY_HASH, 1, "by a name that is not known"),
    m.HandBack(KEY_HASH, b"stream", 1),
    m.Skipped(1, 2),
    m.Skipped(3, 2),
    m.Answers(1, ["X"], [], 0.1, 2),
    m.Answers(1, ["X"], [0], 0.1, 0),
    m.Answers(7, ["X"], [], 0.1, 2),
    m.Heartbeat(0.5),
    m.Goodbye(),
]


class Scene:
    """A client, a guardian and its executor, made of nothing but messages, and one line."""

    def __init__(self, state: str) -> None:
        self.world = World()
        self.world.pass_time(limits.START_GRACE_S + 1)
        self.peers = {name: Peer(self.world) for name in SENDERS}
        self.heard: dict[bytes, list[m.Message]] = defaultdict(list)
        self.peers["worker"].worker("echo", keys=[key(1)])
        self.peers["executor"].executor(key(1), credit=0 if state == "queued" else 1)
        for name in ("client", "cut client", "client that left"):
            self.peers[name].client()
        client = self.peers["client"]
        if state != "never asked":
            client.say(m.Ask("echo", 1, ["x"]))
        self.round()
        if state in {"ended", "acknowledged"}:
            self.peers["executor"].say(m.Answers(1, ["X"], [], 0.1, 1))
            self.round()
        if state == "acknowledged":
            client.say(m.Ack("echo", [(1, 1)]))
        self.peers["cut client"].cut()
        self.peers["client that left"].say(m.Goodbye())
        self.round()

    def round(self) -> None:
        """What the server does, and what each peer hears of it."""
        broker = self.world.broker
        broker.expire(self.world.now)
        broker.dispatch(self.world.now)
        for route, _, messages in broker.outgoing(()):
            self.heard[route] += messages

    def outcomes(self, number: int = 1) -> list[str]:
        """How a line to `echo` has ended, as often as the client was told."""
        told = []
        for each in self.heard[self.peers["client"].route]:
            if not isinstance(each, m.Replies | m.Ended) or each.service != "echo":
                continue
            if 0 <= (offset := number - each.first) < count_of(each):
                if isinstance(each, m.Ended):
                    told.append(each.outcome)
                else:
                    told.append("failed" if offset in each.failed else "answered")
        return told

    def pass_time(self) -> None:
        """Let everyone fall silent, until nothing is due that concerns the line."""
        for _ in range(40):
            self.world.now += 0.5
            self.round()

    def is_here(self) -> bool:
        return self.peers["client"].route in self.world.broker._routes


def test_there_is_one_of_every_message() -> None:
    assert {type(each) for each in MESSAGES} == set(get_args(m.FromPeer))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("state", STATES)
def test_only_what_the_table_allows_follows(state: str, sender: str, message: m.FromPeer) -> None:
    scene = Scene(state)
    before = scene.outcomes()
    assert before == (["answered"] if state in {"ended", "acknowledged"} else [])
    for _ in range(2):  # and once more, in the state that it has led to
        scene.peers[sender].say(message)
        scene.round()
    scene.pass_time()
    outcomes = scene.outcomes()
    assert set(outcomes) <= AFTER[state]
    asked = state != "never asked" or (sender == "client" and message in MESSAGES[:2])
    if scene.is_here():
        assert len(outcomes) == asked, "one outcome for each line, none for what was never asked"
    else:
        assert sender == "client"
        assert len(outcomes) <= 1
    world = scene.world
    for peer in scene.peers.values():
        peer.say(m.Goodbye())
    world.now += limits.CLIENT_ABSENCE_S_MAX + 1
    scene.round()
    assert world.broker.held_bytes == 0
    assert not world.broker._clients
    assert not world.broker._workers


@pytest.mark.parametrize("state", STATES)
def test_whoever_sends_what_is_not_its_to_send_is_broken_off_and_nobody_else(state: str) -> None:
    wrong: dict[str, m.FromPeer] = {
        "client": m.Vouch(KEY_HASH),
        "worker": m.Ack("echo", []),
        "executor": m.Ask("echo", 1, ["x"]),
    }
    for sender, message in wrong.items():
        scene = Scene(state)
        routes = {name: scene.peers[name].route for name in wrong}
        scene.peers[sender].say(message)
        scene.round()
        [refusal] = [each for each in scene.heard[routes[sender]] if isinstance(each, m.Refusal)]
        assert refusal.code == "protocol"
        left = {name for name, route in routes.items() if route in scene.world.broker._routes}
        ended = {sender, "executor"} if sender == "worker" else {sender}
        assert left == set(wrong) - ended, "executors end with the guardian that vouched for them"

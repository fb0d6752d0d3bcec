"""Invariant: whatever peers say, the broker raises nothing, keeps its bounds, serves the others."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.errors import ProtocolError
from linebus.testing.world import World
from linebus.wire import messages as m
from linebus.wire import native
from tests.fuzz.examples import BODIES, fuzzed

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTES = st.sampled_from([b"evil-1", b"evil-2", b"evil-3"])
SESSIONS = st.sampled_from([b"evil-session-%03d" % n for n in range(3)])
KEYS = st.sampled_from([b"evil-key-%023d" % n for n in range(3)])
HASHES = KEYS.map(lambda key: hashlib.sha256(key).digest())
# Their own names, the honest service's, the broker's own, and any other.
ASKED = st.sampled_from(["echo", "evil", "linebus.services", "linebus.server"]) | st.text(
    min_size=1, max_size=8
)
NUMBERS = st.integers(1, 6) | st.integers(1, limits.NUMBER_MAX)
NUMBERS_OR_NONE = st.integers(0, 6) | st.integers(0, limits.NUMBER_MAX)
LINES = st.lists(st.text(max_size=6), min_size=1, max_size=4)
SECONDS = st.floats(0, 1_000, allow_nan=False)
# What the world's broker calls streams, so that some of these are those of the evil executors.
STREAMS = st.integers(1, 30).map(lambda number: b"token-%010d" % number)
OFFERS = st.lists(
    st.builds(
        m.Offer,
        st.sampled_from(["evil", "evil2"]),
        st.text(max_size=5),
        st.text(max_size=5),
        at_once=st.sampled_from([1, 3]),
    ),
    min_size=1,
    max_size=2,
)
HELLOS = st.one_of(
    st.builds(m.ClientHello, st.integers(0, 3), SESSIONS, st.text(max_size=5)),
    st.builds(
        m.WorkerHello,
        st.integers(0, 3),
        SESSIONS,
        st.text(max_size=5),
        OFFERS,
        st.lists(HASHES, max_size=3),
        st.booleans(),
    ),
    st.builds(
        m.ExecutorHello,
        st.integers(0, 3),
        SESSIONS,
        KEYS,
        st.binary(max_size=16),
        NUMBERS_OR_NONE,
        NUMBERS_OR_NONE,
        NUMBERS_OR_NONE,
    ),
)
MESSAGES = st.lists(
    st.one_of(
        st.builds(m.Ask, ASKED, NUMBERS, LINES, st.booleans(), SECONDS),
        st.builds(m.Ack, ASKED, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3)),
        st.builds(m.Cancel, ASKED, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3)),
        st.builds(m.Vouch, HASHES),
        st.builds(m.Lost, HASHES, NUMBERS_OR_NONE, st.text(max_size=5)),
        st.builds(
            m.Lost,
            HASHES,
            NUMBERS_OR_NONE,
            st.text(max_size=5),
            STREAMS,
            st.booleans(),
            SECONDS,
            st.booleans(),
        ),
        st.builds(m.HandBack, HASHES, STREAMS, NUMBERS),
        st.builds(m.Skipped, NUMBERS, NUMBERS_OR_NONE),
        st.builds(m.Answers, NUMBERS, LINES, st.lists(st.integers(0, 5)), SECONDS, NUMBERS_OR_NONE),
        st.builds(m.Heartbeat, SECONDS),
        st.builds(m.Goodbye),
    ),
    max_size=4,
)
FRAMES = st.binary(max_size=10) | st.sampled_from(
    [b"\x01echo", b"\x01", b"\x00echo", b"\x01linebus/", b"echo 1", b"evil 1", b"gcd 1 2", b"\xff"]
)


class Attack:
    """Peers that say anything, beside an honest client and an honest worker."""

    def __init__(self) -> None:
        self.world = World()
        self.world.guardian({"echo": lambda text: f"echo {text}"})
        self.honest = self.world.client()
        self.world.work()
        self.asked = 0

    @property
    def now(self) -> float:
        return self.world.now

    def token(self, route: bytes, *, stolen: bool) -> bytes:
        """The token of a session: the one at this route, or somebody else's."""
        sessions = self.world.broker._routes
        other = self.honest.link.route
        found = sessions.get(other if stolen and other is not None else route)
        return found.token if found is not None else b"guessed token 16"

    def greet(self, route: bytes, hello: m.Hello) -> None:
        [body] = native.encode([hello])
        self.world.broker.greet(route, native.decode_hello(body), self.now)

    def say(self, route: bytes, messages: list[m.Message], *, stolen: bool) -> None:
        for body in native.encode(messages):
            self.say_bytes(route, body, stolen=stolen)

    def say_bytes(self, route: bytes, body: bytes, *, stolen: bool) -> None:
        """What the server's loop does with a body."""
        broker = self.world.broker
        try:
            messages = native.decode_from_peer(body)
        except ProtocolError as error:
            broker.break_off(route, str(error), self.now)
            return
        broker.receive(route, self.token(route, stolen=stolen), messages, self.now)

    def check(self) -> None:
        broker = self.world.broker
        assert 0 <= broker.held_bytes <= limits.HELD_BYTES_MAX
        assert all(client.lines_held >= 0 for client in broker._clients.values())
        assert all(service.waiting >= 0 for service in broker._directory._services.values())

    def ask_honestly(self) -> None:
        self.asked += 1
        self.honest.ask(f"echo {self.asked}")
        self.world.work()
        assert self.honest.texts[-1] == f"echo {self.asked}"


STEPS: st.SearchStrategy[Callable[[Attack], object]] = st.one_of(
    st.builds(lambda route, hello: lambda it: it.greet(route, hello), ROUTES, HELLOS),
    st.builds(
        lambda route, said, stolen: lambda it: it.say(route, said, stolen=stolen),
        ROUTES,
        MESSAGES,
        st.booleans(),
    ),
    st.builds(
        lambda route, body, stolen: lambda it: it.say_bytes(route, body, stolen=stolen),
        ROUTES,
        BODIES,
        st.booleans(),
    ),
    st.builds(lambda route: lambda it: it.world.broker.disconnected(route, it.now), ROUTES),
    st.builds(lambda frame: lambda it: it.world.broker.plain.request(frame, it.now), FRAMES),
    st.builds(lambda frame: lambda it: it.world.broker.plain.subscription(frame, it.now), FRAMES),
    st.builds(lambda frame: lambda it: it.world.broker.plain.result([frame]), FRAMES),
    st.builds(lambda seconds: lambda it: it.world.pass_time(seconds), st.floats(0, 3)),
    st.just(lambda it: it.world.work()),
    st.just(lambda it: it.ask_honestly()),
)


@fuzzed
@given(steps=st.lists(STEPS, max_size=30))
def test_an_honest_client_is_served_beside_peers_that_say_anything(
    steps: list[Callable[[Attack], object]],
) -> None:
    attack = Attack()
    for step in steps:
        step(attack)
        attack.check()
    attack.ask_honestly()
    assert attack.honest.outcomes == ["answered"] * attack.asked

"""What fills up is bounded, whoever fills it, and there is room for those who come honestly."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.client.order import Order
from linebus.testing.peers import of_function
from linebus.testing.world import World
from linebus.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.core.broker import Broker

numbers = count(1)


def echo(arguments: str) -> str:
    return f"echo {arguments}"


class Peer:
    """A peer made of nothing but messages; it says what no session of ours would say."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = next(numbers)
        self.route = b"raw-%d" % self.number
        self.token = b""

    @property
    def broker(self) -> Broker:
        return self.world.broker

    def hello(self, hello: m.Hello) -> m.Message:
        """Say hello; return the greeting, or what else is said to it."""
        self.broker.greet(self.route, hello, self.world.now)
        said = self.hear()
        if isinstance(said[0], m.ClientGreeting | m.WorkerGreeting | m.ExecutorGreeting):
            self.token = said[0].token
        return said[0]

    def client(self, session: bytes = b"") -> m.Message:
        ident = session or b"raw-client-%05d" % self.number
        return self.hello(m.ClientHello(1, ident, "raw"))

    def worker(self, *names: str, keys: Sequence[bytes] = ()) -> m.Message:
        offers = [m.Offer(name, "", "") for name in names]
        hashes = [hashlib.sha256(key).digest() for key in keys]
        return self.hello(
            m.WorkerHello(1, b"raw-worker-%05d" % self.number, "", offers, hashes, False)
        )

    def executor(self, key: bytes, credit: int = 0) -> m.Message:
        ident = b"raw-execut-%05d" % self.number
        return self.hello(m.ExecutorHello(1, ident, key, b"", 0, 0, credit))

    def say(self, *messages: m.FromPeer) -> None:
        self.broker.receive(self.route, self.token, messages, self.world.now)

    def hear(self, *stalled: bytes) -> list[m.Message]:
        """Return what a round of the server sends to this peer."""
        self.broker.expire(self.world.now)
        self.broker.dispatch(self.world.now)
        sent = list(self.broker.outgoing(stalled))
        return [message for to, _, messages in sent if to == self.route for message in messages]

    def cut(self) -> None:
        self.broker.disconnected(self.route, self.world.now)


@pytest.fixture
def world() -> World:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    return world


@pytest.fixture
def served(world: World) -> World:
    """A world with a worker that answers `echo`."""
    world.guardian({"echo": echo})
    world.pump()
    return world


def key(number: int) -> bytes:
    return b"raw-key-%024d" % number


# -- sessions ------------------------------------------------------------------------------------


def test_a_client_that_is_owed_nothing_is_forgotten_with_its_connection(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.work()
    peers = [Peer(served) for _ in range(3)]
    for peer in peers:
        peer.client()
        peer.cut()
    assert len(served.broker._clients) == 1, "the one whose reply is not acknowledged yet"
    client.link.cut()
    client.link.connect()
    client.ask("echo 2")
    served.work()
    assert client.texts == ["echo 1", "echo 2"]


def test_one_connection_cannot_fill_the_table_of_clients(served: World) -> None:
    peer = Peer(served)
    for number in range(200):
        peer.client(b"raw-%012d" % number)
    assert len(served.broker._clients) == 1
    assert len(served.broker._timers) <= limits.TIMERS_VOID_MAX


def absent_client(world: World) -> Peer:
    """A client that has left while it was owed something."""
    peer = Peer(world)
    peer.client()
    peer.say(m.Ask("echo", 1, ["x"]))
    world.now += 1
    peer.cut()
    return peer


def test_the_client_that_is_absent_longest_makes_room(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENTS_MAX", 3)
    absent = [absent_client(served) for _ in range(3)]
    absent[0].client()  # it comes back, so the second one is absent longest now
    assert isinstance(Peer(served).client(), m.ClientGreeting)
    idents = [b"raw-client-%05d" % peer.number for peer in absent]
    assert [ident in served.broker._clients for ident in idents] == [True, False, True]
    assert isinstance(Peer(served).client(), m.ClientGreeting)
    refusal = Peer(served).client()
    assert isinstance(refusal, m.Refusal)
    assert refusal.code == "too_many_clients"


def test_the_worker_that_is_absent_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WORKERS_MAX", 2)
    first, second = Peer(world), Peer(world)
    first.worker("a")
    second.worker("b")
    assert isinstance(Peer(world).worker("c"), m.Refusal)
    first.cut()
    assert isinstance(Peer(world).worker("c"), m.WorkerGreeting)
    assert isinstance(Peer(world).worker("d"), m.Refusal)


def test_sessions_that_come_and_go_leave_no_timers_behind(served: World) -> None:
    for number in range(3 * limits.TIMERS_VOID_MAX):
        peer = Peer(served)
        if number % 2:
            absent_client(served)
            peer.client()
        else:
            peer.worker(f"n{number}")
            peer.cut()
            peer.worker(f"n{number}")
        peer.say(m.Goodbye())
    live = len(served.broker._clients) + len(served.broker._workers) + 2
    assert len(served.broker._timers) <= 2 * live + limits.TIMERS_VOID_MAX


def test_executors_are_bounded_for_all_workers_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTORS_MAX", 3)
    Peer(world).worker("a", keys=[key(1), key(2)])
    other = Peer(world)
    other.worker("a", keys=[key(3), key(4)])
    assert isinstance(Peer(world).executor(key(3)), m.ExecutorGreeting)
    assert isinstance(Peer(world).executor(key(4)), m.HelloAgain)
    other.say(m.Vouch(hashlib.sha256(key(5)).digest()))
    assert isinstance(Peer(world).executor(key(5)), m.HelloAgain)
    assert len(world.broker._vouchers) == 3


def test_a_connection_that_a_session_has_left_is_cut(served: World) -> None:
    first, second = Peer(served), Peer(served)
    session = b"the-same-session"
    first.client(session)
    second.client(session)
    assert served.broker.effects.take_cut() == [first.route]
    second.client(session)
    assert served.broker.effects.take_cut() == [], "it says hello again where it is"


def test_a_connection_whose_executor_was_replaced_is_cut(world: World) -> None:
    Peer(world).worker("a", keys=[key(1)])
    first, second = Peer(world), Peer(world)
    first.executor(key(1))
    second.executor(key(1))
    assert world.broker.effects.take_cut() == [first.route]


# -- names ---------------------------------------------------------------------------------------


def test_names_that_were_offered_once_do_not_keep_new_ones_out(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVICES_MAX", 20)
    for number in range(50):
        villain = Peer(served)
        assert isinstance(villain.worker(*[f"v{number}_{n}" for n in range(10)]), m.WorkerGreeting)
        villain.say(m.Goodbye())
    client = served.client()
    client.ask("echo 1")
    served.work()
    assert client.texts == ["echo 1"]


def test_names_asked_for_in_the_start_grace_go_at_its_end() -> None:
    world = World()
    peer = Peer(world)
    peer.client()
    peer.say(*[m.Ask(f"n{n}", 1, ["x"]) for n in range(limits.UNOFFERED_PER_CLIENT_MAX)])
    assert len(world.broker._directory.never_offered()) == limits.UNOFFERED_PER_CLIENT_MAX
    peer.say(m.Goodbye())
    world.pass_time(limits.START_GRACE_S + 0.1)
    assert world.broker._directory.never_offered() == []


def test_a_name_for_which_there_is_no_room_in_the_start_grace_is_not_called_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It may well be offered in a moment; a flood of names must not make a known one seem unknown.
    monkeypatch.setattr(limits, "EXPECTED_SERVICES_MAX", 4)
    world = World()
    flood, client = world.client(), world.client()
    flood.ask(*[f"n{n} 1" for n in range(4)])
    world.pump()
    client.ask("echo 1")
    world.pump()
    assert client.outcomes == ["overloaded"]
    assert "has just started" in client.texts[0]
    world.pass_time(limits.START_GRACE_S + 0.1)
    client.ask("echo 1")
    world.pump()
    assert client.outcomes[1:] == ["no_service"]


def test_in_the_start_grace_a_full_broker_does_not_call_a_name_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", -1)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", -1)
    world = World()
    client = world.client()
    client.ask("gcd 12 18")
    world.pump()
    assert client.outcomes == ["overloaded"]
    assert "holds as much as it can" in client.texts[0]


@pytest.mark.parametrize("bound", ["EXPECTED_SERVICES_MAX", "UNOFFERED_PER_CLIENT_MAX"])
def test_in_the_start_grace_a_name_too_many_is_not_called_unknown(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, bound, 1)
    world = World()
    client = world.client()
    client.ask("gcd 12 18", "isprime 7")
    world.pump()
    assert client.order.owed == 2
    world.guardian({"gcd": str})
    world.work()
    assert client.outcomes == ["answered", "overloaded"]
    assert "just started" in client.texts[1]


# -- what waits for those who do not read --------------------------------------------------------


def test_a_client_that_does_not_read_has_no_errors_waiting(served: World) -> None:
    peer = Peer(served)
    peer.client()
    for number in range(1, 1_000):
        peer.say(m.Ask(f"unknown{number}", 1, ["x"]))
        assert peer.hear(peer.route) == []
        [client] = served.broker._clients.values()
        assert client.outbox == []
    assert peer.hear() == [m.HelloAgain(0)]
    assert peer.hear() == []


def test_a_client_that_reads_again_asks_again_and_gets_every_error(served: World) -> None:
    client = served.client()
    served.pump()
    route = client.link.route
    assert route is not None
    client.ask("nosuch 1", "echo 2", "nosuch 3")
    client.link.collect()
    while client.link.to_server:
        client.link.deliver_to_server()
    list(served.broker.outgoing({route}))  # it does not read in this round
    served.work()
    assert client.outcomes == ["no_service", "answered", "no_service"]


# -- what is held --------------------------------------------------------------------------------


@pytest.fixture
def full(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a client has asked so much that nothing more can be held."""
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 100_000)
    monkeypatch.setattr(limits, "HELD_FOR_REPLIES_BYTES", 20_000)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", 5_000)
    world.guardian({"slow": echo}, procs=0)
    world.pump()
    hog = Peer(world)
    hog.client()
    for number in range(1, 200):
        hog.say(m.Ask("slow", number, ["x" * 1_000]))
    assert 98_000 < world.broker.held_bytes <= 100_000
    return world


def test_where_all_is_used_up_a_client_that_holds_little_is_still_served(full: World) -> None:
    full.guardian({"echo": echo})
    small = full.client()
    for number in range(20):
        small.ask(f"echo {number}")
        full.work()
    assert small.outcomes == ["answered"] * 20
    small.ask(*[f"echo {number} {'x' * 1_000}" for number in range(20)])
    full.work()
    assert {"overloaded"} <= set(small.outcomes[20:])


def test_what_ends_as_overloaded_takes_no_room_itself(full: World) -> None:
    before = full.broker.held_bytes
    peers = [Peer(full) for _ in range(20)]
    for peer in peers:
        peer.client()
        peer.say(*[m.Ask("slow", number, ["x" * 6_000]) for number in range(1, 100)])
        assert {message.outcome for message in peer.hear() if isinstance(message, m.Ended)} == {
            "overloaded"
        }
    assert full.broker.held_bytes <= before + 20 * limits.HELD_SHARE_BYTES


def test_replies_to_lines_that_were_taken_have_a_reserve_and_no_more(full: World) -> None:
    full.guardians[0].services["slow"] = of_function("slow", lambda _: "y" * 2_000)
    [hog] = full.broker._clients.values()
    hog.route, route = b"elsewhere", hog.route  # so that nothing is read or acknowledged
    full.guardians[0].start_executor()
    full.work()
    assert full.broker.held_bytes <= 120_000 + limits.HELD_SHARE_BYTES
    kept = [entry for entry, _ in hog.books["slow"].kept.values()]
    dropped = [entry for entry in kept if isinstance(entry, m.Ended)]
    assert any(isinstance(entry, m.Replies) for entry in kept)
    assert any("had to drop the reply" in entry.text for entry in dropped)
    hog.route = route


def test_everything_that_was_held_is_given_back(full: World) -> None:
    for client in list(full.broker._clients.values()):
        assert client.held_bytes > 0
        assert client.route is not None
        full.broker.receive(client.route, client.token, [m.Goodbye()], full.now)
        assert client.held_bytes == 0
    assert full.broker.held_bytes == 0


def test_gaps_in_the_numbers_are_bounded_for_all_services_together(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 20)
    served.guardian({"other": echo})
    served.pump()
    peer = Peer(served)
    peer.client()
    for number in range(1, 25, 2):
        peer.say(m.Ask("echo", number, ["x"]), m.Ask("other", number, ["x"]))
    peer.say(m.Ack("echo", [(90, 90)]))
    [client] = served.broker._clients.values()
    assert client.gaps == 20
    ended = [message for message in peer.hear() if isinstance(message, m.Ended)]
    assert [(each.service, each.first, each.outcome) for each in ended] == [
        (service, number, "overloaded") for number in (21, 23) for service in ("echo", "other")
    ]
    assert "gaps" in ended[0].text


def test_what_is_acknowledged_unasked_closes_its_gap(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    peer = Peer(served)
    peer.client()
    for number in range(1, 40, 2):
        peer.say(m.Ask("echo", number, ["x"]), m.Ack("echo", [(number + 1, number + 1)]))
    [client] = served.broker._clients.values()
    assert client.seen() == {"echo": [(1, 40)]}
    assert client.gaps == 1
    peer.say(m.Ack("echo", [(50, 41)]), m.Ask("echo", 39, ["x"] * 4))
    assert client.seen() == {"echo": [(1, 42)]}


def test_lines_that_are_never_sent_leave_no_gaps(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    client = served.client()
    client.ask(*["echo ok", "echo \udcff"] * 20)
    served.work()
    assert client.outcomes == ["answered", "failed"] * 20


def test_lines_that_are_dropped_before_they_are_sent_leave_no_gaps(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    client = served.client()
    for _ in range(20):
        impatient = Order(client.session)
        client.ask("echo ok")
        impatient.ask(["echo too late"])
        client.ask("echo ok")
        impatient.forget()
        served.work()
    assert client.outcomes == ["answered"] * 40


def test_dropped_lines_leave_no_gaps_where_the_connection_is_cut(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    client = served.client()
    client.ask("echo ok")
    served.work()
    for _ in range(20):
        impatient = Order(client.session)
        impatient.ask(["echo too late"])
        client.ask("echo ok")
        impatient.forget()
        client.link.cut()
        client.link.connect()
        served.work()
    assert client.outcomes == ["answered"] * 21


def test_names_that_a_client_forgets_and_asks_again_leave_no_gaps(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    monkeypatch.setattr(limits, "SERVICES_PER_CLIENT_MAX", 2)
    client = served.client()
    for number in range(20):
        for line in ("echo ok", f"unknown{number} 1", f"unknown{number} 2", f"strange{number} 3"):
            client.ask(line)
            served.work()
            client.collect()
    assert client.outcomes == ["answered", *["no_service"] * 3] * 20


def test_lines_that_a_full_broker_refuses_leave_no_gaps(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_GAPS_MAX", 3)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", 0)
    client = served.client()
    roomy = limits.HELD_BYTES_MAX
    for _ in range(20):
        monkeypatch.setattr(limits, "HELD_BYTES_MAX", roomy)
        client.ask("echo ok")
        served.work()
        monkeypatch.setattr(limits, "HELD_BYTES_MAX", 0)
        client.ask("echo no room")
        served.work()
    assert client.outcomes == ["answered", "overloaded"] * 20


def test_a_client_that_was_cut_off_keeps_nothing_in_memory(served: World) -> None:
    peer = Peer(served)
    peer.client()
    peer.say(m.Ask("echo", 1, ["x" * 1_000]))
    [client] = served.broker._clients.values()
    peer.cut()
    peer.client()
    peer.say(m.Goodbye())
    assert (client.books, client.ended) == ({}, True)


def test_the_worker_that_offers_more_than_is_known_here_is_refused(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVICES_MAX", 3)  # the broker's own, and `echo`
    refusal = Peer(served).worker("another")
    assert isinstance(refusal, m.Refusal)
    assert refusal.code == "too_many_services"


def test_a_client_with_too_many_services_at_once_is_told_so(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVICES_PER_CLIENT_MAX", 1)
    served.guardian({"other": echo})
    served.pump()
    peer = Peer(served)
    peer.client()
    peer.say(m.Ask("echo", 1, ["x"]), m.Ask("other", 1, ["x"]))
    [ended] = [each for each in peer.hear() if isinstance(each, m.Ended)]
    assert (ended.service, ended.outcome) == ("other", "overloaded")
    assert "1 services are asked at once" in ended.text


def test_a_worker_vouches_for_so_many_executors_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXECUTORS_PER_WORKER_MAX", 1)
    peer = Peer(world)
    peer.worker("a", keys=[key(1)])
    peer.say(m.Vouch(hashlib.sha256(key(2)).digest()))
    [refusal] = peer.hear()
    assert isinstance(refusal, m.Refusal)
    assert "more executors than allowed" in refusal.text


def test_a_worker_cannot_end_the_executors_of_another(world: World) -> None:
    owner, other, executor = Peer(world), Peer(world), Peer(world)
    owner.worker("a", keys=[key(1)])
    other.worker("a")
    assert isinstance(executor.executor(key(1)), m.ExecutorGreeting)
    other.say(m.Lost(hashlib.sha256(key(1)).digest(), 1, "a lie"))
    executor.say(m.Heartbeat(0.5))
    assert executor.hear() == [m.Heartbeat(limits.HEARTBEAT_S)]


def test_a_stranger_that_does_not_read_has_nothing_waiting(world: World) -> None:
    peer = Peer(world)
    peer.say(m.Heartbeat(0.5))
    assert peer.hear(peer.route) == []
    assert peer.hear() == []
    world.broker.break_off(peer.route, "bytes that are no message", world.now)
    assert peer.hear() == [m.Refusal("protocol", "bytes that are no message")]


def test_numbers_that_were_never_asked_leave_no_gap_once_they_are_acknowledged(
    served: World,
) -> None:
    peer = Peer(served)
    peer.client()
    peer.say(m.Ask("echo", 1, ["x"]), m.Ask("echo", 3, ["x"]))
    [client] = served.broker._clients.values()
    assert client.gaps == 2
    peer.say(m.Ack("echo", [(3, 2), (2, 2)]))
    assert client.gaps == 1

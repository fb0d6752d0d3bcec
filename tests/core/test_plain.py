"""The exercise through the real broker, without sockets."""

import pytest

from linebus import limits
from linebus.core.broker import Broker
from linebus.errors import Refused
from linebus.testing.peers import Offered
from linebus.testing.world import World
from linebus.wire.messages import Offer


@pytest.fixture
def world() -> World:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    return world


def gcd(arguments: str) -> str:
    if len(arguments.split()) != 2:
        raise Refused("usage: gcd A B")
    return f"gcd for {arguments} is 6"


def subscribe(world: World, *prefixes: bytes) -> None:
    for prefix in prefixes:
        world.broker.plain.subscription(b"\x01" + prefix, world.now)
    world.pass_time(limits.PLAIN_JOIN_S)


def ask(world: World, line: str) -> None:
    world.broker.plain.request(line.encode(), world.now)
    world.work()


def test_a_native_worker_answers_plain_clients(world: World) -> None:
    world.guardian({"gcd": gcd})
    world.pump()
    ask(world, "gcd 12 18")
    assert world.published == ["gcd for 12 18 is 6"]
    assert world.broadcast == []


def test_a_refused_line_is_published_as_an_error(world: World) -> None:
    world.guardian({"gcd": gcd})
    world.pump()
    ask(world, "gcd 12")
    assert world.published == ["error: gcd 12: usage: gcd A B"]


def test_a_line_goes_to_the_plain_workers_that_subscribe_to_it(world: World) -> None:
    subscribe(world, b"gcd")
    ask(world, "gcd 12 18")
    assert world.broadcast == ["gcd 12 18"]
    world.broker.plain.result([b"gcd for 12 and 18 is 6"])
    world.pump()
    assert world.published == ["gcd for 12 and 18 is 6"]


@pytest.mark.parametrize("line", ["gcd 12", "gcd  12 18", "gcd a b", "isprime", "isprime 1.5"])
def test_plain_workers_never_see_a_malformed_line(world: World, line: str) -> None:
    subscribe(world, b"gcd", b"isprime")
    ask(world, line)
    assert world.broadcast == []
    [text] = world.published
    assert text.startswith("error: ")
    assert "usage: " in text


def test_an_unknown_command_brings_an_error_line_at_once(world: World) -> None:
    world.guardian({"gcd": gcd})
    world.pump()
    ask(world, "gdc 12 18")
    assert world.published == ["error: unknown service 'gdc'; did you mean 'gcd'?"]


def test_the_exercises_own_names_wait_a_grace_for_a_worker(world: World) -> None:
    ask(world, "gcd 12 18")
    assert world.published == []
    subscribe(world, b"gcd")
    assert world.broadcast == ["gcd 12 18"]


def test_many_held_lines_need_one_timer(world: World) -> None:
    for _ in range(200):
        world.now += 0.001
        world.broker.plain.request(b"gcd 12 18", world.now)
    assert len(world.broker._timers._heap) <= 3
    world.pass_time(limits.NO_WORKER_GRACE_S + 0.3)
    assert len(world.published) == 200


def test_after_the_grace_an_error_line_says_how_to_start_a_worker(world: World) -> None:
    ask(world, "gcd 12 18")
    world.pass_time(limits.NO_WORKER_GRACE_S + 0.1)
    assert world.published == [
        "error: no worker has offered 'gcd' yet; start one with: linebus work gcd"
    ]


def test_while_a_worker_looks_for_the_native_way_broadcasts_are_held(world: World) -> None:
    for frame in (b"\x01linebus/", b"\x01gcd"):
        world.broker.plain.subscription(frame, world.now)
    ask(world, "gcd 12 18")
    assert world.broadcast == []
    world.guardian({"gcd": gcd})
    world.work()
    assert world.published == ["gcd for 12 18 is 6"]
    assert world.broadcast == []


def test_a_worker_that_never_says_hello_is_not_waited_for_long(world: World) -> None:
    for frame in (b"\x01linebus/", b"\x01gcd"):
        world.broker.plain.subscription(frame, world.now)
    ask(world, "gcd 12 18")
    world.pass_time(limits.PLAIN_HOLD_S + 0.01)
    assert world.broadcast == ["gcd 12 18"]


def test_a_native_client_is_told_that_only_plain_workers_offer_it(world: World) -> None:
    subscribe(world, b"gcd")
    client = world.client()
    client.ask("gcd 12 18")
    world.pump()
    assert client.outcomes == ["no_worker"]
    assert client.texts == ["only plain workers offer 'gcd'; ask it with client.py"]


def test_the_welcome_line_is_not_a_request_for_anyone(world: World) -> None:
    subscribe(world, b"", b"linebus/")
    ask(world, "linebus/1 6666")
    world.pass_time(1)
    assert world.broadcast == []
    assert world.published[0].startswith("error: unknown service 'linebus/1'")


def test_workers_of_everything_get_unknown_lines_beside_the_error(world: World) -> None:
    subscribe(world, b"")
    ask(world, "upper a")
    assert world.broadcast == ["upper a"]
    assert world.published == ["error: unknown service 'upper'; no worker has offered it"]


@pytest.mark.parametrize("frame", [b"", b"   ", b"\n", b"\t"])
def test_a_blank_line_disturbs_nothing(world: World, frame: bytes) -> None:
    world.broker.plain.request(frame, world.now)
    world.pass_time(3)
    assert world.published == []


@pytest.mark.parametrize("frame", [b"\xff\xfe", b"gcd " + b"1" * (limits.PLAIN_TEXT_BYTES_MAX + 1)])
def test_what_is_no_line_brings_an_error_line(world: World, frame: bytes) -> None:
    world.broker.plain.request(frame, world.now)
    world.pump()
    [text] = world.published
    assert "not UTF-8 text, or longer than" in text


def test_results_of_several_frames_become_one_and_other_bytes_are_dropped(world: World) -> None:
    world.broker.plain.result([b"isprime", b"7 is prime"])
    world.broker.plain.result([b"\xff"])
    world.pump()
    assert world.published == ["isprime 7 is prime"]


def test_requests_are_echoed_where_that_is_wanted() -> None:
    world = World()
    world.broker = Broker(world._fresh_token, world.now, echo=True)
    world.guardian({"gcd": gcd})
    world.pump()
    ask(world, "gcd 12 18")
    assert world.published == ["gcd 12 18", "gcd for 12 18 is 6"]


def test_plain_lines_in_the_books_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLAIN_HELD_LINES_MAX", 3)
    monkeypatch.setattr(limits, "PLAIN_RESERVED_LINES", 2)
    world.guardian({"gcd": gcd}, procs=0)
    world.pump()
    for _ in range(5):
        ask(world, "gcd 12 18")
    assert len(world.published) == 2
    assert all("overloaded" in text for text in world.published)
    world.guardians[0].start_executor()
    world.work()
    assert world.published[2:] == ["gcd for 12 18 is 6"] * 3


def test_held_plain_lines_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLAIN_HELD_LINES_MAX", 2)
    for _ in range(3):
        ask(world, "gcd 12 18")
    [text] = world.published
    assert "overloaded" in text


def test_a_line_that_is_too_long_is_met_with_the_cure(world: World) -> None:
    world.broker.plain.request(b"gcd " + b"1" * limits.PLAIN_TEXT_BYTES_MAX, world.now)
    world.broker.plain.result([b"x" * limits.PLAIN_TEXT_BYTES_MAX, b"is prime"])
    world.pump()
    refused, dropped = world.published
    assert refused.endswith("ask long lines with linebus ask")
    assert dropped.startswith("error: a plain worker's result is too long: 32777 bytes")


def test_whoever_subscribes_again_and_again_does_not_hold_up_the_exercise(world: World) -> None:
    subscribe(world, b"gcd")
    world.broker.plain.request(b"gcd 12 18", world.now)
    end = world.now + limits.PLAIN_HOLD_S
    while world.now < end:
        for frame in (b"\x01linebus/", b"\x01x"):
            world.broker.plain.subscription(frame, world.now)
        world.pass_time(limits.PLAIN_JOIN_S / 2)
    assert world.broadcast == ["gcd 12 18"]


def test_held_lines_are_looked_at_once_a_round_however_many_workers_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    monkeypatch.setattr(world.broker.plain, "reconsider", looks.append)
    for n in range(100):
        world.broker.plain.subscription(b"\x01%d" % n, world.now)
        world.guardian({"gcd": gcd}, procs=0)
    for _ in range(2):
        world.broker_round()
    assert looks == [world.now]


def test_a_worker_that_found_the_native_way_is_not_waited_for_any_more(world: World) -> None:
    world.broker.plain.subscription(b"\x01linebus/", world.now)
    assert world.broker.plain.undecided(world.now)
    world.broker.plain.worker_came(world.now, discovered=True)
    assert not world.broker.plain.undecided(world.now)


def test_a_line_that_found_its_worker_leaves_a_timer_that_does_nothing(world: World) -> None:
    ask(world, "gcd 12 18")
    world.guardian({"gcd": gcd})
    world.work()
    assert world.published == ["gcd for 12 18 is 6"]
    world.pass_time(2 * limits.NO_WORKER_GRACE_S)
    assert world.published == ["gcd for 12 18 is 6"]


def test_plain_lines_beyond_their_own_share_end_where_all_is_used_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 0)
    monkeypatch.setattr(limits, "PLAIN_HELD_BYTES_MAX", 1_000)
    world.guardian({"gcd": gcd}, procs=0)
    world.pump()
    for _ in range(10):
        ask(world, "gcd 12 18")
    assert 0 < len(world.published) < 10
    assert all("holds as much as it can" in text for text in world.published)


def test_in_the_start_grace_an_unknown_command_waits_for_its_worker() -> None:
    world = World()
    ask(world, "upper a")
    world.pass_time(limits.START_GRACE_S / 2)
    assert world.published == []
    world.guardian({"upper": str.upper})
    world.work()
    assert world.published == ["A"]


def test_an_unknown_command_waits_no_longer_than_the_start_grace() -> None:
    world = World()
    world.pass_time(limits.START_GRACE_S / 2)
    ask(world, "upper a")
    world.pass_time(limits.START_GRACE_S / 2 - 0.01)
    assert world.published == []
    world.pass_time(0.02)
    assert world.published == ["error: unknown service 'upper'; no worker has offered it"]


def test_a_command_whose_worker_has_left_waits_for_another(world: World) -> None:
    guardian = world.guardian({"upper": str.upper})
    world.pump()
    world.kill_guardian(guardian)
    world.pass_time(2 * limits.NO_WORKER_GRACE_S)
    ask(world, "upper a")
    assert world.published == []
    world.guardian({"upper": str.upper})
    world.work()
    assert world.published == ["A"]


def test_a_result_of_other_bytes_is_not_called_too_long(world: World) -> None:
    world.broker.plain.result([b"\xff" * limits.PLAIN_TEXT_BYTES_MAX])
    world.pump()
    assert world.published == []


def test_plain_clients_get_the_text_for_people_and_not_the_value(world: World) -> None:
    offer = Offer("double", "double N", "")
    world.worker([Offered(offer, lambda n: f"twice {n}", lambda n: n + n)], 1)
    world.pump()
    ask(world, "double 4")
    assert world.published == ["twice 4"]


def test_a_plain_line_waits_for_a_busy_worker_without_a_deadline(world: World) -> None:
    guardian = world.guardian({"gcd": gcd}, procs=0)
    world.pump()
    ask(world, "gcd 12 18")
    world.pass_time(100)
    assert world.published == []
    guardian.start_executor()
    world.work()
    assert world.published == ["gcd for 12 18 is 6"]


def test_where_all_plain_peers_were_cut_off_lines_wait_until_they_are_back(world: World) -> None:
    subscribe(world, b"gcd", b"shout")
    world.broker.plain.subscriptions_lost(world.now)
    assert world.broker.plain.names() == set()
    ask(world, "shout x")
    assert (world.published, world.broadcast) == ([], [])
    subscribe(world, b"shout")
    assert world.broadcast == ["shout x"]
    world.pass_time(limits.START_GRACE_S + 1)
    ask(world, "gcd 12 18")
    world.pass_time(limits.NO_WORKER_GRACE_S)
    assert len(world.published) == 1, "nobody has come back to it"

import json

import msgspec
import pytest

from linebus import limits
from linebus.core.admin import SERVER, SERVICES, ServerInfo, ServicesPage
from linebus.testing.peers import PROGRAM, Answer, ClientPeer
from linebus.testing.world import World
from linebus.version import __version__
from linebus.wire.messages import Ack, Ask, Ended, Offer
from tests.core.test_broker_bounds import Peer

ECHO: dict[str, Answer] = {"echo": str}


def page(client: ClientPeer, line: str = SERVICES) -> ServicesPage:
    return msgspec.json.decode(ask(client, line), type=ServicesPage)


def ask(client: ClientPeer, line: str) -> str:
    client.ask(line)
    client.link.world.work()
    reply = client.replies.pop()
    assert reply.is_answered, reply
    return reply.text


def test_the_broker_says_who_offers_what() -> None:
    world = World()
    guardian = world.guardian({"shout": str.upper, "echo": str}, procs=2)
    shout_offer = Offer("shout", "shout TEXT", "Shout.", "text: str -> str", "shout a")
    guardian.session.offer([shout_offer, *guardian.session.offers[1:]], world.now)
    world.pump()
    shown = page(world.client())
    assert [service.name for service in shown.services] == ["echo", "shout"]
    assert shown.next is None
    shout = shown.services[1]
    assert (shout.usage, shout.doc) == ("shout TEXT", "Shout.")
    assert (shout.signature, shout.example) == ("text: str -> str", "shout a")
    [worker] = shout.workers
    assert (worker.program, shout.executors) == (PROGRAM, 2)
    assert len(worker.executors) == 3, "a reply may come from the spare one"
    asker = world.client()
    asker.ask("shout a")
    world.work()
    assert asker.replies[0].worker in worker.executors
    assert not shout.is_plain


def test_a_service_without_workers_is_still_known() -> None:
    world = World()
    guardian = world.guardian(ECHO)
    world.pump()
    world.kill_guardian(guardian)
    world.pass_time(1)
    [echo] = page(world.client()).services
    assert (echo.name, echo.workers, echo.executors) == ("echo", (), 0)


def test_lines_that_wait_are_counted() -> None:
    world = World()
    world.guardian(ECHO, procs=0)
    client = world.client()
    client.ask("echo 1", "echo 2")
    world.pump()
    [echo] = page(world.client()).services
    assert echo.waiting == 2


def test_plain_workers_are_told_of_by_what_they_subscribe_to() -> None:
    world = World()
    world.guardian(ECHO)
    for prefix in (b"\x01gcd", b"\x01isprime ", b"\x01", b"\x01no name", b"\x01\xff", b"\x01echo"):
        world.broker.plain.subscription(prefix, world.now)
    shown = page(world.client()).services
    assert [(s.name, s.is_plain, len(s.workers), s.executors, s.waiting) for s in shown] == [
        ("echo", True, 1, 1, 0),
        ("gcd", True, 0, 0, 0),
        ("isprime", True, 0, 0, 0),
    ]


def test_long_lists_come_in_pages() -> None:
    world = World()
    names = [f"service{n:04}" for n in range(2 * limits.SERVICES_PER_WORKER_MAX)]
    half = limits.SERVICES_PER_WORKER_MAX
    for some in (names[:half], names[half:]):
        guardian = world.guardian(dict.fromkeys(some, str))
        long = "\x01" * limits.DESCRIPTION_CHARS_MAX
        offers = [msgspec.structs.replace(o, doc=long) for o in guardian.session.offers]
        guardian.session.offer(offers, world.now)
    world.pump()
    client = world.client()
    found: list[str] = []
    line = SERVICES
    while True:
        client.ask(line)
        world.pump()
        text = client.replies.pop().text
        assert len(text.encode()) <= limits.TEXT_BYTES_MAX
        shown = msgspec.json.decode(text, type=ServicesPage)
        found += [service.name for service in shown.services]
        if shown.next is None:
            break
        line = f"{SERVICES} {shown.next}"
        world.pass_time(0.1)
    assert found == names


def test_a_page_begins_where_it_is_told_to() -> None:
    world = World()
    world.guardian({"a": str, "c": str})
    world.pump()
    assert [s.name for s in page(world.client(), f"{SERVICES} b").services] == ["c"]


def test_the_broker_says_how_it_fares() -> None:
    world = World()
    world.guardian(ECHO, procs=3)
    client = world.client()
    world.pass_time(10)
    info = msgspec.json.decode(ask(client, SERVER), type=ServerInfo)
    assert (info.version, info.protocol, info.uptime_s) == (__version__, "linebus/1", 10)
    assert (info.clients, info.workers, info.executors, info.services) == (1, 1, 3, 1)
    assert info.limits["line_bytes_max"] == limits.LINE_BYTES_MAX
    assert json.loads(ask(client, SERVER))["limits"]["clients_max"] == limits.CLIENTS_MAX


def test_arguments_that_make_no_sense_are_refused() -> None:
    world = World()
    client = world.client()
    client.ask(f"{SERVER} now")
    world.pump()
    [reply] = client.replies
    assert (reply.outcome, reply.worker, reply.attempt) == ("failed", 0, 1)
    assert (reply.queued_s, reply.ran_s) == (0.0, 0.0)
    assert reply.text == "expected 0 arguments, got 1; usage: linebus.server"


def test_one_client_is_answered_only_so_many_lines_a_second() -> None:
    world = World()
    client, other = world.client(), world.client()
    allowed = limits.ADMIN_LINES_PER_S_MAX
    client.ask(*[SERVER] * (allowed + 5))
    world.pump()
    assert client.outcomes == ["answered"] * allowed + ["overloaded"] * 5
    assert ask(other, SERVER)
    world.pass_time(1)
    assert ask(client, SERVER)


def test_so_many_lines_a_second_are_answered_however_they_come() -> None:
    world = World()
    client = world.client()
    allowed = limits.ADMIN_LINES_PER_S_MAX
    for _ in range(allowed + 5):
        client.ask(SERVER)
        world.pump()
    assert client.outcomes == ["answered"] * allowed + ["overloaded"] * 5


def test_whoever_has_asked_only_the_broker_is_owed_nothing_once_it_has_acknowledged() -> None:
    world = World()
    peer = Peer(world)
    peer.client()
    peer.say(Ask(SERVER, 1, [""]))
    peer.hear()
    peer.say(Ack(SERVER, [(1, 1)]))
    peer.cut()
    info = msgspec.json.decode(ask(world.client(), SERVER), type=ServerInfo)
    assert info.clients == 1


def test_replies_are_kept_until_they_are_acknowledged() -> None:
    world = World()
    client = world.client()
    world.pump()
    client.ask(SERVER)
    client.link.collect()
    client.link.deliver_to_server()
    world.broker_round()
    client.link.cut()
    client.link.connect()
    world.pump()
    assert client.outcomes == ["answered"]


def test_a_full_broker_answers_nothing_about_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", -1)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", -1)
    world = World()
    client = world.client()
    client.ask(SERVER)
    world.pump()
    assert client.outcomes == ["overloaded"]
    assert "holds as much as it can" in client.texts[0]


def test_plain_clients_are_told_how_to_ask() -> None:
    world = World()
    world.pass_time(limits.START_GRACE_S)
    world.broker.plain.request(SERVER.encode(), world.now)
    world.pass_time(limits.NO_WORKER_GRACE_S + 1)
    assert world.published == [
        "error: 'linebus.server' is not for plain clients; ask it with linebus ask"
    ]


def test_no_worker_may_offer_the_brokers_own_services() -> None:
    world = World()
    client = world.client()
    world.guardian({SERVER: str})
    with pytest.raises(Exception, match="regex"):
        world.pump()
    assert json.loads(ask(client, SERVER))


def test_what_comes_beside_known_lines_is_not_answered_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    client = world.client()
    ask(client, SERVER)
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", -1)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", -1)
    assert client.link.route is not None
    session = world.broker._routes[client.link.route]
    world.broker.receive(client.link.route, session.token, [Ask(SERVER, 1, ["", ""])], world.now)
    [(_, _, messages)] = world.broker.outgoing(())
    [ended] = [each for each in messages if isinstance(each, Ended)]
    assert (ended.first, ended.count, ended.outcome) == (2, 1, "overloaded")

import pytest

from linebus import limits
from linebus.client.order import Order, _of_one_service
from linebus.client.session import ClientSession
from linebus.testing.world import World
from linebus.wire import plain


@pytest.fixture
def world() -> World:
    world = World()
    world.guardian({"a": lambda text: f"a:{text}", "b": lambda text: f"b:{text}"}, procs=2)
    world.pass_time(3)
    return world


def test_replies_leave_in_the_order_of_the_lines(world: World) -> None:
    client = world.client()
    lines = [f"{'ab'[n % 3 == 0]} {n}" for n in range(500)]
    client.ask(*lines)
    world.work()
    assert client.texts == [f"{line[0]}:{line[2:]}" for line in lines]


def test_a_missing_reply_holds_back_those_behind_it() -> None:
    session = ClientSession(b"s" * 16, "test")
    order = Order(session)
    order.ask(["a 1", "", "a 2"])
    assert order.take() == []
    assert order.owed == 3


def test_odd_spellings_join_the_same_stream(world: World) -> None:
    client = world.client()
    client.ask("a 1", " a 2", "a\t3", "a 4\r\n", "a   5 ", "a")
    world.work()
    assert client.texts == ["a:1", "a:2", "a:3", "a:4", "a:5", "a:"]


SPELLINGS = ["a  1", "a 2", "a  \t3 \t\r\n", "a ", "a a 4", "a \r5", "a  "]


def test_lines_that_all_begin_alike_are_split_as_single_ones() -> None:
    name, arguments = _of_one_service(SPELLINGS) or ("", [])
    assert [(name, each) for each in arguments] == [plain.split(line) for line in SPELLINGS]
    for others in (["b 1"], ["b 1"] * 9, ["a"], [" a 1"], ["aa 1"], ["a\t1"]):
        assert _of_one_service([*SPELLINGS, *others]) is None
        assert _of_one_service([*others, *SPELLINGS]) is None


def test_lines_of_several_services_are_split_as_single_ones(world: World) -> None:
    client = world.client()
    client.ask("b 1", *SPELLINGS)
    world.work()
    assert client.texts == ["b:1", *[f"a:{plain.split(line)[1]}" for line in SPELLINGS]]


def test_lines_without_a_service_are_answered_in_their_place(world: World) -> None:
    client = world.client()
    client.ask("", "a 1", "???", "a 2")
    world.work()
    assert client.outcomes == ["no_service", "answered", "no_service", "answered"]


def test_two_callers_of_one_session_get_their_own_replies(world: World) -> None:
    client = world.client()
    other = Order(client.session)
    client.ask("a 1", "a 2")
    other.ask(["a 3", "b 4"])
    client.ask("a 5")
    world.work()
    assert client.texts == ["a:1", "a:2", "a:5"]
    assert [reply.text for reply in other.take()] == ["a:3", "b:4"]
    assert (client.order.owed, other.owed) == (0, 0)


def test_who_gives_up_leaves_the_others_alone(world: World) -> None:
    client = world.client()
    other = Order(client.session)
    other.ask(["a 1", "a 2"])
    client.ask("a 3")
    other.forget()
    world.work()
    assert client.texts == ["a:3"]
    assert other.take() == []


def test_lines_that_cannot_be_sent_end_in_their_place_and_take_no_number(world: World) -> None:
    client = world.client()
    client.ask("a 1", "a \udcff", "a é", "a  2", "b " + "x" * (limits.LINE_BYTES_MAX + 1), "a 3")
    assert client.session.owed == 4
    assert client.session.stream("a").next_number == 5
    world.work()
    assert client.outcomes == ["answered", "failed", "answered", "answered", "failed", "answered"]
    assert client.texts[::5] == ["a:1", "a:3"]


def test_services_that_alternate_make_few_runs(world: World) -> None:
    client = world.client()
    client.ask(*[f"{'ab'[n % 2]} {n}" for n in range(1_000)])
    assert [len(stream.unsent) for stream in client.session._streams.values()] == [1, 1]
    world.work()
    assert client.texts == [f"{'ab'[n % 2]}:{n}" for n in range(1_000)]


def test_it_is_known_where_each_line_stands(world: World) -> None:
    order = Order(world.client().session)
    order.ask(["a 1", "b 1", "???", "a 2"])
    order.ask(["b 2"])
    found = [order.line_at(index) for index in range(6)]
    places = [(each[0].service, each[1]) if each is not None else None for each in found]
    assert places == [("a", 1), ("b", 1), None, ("a", 2), ("b", 2), None]

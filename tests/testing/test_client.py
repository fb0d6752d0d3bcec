"""A client of the in-process bus does what `linebus.Client` does."""

from __future__ import annotations

import inspect
import itertools
from typing import TYPE_CHECKING, Annotated

import pytest

import linebus
from linebus import errors, limits
from linebus.testing import Bus, Client
from linebus.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future


@linebus.service(reply="{a} by {b} is {result}", example="divide 6 3")
def divide(a: int, b: int) -> float:
    """Divide two numbers."""
    return a / b


@linebus.service
def echo(text: Annotated[str, linebus.Rest]) -> str:
    return text


@linebus.service
def leave(code: int) -> None:
    raise SystemExit(code)


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus(divide, echo, leave) as bus:
        yield bus


def test_methods_take_what_those_of_the_real_client_take() -> None:
    for name in ("ask", "call", "submit", "map", "services", "close"):
        real = inspect.signature(getattr(linebus.Client, name))
        assert inspect.signature(getattr(Client, name)) == real
        if name != "close":
            assert inspect.signature(getattr(Bus, name)) == real


# -- ask -------------------------------------------------------------------------------------


def test_a_line_is_answered_by_the_real_service(bus: Bus) -> None:
    reply = bus.ask("divide 6 3")
    assert (reply.outcome, reply.text, reply.attempt) == ("answered", "6 by 3 is 2.0", 1)
    assert reply.worker > 0
    assert (reply.queued_s, reply.ran_s) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("line", "outcome", "text"),
    [
        ("divide 6", "failed", "expected 2 arguments, got 1; usage: divide A B"),
        ("divide 6 0", "failed", "divide failed: ZeroDivisionError: division by zero"),
        ("divid 6 3", "no_service", "unknown service 'divid'; did you mean 'divide'?"),
        ("", "no_service", "the line is empty; it starts with a service's name, for example: "),
        ("echo " + "x" * (limits.LINE_BYTES_MAX + 1), "failed", "the line is too long"),
        ("leave 3", "quarantined", "3 executors died while working on it; the last: ended with"),
    ],
)
def test_what_cannot_be_answered_ends_as_it_does_in_earnest(
    bus: Bus, line: str, outcome: str, text: str
) -> None:
    reply = bus.ask(line)
    assert reply.outcome == outcome
    assert reply.text.startswith(text)
    assert bus.ask("divide 6 3").is_answered


def test_a_lone_line_is_not_mapped_character_by_character(bus: Bus) -> None:
    with pytest.raises(errors.UsageError, match="ask takes one"):
        list(bus.map("divide 6 3"))


def test_the_servers_own_replies_are_of_no_worker(bus: Bus) -> None:
    reply = bus.ask("linebus.server")
    assert (reply.outcome, reply.worker, reply.attempt) == ("answered", 0, 1)
    reply = bus.ask("divid 6 3")
    assert (reply.outcome, reply.worker, reply.attempt) == ("no_service", 0, 0)


def test_a_deadline_is_by_the_clock_of_the_bus(bus: Bus) -> None:
    bus.fault("executor_hangs", at="echo a")
    with pytest.raises(errors.DeadlineExceeded, match=r"no reply within 2\.5 s"):
        bus.ask("echo a", timeout_s=2.5)
    assert bus.clock.now == 2.5


def test_a_reply_after_the_deadline_is_nobodys() -> None:
    with Bus() as bus:
        worker = bus.worker(echo)
        worker.stop()
        with pytest.raises(errors.DeadlineExceeded):
            bus.ask("echo a", timeout_s=1)
        worker.resume()
        assert bus.ask("echo b").text == "b"


def test_a_service_may_ask_other_services(bus: Bus) -> None:
    @linebus.service
    def shout(word: str) -> str:
        return bus.ask(f"echo {word}").text.upper()

    bus.worker(shout)
    assert bus.ask("shout a").text == "A"
    assert [reply.text for reply in bus.map(["shout a", "echo b", "shout c"])] == ["A", "b", "C"]


def test_a_service_that_asks_itself_with_one_executor_gets_no_reply(bus: Bus) -> None:
    @linebus.service
    def mirror(depth: int) -> str:
        return bus.ask(f"mirror {depth - 1}").text if depth else "bottom"

    bus.worker(mirror, procs=2)
    assert bus.ask("mirror 1").text == "bottom"
    assert "no reply is on its way" in bus.ask("mirror 2").text


# -- call ------------------------------------------------------------------------------------


def test_a_call_gives_the_value(bus: Bus) -> None:
    assert bus.call("divide", 6, 4) == 1.5
    assert bus.call("echo", "two words") == "two words"


def test_other_outcomes_of_a_call_are_raised(bus: Bus) -> None:
    with pytest.raises(errors.Failed, match="ZeroDivisionError") as caught:
        bus.call("divide", 6, 0)
    assert (caught.value.worker > 0, caught.value.attempt) == (True, 1)
    with pytest.raises(errors.NoService):
        bus.call("divid", 6, 3)
    with pytest.raises(errors.Quarantined):
        bus.call("leave", 0)
    with pytest.raises(errors.UsageError):
        bus.call("echo", None)


def test_a_call_has_a_deadline_too(bus: Bus) -> None:
    bus.fault("executor_hangs", at="echo a")
    with pytest.raises(errors.DeadlineExceeded):
        bus.call("echo", "a", timeout_s=1)


# -- submit ----------------------------------------------------------------------------------


def test_a_future_is_done_when_the_bus_has_run(bus: Bus) -> None:
    futures = [bus.submit(f"echo {n}") for n in range(100)]
    assert not any(future.done() for future in futures)
    bus.run()
    assert all(future.done() for future in futures)
    assert [future.result().text for future in futures] == [str(n) for n in range(100)]


def test_a_future_runs_the_bus_when_it_is_asked_for_its_result(bus: Bus) -> None:
    assert bus.submit("echo a").result().text == "a"
    assert bus.submit("echo a").exception() is None
    assert bus.submit("").result().outcome == "no_service"


def test_a_future_is_done_while_others_are_waited_for(bus: Bus) -> None:
    future = bus.submit("echo a")
    assert bus.ask("echo b").text == "b"
    assert future.done()


def test_a_future_calls_back(bus: Bus) -> None:
    texts: list[str] = []

    def next_one(future: Future[linebus.Reply]) -> None:
        texts.append(future.result().text)
        if len(texts) < 3:
            bus.submit(f"echo {len(texts)}").add_done_callback(next_one)

    bus.submit("echo 0").add_done_callback(next_one)
    bus.run()
    assert texts == ["0", "1", "2"]


def test_a_future_that_is_cancelled_gets_nothing(bus: Bus) -> None:
    future, other = bus.submit("echo a"), bus.submit("echo b")
    assert future.cancel()
    assert other.result().text == "b"
    assert future.cancelled()


def test_a_futures_timeout_is_by_the_clock_of_the_bus(bus: Bus) -> None:
    bus.fault("executor_hangs", at="echo a")
    future = bus.submit("echo a")
    with pytest.raises(TimeoutError):
        future.result(timeout=3)
    assert bus.clock.now == 3.0
    with pytest.raises(errors.UsageError, match="no reply is on its way"):
        future.result()


# -- map -------------------------------------------------------------------------------------


def test_many_lines_are_answered_in_their_order(bus: Bus) -> None:
    lines = [f"echo {n}" if n % 3 else f"divide {n} 1" for n in range(600)]
    texts = [reply.text for reply in bus.map(lines)]
    assert texts[:4] == ["0 by 1 is 0.0", "1", "2", "3 by 1 is 3.0"]
    assert len(texts) == 600


def test_lines_are_read_as_replies_are_taken(bus: Bus) -> None:
    replies = bus.map(f"echo {n}" for n in itertools.count())
    assert [next(replies).text for _ in range(3)] == ["0", "1", "2"]


def test_lines_may_come_from_other_replies(bus: Bus) -> None:
    texts = bus.map(f"echo {reply.text}" for reply in bus.map(["echo a", "echo b"]))
    assert [reply.text for reply in texts] == ["a", "b"]


def test_map_has_a_deadline_for_the_next_reply(bus: Bus) -> None:
    bus.fault("executor_hangs", at="echo 1")
    replies = bus.map(["echo 0", "echo 1"], timeout_s=1)
    assert next(replies).text == "0"
    with pytest.raises(errors.DeadlineExceeded):
        next(replies)


# -- services --------------------------------------------------------------------------------


def test_services_tell_what_is_offered(bus: Bus) -> None:
    bus.worker(echo, procs=3)
    found = {service.name: service for service in bus.services()}
    assert list(found) == ["divide", "echo", "leave"]
    told = found["divide"]
    assert (told.usage, told.doc, told.example) == (
        "divide A B",
        "Divide two numbers.",
        "divide 6 3",
    )
    assert (len(found["echo"].workers), found["echo"].executors) == (2, 4)


def test_services_of_several_pages_are_put_together() -> None:
    with Bus() as bus:
        names = [f"s{n:03}" for n in range(limits.ADMIN_PAGE_SERVICES_MAX + 10)]
        for part in (names[:200], names[200:]):
            bus.worker(*[linebus.service(name=name)(echo.function) for name in part])
        assert [service.name for service in bus.services()] == names


# -- sessions --------------------------------------------------------------------------------


def test_a_cut_connection_comes_back_and_each_line_is_answered_once(bus: Bus) -> None:
    client = bus.client()
    future = client.submit("echo a")
    client.cut()
    assert future.result().text == "a"
    assert bus.clock.now == limits.RECONNECT_MS / 1000


def test_a_client_that_is_closed_asks_no_more(bus: Bus) -> None:
    with bus.client() as client:
        future = client.submit("echo a")
        replies = client.map(["echo b"])
    with pytest.raises(errors.UsageError, match="closed before the reply came"):
        future.result()
    client.close()
    for wrong in (lambda: client.ask("echo a"), lambda: next(replies), client.cut):
        with pytest.raises(errors.UsageError, match="this client is closed"):
            wrong()


def test_a_client_that_is_closed_is_not_in_the_servers_books() -> None:
    world = World()
    client = Client(world)
    world.pump()
    assert len(world.broker._clients) == 1
    client.close()
    assert not world.broker._clients
    assert not world.links


def test_a_deadline_ends_a_line_and_stops_who_works_on_it(bus: Bus) -> None:
    for kind in range(4):
        bus.fault("executor_hangs", at="echo late")
        if kind == 0:
            assert bus.ask("echo late", deadline_s=2.0).outcome == "expired"
        elif kind == 1:
            with pytest.raises(linebus.Expired, match="the worker was told to stop"):
                bus.call("echo", "late", deadline_s=2.0)
        elif kind == 2:
            assert bus.submit("echo late", deadline_s=2.0).result().outcome == "expired"
        else:
            assert [reply.outcome for reply in bus.map(["echo late"], deadline_s=2.0)] == [
                "expired"
            ]
    assert bus.ask("echo in time", deadline_s=2.0).attempt == 1


def test_what_is_given_up_is_stopped(bus: Bus) -> None:
    bus.fault("executor_hangs", at="echo late")
    with pytest.raises(linebus.DeadlineExceeded):
        bus.ask("echo late", timeout_s=1.0)
    assert bus.ask("echo next").text == "next"

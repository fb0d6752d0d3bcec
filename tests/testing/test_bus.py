"""An in-process bus as a user's test meets it."""

from __future__ import annotations

import pytest

import linebus
from linebus import limits
from linebus.errors import UsageError
from linebus.testing import Bus


@linebus.service
def echo(word: str) -> str:
    return word


@linebus.service
def half(number: int) -> int:
    return number // 2


def test_a_bus_has_a_worker_for_what_it_is_given() -> None:
    with Bus(echo, half, procs=3) as bus:
        assert bus.ask("half 8").text == "4"
        assert bus.call("half", 8) == 4
        assert [reply.text for reply in bus.map(["echo a", "half 2"])] == ["a", "1"]
        assert bus.submit("echo b").result().text == "b"
        assert [service.executors for service in bus.services()] == [3, 3]


def test_a_bus_without_services_has_no_worker() -> None:
    with Bus() as bus:
        assert bus.services() == []
        assert bus.ask("echo a").outcome == "no_service"
        assert bus.clock.now == 0.0


def test_what_a_worker_offers_is_there_for_the_next_line() -> None:
    with Bus() as bus:
        assert bus.ask("echo a").outcome == "no_service"
        bus.worker(echo)
        assert bus.ask("echo a").text == "a"


def test_two_buses_know_nothing_of_each_other() -> None:
    with Bus(echo) as one, Bus(half) as other:
        one.clock.advance(5)
        assert other.clock.now == 0.0
        assert other.ask("echo a").outcome == "no_service"


def test_two_runs_are_the_same_to_the_last_number() -> None:
    def story() -> list[linebus.Reply]:
        with Bus(echo, half, procs=2) as bus:
            bus.fault("executor_dies", at="half 3")
            bus.fault("server_restarts", at="half 5")
            return list(bus.map(f"half {n}" for n in range(50)))

    assert story() == story()


def test_run_does_what_can_be_done_now() -> None:
    with Bus(echo) as bus:
        done = bus.submit("echo a")
        bus.run()
        assert done.done()
        assert bus.clock.now == 0.0


def test_a_restarted_server_is_asked_again() -> None:
    with Bus(echo) as bus:
        future = bus.submit("echo a")
        bus.restart_server()
        assert future.result().text == "a"
        assert bus.ask("echo b").text == "b"


def test_a_restarted_server_waits_a_while_for_workers() -> None:
    with Bus(echo) as bus:
        bus.restart_server()
        assert bus.ask("ehco a").outcome == "no_service"
        assert bus.clock.now == limits.START_GRACE_S


def test_what_was_begun_for_a_server_that_is_gone_is_nobodys() -> None:
    asked: list[str] = []

    @linebus.service
    def slow(word: str) -> str:
        asked.append(word)
        if len(asked) == 1:
            bus.restart_server()
            bus.clock.advance(5)
        return f"{word} {len(asked)}"

    with Bus(slow) as bus:
        assert bus.ask("slow a").text == "a 2"


def test_a_cut_is_of_the_buss_own_client_or_of_another() -> None:
    with Bus(echo) as bus:
        other = bus.client()
        mine, theirs = bus.submit("echo a"), other.submit("echo b")
        bus.cut()
        bus.run()
        assert (mine.done(), theirs.done()) == (False, True)
        bus.cut(other)
        assert mine.result().text == "a"
        assert other.ask("echo c").text == "c"


def test_a_bus_that_is_closed_does_nothing_more() -> None:
    bus = Bus(echo)
    future = bus.submit("echo a")
    bus.close()
    bus.close()
    assert isinstance(future.exception(), UsageError)
    for wrong in (bus.run, bus.cut, bus.client, bus.restart_server, lambda: bus.worker(echo)):
        with pytest.raises(UsageError, match="this bus is closed"):
            wrong()
    with pytest.raises(UsageError, match="this client is closed"):
        bus.ask("echo a")


def test_closing_tells_of_a_fault_that_never_struck() -> None:
    bus = Bus(echo)
    bus.fault("executor_dies", at="echo b")
    with pytest.raises(UsageError, match="has never struck"):
        bus.close()


def test_leaving_tells_of_a_fault_that_never_struck() -> None:
    with pytest.raises(UsageError, match="has never struck"), Bus(echo) as bus:
        bus.fault("executor_dies", at="echo b")


def test_a_failure_says_more_than_a_fault_that_never_struck() -> None:
    with pytest.raises(AssertionError), Bus(echo) as bus:
        bus.fault("executor_dies", at="echo b")
        raise AssertionError


# -- wrong use -------------------------------------------------------------------------------


def test_a_plain_function_is_no_service() -> None:
    def price(fruit: str) -> str:
        return fruit

    with pytest.raises(UsageError, match=r"price is no service; put @linebus\.service above"):
        Bus(price)  # type: ignore[arg-type]  # that is the mistake


def test_a_worker_offers_each_service_once() -> None:
    with Bus() as bus:
        with pytest.raises(UsageError, match="'echo' is given twice"):
            bus.worker(echo, echo)
        with pytest.raises(UsageError, match="1 to 256 services; got 0"):
            bus.worker()


@pytest.mark.parametrize("procs", [0, -1, limits.EXECUTORS_PER_WORKER_MAX + 1])
def test_a_worker_has_a_possible_number_of_executors(procs: int) -> None:
    with Bus() as bus, pytest.raises(UsageError, match="a worker has 1 to 256 executors"):
        bus.worker(echo, procs=procs)

"""Each fault by its name: what it does to the line, and how often the service has worked on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import linebus
from linebus import limits
from linebus.errors import DeadlineExceeded, UsageError
from linebus.testing import Bus, Fault
from linebus.testing.faults import Faults
from linebus.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE_S = limits.SILENCE_LEAST_S


class Shop:
    """A bus with one service that counts what it was asked."""

    def __init__(self) -> None:
        self.sold: list[str] = []

        @linebus.service(name="buy")
        def buy(fruit: str) -> str:
            self.sold.append(fruit)
            return f"one {fruit}"

        self.buy = buy
        self.bus = Bus(buy)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with shop.bus:
        yield shop


def test_an_executor_that_dies_costs_an_attempt_and_the_work_is_done_twice(shop: Shop) -> None:
    shop.bus.fault("executor_dies", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.outcome, reply.text, reply.attempt) == ("answered", "one plum", 2)
    assert shop.sold == ["plum", "plum"]
    assert shop.bus.clock.now == 0.0


def test_a_line_at_which_three_executors_die_is_quarantined(shop: Shop) -> None:
    shop.bus.fault(Fault.EXECUTOR_DIES, at="buy plum", times=3)
    reply = shop.bus.ask("buy plum")
    assert reply.outcome == "quarantined"
    assert reply.text == "3 executors died while working on it; the last: killed by SIGKILL"
    assert shop.bus.ask("buy pear").text == "one pear"


def test_lines_beside_the_one_are_not_touched(shop: Shop) -> None:
    shop.bus.fault("executor_dies", at="buy plum", times=3)
    lines = ["buy apple", "buy plum", "buy pear", "buy plum"]
    replies = list(shop.bus.map(lines))
    assert [reply.outcome for reply in replies] == [
        "answered",
        "quarantined",
        "answered",
        "answered",
    ]
    assert (shop.sold.count("apple"), shop.sold.count("pear")) == (1, 1)


def test_an_executor_that_hangs_keeps_its_line(shop: Shop) -> None:
    shop.bus.fault("executor_hangs", at="buy plum")
    with pytest.raises(DeadlineExceeded, match=r"no reply within 600 s"):
        shop.bus.ask("buy plum", timeout_s=600)
    assert shop.bus.clock.now == 600.0
    shop.bus.worker(shop.buy)
    assert shop.bus.ask("buy pear").text == "one pear"


def test_what_hangs_ends_with_its_worker() -> None:
    shop = Shop()
    with Bus() as bus:
        worker = bus.worker(shop.buy)
        bus.fault("executor_hangs", at="buy plum")
        future = bus.submit("buy plum")
        with pytest.raises(TimeoutError):
            future.result(timeout=5)
        bus.worker(shop.buy)
        worker.kill()
        assert (future.result().text, future.result().attempt) == ("one plum", 2)


def test_without_a_deadline_nobody_waits_for_what_hangs(shop: Shop) -> None:
    shop.bus.fault("executor_hangs", at="buy plum")
    with pytest.raises(UsageError, match=r"do not come to the end of \['buy plum'\]"):
        shop.bus.ask("buy plum")


def test_an_executor_that_is_cut_off_hands_its_reply_in_later(shop: Shop) -> None:
    shop.bus.fault("executor_cut_off", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 1, ["plum"])
    assert shop.bus.clock.now == limits.RECONNECT_MS / 1000


def test_a_worker_that_dies_leaves_the_line_to_another(shop: Shop) -> None:
    shop.bus.worker(shop.buy)
    shop.bus.fault("worker_dies", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 2, ["plum", "plum"])
    assert shop.bus.services()[0].executors == 1


def test_a_worker_that_dies_leaves_no_strike(shop: Shop) -> None:
    deaths = limits.STRIKES_MAX + 1
    for _ in range(deaths):
        shop.bus.worker(shop.buy)
    shop.bus.fault("worker_dies", at="buy plum", times=deaths)
    assert shop.bus.ask("buy plum").attempt == deaths + 1


def test_a_worker_that_vanishes_is_given_up_when_it_is_silent(shop: Shop) -> None:
    shop.bus.worker(shop.buy)
    shop.bus.fault("worker_vanishes", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 2, ["plum", "plum"])
    assert shop.bus.clock.now == SILENCE_S


def test_a_worker_that_vanished_may_come_back() -> None:
    shop = Shop()
    with Bus() as bus:
        worker = bus.worker(shop.buy)
        bus.fault("worker_vanishes", at="buy plum")
        future = bus.submit("buy plum")
        bus.clock.advance(1)
        assert not future.done()
        worker.resume()
        assert future.result().attempt == 1


def test_a_server_that_restarts_is_asked_again(shop: Shop) -> None:
    shop.bus.fault("server_restarts", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 1, ["plum", "plum"])


def test_a_request_that_is_lost_is_asked_again(shop: Shop) -> None:
    shop.bus.fault("request_lost", at="buy plum", times=2)
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 1, ["plum"])
    assert shop.bus.clock.now == 2 * limits.RECONNECT_MS / 1000


def test_a_reply_that_is_lost_is_sent_again(shop: Shop) -> None:
    shop.bus.fault("reply_lost", at="buy plum", times=2)
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, shop.sold) == ("one plum", 1, ["plum"])
    assert shop.bus.clock.now == 2 * limits.RECONNECT_MS / 1000
    assert shop.bus.ask("buy plum").text == "one plum"


def test_another_clients_reply_is_not_lost(shop: Shop) -> None:
    other = shop.bus.client()
    shop.bus.fault("reply_lost", at="buy plum")
    mine, theirs = shop.bus.submit("buy plum"), other.submit("buy pear")
    shop.bus.run()
    assert (mine.done(), theirs.done()) == (False, True)


def test_faults_at_one_line_strike_one_after_the_other(shop: Shop) -> None:
    shop.bus.worker(shop.buy)
    shop.bus.fault("executor_dies", at="buy plum", times=2)
    shop.bus.fault("worker_dies", at="buy plum")
    shop.bus.fault("reply_lost", at="buy plum")
    reply = shop.bus.ask("buy plum")
    assert (reply.text, reply.attempt, len(shop.sold)) == ("one plum", 4, 4)


def test_a_line_is_the_same_however_many_blanks_it_has(shop: Shop) -> None:
    shop.bus.fault("executor_dies", at="  buy   plum ")
    assert [reply.attempt for reply in shop.bus.map(["buy a", "buy   plum"])] == [1, 2]


def test_values_meet_the_same_faults(shop: Shop) -> None:
    shop.bus.fault("executor_dies", at="buy plum", times=3)
    with pytest.raises(linebus.Quarantined):
        shop.bus.call("buy", "plum")


# -- wrong use -------------------------------------------------------------------------------


def test_an_unknown_fault_is_answered_with_those_that_there_are(shop: Shop) -> None:
    with pytest.raises(UsageError) as caught:
        shop.bus.fault("worker_explodes", at="buy plum")
    assert str(caught.value) == (
        "no fault is called 'worker_explodes'; there are: executor_dies, executor_hangs, "
        "executor_cut_off, worker_dies, worker_vanishes, server_restarts, request_lost, reply_lost"
    )


@pytest.mark.parametrize("line", ["", "???", "  "])
def test_a_fault_strikes_at_a_line(shop: Shop, line: str) -> None:
    with pytest.raises(UsageError, match="a fault strikes at a line"):
        shop.bus.fault("executor_dies", at=line)


def test_a_fault_strikes_at_least_once(shop: Shop) -> None:
    with pytest.raises(UsageError, match="at least once"):
        shop.bus.fault("executor_dies", at="buy plum", times=0)


def test_a_fault_that_never_struck_is_told() -> None:
    faults = Faults(World())
    faults.check()
    faults.arm("executor_dies", "buy plumm", 1)
    with pytest.raises(UsageError, match="executor_dies at 'buy plumm' has never struck"):
        faults.check()


def test_every_fault_is_in_the_document_and_has_a_test_here() -> None:
    document = Path(__file__).resolve().parents[2] / "docs" / "howto" / "testing.md"
    rows = re.findall(r"^\| `(\w+)` \| the ", document.read_text("utf-8"), re.MULTILINE)
    assert rows == [str(fault) for fault in Fault]
    tests = Path(__file__).read_text("utf-8")
    assert all(f'fault("{fault}", at="buy plum"' in tests for fault in Fault)

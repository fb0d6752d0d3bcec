"""Time passes when a test says so, and what is due within it happens."""

from __future__ import annotations

import pytest

import linebus
from linebus import limits
from linebus.errors import UsageError
from linebus.testing import Bus


@linebus.service
def echo(word: str) -> str:
    return word


def test_a_clock_begins_at_nought_and_stands_still() -> None:
    with Bus(echo) as bus:
        assert bus.clock.now == 0.0
        assert bus.ask("echo a").text == "a"
        assert bus.clock.now == 0.0


def test_a_clock_goes_as_far_as_it_is_told() -> None:
    with Bus(echo) as bus:
        bus.clock.advance(1.5)
        bus.clock.advance(0)
        assert bus.clock.now == 1.5


def test_what_is_due_happens_on_the_way() -> None:
    with Bus(echo) as bus:
        worker = bus.worker(echo)
        worker.stop()
        bus.clock.advance(limits.SILENCE_LEAST_S - 0.1)
        assert bus.services()[0].executors == 2
        bus.clock.advance(0.2)
        assert bus.services()[0].executors == 1


def test_lines_are_worked_on_while_time_passes() -> None:
    with Bus(echo) as bus:
        future = bus.submit("echo a")
        bus.clock.advance(0.1)
        assert future.done()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_clock_goes_forward_only(seconds: float) -> None:
    with Bus() as bus, pytest.raises(UsageError, match="a clock goes forward"):
        bus.clock.advance(seconds)


def test_a_service_may_take_its_time() -> None:
    @linebus.service
    def slow(seconds: float) -> str:
        bus.clock.advance(seconds)
        return "at last"

    with Bus(slow) as bus:
        reply = bus.ask("slow 7")
        assert (reply.text, reply.ran_s, bus.clock.now) == ("at last", 7.0, 7.0)

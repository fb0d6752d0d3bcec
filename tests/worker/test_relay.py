"""Plain lines on their way to executors and back."""

from __future__ import annotations

import pytest

from linebus import limits
from linebus.worker.relay import PlainRelay

BOTH = {"gcd", "isprime"}


def test_a_line_goes_to_an_executor_and_its_text_comes_back() -> None:
    relay = PlainRelay()
    assert not relay.is_waiting
    assert relay.accept("gcd 12 18", BOTH) is None
    assert relay.is_waiting
    number, service, arguments = relay.next_line()
    assert (service, arguments) == ("gcd", "12 18")
    assert not relay.is_waiting
    assert relay.finished(number, "gcd for 12 18 is 6", failed=False) == "gcd for 12 18 is 6"


def test_lines_go_out_in_the_order_in_which_they_came() -> None:
    relay = PlainRelay()
    for number in range(5):
        relay.accept(f"isprime {number}", BOTH)
    handed = [relay.next_line() for _ in range(5)]
    assert [arguments for _, _, arguments in handed] == ["0", "1", "2", "3", "4"]
    assert len({number for number, _, _ in handed}) == 5


@pytest.mark.parametrize("line", ["isprimes 97", "ISPRIME 97", "hello", "", "  "])
def test_a_line_for_others_is_left_to_them(line: str) -> None:
    relay = PlainRelay()
    assert relay.accept(line, BOTH) is None
    assert not relay.is_waiting


def test_a_line_that_failed_becomes_an_error_line_that_quotes_it() -> None:
    relay = PlainRelay()
    relay.accept("gcd 12", BOTH)
    number, _, _ = relay.next_line()
    text = relay.finished(number, "usage: gcd A B", failed=True)
    assert text == "error: gcd 12: usage: gcd A B"


def test_a_text_that_nobody_waits_for_is_not_published() -> None:
    relay = PlainRelay()
    relay.accept("gcd 12 18", BOTH)
    number, _, _ = relay.next_line()
    assert relay.finished(number, "6", failed=False) == "6"
    assert relay.finished(number, "6", failed=False) is None
    assert relay.finished(99, "6", failed=False) is None


def test_a_line_whose_executor_died_goes_to_another_one_before_the_rest() -> None:
    relay = PlainRelay()
    relay.accept("gcd 1 2", BOTH)
    relay.accept("gcd 3 4", BOTH)
    first, _, _ = relay.next_line()
    assert relay.lost(first, "killed by SIGKILL") is None
    again, _, arguments = relay.next_line()
    assert arguments == "1 2"
    assert again != first
    # The dead executor's late text is not taken for the living one's.
    assert relay.finished(first, "late", failed=False) is None
    assert relay.finished(again, "1", failed=False) == "1"


def test_a_line_that_kills_executors_is_given_up_and_says_why() -> None:
    relay = PlainRelay()
    relay.accept("gcd 1 2", BOTH)
    for _ in range(limits.STRIKES_MAX - 1):
        number, _, _ = relay.next_line()
        assert relay.lost(number, "killed by SIGSEGV") is None
    number, _, _ = relay.next_line()
    text = relay.lost(number, "killed by SIGSEGV")
    assert text == "error: gcd 1 2: 3 executors died on it; the last: killed by SIGSEGV"
    assert not relay.is_waiting


def test_losing_an_executor_that_works_for_nobody_is_nothing() -> None:
    assert PlainRelay().lost(1, "killed") is None


def test_more_lines_than_there_is_room_for_get_an_error_line() -> None:
    relay = PlainRelay()
    for _ in range(limits.PLAIN_HELD_LINES_MAX):
        assert relay.accept("gcd 1 2", BOTH) is None
    text = relay.accept("gcd 5 6", BOTH)
    assert text is not None
    assert text.startswith("error: gcd 5 6: ")
    relay.next_line()
    assert relay.accept("gcd 5 6", BOTH) is None


def test_what_waits_is_dropped_when_the_native_server_has_it() -> None:
    relay = PlainRelay()
    relay.accept("gcd 1 2", BOTH)
    relay.accept("gcd 3 4", BOTH)
    under_way, _, _ = relay.next_line()
    relay.drop_waiting()
    assert not relay.is_waiting
    assert relay.finished(under_way, "1", failed=False) == "1"

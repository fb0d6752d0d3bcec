"""What a line comes to where it is worked on, whatever the service does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import linebus
from linebus import limits
from linebus.errors import Refused
from linebus.wire.messages import Offer
from linebus.worker.answering import answer_of, failure, not_offered, offer_of

if TYPE_CHECKING:
    import pytest


@linebus.service(usage="half NUMBER", example="half 4")
def half(number: int) -> int:
    """Halve a number.

    What else there is to say of it.
    """
    if number % 2:
        raise Refused(f"{number} is odd")
    return 12 // number


def test_a_text_is_an_answer() -> None:
    assert answer_of(half.answer, "half", "4") == ("3", False)


def test_a_refusal_is_a_failure_in_the_services_own_words() -> None:
    assert answer_of(half.answer, "half", "3") == ("3 is odd", True)
    assert answer_of(half.answer, "half", "x")[1]


def test_any_other_exception_is_named_and_its_traceback_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text, failed = answer_of(half.answer, "half", "0")
    assert failed
    assert text.startswith("half failed: ZeroDivisionError: ")
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "half raised an exception")
    assert record.exc_info is not None


def test_an_exception_that_cannot_say_what_it_is_is_named() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    assert failure("half", MuteError()) == "half failed: MuteError"


def test_what_is_not_offered_is_refused() -> None:
    assert answer_of(not_offered, "gcd", "1 2") == (
        "this worker does not offer the service",
        True,
    )


def test_an_offer_is_what_people_are_told_of_a_service() -> None:
    told = Offer("half", "half NUMBER", "Halve a number.", "number: int -> int", "half 4")
    assert offer_of(half) == told


def test_an_offer_is_cut_to_what_a_message_takes() -> None:
    @linebus.service(usage="long " + "X" * 2_000)
    def long() -> int:
        return 1

    assert len(offer_of(long).usage) == limits.DESCRIPTION_CHARS_MAX

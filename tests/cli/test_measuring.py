"""How fast somebody answers: what is counted, and that wrong replies are no measure."""

from __future__ import annotations

from itertools import pairwise, repeat
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.cli.measuring import ECHO, ISPRIME, SERVICES, Question, alone, percentile, rate
from linebus.errors import NotAnswered
from linebus.services.catalog import load

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize("question", [ISPRIME, ECHO])
def test_the_services_that_are_measured_give_the_right_reply(question: Question) -> None:
    answers = {service.name: service.answer for service in load(SERVICES)}
    name, _, arguments = question.line.partition(" ")
    assert answers[name](arguments) == question.reply


def test_one_line_is_asked_after_the_other() -> None:
    asked: list[str] = []

    def ask(line: str) -> str:
        asked.append(line)
        return ECHO.reply

    found = alone(ask, ECHO, 0.0)
    assert asked == [ECHO.line] * 2, "once to see that it works, once to measure"
    assert found.per_s > 0
    assert found.p50_s == found.p99_s > 0


def test_more_and_more_lines_are_asked_until_it_takes_long_enough() -> None:
    counts: list[int] = []

    def answer(_: str, count: int) -> Iterable[str]:
        counts.append(count)
        return repeat(ECHO.reply, count)

    assert rate(answer, ECHO, 0.01) > 0
    assert counts[0] == limits.BENCH_LINES
    assert counts == sorted(set(counts)), "each attempt asks more"
    pairs = pairwise(counts)
    assert all(after <= before * limits.BENCH_LINES_GROWTH + 1 for before, after in pairs)


@pytest.mark.parametrize("replies", [["wrong"] * 100, [ISPRIME.reply] * 99])
def test_wrong_and_missing_replies_are_no_measure(replies: list[str]) -> None:
    with pytest.raises(NotAnswered, match="of 100 replies to 'isprime 18446744073709551557'"):
        rate(lambda _line, _count: replies, ISPRIME, 0.0)
    with pytest.raises(NotAnswered, match="1 of 1 replies"):
        alone(lambda _: "wrong", ISPRIME, 0.0)


def test_a_percentile_is_not_exceeded_by_so_many() -> None:
    values = [float(each) for each in range(101)]
    assert [percentile(values, each) for each in (1, 50, 99)] == [1, 50, 99]
    assert percentile([7.0], 99) == 7.0

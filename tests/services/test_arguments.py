"""A word becomes a value, or is refused with the reason."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from linebus.errors import Refused, UsageError
from linebus.services.arguments import Integer
from linebus.services.declare import Service, service
from tests.services.examples import (
    add,
    echo,
    half,
    many,
    negate,
    nothing,
    power,
    refusal,
    say,
    shout,
    total,
)


@pytest.mark.parametrize(
    ("declared", "args", "text"),
    [
        (add, "", "expected 2 arguments, got 0; usage: add A B"),
        (add, "1", "expected 2 arguments, got 1; usage: add A B"),
        (add, "1 2 3", "expected 2 arguments, got 3; usage: add A B"),
        (add, "1 1.5", "'1.5' is not an integer; usage: add A B"),
        (shout, "", "expected 1 argument, got 0; usage: shout TEXT"),
        (shout, "a\tb", "expected 1 argument, got 2; usage: shout TEXT"),
        (nothing, "x", "expected 0 arguments, got 1; usage: nothing"),
        (many, "", "expected at least 1 argument, got 0; usage: many FIRST [NUMBERS...]"),
        (many, "x 1 y", "'y' is not an integer; usage: many FIRST [NUMBERS...]"),
        (say, "3", "expected 2 arguments, got 1; usage: say TIMES TEXT..."),
        (echo, " ", "expected 1 argument, got 0; usage: echo TEXT..."),
        (power, "", "expected 1 to 3 arguments, got 0; usage: power BASE [EXPONENT] [MODULUS]"),
        (negate, "yes", "'yes' is not true or false; usage: negate FLAG"),
    ],
)
def test_a_wrong_line_gets_the_reason_and_the_usage(
    declared: Service[..., Any], args: str, text: str
) -> None:
    assert refusal(declared, args) == text


@pytest.mark.parametrize(
    "word",
    [
        "1.5",
        "0x10",
        "1_000",
        "\u0663",
        "\uff13",
        "1e3",
        "--1",
        "+",
        "-",
        "+-1",
        "1\n",
        "\n1",
        "1\u00a0",
        "x",
    ],
)
def test_only_ascii_digits_are_an_integer(word: str) -> None:
    assert refusal(add, f"{word} 1") == f"{word!r} is not an integer; usage: add A B"
    assert refusal(total, word).startswith(f"{word!r} is not an integer")


@pytest.mark.parametrize(
    "word", ["nan", "inf", "1_0", "1e999", "e5", ".", "\u0663", "1.5\n", "0x1p3"]
)
def test_only_finite_ascii_decimals_are_a_number(word: str) -> None:
    assert refusal(half, word) == f"{word!r} is not a number; usage: half X"


def test_a_plain_integer_has_at_most_4300_digits() -> None:
    assert total.answer("0" * 4299 + "7") == "7"
    shown = "'" + "1" * 39 + "…'"
    assert refusal(total, "1" * 4301) == (
        f"number too long: {shown} has 4301 digits, the most is 4300; usage: total [NUMBERS...]"
    )


def test_the_sign_is_no_digit() -> None:
    @service
    def same(n: Annotated[int, Integer(digits_max=3)]) -> int:
        return n

    assert [same.answer(each) for each in ("999", "-999", "+999", "007")] == [
        "999",
        "-999",
        "999",
        "7",
    ]
    assert "has 4 digits, the most is 3" in refusal(same, "1000")
    assert "has 4 digits, the most is 3" in refusal(same, "-0000")


def test_a_long_word_that_is_no_number_is_called_so_and_shortened() -> None:
    text = refusal(total, "x" * 1_000_000)
    assert text.startswith("'xxx")
    assert "…' is not an integer" in text
    assert len(text) < 120


def test_what_the_function_raises_passes_through_untouched() -> None:
    @service
    def broken(n: int) -> int:
        if n:
            raise Refused(str(n))
        return 1 // n

    with pytest.raises(ZeroDivisionError):
        broken.answer("0")
    with pytest.raises(Refused, match=r"\A1\Z"):
        broken.answer("1")
    with pytest.raises(Refused, match=r"\A1\Z"):
        broken.answer("+1")


def test_a_value_error_of_the_function_is_not_taken_for_a_wrong_line() -> None:
    @service
    def strict(n: int) -> int:
        raise ValueError(n)

    for args in ("1", "+1"):
        with pytest.raises(ValueError, match="1") as caught:
            strict.answer(args)
        assert not isinstance(caught.value, UsageError)

"""A service's compiled functions: what they answer, as a sentence and as a value."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus.errors import Refused
from linebus.services.arguments import Argument
from linebus.services.declare import Service, service
from tests.services.examples import (
    add,
    echo,
    half,
    many,
    negate,
    nothing,
    picky,
    power,
    refusal,
    say,
    shout,
    total,
)


@pytest.mark.parametrize(
    ("declared", "args", "text"),
    [
        (add, "1 2", "1 + 2 = 3"),
        (add, "-1 2", "-1 + 2 = 1"),
        (add, "+5 007", "5 + 7 = 12"),
        (add, "-0 -00", "0 + 0 = 0"),
        (add, " 1 \t 2\t", "1 + 2 = 3"),
        (add, "1\t2", "1 + 2 = 3"),
        (shout, "hé", "hé!"),
        (shout, "\thi ", "hi!"),
        (shout, "a\u00a0b", "a\u00a0b!"),
        (total, "", "0"),
        (total, " ", "0"),
        (total, "1 2  3", "6"),
        (many, "x", " from x: 1"),
        (many, "x +1 02", "1 2 from x: 4"),
        (say, "2 a  b\tc ", "a  b\tc|a  b\tc"),
        (say, "1\t \ta", "a"),
        (echo, "  one  two ", "one  two"),
        (power, "7", "49"),
        (power, "7 3", "343"),
        (power, "7  3 10", "3"),
        (half, "3", "1.5"),
        (half, "-1e1", "-5.0"),
        (half, ".5", "0.25"),
        (negate, "true", "False"),
        (negate, "false", "True"),
        (nothing, "", "done"),
        (nothing, "  ", "done"),
    ],
)
def test_a_line_is_answered(declared: Service[..., Any], args: str, text: str) -> None:
    assert declared.answer(args) == text


def test_a_text_result_is_given_as_it_is() -> None:
    text = "as it is"
    declared = service(name="same")(lambda: text)
    assert declared.answer("") is text


@pytest.mark.parametrize(
    "template",
    [
        "{{{a}}} {result}",
        "'{a}' \"{result}\"",
        "\\n{a}\\{result}\n",
        "\\N{{DIGIT ONE}} {a}",
        "é%s{a}",
    ],
)
def test_a_template_means_what_str_format_means(template: str) -> None:
    def double(a: int) -> int:
        return 2 * a

    declared = service(reply=template)(double)
    assert declared.answer("21") == template.format(a=21, result=42)
    assert declared.answer("+21") == template.format(a=21, result=42)


def test_parameters_may_have_any_name() -> None:
    def odd(args: int, words: int, function: int, p0: int = 1) -> int:
        return args + words + function + p0

    declared = service(reply="{args} {words} {function} {p0} {result}")(odd)
    assert declared.answer("1 2 3") == "1 2 3 1 7"


def test_an_own_parser_makes_the_value() -> None:
    @service
    def numerator(x: Annotated[Fraction, Argument(Fraction, what="a fraction")]) -> int:
        return x.numerator

    assert numerator.answer("6/4") == "3"
    assert refusal(numerator, "6/x") == "'6/x' is not a fraction; usage: numerator X"


def test_an_own_parser_may_explain_itself() -> None:
    assert refusal(picky, "a") == "no a please; usage: picky X"
    assert refusal(picky, "b") == "nothing else either; usage: picky X"


@given(st.integers(), st.integers())
def test_any_two_integers_are_read_exactly(a: int, b: int) -> None:
    assert add.answer(f"{a} {b}") == f"{a} + {b} = {a + b}"


@given(st.text(alphabet="01+-_ \t\n.xe\u0663\uff13", max_size=8))
def test_short_lines_are_read_as_strictly_as_long_ones(args: str) -> None:
    """The fast way for short lines never answers otherwise than word by word."""
    words = args.replace("\t", " ").split(" ")
    words = [word for word in words if word]
    digits = [word.removeprefix("-" if word[0] == "-" else "+") for word in words]
    well = len(words) == 2 and all(each and set(each) <= set("0123456789") for each in digits)
    if well:
        assert add.answer(args).startswith(f"{int(words[0])} + {int(words[1])} = ")
    else:
        refusal(add, args)


@pytest.mark.parametrize(
    ("declared", "args", "text"),
    [(add, "2 3", "5"), (add, "+2  3", "5"), (shout, "né", '"né"'), (negate, "true", "false")],
)
def test_a_value_is_the_bare_result_as_json(
    declared: Service[..., Any], args: str, text: str
) -> None:
    assert declared.value(args) == text


def test_a_wrong_line_is_refused_whatever_is_wanted() -> None:
    with pytest.raises(Refused, match="usage: add A B"):
        add.value("2")

"""gcd, lcm and egcd against independent oracles, at their bounds, and on wrong lines."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from flint import fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from linebus import limits
from linebus.errors import Refused
from linebus.services import divisibility
from linebus.services.divisibility import GCD_DIGITS_MAX, LCM_DIGITS_MAX, egcd, gcd, lcm
from linebus.wire import values

if TYPE_CHECKING:
    from linebus.services.catalog import AnyService

# ---- gcd -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("12 18", "gcd for 12 18 is 6"),
        ("0 0", "gcd for 0 0 is 0"),
        ("0 -5", "gcd for 0 -5 is 5"),
        ("-12 -18", "gcd for -12 -18 is 6"),
        ("007 +21", "gcd for 7 21 is 7"),
        ("-0 3", "gcd for 0 3 is 3"),
        ("12  18", "gcd for 12 18 is 6"),
        ("12\t18 ", "gcd for 12 18 is 6"),
    ],
)
def test_gcd_says_exactly(args: str, text: str) -> None:
    assert gcd.answer(args) == text


@given(st.integers(), st.integers(), st.integers())
def test_gcd_agrees_with_math(a: int, b: int, c: int) -> None:
    assert gcd.answer(f"{a * c} {b * c}") == f"gcd for {a * c} {b * c} is {math.gcd(a * c, b * c)}"


@settings(max_examples=30)
@given(*[st.integers(-(10**900), 10**900)] * 2, st.integers(10**600, 10**900))
def test_long_gcd_agrees_with_math(a: int, b: int, c: int) -> None:
    assert gcd.answer(f"{a * c} {b * c}") == f"gcd for {a * c} {b * c} is {math.gcd(a * c, b * c)}"


def test_a_long_and_a_short_number_mix() -> None:
    long = "9" * 5000
    assert gcd.answer(f"{long} 27") == f"gcd for {long} 27 is 9"
    assert gcd.answer(f"27 -{long}") == f"gcd for 27 -{long} is 9"
    assert gcd.answer(f"+{long} 0") == f"gcd for {long} 0 is {long}"


def test_gcd_takes_numbers_of_the_full_length() -> None:
    a, b = "6" * GCD_DIGITS_MAX, "4" * GCD_DIGITS_MAX
    assert gcd.answer(f"{a} {b}") == f"gcd for {a} {b} is {'2' * GCD_DIGITS_MAX}"


@pytest.mark.parametrize(("args", "got"), [("", 0), ("12", 1), ("12 ", 1), ("1 2 3", 3)])
def test_gcd_takes_two_arguments(args: str, got: int) -> None:
    with pytest.raises(Refused) as caught:
        gcd.answer(args)
    assert str(caught.value) == f"expected 2 arguments, got {got}; usage: gcd A B"


def test_gcd_refuses_a_word_that_is_no_integer() -> None:
    with pytest.raises(Refused, match=r"'1\.5' is not an integer; usage: gcd A B"):
        gcd.answer("12 1.5")


def test_gcd_refuses_a_million_digits() -> None:
    with pytest.raises(Refused, match=f"1000000 digits, the most is {GCD_DIGITS_MAX}; usage: gcd"):
        gcd.answer("12 -" + "1" * 1_000_000)


# ---- lcm -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("4 6", "lcm for 4 6 is 12"),
        ("-4 6", "lcm for -4 6 is 12"),
        ("0 5", "lcm for 0 5 is 0"),
        ("0 0", "lcm for 0 0 is 0"),
    ],
)
def test_lcm_says_exactly(args: str, text: str) -> None:
    assert lcm.answer(args) == text


@given(st.integers(), st.integers(), st.integers())
def test_lcm_agrees_with_math(a: int, b: int, c: int) -> None:
    assert lcm.value(f"{a * c} {b * c}") == f"{math.lcm(a * c, b * c)}"


# ---- egcd ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("240 46", "egcd for 240 46 is 2 with coefficients -9 47"),
        ("0 0", "egcd for 0 0 is 0 with coefficients 0 0"),
        ("0 -5", "egcd for 0 -5 is 5 with coefficients 0 -1"),
        ("-5 0", "egcd for -5 0 is 5 with coefficients -1 0"),
        ("5 5", "egcd for 5 5 is 5 with coefficients 0 1"),
        ("1 1", "egcd for 1 1 is 1 with coefficients 0 1"),
        ("2 4", "egcd for 2 4 is 2 with coefficients 1 0"),
    ],
)
def test_egcd_says_exactly(args: str, text: str) -> None:
    assert egcd.answer(args) == text


@given(st.integers(), st.integers(), st.integers())
def test_egcd_gives_small_coefficients_that_make_the_gcd(a: int, b: int, c: int) -> None:
    a, b = a * c, b * c
    divisor, x, y = json.loads(egcd.value(f"{a} {b}"))
    assert divisor == math.gcd(a, b)
    assert a * x + b * y == divisor
    assert abs(x) <= max(1, abs(b))
    assert abs(y) <= max(1, abs(a))


@settings(max_examples=20, deadline=None)
@given(*[st.integers(-(10**900), 10**900)] * 2)
def test_long_egcd_makes_the_gcd(a: int, b: int) -> None:
    divisor, x, y = egcd(a, b)
    assert a * x + b * y == divisor == math.gcd(a, b)


def test_coefficients_that_are_wrong_are_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = divisibility.Bezout(fmpz(2), fmpz(-9), fmpz(46))
    monkeypatch.setattr(divisibility, "_bezout", lambda _a, _b: wrong)
    with pytest.raises(ArithmeticError, match="the coefficients do not give the gcd"):
        egcd.answer("240 46")


# ---- at the bound ----------------------------------------------------------------------------


@pytest.mark.parametrize("of", [lcm, egcd])
def test_the_longest_reply_has_room(of: AnyService) -> None:
    a, b = "8" * (LCM_DIGITS_MAX - 1) + "3", "-" + "7" * (LCM_DIGITS_MAX - 2) + "64"
    assert LCM_DIGITS_MAX < len(of.answer(f"{a} {b}")) <= limits.TEXT_BYTES_MAX
    assert isinstance(values.decode(of.value(f"{a} {b}")), int | list)
    with pytest.raises(Refused, match=f"the most is {LCM_DIGITS_MAX}; usage: {of.name} A B"):
        of.answer(f"{a}0 {b}")

"""factor, divisors and totient against sympy and brute force, and what they refuse."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING

import pytest
from flint import fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from linebus import limits
from linebus.errors import Refused
from linebus.services import factoring
from linebus.services.factoring import FACTOR_DIGITS_MAX, divisors, factor, totient
from linebus.wire import values

if TYPE_CHECKING:
    from pathlib import Path

    from linebus.services.catalog import AnyService

ALL = [factor, divisors, totient]
FACTORED = st.integers(1, 10**4) | st.integers(1, 2**64) | st.integers(2**64, 2**90)


def refusal(of: AnyService, args: str) -> str:
    with pytest.raises(Refused) as caught:
        of.answer(args)
    return str(caught.value)


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (360, "2^3 * 3^2 * 5"),
        (1, "1"),
        (97, "97"),
        (2**64, "2^64"),
        (561, "3 * 11 * 17"),
        (2**67 - 1, "193707721 * 761838257287"),
        ((2**61 - 1) * (2**31 - 1), "2147483647 * 2305843009213693951"),
        ((2**61 - 1) ** 2 * 6, "2 * 3 * 2305843009213693951^2"),
        ((2**127 - 1) ** 3, "170141183460469231731687303715884105727^3"),
        (((2**61 - 1) * (2**64 + 13)) ** 4, f"{2**61 - 1}^4 * {2**64 + 13}^4"),
        (2 * (2**521 - 1), f"2 * {2**521 - 1}"),
        (2**600, "2^600"),
        (3825123056546413051, "149491 * 747451 * 34233211"),
    ],
)
def test_factor_says_exactly(n: int, text: str) -> None:
    assert factor.answer(f"{n}") == f"factor for {n} is {text}"


def test_to_programs_factors_are_pairs() -> None:
    assert factor.value("360") == "[[2, 3], [3, 2], [5, 1]]"
    assert factor.value("1") == "[]"
    assert divisors.value("12") == "[1, 2, 3, 4, 6, 12]"
    assert totient.value("36") == "12"


@settings(max_examples=60, deadline=None)
@given(FACTORED)
def test_all_agree_with_sympy(n: int) -> None:
    import sympy  # noqa: PLC0415 - 1.5 s to import, for these tests only

    assert {int(prime): power for prime, power in factor(n)} == sympy.factorint(n)
    assert totient(n) == sympy.totient(n)
    if sympy.divisor_count(n) < 5_000:
        assert json.loads(divisors.value(f"{n}")) == sympy.divisors(n)


@given(st.integers(1, 600))
def test_divisors_and_totient_agree_with_counting(n: int) -> None:
    found = [each for each in range(1, n + 1) if n % each == 0]
    assert divisors.answer(f"{n}") == f"divisors for {n} are {' '.join(map(str, found))}"
    coprime = sum(math.gcd(each, n) == 1 for each in range(1, n + 1))
    assert totient.answer(f"{n}") == f"totient for {n} is {coprime}"


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("n", ["0", "-1", "-360"])
def test_only_positive_integers_are_factored(of: AnyService, n: str) -> None:
    assert refusal(of, n) == f"{n} is not an integer from 1 on"


@pytest.mark.parametrize("of", ALL)
def test_each_refuses_one_digit_too_many(of: AnyService) -> None:
    said = refusal(of, "2" * (FACTOR_DIGITS_MAX + 1))
    assert f"has {FACTOR_DIGITS_MAX + 1} digits, the most is {FACTOR_DIGITS_MAX}" in said
    assert "1000000 digits" in refusal(of, "1" * 1_000_000)


@pytest.mark.parametrize("of", ALL)
def test_what_would_take_too_long_is_refused(of: AnyService) -> None:
    n = 12 * (2**127 - 1) * (2**107 - 1)
    assert refusal(of, f"{n}") == (
        "what is left without prime factors below 65536 has 71 digits and is not prime;"
        " the most that can be factored then is 58"
    )


def test_a_prime_of_the_full_length_goes() -> None:
    n = 10 ** (FACTOR_DIGITS_MAX - 1) + 669
    assert factor.answer(f"{n}") == f"factor for {n} is {n}"


# ---- divisors: what there is room for --------------------------------------------------------


def test_more_divisors_than_a_reply_holds_are_refused() -> None:
    assert refusal(divisors, "897612484786617600") == (
        "it has 103680 divisors, too many for one reply; factor gives the primes"
    )
    assert "divisors, too many" in refusal(divisors, f"{math.factorial(120)}")


@pytest.mark.parametrize("n", [2**660, 2**250 * 3**20, 720720**2 * 17 * 19 * 2**4])
def test_what_is_allowed_fits_into_a_reply(n: int) -> None:
    text, value = divisors.answer(f"{n}"), divisors.value(f"{n}")
    assert max(len(text), len(value)) <= limits.TEXT_BYTES_MAX
    found = values.decode(value)
    assert isinstance(found, list)
    assert [n // each for each in reversed(found)] == found


# ---- nothing wrong is ever said --------------------------------------------------------------


def test_factors_that_do_not_multiply_are_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factoring, "_split", lambda _number: [(fmpz(2**61 - 1), 1)])
    with pytest.raises(ArithmeticError, match="the product of the factors is not N"):
        factor.answer(f"{(2**61 - 1) * (2**31 - 1)}")


def test_a_factor_that_is_no_prime_is_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    n = (2**61 - 1) * (2**31 - 1)
    monkeypatch.setattr(factoring, "_split", lambda number: [(number, 1)])
    with pytest.raises(ArithmeticError, match=f"{n} is no prime factor"):
        factor.answer(f"{n}")


# ---- the files of FLINT's sieve --------------------------------------------------------------

HARD = (2**61 - 1) * (2**89 - 1)


def test_files_of_sieves_that_were_killed_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factoring, "_SIEVE_FOLDER", tmp_path)
    monkeypatch.setattr(factoring, "SIEVES_MAX", 3)
    for age in range(6):
        path = tmp_path / f"siqs{age:06}"
        path.touch()
        os.utime(path, (1_000 - age, 1_000 - age))
    (tmp_path / "siqs").touch()
    (tmp_path / "other0").touch()
    assert factor.answer(f"{HARD}") == f"factor for {HARD} is {2**61 - 1} * {2**89 - 1}"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["other0", "siqs", "siqs000000", "siqs000001", "siqs000002"]


def test_without_a_place_to_write_the_sieve_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factoring, "_SIEVE_FOLDER", tmp_path / "missing")
    assert refusal(factor, f"{HARD}").startswith("the quadratic sieve has to write to ")
    assert factor.answer("360") == "factor for 360 is 2^3 * 3^2 * 5"

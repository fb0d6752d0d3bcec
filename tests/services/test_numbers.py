"""isprime and gcd against independent oracles, at their bounds, and on wrong lines."""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linebus.errors import Refused
from linebus.services import arguments, declare
from linebus.services.numbers import (
    GCD_DIGITS_MAX,
    ISPRIME_DIGITS_MAX,
    PROOF_BITS_MAX,
    gcd,
    isprime,
)

CARMICHAEL = [561, 1105, 1729, 41041, 825265, 321197185, 9746347772161, 1436697831295441]
# F. Arnault (1995): a strong pseudoprime of 397 digits to all prime bases below 307.
ARNAULT_FACTOR = int(
    "29674495668685510550154174642905332730771991799853043350995075531276838753171770199594"
    "238596428121188033664754218345562493168782883",
)
ARNAULT = ARNAULT_FACTOR * (313 * (ARNAULT_FACTOR - 1) + 1) * (353 * (ARNAULT_FACTOR - 1) + 1)
STRONG_PSEUDOPRIMES = [
    2047,  # to base 2
    1373653,  # to 2 and 3
    3215031751,  # to the primes up to 7
    3474749660383,  # to 13
    341550071728321,  # to 17
    3825123056546413051,  # to 23
    318665857834031151167461,  # to 37
    3317044064679887385961981,  # to 41, and the bound of FLINT's proof by bases
    ARNAULT,
]
PRIMES = [2, 3, 97, 2**31 - 1, 2**61 - 1, 2**63 - 25, 2**63 + 29, 18446744073709551557]


@cache
def sieve(below: int) -> list[bool]:
    prime = [False, False] + [True] * (below - 2)
    for n in range(2, math.isqrt(below) + 1):
        if prime[n]:
            prime[n * n :: n] = [False] * len(range(n * n, below, n))
    return prime


def refusal(args: str) -> str:
    with pytest.raises(Refused) as caught:
        isprime.answer(args)
    return str(caught.value)


# ---- isprime ---------------------------------------------------------------------------------


def test_every_number_below_20000_agrees_with_a_sieve() -> None:
    for n, prime in enumerate(sieve(20_000)):
        assert isprime.answer(str(n)) == f"{n} is {'prime' if prime else 'not prime'}"


@pytest.mark.parametrize("n", PRIMES)
def test_primes_are_prime(n: int) -> None:
    assert isprime.answer(f"{n}") == f"{n} is prime"


@pytest.mark.parametrize("n", CARMICHAEL + STRONG_PSEUDOPRIMES)
def test_numbers_that_fool_weaker_tests_are_not_prime(n: int) -> None:
    assert isprime.answer(f"{n}") == f"{n} is not prime"


@pytest.mark.parametrize("n", ["-7", "-1", "0", "1", "-18446744073709551557", f"-{2**521 - 1}"])
def test_what_is_below_two_is_not_prime(n: str) -> None:
    assert isprime.answer(n) == f"{n} is not prime"


@pytest.mark.parametrize(
    ("typed", "text"),
    [("007", "7 is prime"), ("+5", "5 is prime"), ("-0", "0 is not prime"), (" 5 ", "5 is prime")],
)
def test_numbers_print_as_read(typed: str, text: str) -> None:
    assert isprime.answer(typed) == text


@pytest.mark.parametrize("n", [2**64 + 13, 2**80 - 65, 2**82 - 57, 2**127 - 1, 2**160 - 47])
def test_up_to_the_bound_a_prime_is_proven(n: int) -> None:
    assert n.bit_length() <= PROOF_BITS_MAX
    assert isprime.answer(f"{n}") == f"{n} is prime"


@pytest.mark.parametrize("n", [2**160 + 7, 2**521 - 1, 2**1279 - 1, 10**300 + 331])
def test_above_the_bound_a_prime_is_only_called_probable(n: int) -> None:
    assert isprime.answer(f"{n}") == f"{n} is probably prime"
    assert isprime.answer(f"+00{n}") == f"{n} is probably prime"


def test_one_bit_decides_between_proof_and_probable() -> None:
    below, above = 2**PROOF_BITS_MAX - 47, 2**PROOF_BITS_MAX + 7
    assert isprime(below) == "prime"
    assert isprime(above) == "probably prime"
    assert isprime(below + 2) == isprime(above + 2) == "not prime"


@pytest.mark.parametrize("n", [(2**64 + 13) ** 2, (2**31 - 1) * (2**61 - 1), 2**4000, 2**67 - 1])
def test_large_composites_are_certain(n: int) -> None:
    assert isprime.answer(f"{n}") == f"{n} is not prime"


@settings(max_examples=150, deadline=None)  # the first pays for the import
@given(st.integers(min_value=-10, max_value=2**64) | st.integers(0, 2**100))
def test_isprime_agrees_with_sympy(n: int) -> None:
    import sympy  # noqa: PLC0415 - 1.5 s to import, for these tests only

    said = "prime" if sympy.isprime(n) else "not prime"
    assert isprime.answer(f"{n}") == f"{n} is {said}"


@given(st.integers(2, 2**32), st.integers(2, 2**200))
def test_a_product_is_never_prime(a: int, b: int) -> None:
    assert isprime(a * b) == "not prime"


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


# ---- What both refuse ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        "1.5",
        "0x10",
        "1_000",
        "\u0663",
        "\uff11\uff12",
        "1e5",
        "²",
        "ten",
        "+",
        "--7",
        "7\u2003",
        "7\r",
        "7\x00",
    ],
)
def test_what_is_no_plain_integer_is_refused(word: str) -> None:
    assert refusal(word) == f"{word!r} is not an integer; usage: isprime N"
    with pytest.raises(Refused, match="is not an integer; usage: gcd A B"):
        gcd.answer(f"12 {word}")


@pytest.mark.parametrize(
    ("args", "got"), [("", 0), ("  ", 0), ("\t", 0), ("7 8", 2), ("7\t8", 2), ("1 000 000", 3)]
)
def test_a_wrong_number_of_arguments_is_refused(args: str, got: int) -> None:
    assert refusal(args) == f"expected 1 argument, got {got}; usage: isprime N"


@pytest.mark.parametrize(("args", "got"), [("", 0), ("12", 1), ("12 ", 1), ("1 2 3", 3)])
def test_gcd_takes_two_arguments(args: str, got: int) -> None:
    with pytest.raises(Refused) as caught:
        gcd.answer(args)
    assert str(caught.value) == f"expected 2 arguments, got {got}; usage: gcd A B"


def test_a_million_digits_are_refused_without_being_repeated() -> None:
    assert refusal("1" * 1_000_000) == (
        f"number too long: '{'1' * 39}…' has 1000000 digits, the most is {ISPRIME_DIGITS_MAX};"
        " usage: isprime N"
    )
    with pytest.raises(Refused, match=f"1000000 digits, the most is {GCD_DIGITS_MAX}; usage: gcd"):
        gcd.answer("12 -" + "1" * 1_000_000)


def never(word: str) -> int:
    pytest.fail(f"{len(word)} digits were read")


@declare.service
def watched(n: Annotated[int, arguments.Integer(ISPRIME_DIGITS_MAX, make=never)]) -> int:
    return n


class Untouchable:
    """Stands in for the pattern of an integer."""

    fullmatch = staticmethod(never)


@pytest.mark.parametrize(
    "word", ["1" * 1_000_000, "-" + "1" * (ISPRIME_DIGITS_MAX + 1), "0" * 1_000_000]
)
def test_a_number_too_long_is_never_read(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Neither the pattern nor int nor a maker of long numbers sees a word beyond the bound."""
    monkeypatch.setattr(arguments, "_INTEGER", Untouchable)
    monkeypatch.setattr(arguments, "int", never, raising=False)
    with pytest.raises(Refused, match="number too long"):
        watched.answer(word)


def test_the_longest_number_goes_and_one_digit_more_does_not() -> None:
    even = "2" * ISPRIME_DIGITS_MAX
    assert isprime.answer(even) == f"{even} is not prime"
    assert isprime.answer(f"-{even}") == f"-{even} is not prime"
    assert f"has {ISPRIME_DIGITS_MAX + 1} digits" in refusal(even + "2")


def test_the_arnault_number_is_what_it_is_said_to_be() -> None:
    assert len(str(ARNAULT)) == 397
    odd = (ARNAULT - 1) // 2  # ARNAULT % 4 == 3: a strong test is one power
    assert ARNAULT % 4 == 3
    assert {pow(base, odd, ARNAULT) for base in (2, 3, 5, 7, 293)} <= {1, ARNAULT - 1}


def test_both_are_pure_and_documented() -> None:
    assert isprime.pure
    assert gcd.pure
    assert isprime.doc == "Say whether an integer is prime."

"""The services about primes against independent oracles, at their bounds, on wrong lines."""

from __future__ import annotations

import math
import operator
import re
from functools import cache
from typing import TYPE_CHECKING, Annotated

import pytest
from flint import fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from linebus.errors import Refused
from linebus.services import arguments, declare, primes
from linebus.services.primes import (
    ISPRIME_DIGITS_MAX,
    NEIGHBOUR_DIGITS_MAX,
    PROOF_BITS_MAX,
    PROVE_DIGITS_MAX,
    _sieved,
    isprime,
    nextprime,
    prevprime,
    prove,
)

if TYPE_CHECKING:
    from linebus.services.catalog import AnyService

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


# ---- What is refused -------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("args", "got"), [("", 0), ("  ", 0), ("\t", 0), ("7 8", 2), ("7\t8", 2), ("1 000 000", 3)]
)
def test_a_wrong_number_of_arguments_is_refused(args: str, got: int) -> None:
    assert refusal(args) == f"expected 1 argument, got {got}; usage: isprime N"


def test_a_million_digits_are_refused_without_being_repeated() -> None:
    assert refusal("1" * 1_000_000) == (
        f"number too long: '{'1' * 39}…' has 1000000 digits, the most is {ISPRIME_DIGITS_MAX};"
        " usage: isprime N"
    )


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


def test_isprime_says_what_the_exercise_knows() -> None:
    assert isprime.pure
    assert isprime.doc == "Say whether an integer is prime."


# ---- nextprime and prevprime -----------------------------------------------------------------


def test_neighbours_agree_with_a_sieve() -> None:
    primes = [n for n, prime in enumerate(sieve(3_000)) if prime]
    for n in range(-3, 2_900):
        after = next(prime for prime in primes if prime > n)
        assert nextprime.answer(f"{n}") == f"nextprime for {n} is {after}"
    for n in range(3, 2_900):
        before = max(prime for prime in primes[: n + 1] if prime < n)
        assert prevprime.answer(f"{n}") == f"prevprime for {n} is {before}"


EDGES = [2**63, 2**64, 3317044064679887385961981, 2**100, 2**160, 10**100]


@pytest.mark.parametrize("middle", EDGES)
@pytest.mark.parametrize("offset", [-60, -1, 0, 1, 13, 60])
def test_neighbours_agree_with_sympy_where_the_method_changes(middle: int, offset: int) -> None:
    import sympy  # noqa: PLC0415 - 1.5 s to import, for these tests only

    n = middle + offset
    assert operator.index(nextprime(n)) == sympy.nextprime(n)
    assert operator.index(prevprime(n)) == sympy.prevprime(n)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 2**64) | st.integers(2**64, 2**200))
def test_between_neighbours_lies_no_prime(n: int) -> None:
    after = operator.index(nextprime(n))
    before = operator.index(prevprime(after))
    assert before <= n < after
    assert isprime(after) != "not prime"
    assert all(isprime(each) == "not prime" for each in range(max(before, n) + 1, after))


def test_a_gap_longer_than_one_sieving_is_crossed() -> None:
    # Everything from 2 to 5,000 above a multiple of the product of all primes up to 5,000 has a
    # small divisor, as has everything from 2 to 5,000 below it.
    import sympy  # noqa: PLC0415 - 1.5 s to import, for these tests only

    middle = fmpz(int(sympy.primorial(5_000, nth=False)))
    after, before = next(_sieved(middle + 3, 2)), next(_sieved(middle - 3, -2))
    assert after - middle > 4_096
    assert middle - before > 4_096


def test_only_above_the_bound_a_neighbour_is_called_probable() -> None:
    below, above = 2**160 - 47, 2**160 + 7
    assert nextprime.answer(f"{below - 1}") == f"nextprime for {below - 1} is {below}"
    said = f"nextprime for {below} is {above}, probably prime"
    assert nextprime.answer(f"{below}") == said
    assert nextprime.value(f"{below}") == f"{above}", "to programs it is an integer"


@pytest.mark.parametrize("n", ["2", "1", "0", "-7", "-" + "9" * NEIGHBOUR_DIGITS_MAX])
def test_below_the_least_prime_there_is_none(n: str) -> None:
    with pytest.raises(Refused, match=f"there is no prime below {n}; give an integer from 3 on"):
        prevprime.answer(n)


# ---- prove -----------------------------------------------------------------------------------


THIRTEEN = "it passes strong tests to 13 bases, as no composite of its size does"


def reason(n: int) -> tuple[bool, str]:
    prime, said = prove(n)
    assert prove.answer(f"{n}") == f"{n} is {'prime' if prime else 'not prime'}: {said}"
    return prime, said


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (97, (True, "it passes a test that no composite below 2^64 passes")),
        (2**81 - 51, (True, THIRTEEN)),
        (2**89 - 1, (True, "proven by p-1, p+1 or APR-CL")),
        (2**521 - 1, (True, "proven by p-1, p+1 or APR-CL")),
        (1, (False, "primes begin with 2")),
        (-7, (False, "primes begin with 2")),
        (91, (False, "7 divides it")),
        (2**600, (False, "2 divides it")),
        (561, (False, "3 divides it")),
        (2**67 - 1, (False, "it fails the strong test to base 3")),
        (3825123056546413051, (False, "it fails the strong test to base 37")),
        (3317044064679887385961981, (False, "it fails the strong test to base 43")),
        ((2**64 + 13) ** 2, (False, "it fails the strong test to base 2")),
    ],
)
def test_prove_says_why(n: int, expected: tuple[bool, str]) -> None:
    assert reason(n) == expected


def test_prove_gives_a_truth_and_a_reason() -> None:
    assert prove.value("91") == '[false, "7 divides it"]'


@settings(max_examples=150, deadline=None)
@given(st.integers(-10, 2**20) | st.integers(2**60, 2**100))
def test_what_speaks_against_a_prime_can_be_checked(n: int) -> None:
    prime, said = reason(n)
    assert prime is (isprime(n) == "prime")
    if found := re.fullmatch(r"(\d+) divides it", said):
        assert n % int(found[1]) == 0
        assert 1 < int(found[1]) < n
    elif found := re.fullmatch(r"it fails the strong test to base (\d+)", said):
        assert not passes(n, int(found[1]))


def passes(n: int, base: int) -> bool:
    """Whether a number passes the strong test, by Python's own integers."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    powers = [pow(base, odd << each, n) for each in range(twos)]
    return powers[0] == 1 or n - 1 in powers


def test_a_pseudoprime_to_all_bases_is_still_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(primes, "_SMALL_PRIMES", [3, 5, 7])
    assert reason(3825123056546413051) == (False, "it fails the Lucas test")


@pytest.mark.parametrize("of", [nextprime, prevprime, prove])
def test_each_refuses_one_digit_too_many(of: AnyService) -> None:
    most = PROVE_DIGITS_MAX if of is prove else NEIGHBOUR_DIGITS_MAX
    with pytest.raises(Refused, match=f"has {most + 1} digits, the most is {most}"):
        of.answer("2" * (most + 1))
    assert of.answer("2" * most)


def test_a_prime_of_the_full_length_is_proven() -> None:
    n = 10 ** (PROVE_DIGITS_MAX - 1) + 669
    assert reason(n) == (True, "proven by p-1, p+1 or APR-CL")

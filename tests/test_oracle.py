"""The oracle itself, by cases worked out by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.oracle import GCD_DIGITS_MAX, ISPRIME_DIGITS_MAX, Expected, expected, lines


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("isprime 97", "97 is prime"),
        ("isprime 91", "91 is not prime"),
        ("isprime -7", "-7 is not prime"),
        ("isprime 1", "1 is not prime"),
        ("isprime 007", "7 is prime"),
        ("isprime +5 ", "5 is prime"),
        ("isprime -0", "0 is not prime"),
        ("isprime 561", "561 is not prime"),
        ("isprime 18446744073709551557", "18446744073709551557 is prime"),
        (f"isprime {2**160 - 47}", f"{2**160 - 47} is prime"),
        (f"isprime {2**160 + 7}", f"{2**160 + 7} is probably prime"),
        ("gcd 12 18", "gcd for 12 18 is 6"),
        ("gcd  12\t+018", "gcd for 12 18 is 6"),
        ("gcd 0 0", "gcd for 0 0 is 0"),
        ("gcd -12 0", "gcd for -12 0 is 12"),
        ("lcm -4 6", "lcm for -4 6 is 12"),
        ("egcd 240 46", "egcd for 240 46 is 2 with coefficients -9 47"),
        ("egcd 0 -5", "egcd for 0 -5 is 5 with coefficients 0 -1"),
        ("modinv 3 7", "modinv for 3 mod 7 is 5"),
        ("powmod 3 -1 7", "powmod for 3 -1 mod 7 is 5"),
        ("jacobi 5 21", "jacobi for 5 21 is 1"),
        ("fibonacci 10 7", "fibonacci for 10 mod 7 is 6"),
        ("fibonacci -4 100", "fibonacci for -4 mod 100 is 97"),
        ("nextprime 100", "nextprime for 100 is 101"),
        ("prevprime 100", "prevprime for 100 is 97"),
        ("prove 91", "91 is not prime: 7 divides it"),
        ("prove 2047", "2047 is not prime: 23 divides it"),
        ("prove 3215031751", "3215031751 is not prime: 151 divides it"),
        ("factor 360", "factor for 360 is 2^3 * 3^2 * 5"),
        ("factor 1", "factor for 1 is 1"),
        ("divisors 12", "divisors for 12 are 1 2 3 4 6 12"),
        ("totient 36", "totient for 36 is 12"),
    ],
)
def test_a_sound_line_is_answered(line: str, text: str) -> None:
    assert expected(line) == Expected("answered", text)


def test_very_long_numbers_are_read_and_printed_exactly() -> None:
    nines, ten = "9" * 30_000, "1" + "0" * 30_000
    assert expected(f"gcd {nines} {nines}").text == f"gcd for {nines} {nines} is {nines}"
    assert expected(f"gcd -{ten} 4").text == f"gcd for -{ten} 4 is 4"


@pytest.mark.parametrize(
    "line",
    [
        "isprime",
        "isprime ",
        "isprime 7 8",
        "isprime 1.5",
        "isprime 0x10",
        "isprime 1_000",
        "isprime \u0663",
        "isprime \uff11\uff12",
        "isprime +",
        "isprime 7\u00a0",
        "isprime " + "1" * (ISPRIME_DIGITS_MAX + 1),
        "gcd 12",
        "gcd 12 18 24",
        "gcd 12 x",
        "gcd 1 " + "1" * (GCD_DIGITS_MAX + 1),
        "modinv 3 6",
        "powmod 3 -1 6",
        "powmod 3 2 0",
        "jacobi 5 20",
        "fibonacci 5 0",
        "prevprime 2",
        "factor 0",
        "totient -1",
    ],
)
def test_a_wrong_line_fails(line: str) -> None:
    assert expected(line) == Expected("failed", None)


@pytest.mark.parametrize("line", ["isprme 7", "97", "GCD 1 2", "isprime7"])
def test_an_unknown_first_word_has_no_service(line: str) -> None:
    assert expected(line) == Expected("no_service", None)


def test_the_same_seed_gives_the_same_lines() -> None:
    assert lines(500, seed=1) == lines(500, seed=1)
    assert lines(500, seed=1) != lines(500, seed=2)


def test_lines_hold_every_outcome_and_no_newline() -> None:
    made = lines(2_000, seed=3)
    outcomes = Counter(expected(line).outcome for line in made)
    assert min(outcomes[each] for each in ("answered", "failed", "no_service")) > 20
    assert outcomes["answered"] > 1_500
    assert all(line.splitlines() == [line] or "\x0b" in line for line in made)
    assert not any("\n" in line or "\r" in line for line in made)

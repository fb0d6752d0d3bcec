"""The built-in services about what two integers share: gcd, lcm and egcd.

FLINT works on long numbers (the head of primes.py says why it alone does), Python on short ones.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from flint import fmpz

from linebus.services.arguments import Integer
from linebus.services.declare import service

GCD_DIGITS_MAX = 100_000
"""Digits of each: two such numbers take 4 ms to read, 19 ms to work on, 10 ms to print."""
LCM_DIGITS_MAX = 60_000
"""Digits of each, for lcm and egcd, whose reply has room then; 21 ms and 35 ms."""


@service(
    usage="gcd A B",
    reply="gcd for {a} {b} is {result}",
    pure=True,
    example="gcd 12 18",
    time_limit_s=5,
)
def gcd(
    a: Annotated[int | fmpz, Integer(GCD_DIGITS_MAX, make=fmpz)],
    b: Annotated[int | fmpz, Integer(GCD_DIGITS_MAX, make=fmpz)],
) -> int | fmpz:
    """Give the greatest common divisor of two integers, never negative; of 0 and 0 it is 0."""
    if isinstance(a, int) and isinstance(b, int):
        return math.gcd(a, b)
    return fmpz(a).gcd(fmpz(b))


@service(
    usage="lcm A B",
    reply="lcm for {a} {b} is {result}",
    pure=True,
    example="lcm 4 6",
    time_limit_s=5,
)
def lcm(
    a: Annotated[int | fmpz, Integer(LCM_DIGITS_MAX, make=fmpz)],
    b: Annotated[int | fmpz, Integer(LCM_DIGITS_MAX, make=fmpz)],
) -> fmpz:
    """Give the least common multiple of two integers, never negative: product by gcd, exact.

    With 0 it is 0.
    """
    return fmpz(a).lcm(fmpz(b))


class Bezout(NamedTuple):
    """A gcd and the two coefficients that make it."""

    gcd: fmpz
    x: fmpz
    y: fmpz

    def __str__(self) -> str:
        return f"{self.gcd} with coefficients {self.x} {self.y}"


@service(
    usage="egcd A B",
    reply="egcd for {a} {b} is {result}",
    pure=True,
    example="egcd 240 46",
    time_limit_s=5,
)
def egcd(
    a: Annotated[int | fmpz, Integer(LCM_DIGITS_MAX, make=fmpz)],
    b: Annotated[int | fmpz, Integer(LCM_DIGITS_MAX, make=fmpz)],
) -> tuple[int, int, int]:
    """Give the gcd G, X and Y with A·X + B·Y = G, by Euclid's algorithm: exact, and checked.

    X is the inverse of A/G modulo B/G, the one that is nearest to 0 (of two, the positive one).
    Of 0 and 0 all three are 0.
    """
    found = _bezout(fmpz(a), fmpz(b))
    if a * found.x + b * found.y != found.gcd:
        raise ArithmeticError("the coefficients do not give the gcd; please report these numbers")
    return found  # type: ignore[return-value]  # an fmpz is an int to whoever calls


def _bezout(a: fmpz, b: fmpz) -> Bezout:
    if b == 0:
        return Bezout(abs(a), fmpz((a > 0) - (a < 0)), fmpz(0))
    divisor = a.gcd(b)
    modulus = abs(b // divisor)
    # FLINT ends the process where there is no inverse; here there always is one.
    x = pow(a // divisor, -1, modulus)
    if 2 * x > modulus:
        x -= modulus
    return Bezout(divisor, x, (divisor - a * x) // b)

"""The built-in services that count modulo a number: modinv, powmod, jacobi and fibonacci.

All exact, by FLINT (the head of primes.py says why it alone). FLINT ends the process where it is
asked for an inverse that does not exist, so the gcd is looked at first.
"""

from __future__ import annotations

from typing import Annotated

from flint import fmpz

from linebus.errors import Refused
from linebus.services.arguments import Integer, shown
from linebus.services.declare import service

POWMOD_DIGITS_MAX = 4_000
"""Digits of each: three such numbers take 0.39 s."""
FIBONACCI_DIGITS_MAX = 2_500
"""Digits of each: two such numbers take 0.33 s."""
INVERSE_DIGITS_MAX = 60_000
"""Digits of each, for modinv and jacobi: two such numbers take 32 ms."""


@service(
    usage="modinv A M",
    reply="modinv for {a} mod {m} is {result}",
    pure=True,
    example="modinv 3 7",
    time_limit_s=5,
)
def modinv(
    a: Annotated[int | fmpz, Integer(INVERSE_DIGITS_MAX, make=fmpz)],
    m: Annotated[int | fmpz, Integer(INVERSE_DIGITS_MAX, make=fmpz)],
) -> fmpz:
    """Give the X with A·X = 1 modulo M, by Euclid's extended algorithm: exact, and checked.

    From 0 to M-1. Refused where A and M have a common divisor.
    """
    number, modulus = fmpz(a), _modulus(m)
    _check_inverse(number, modulus)
    inverse = pow(number, -1, modulus)
    if (number * inverse - 1) % modulus != 0:
        raise ArithmeticError("the inverse is none; please report these numbers")
    return inverse


@service(
    usage="powmod A E M",
    reply="powmod for {a} {e} mod {m} is {result}",
    pure=True,
    example="powmod 2 100 1000007",
    time_limit_s=5,
)
def powmod(
    a: Annotated[int | fmpz, Integer(POWMOD_DIGITS_MAX, make=fmpz)],
    e: Annotated[int | fmpz, Integer(POWMOD_DIGITS_MAX, make=fmpz)],
    m: Annotated[int | fmpz, Integer(POWMOD_DIGITS_MAX, make=fmpz)],
) -> fmpz:
    """Give A to the power of E modulo M, from 0 to M-1, by repeated squaring: exact.

    0 to the power of 0 is 1. A negative E takes the inverse of A; refused
    where there is none.
    """
    number, modulus = fmpz(a), _modulus(m)
    if e < 0:
        _check_inverse(number, modulus)
    return pow(number, fmpz(e), modulus)


@service(
    usage="jacobi A N",
    reply="jacobi for {a} {n} is {result}",
    pure=True,
    example="jacobi 5 21",
    time_limit_s=5,
)
def jacobi(
    a: Annotated[int | fmpz, Integer(INVERSE_DIGITS_MAX, make=fmpz)],
    n: Annotated[int | fmpz, Integer(INVERSE_DIGITS_MAX, make=fmpz)],
) -> int:
    """Give the Jacobi symbol of A over an odd N, by reciprocity: exact.

    It is 1, -1, or 0 where they have a common divisor. N is not factored. Where N is prime it is
    the Legendre symbol.
    """
    if n < 1 or n % 2 == 0:
        raise Refused(f"{shown(str(n))} is not an odd positive number, as N has to be")
    return int(fmpz(a).jacobi(fmpz(n)))


@service(
    usage="fibonacci N M",
    reply="fibonacci for {n} mod {m} is {result}",
    pure=True,
    example="fibonacci 1000000 1000007",
    time_limit_s=5,
)
def fibonacci(
    n: Annotated[int | fmpz, Integer(FIBONACCI_DIGITS_MAX, make=fmpz)],
    m: Annotated[int | fmpz, Integer(FIBONACCI_DIGITS_MAX, make=fmpz)],
) -> fmpz:
    """Give the Fibonacci number F(N) modulo M, from 0 to M-1, by doubling: exact.

    F(0) is 0, F(1) is 1. F(-N) is F(N), negative where N is even.
    """
    modulus, index = _modulus(m), int(n)
    this, following = fmpz(0), fmpz(1)
    for bit in f"{abs(index):b}":
        this, following = (
            this * (2 * following - this) % modulus,
            (this * this + following * following) % modulus,
        )
        if bit == "1":
            this, following = following, this + following
    return (-this if index < 0 and index % 2 == 0 else this) % modulus


def _modulus(m: int | fmpz) -> fmpz:
    if m < 1:
        raise Refused(f"the modulus is {shown(str(m))}; give one from 1 on")
    return fmpz(m)


def _check_inverse(number: fmpz, modulus: fmpz) -> None:
    divisor = number.gcd(modulus)
    if divisor != 1:
        raise Refused(
            f"{shown(str(number))} has no inverse modulo {shown(str(modulus))}:"
            f" {shown(str(divisor))} divides both"
        )

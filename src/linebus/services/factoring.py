"""The built-in services that need a number's prime factors: factor, divisors and totient.

FLINT does it: trial division, and for what is left the quadratic sieve. Every factor is proven to
be prime and the product of all is compared with the number before anything is said.

FLINT's sieve writes its relations (up to 7 MB) to a file in /tmp. It ends the process
where it cannot, and leaves the file behind where the process is killed; so both are looked at
first.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from flint import fmpz

from linebus import limits
from linebus.errors import Refused
from linebus.services.arguments import Integer
from linebus.services.declare import service

FACTOR_DIGITS_MAX = 300
"""Digits: to prove that one prime of 300 digits is one takes 2.0 s."""
SIEVE_DIGITS_MAX = 58
"""Digits of what is left without small factors, if it is not prime: 2.4 s, 4.2 s at worst."""
SIEVES_MAX = 64
"""Files of sieves that stay in /tmp, the last ones written: 450 MB at most."""

_WORD = 2**64
_TRIAL_PRIMES = 6_542
_SIEVE_FOLDER = Path("/tmp")  # noqa: S108 - FLINT's, not ours to choose
_DIVISORS = "divisors for {n} are {result}"
_SEPARATOR = ", "  # of JSON, the longer one


class Factors(list[tuple[fmpz, int]]):
    """Primes and their exponents, in order."""

    def __str__(self) -> str:
        powers = (f"{prime}^{power}" if power > 1 else f"{prime}" for prime, power in self)
        return " * ".join(powers) or "1"


@service(
    usage="factor N",
    reply="factor for {n} is {result}",
    pure=True,
    example="factor 360",
    time_limit_s=20,
)
def factor(
    n: Annotated[int | fmpz, Integer(FACTOR_DIGITS_MAX, make=fmpz)],
) -> list[tuple[int, int]]:
    """Give the prime factors of N, by division and quadratic sieve; proven, and multiplied.

    N is 1 or more. Trial division takes the primes below 65,536; FLINT's quadratic sieve takes
    at most 58 digits; more are refused unless they are prime, or a power of what goes. That each
    factor is prime is proven as by prove; the product of all is compared with N.
    """
    return _factors(n)  # type: ignore[return-value]  # an fmpz is an int to whoever calls


class Divisors(list[int]):
    """All divisors, in order."""

    def __str__(self) -> str:
        return " ".join(map(str, self))


@service(usage="divisors N", reply=_DIVISORS, pure=True, example="divisors 12", time_limit_s=20)
def divisors(n: Annotated[int | fmpz, Integer(FACTOR_DIGITS_MAX, make=fmpz)]) -> list[int]:
    """Give all positive divisors of N, in order, made of its prime factors, which are proven.

    N is 1 or more. More divisors than a reply has room for are refused.
    """
    factors = _factors(n)
    count = math.prod(power + 1 for _, power in factors)
    # Two divisors whose product is N have at most one digit more than N together.
    digits = len(str(n))
    longest = len(_DIVISORS) + digits + count * (digits + 1) // 2 + count * len(_SEPARATOR)
    if longest > limits.TEXT_BYTES_MAX:
        raise Refused(f"it has {count} divisors, too many for one reply; factor gives the primes")
    found = [fmpz(1)]
    for prime, power in factors:
        found = [each * prime**exponent for exponent in range(power + 1) for each in found]
    return Divisors(map(int, sorted(found)))


@service(
    usage="totient N",
    reply="totient for {n} is {result}",
    pure=True,
    example="totient 36",
    time_limit_s=20,
)
def totient(n: Annotated[int | fmpz, Integer(FACTOR_DIGITS_MAX, make=fmpz)]) -> fmpz:
    """Count the integers from 1 to N prime to N, by its prime factors, which are proven.

    N is 1 or more. It is the product of p^(k-1)·(p-1) for the powers p^k of the prime factors.
    """
    counted = fmpz(1)
    for prime, power in _factors(n):
        counted *= prime ** (power - 1) * (prime - 1)
    return counted


def _factors(n: int | fmpz) -> Factors:
    """Return the factors of a number, all proven. Raises Refused where that would take long."""
    number = fmpz(n)
    if number < 1:
        raise Refused(f"{number} is not an integer from 1 on")
    found: Counter[fmpz] = Counter()
    for part, power in number.factor(trial_limit=_TRIAL_PRIMES):
        if part.is_probable_prime():
            found[part] += power
        else:
            for prime, times in _split(part):
                found[prime] += power * times
    factors = Factors(sorted(found.items()))
    for prime, _ in factors:
        if not prime.is_prime():
            raise ArithmeticError(f"{prime} is no prime factor; please report this number")
    if math.prod((prime**power for prime, power in factors), start=fmpz(1)) != number:
        raise ArithmeticError("the product of the factors is not N; please report this number")
    return factors


def _split(composite: fmpz) -> list[tuple[fmpz, int]]:
    """Return the factors of what trial division leaves."""
    if composite < _WORD:
        return composite.factor()
    base, power = _root(composite)
    if base.is_probable_prime():
        return [(base, power)]
    digits = len(str(base))
    if digits > SIEVE_DIGITS_MAX:
        raise Refused(
            f"what is left without prime factors below 65536 has {digits} digits and is not prime;"
            f" the most that can be factored then is {SIEVE_DIGITS_MAX}"
        )
    _make_room_for_a_sieve()
    return [(prime, power * times) for prime, times in base.factor()]


def _root(number: fmpz) -> tuple[fmpz, int]:
    """Return the least base of which a number without small factors is a power, and the power."""
    for power in range(number.bit_length() // 16, 1, -1) if number.is_perfect_power() else ():
        base = number.root(power)
        if base**power == number:
            return base, power
    return number, 1


def _make_room_for_a_sieve() -> None:
    """Remove the oldest of the files that killed sieves have left; a running one writes its own."""
    if not os.access(_SIEVE_FOLDER, os.W_OK | os.X_OK):
        raise Refused(f"the quadratic sieve has to write to {_SIEVE_FOLDER}, which it cannot here")
    left: list[tuple[float, Path]] = []
    for path in _SIEVE_FOLDER.glob("siqs??????"):
        with suppress(FileNotFoundError):
            known = path.lstat()
            if known.st_uid == os.getuid():
                left.append((known.st_mtime, path))
    for _, path in sorted(left, reverse=True)[SIEVES_MAX:]:
        with suppress(FileNotFoundError):
            path.unlink()

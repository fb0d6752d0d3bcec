"""The built-in services about primes: isprime, nextprime, prevprime and prove.

python-flint does the work here and in the services about numbers beside it. It holds the
interpreter lock for a whole call and hears Ctrl-C late, so numbers are bounded in digits by the
time that they cost, and computing belongs in a process that can be ended. gmpy2 was measured: it
is no faster at anything that is used (modular powers and inverses, gcd, Jacobi symbols, printing),
has no proofs, and cannot factor. Measured on one core of a shared two-core machine, CPython 3.11,
python-flint 0.9 with FLINT 3.6.

Sources. BPSW, the Baillie-PSW test: R. Baillie and S. S. Wagstaff, "Lucas pseudoprimes", Math.
Comp. 35 (1980). That nothing below 2**64 fools FLINT was checked against J. Feitsma's list of
all base-2 pseudoprimes there. 81 bits: J. Sorenson and J. Webster, "Strong pseudoprimes to
twelve prime bases", Math. Comp. 86 (2017). APR-CL: L. Adleman, C. Pomerance and R. Rumely
(1983), H. Cohen and H. W. Lenstra (1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from flint import fmpz

from linebus.errors import Refused
from linebus.services.arguments import Integer
from linebus.services.declare import service

if TYPE_CHECKING:
    from collections.abc import Iterator

ISPRIME_DIGITS_MAX = 2_500
"""Digits: BPSW on a prime of 2,500 digits takes 0.36 s, of 2,800 digits 0.48 s."""
PROOF_BITS_MAX = 160
"""Bits up to which a prime is proven: 8 ms in the middle, 20 ms at worst (144 bits: 4 and 7)."""
NEIGHBOUR_DIGITS_MAX = 500
"""Digits, for nextprime and prevprime: 0.12 s in the middle, 0.5 s where the gap is long."""
PROVE_DIGITS_MAX = 300
"""Digits: a prime of 300 digits takes 1.8 s, 2.0 s at worst, of 200 digits 0.4 s."""

_WORD = 2**64
_SIGNED_WORD = 2**63
_SIGNED_WORD_MADE = fmpz(_SIGNED_WORD)
# The least composite that passes strong tests to all of the first thirteen prime bases.
_THIRTEEN_BASES = 3_317_044_064_679_887_385_961_981
_SMALL_MAX = 4_096
_SMALL_PRIMES = [n for n in range(3, _SMALL_MAX, 2) if fmpz(n).is_prime()]
_PRODUCT = fmpz(math.prod(_SMALL_PRIMES))
_CHUNK = 4_096


@service(
    usage="isprime N", reply="{n} is {result}", pure=True, example="isprime 97", time_limit_s=5
)
def isprime(n: Annotated[int | fmpz, Integer(ISPRIME_DIGITS_MAX, make=fmpz)]) -> str:
    """Say whether an integer is prime.

    Below 2**64 FLINT's test is a proof: BPSW, or two strong tests, the second to a base that a
    table holds for it. Up to PROOF_BITS_MAX bits what passes BPSW is then proven (by strong tests
    to thirteen bases up to 81 bits, by p-1, p+1 and APR-CL beyond). Above, it is "probably
    prime": no composite that passes BPSW is known. "Not prime" is always certain: negatives,
    0, 1, a small divisor, a square, or a failed strong or Lucas test.
    """
    if n < _WORD:
        # From 2**63 on fmpz takes an int by way of its text: 0.46 µs, where this takes 0.14.
        small = fmpz(n) if n < _SIGNED_WORD else _SIGNED_WORD_MADE + (n - _SIGNED_WORD)
        return "prime" if small.is_prime() else "not prime"
    number = fmpz(n)
    if not number.is_probable_prime():
        return "not prime"
    if number.bit_length() > PROOF_BITS_MAX:
        return "probably prime"
    return "prime" if number.is_prime() else "not prime"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The prime that was looked for: an integer to programs; to people also how sure it is."""

    number: fmpz

    def __index__(self) -> int:
        return int(self.number)

    def __str__(self) -> str:
        proven = self.number.bit_length() <= PROOF_BITS_MAX
        return f"{self.number}" if proven else f"{self.number}, probably prime"


@service(
    usage="nextprime N",
    reply="nextprime for {n} is {result}",
    pure=True,
    example="nextprime 100",
    time_limit_s=5,
)
def nextprime(n: Annotated[int | fmpz, Integer(NEIGHBOUR_DIGITS_MAX, make=fmpz)]) -> Neighbour:
    """Give the least prime above N, by BPSW: proven up to 160 bits, "probably prime" above.

    Candidates are sieved by the primes below 4096 and tested by BPSW; what passes is proven as
    isprime proves it. That no prime lies between is certain, as is every "not prime".
    """
    number = fmpz(n)
    if number < 2:  # noqa: PLR2004 - the least prime
        return Neighbour(fmpz(2))
    return _nearest(number + 1 + number % 2, 2)


@service(
    usage="prevprime N",
    reply="prevprime for {n} is {result}",
    pure=True,
    example="prevprime 100",
    time_limit_s=5,
)
def prevprime(n: Annotated[int | fmpz, Integer(NEIGHBOUR_DIGITS_MAX, make=fmpz)]) -> Neighbour:
    """Give the greatest prime below N, by BPSW: proven up to 160 bits, "probably prime" above.

    The method is that of nextprime. Below 3 there is none, which is refused.
    """
    number = fmpz(n)
    if number <= 2:  # noqa: PLR2004 - the least prime
        raise Refused(f"there is no prime below {number}; give an integer from 3 on")
    if number == 3:  # noqa: PLR2004 - the only one whose neighbour is even
        return Neighbour(fmpz(2))
    return _nearest(number - 1 - number % 2, -2)


def _nearest(start: fmpz, step: int) -> Neighbour:
    """Return the first prime among start, start + step..., which are odd."""
    if start < _WORD:
        while not start.is_prime():
            start += step
        return Neighbour(start)
    for candidate in _sieved(start, step):
        if candidate.is_probable_prime() and (
            candidate.bit_length() > PROOF_BITS_MAX or candidate.is_prime()
        ):
            return Neighbour(candidate)
    raise AssertionError("integers do not end")


def _sieved(start: fmpz, step: int) -> Iterator[fmpz]:
    """Yield those of start, start + step... that no small prime divides."""
    while True:
        rest = int(start % _PRODUCT)
        alive = bytearray(b"\1") * _CHUNK
        for prime in _SMALL_PRIMES:
            # The first multiple: rest + step * first is 0 modulo the prime; half of it inverts 2.
            first = rest * ((prime - step // 2) // 2) % prime
            alive[first::prime] = bytes((_CHUNK - first + prime - 1) // prime)
        index = alive.find(1)
        while index >= 0:
            yield start + step * index
            index = alive.find(1, index + 1)
        start += step * _CHUNK


class Proof(NamedTuple):
    """Whether a number is prime, and why."""

    prime: bool
    reason: str

    def __str__(self) -> str:
        return f"{'prime' if self.prime else 'not prime'}: {self.reason}"


@service(usage="prove N", reply="{n} is {result}", pure=True, example="prove 91", time_limit_s=15)
def prove(n: Annotated[int | fmpz, Integer(PROVE_DIGITS_MAX, make=fmpz)]) -> tuple[bool, str]:
    """Prove that N is prime, by strong tests or APR-CL, or say what shows that it is not.

    Below 2**64 FLINT's test is a proof, up to 81 bits strong tests to thirteen bases are one,
    beyond p-1, p+1 and APR-CL. Against it speak a divisor below 4096, the least one; a strong
    test to the least prime base that fails; or, where none below 4096 does, the Lucas test.
    """
    number = fmpz(n)
    if number < 2:  # noqa: PLR2004 - the least prime
        return Proof(prime=False, reason="primes begin with 2")
    if (number < _WORD or number.is_probable_prime()) and number.is_prime():
        return Proof(prime=True, reason=_argument(number))
    return Proof(prime=False, reason=_objection(number))


def _argument(prime: fmpz) -> str:
    if prime < _WORD:
        return "it passes a test that no composite below 2^64 passes"
    if prime < _THIRTEEN_BASES:
        return "it passes strong tests to 13 bases, as no composite of its size does"
    return "proven by p-1, p+1 or APR-CL"


def _objection(composite: fmpz) -> str:
    for prime in [2, *_SMALL_PRIMES]:
        if composite % prime == 0:
            return f"{prime} divides it"
    for base in [2, *_SMALL_PRIMES]:
        if not _passes_strong_test(composite, base):
            return f"it fails the strong test to base {base}"
    return "it fails the Lucas test"


def _passes_strong_test(odd: fmpz, base: int) -> bool:
    """Return what M. O. Rabin's test says: a prime passes to every base."""
    less = int(odd) - 1
    twos = (less & -less).bit_length() - 1
    power = pow(fmpz(base), less >> twos, odd)
    if power == 1:
        return True
    for _ in range(twos):
        if power == less:
            return True
        power = power * power % odd
    return False

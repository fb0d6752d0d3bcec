"""The built-in services about integers: isprime and gcd.

python-flint does the work; it holds the interpreter lock for a whole call and hears Ctrl-C
late, so numbers are bounded in digits by the time that they cost, and computing belongs in a
process that can be ended. Measured on one core of a shared two-core machine, CPython 3.11,
python-flint 0.9 with FLINT 3.6.

Sources. BPSW, the Baillie-PSW test: R. Baillie and S. S. Wagstaff, "Lucas pseudoprimes", Math.
Comp. 35 (1980). That nothing below 2**64 fools FLINT was checked against J. Feitsma's list of
all base-2 pseudoprimes there. 81 bits: J. Sorenson and J. Webster, "Strong pseudoprimes to
twelve prime bases", Math. Comp. 86 (2017). APR-CL: L. Adleman, C. Pomerance and R. Rumely
(1983), H. Cohen and H. W. Lenstra (1984).
"""

from __future__ import annotations

import math
from typing import Annotated

from flint import fmpz

from linebus.services.arguments import Integer
from linebus.services.declare import service

ISPRIME_DIGITS_MAX = 2_500
"""Digits: BPSW on a prime of 2,500 digits takes 0.36 s, of 2,800 digits 0.48 s."""
GCD_DIGITS_MAX = 100_000
"""Digits of each: two such numbers take 4 ms to read, 19 ms to work on, 10 ms to print."""
PROOF_BITS_MAX = 160
"""Bits up to which a prime is proven: 8 ms in the middle, 20 ms at worst (144 bits: 4 and 7)."""

_WORD = 2**64
_SIGNED_WORD = 2**63


@service(usage="isprime N", reply="{n} is {result}", pure=True, example="isprime 97")
def isprime(n: Annotated[int | fmpz, Integer(ISPRIME_DIGITS_MAX, make=fmpz)]) -> str:
    """Say whether an integer is prime.

    Below 2**64 FLINT's test is a proof: BPSW, or two strong tests, the second to a base that a
    table holds for it. Up to PROOF_BITS_MAX bits what passes BPSW is then proven (by strong tests
    to thirteen bases up to 81 bits, by p-1, p+1 and APR-CL beyond). Above, it is "probably
    prime": no composite that passes BPSW is known. "Not prime" is always certain: negatives,
    0, 1, a small divisor, a square, or a failed strong or Lucas test.
    """
    if n < _WORD:
        # From 63 bits on fmpz reads the text of an int faster than the int: 0.50 for 0.67 µs.
        small = fmpz(n if n < _SIGNED_WORD else str(n))
        return "prime" if small.is_prime() else "not prime"
    number = fmpz(n)
    if not number.is_probable_prime():
        return "not prime"
    if number.bit_length() > PROOF_BITS_MAX:
        return "probably prime"
    return "prime" if number.is_prime() else "not prime"


@service(usage="gcd A B", reply="gcd for {a} {b} is {result}", pure=True, example="gcd 12 18")
def gcd(
    a: Annotated[int | fmpz, Integer(GCD_DIGITS_MAX, make=fmpz)],
    b: Annotated[int | fmpz, Integer(GCD_DIGITS_MAX, make=fmpz)],
) -> int | fmpz:
    """Give the greatest common divisor of two integers, never negative; of 0 and 0 it is 0."""
    if isinstance(a, int) and isinstance(b, int):
        return math.gcd(a, b)
    return fmpz(a).gcd(fmpz(b))

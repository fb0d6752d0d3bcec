"""Seeded lines for the built-in services, and what must come back, worked out independently.

Nothing here is imported from linebus: the numbers come from sympy and math, the grammar of a
line is read again from its description. `lines` and `expected` are pure: the same seed and line
give the same on any machine. 20,000 lines with their expectations take a few seconds.

A line is a service name, then, after one space, arguments separated by runs of spaces and tabs.
"""

from __future__ import annotations

import math
import random
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# What the services say of themselves, repeated here by hand: an oracle that read the bounds from
# linebus would not notice when they changed.
ISPRIME_DIGITS_MAX = 2_500
GCD_DIGITS_MAX = 100_000
PROOF_BITS_MAX = 160
"""A prime of more bits is only called probably prime."""

_ARGUMENTS = {
    "isprime": (1, ISPRIME_DIGITS_MAX),
    "gcd": (2, GCD_DIGITS_MAX),
    "lcm": (2, 60_000),
    "egcd": (2, 60_000),
    "modinv": (2, 60_000),
    "jacobi": (2, 60_000),
    "powmod": (3, 4_000),
    "fibonacci": (2, 2_500),
    "nextprime": (1, 500),
    "prevprime": (1, 500),
    "prove": (1, 300),
    "factor": (1, 300),
    "divisors": (1, 300),
    "totient": (1, 300),
}
_DIGITS = frozenset("0123456789")


class Expected(NamedTuple):
    """How a line must end; `text` is exact, and None unless it is answered."""

    outcome: Literal["answered", "failed", "no_service"]
    text: str | None


def expected(line: str) -> Expected:
    """Say how `line` must end. Its length may be anything; no line is slower than about 1 s."""
    name, _, args = line.replace("\t", " ").partition(" ")
    if name not in _ARGUMENTS:
        return Expected("no_service", None)
    count, digits_max = _ARGUMENTS[name]
    words = args.split(" ")
    numbers = [_integer(word, digits_max) for word in words if word]
    if len(numbers) != count or None in numbers:
        return Expected("failed", None)
    sound = [number for number in numbers if number is not None]
    try:
        return Expected("answered", _ANSWERS[name](*sound))
    except _RefusedError:
        return Expected("failed", None)


def _integer(word: str, digits_max: int) -> int | None:
    """Read an optional sign and ASCII digits; None for anything else or for too many."""
    sign, digits = (word[0], word[1:]) if word[0] in "+-" else ("", word)
    if not digits or len(digits) > digits_max or not set(digits) <= _DIGITS:
        return None
    value = 0
    for start in range(0, len(digits), 4_000):  # in pieces that int() takes under any setting
        piece = digits[start : start + 4_000]
        value = value * 10 ** len(piece) + _piece(piece)
    return -value if sign == "-" else value


def _piece(digits: str) -> int:
    value = 0
    for start in range(0, len(digits), 600):
        part = digits[start : start + 600]
        value = value * 10 ** len(part) + int(part)
    return value


def _text(number: int) -> str:
    """Print a number of any length, also where str() refuses to."""
    if abs(number) < 10**600:
        return str(number)
    sign, number = ("-" if number < 0 else ""), abs(number)
    half = number.bit_length() // 7  # about half of the digits
    high, low = divmod(number, 10**half)
    return sign + _text(high) + _text(low).rjust(half, "0")


def _isprime(n: int) -> str:
    if not _is_prime(n):
        return f"{_text(n)} is not prime"
    return f"{_text(n)} is {'probably ' if n.bit_length() > PROOF_BITS_MAX else ''}prime"


def _gcd(a: int, b: int) -> str:
    return f"gcd for {_text(a)} {_text(b)} is {_text(math.gcd(a, b))}"


class _RefusedError(Exception):
    """The numbers are sound as such, but not for this service."""


def _must(truth: bool) -> None:
    if not truth:
        raise _RefusedError


def _lcm(a: int, b: int) -> str:
    return f"lcm for {_text(a)} {_text(b)} is {_text(math.lcm(a, b))}"


def _egcd(a: int, b: int) -> str:
    divisor = math.gcd(a, b)
    if b == 0:
        x, y = (a > 0) - (a < 0), 0
    else:
        modulus = abs(b // divisor)
        x = pow(a // divisor, -1, modulus)
        x -= modulus if 2 * x > modulus else 0
        y = (divisor - a * x) // b
    said = f"{_text(divisor)} with coefficients {_text(x)} {_text(y)}"
    return f"egcd for {_text(a)} {_text(b)} is {said}"


def _modinv(a: int, m: int) -> str:
    _must(m >= 1 and math.gcd(a, m) == 1)
    return f"modinv for {_text(a)} mod {_text(m)} is {_text(pow(a, -1, m))}"


def _powmod(a: int, e: int, m: int) -> str:
    _must(m >= 1 and (e >= 0 or math.gcd(a, m) == 1))
    return f"powmod for {_text(a)} {_text(e)} mod {_text(m)} is {_text(pow(a, e, m))}"


def _jacobi(a: int, n: int) -> str:
    from sympy import jacobi_symbol  # noqa: PLC0415 - 0.3 to 1.5 s to import

    _must(n >= 1 and n % 2 == 1)
    return f"jacobi for {_text(a)} {_text(n)} is {jacobi_symbol(a % n, n)}"


def _fibonacci(n: int, m: int) -> str:
    """By the powers of the matrix 1 1 1 0, which is another way than the service's."""
    _must(m >= 1)
    (a, b, d), (p, q, s) = (1, 0, 1), (1, 1, 0)
    for bit in reversed(f"{abs(n):b}"):
        if bit == "1":
            a, b, d = (a * p + b * q) % m, (a * q + b * s) % m, (b * q + d * s) % m
        p, q, s = (p * p + q * q) % m, q * (p + s) % m, (q * q + s * s) % m
    signed = -b if n < 0 and n % 2 == 0 else b
    return f"fibonacci for {_text(n)} mod {_text(m)} is {_text(signed % m)}"


def _neighbour(name: str, n: int, found: int) -> str:
    probable = ", probably prime" if found.bit_length() > PROOF_BITS_MAX else ""
    return f"{name} for {_text(n)} is {_text(found)}{probable}"


def _nextprime(n: int) -> str:
    from sympy import nextprime  # noqa: PLC0415 - 0.3 to 1.5 s to import

    return _neighbour("nextprime", n, nextprime(n))


def _prevprime(n: int) -> str:
    from sympy import prevprime  # noqa: PLC0415 - 0.3 to 1.5 s to import

    _must(n > 2)
    return _neighbour("prevprime", n, prevprime(n))


def _prove(n: int) -> str:
    return f"{_text(n)} is {_reason(n)}"


def _reason(n: int) -> str:
    if n < 2:
        return "not prime: primes begin with 2"
    if _is_prime(n):
        if n < 2**64:
            return "prime: it passes a test that no composite below 2^64 passes"
        if n < STRONG_PSEUDOPRIMES[-1]:
            return "prime: it passes strong tests to 13 bases, as no composite of its size does"
        return "prime: proven by p-1, p+1 or APR-CL"
    bases = [base for base in range(2, 4_096) if _is_prime(base)]
    for base in bases:
        if n % base == 0:
            return f"not prime: {base} divides it"
    witness = next(base for base in bases if not _passes_strong_test(n, base))
    return f"not prime: it fails the strong test to base {witness}"


def _passes_strong_test(n: int, base: int) -> bool:
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    powers = [pow(base, odd << each, n) for each in range(twos)]
    return powers[0] == 1 or n - 1 in powers


def _primes_of(n: int) -> dict[int, int]:
    from sympy import factorint  # noqa: PLC0415 - 0.3 to 1.5 s to import

    _must(n >= 1)
    found: dict[int, int] = factorint(n)
    return found


def _factor(n: int) -> str:
    powers = sorted(_primes_of(n).items())
    said = " * ".join(f"{prime}^{power}" if power > 1 else f"{prime}" for prime, power in powers)
    return f"factor for {_text(n)} is {said or 1}"


def _divisors(n: int) -> str:
    found = [1]
    for prime, power in _primes_of(n).items():
        found = [each * prime**exponent for exponent in range(power + 1) for each in found]
    return f"divisors for {_text(n)} are {' '.join(map(str, sorted(found)))}"


def _totient(n: int) -> str:
    counted = math.prod((p - 1) * p ** (power - 1) for p, power in _primes_of(n).items())
    return f"totient for {_text(n)} is {_text(counted)}"


_ANSWERS: dict[str, Callable[..., str]] = {
    "isprime": _isprime,
    "gcd": _gcd,
    "lcm": _lcm,
    "egcd": _egcd,
    "modinv": _modinv,
    "powmod": _powmod,
    "jacobi": _jacobi,
    "fibonacci": _fibonacci,
    "nextprime": _nextprime,
    "prevprime": _prevprime,
    "prove": _prove,
    "factor": _factor,
    "divisors": _divisors,
    "totient": _totient,
}


@lru_cache(maxsize=100_000)
def _is_prime(n: int) -> bool:
    from sympy import isprime  # noqa: PLC0415 - 0.3 to 1.5 s to import

    return bool(isprime(n))


# ---- The lines -------------------------------------------------------------------------------

CARMICHAEL = (561, 1105, 1729, 2465, 2821, 41041, 825265, 321197185, 9746347772161)
STRONG_PSEUDOPRIMES = (
    2047,
    1373653,
    25326001,
    3215031751,
    2152302898747,
    3474749660383,
    341550071728321,
    3825123056546413051,
    318665857834031151167461,
    3317044064679887385961981,
)
PRIMES = (
    2,
    3,
    97,
    65537,
    2**31 - 1,
    2**61 - 1,
    2**63 - 25,
    2**63 + 29,
    2**64 - 59,
    2**64 + 13,
    2**89 - 1,
    2**127 - 1,
    2**160 - 47,
    2**160 + 7,
    10**100 + 267,
    2**521 - 1,
)
SLOW_PRIMES = (10**200 + 357, 10**300 + 331, 2**607 - 1, 2**1279 - 1)

UNKNOWN = (
    "isprme 7",
    "isprime7",
    "ISPRIME 7",
    "Gcd 12 18",
    "gdc 12 18",
    "lmc 4 6",
    "isprime, 7",
    "primes 7",
    "97",
    "?",
    "é 7",
    "isprime: 7",
)
MALFORMED_WORDS = (
    "1.5",
    "0x10",
    "1_000",
    "\u0663",
    "\uff11\uff12",
    "1e5",
    "1,000",
    "--7",
    "+-7",
    "+",
    "-",
    "7-",
    "²",
    "ten",
    "7\u00a0",
    "\u20037",
    "7;",
    "'7'",
    "NaN",
    "0b1",
    "7\x0b",
    "1/2",
)
MALFORMED_COUNTS = (
    "isprime",
    "isprime ",
    "isprime  ",
    "isprime \t",
    "isprime 7 8",
    "isprime 7\t8",
    "isprime 1 000 000",
    "gcd",
    "gcd ",
    "gcd 12",
    "gcd 12 ",
    "gcd 12 18 24",
    "gcd 12\t18\t24",
)


def lines(count: int, seed: int) -> list[str]:
    """Make `count` mixed lines, none of them empty or with a newline; most are cheap."""
    rng = random.Random(seed)
    makers = rng.choices(
        [maker for maker, _ in _MAKERS], [weight for _, weight in _MAKERS], k=count
    )
    return [maker(rng) for maker in makers]


def _spelt(rng: random.Random, number: int) -> str:
    """Write a number as people do: now and then with a plus or zeros in front."""
    text = _text(abs(number))
    if rng.random() < 0.05:
        text = "0" * rng.randint(1, 3) + text
    if number < 0 or (number == 0 and rng.random() < 0.1):
        return "-" + text
    return "+" + text if rng.random() < 0.03 else text


def _line(rng: random.Random, name: str, *words: str) -> str:
    if rng.random() < 0.95:
        return " ".join([name, *words])
    blanks = [rng.choice(["  ", " \t", " ", "\t"]) for _ in words]
    ends = rng.choice(["", " ", "\t "])
    return f"{name} " + "".join(b + w for b, w in zip(blanks, words, strict=True)) + ends


def _isprime_small(rng: random.Random) -> str:
    return _line(rng, "isprime", _spelt(rng, rng.randint(-20, 10_000)))


def _isprime_word(rng: random.Random) -> str:
    return _line(rng, "isprime", _spelt(rng, rng.getrandbits(64) | 1))


def _isprime_known(rng: random.Random) -> str:
    return _line(rng, "isprime", _spelt(rng, rng.choice(PRIMES + CARMICHAEL + STRONG_PSEUDOPRIMES)))


def _isprime_bound(rng: random.Random) -> str:
    """Around the sizes at which the method changes: 64, 81 and PROOF_BITS_MAX bits."""
    middle = rng.choice([2**64, 3317044064679887385961981, 2**PROOF_BITS_MAX])
    return _line(rng, "isprime", _spelt(rng, middle + rng.randint(-400, 400)))


def _isprime_long(rng: random.Random) -> str:
    number = rng.choice([*SLOW_PRIMES, rng.getrandbits(rng.randint(65, 1_000))])
    return _line(rng, "isprime", _spelt(rng, number))


def _isprime_product(rng: random.Random) -> str:
    number = rng.choice(PRIMES) * rng.choice(PRIMES)
    return _line(rng, "isprime", _spelt(rng, number))


def _isprime_huge(rng: random.Random) -> str:
    """About the bound on digits, from both sides, and far beyond; even, so that it is cheap."""
    digits = rng.choice([ISPRIME_DIGITS_MAX - 1, ISPRIME_DIGITS_MAX, ISPRIME_DIGITS_MAX + 1, 9_999])
    return _line(rng, "isprime", rng.choice("123456789") * (digits - 1) + rng.choice("02468"))


def _gcd_of(rng: random.Random, bits: int) -> str:
    common = rng.getrandbits(rng.randint(1, max(1, bits // 2)))
    a, b = (common * rng.getrandbits(bits) * rng.choice([1, 1, 1, -1]) for _ in range(2))
    return _line(rng, "gcd", _spelt(rng, a), _spelt(rng, b))


def _gcd_small(rng: random.Random) -> str:
    words = (_spelt(rng, rng.randint(-100, 1_000)) for _ in range(2))
    return _line(rng, "gcd", *words)


def _gcd_word(rng: random.Random) -> str:
    return _gcd_of(rng, 64)


def _gcd_long(rng: random.Random) -> str:
    return _gcd_of(rng, rng.choice([300, 1_000, 3_000]))


def _gcd_huge(rng: random.Random) -> str:
    digits = rng.choice([4_299, 4_300, 4_301, 20_000, GCD_DIGITS_MAX, GCD_DIGITS_MAX + 1])
    return _line(rng, "gcd", rng.choice("123456789") * digits, _spelt(rng, rng.randint(0, 10**9)))


def _pair(rng: random.Random) -> str:
    """Two numbers that may have a divisor in common, of up to 3,000 bits, now and then 0 or 1."""
    name = rng.choice(["lcm", "egcd", "modinv", "jacobi"])
    bits = rng.choice([4, 8, 64, 300, 3_000])
    common = rng.choice([1, 1, rng.getrandbits(rng.randint(1, bits))])
    a, b = (common * rng.getrandbits(bits) * rng.choice([1, 1, 1, -1]) for _ in range(2))
    return _line(rng, name, _spelt(rng, a), _spelt(rng, abs(b) | rng.randint(0, 1)))


def _power(rng: random.Random) -> str:
    bits = rng.choice([4, 64, 500])
    a, e = (rng.getrandbits(bits) * rng.choice([1, 1, 1, -1]) for _ in range(2))
    return _line(rng, "powmod", *(_spelt(rng, each) for each in (a, e, rng.getrandbits(bits))))


def _index(rng: random.Random) -> str:
    n = rng.getrandbits(rng.choice([4, 64, 500])) * rng.choice([1, 1, 1, -1])
    m = rng.getrandbits(rng.choice([4, 64, 500]))
    return _line(rng, "fibonacci", _spelt(rng, n), _spelt(rng, m))


def _about_a_prime(rng: random.Random) -> str:
    name = rng.choice(["nextprime", "prevprime", "prove"])
    known = rng.choice(PRIMES + CARMICHAEL + STRONG_PSEUDOPRIMES)
    number = rng.choice([known, known, rng.randint(-5, 10_000), rng.getrandbits(64)])
    return _line(rng, name, _spelt(rng, number))


def _factored(rng: random.Random) -> str:
    name = rng.choice(["factor", "divisors", "totient"])
    known = rng.choice(CARMICHAEL + STRONG_PSEUDOPRIMES[:8])
    number = rng.choice([known, rng.randint(-5, 100_000), rng.getrandbits(50)])
    return _line(rng, name, _spelt(rng, number))


def _unknown(rng: random.Random) -> str:
    return rng.choice(UNKNOWN)


def _miscounted(rng: random.Random) -> str:
    return rng.choice(MALFORMED_COUNTS)


def _misspelt(rng: random.Random) -> str:
    wrong, right = rng.choice(MALFORMED_WORDS), str(rng.randint(0, 99))
    pairs = [(wrong, right), (right, wrong), (wrong, wrong)]
    words = rng.choice([(wrong,), *pairs])
    return " ".join(["isprime" if len(words) == 1 else "gcd", *words])


_MAKERS: tuple[tuple[Callable[[random.Random], str], float], ...] = (
    (_isprime_small, 20),
    (_isprime_word, 24),
    (_isprime_known, 8),
    (_isprime_bound, 4),
    (_isprime_product, 3),
    (_isprime_long, 2),
    (_isprime_huge, 0.1),
    (_gcd_small, 15),
    (_gcd_word, 12),
    (_gcd_long, 3),
    (_gcd_huge, 0.1),
    (_pair, 8),
    (_power, 3),
    (_index, 3),
    (_about_a_prime, 4),
    (_factored, 4),
    (_unknown, 3),
    (_miscounted, 3),
    (_misspelt, 3),
)
"""Makers and how often each is used, out of about a hundred."""


def main() -> None:
    """Print lines for use by hand: python tests/oracle.py COUNT SEED."""
    count, seed = map(int, sys.argv[1:3])
    print("\n".join(lines(count, seed)))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()

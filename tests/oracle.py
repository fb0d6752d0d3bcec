"""Seeded lines for isprime and gcd, and what must come back, worked out independently.

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

_ARGUMENTS = {"isprime": (1, ISPRIME_DIGITS_MAX), "gcd": (2, GCD_DIGITS_MAX)}
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
    return Expected("answered", _isprime(*sound) if name == "isprime" else _gcd(*sound))


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
    "lcm 4 6",
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

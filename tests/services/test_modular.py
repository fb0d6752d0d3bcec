"""modinv, powmod, jacobi and fibonacci against Python and sympy, and what they refuse."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from flint import fmpz
from hypothesis import given, settings
from hypothesis import strategies as st

from linebus.errors import Refused
from linebus.services import modular
from linebus.services.modular import (
    FIBONACCI_DIGITS_MAX,
    INVERSE_DIGITS_MAX,
    POWMOD_DIGITS_MAX,
    fibonacci,
    jacobi,
    modinv,
    powmod,
)

if TYPE_CHECKING:
    from linebus.services.catalog import AnyService

ANY = st.integers(-100, 100) | st.integers() | st.integers(-(2**300), 2**300)
MODULI = st.integers(1, 100) | st.integers(1, 2**300)


def refusal(of: AnyService, args: str) -> str:
    with pytest.raises(Refused) as caught:
        of.answer(args)
    return str(caught.value)


@pytest.mark.parametrize(
    ("of", "args", "text"),
    [
        (modinv, "3 7", "modinv for 3 mod 7 is 5"),
        (modinv, "-3 7", "modinv for -3 mod 7 is 2"),
        (modinv, "0 1", "modinv for 0 mod 1 is 0"),
        (powmod, "2 100 1000007", "powmod for 2 100 mod 1000007 is 698635"),
        (powmod, "0 0 5", "powmod for 0 0 mod 5 is 1"),
        (powmod, "0 0 1", "powmod for 0 0 mod 1 is 0"),
        (powmod, "3 -1 7", "powmod for 3 -1 mod 7 is 5"),
        (powmod, "-2 3 5", "powmod for -2 3 mod 5 is 2"),
        (jacobi, "5 21", "jacobi for 5 21 is 1"),
        (jacobi, "-1 7", "jacobi for -1 7 is -1"),
        (jacobi, "6 9", "jacobi for 6 9 is 0"),
        (jacobi, "0 1", "jacobi for 0 1 is 1"),
        (fibonacci, "10 7", "fibonacci for 10 mod 7 is 6"),
        (fibonacci, "-4 100", "fibonacci for -4 mod 100 is 97"),
        (fibonacci, "1 1", "fibonacci for 1 mod 1 is 0"),
    ],
)
def test_each_says_exactly(of: AnyService, args: str, text: str) -> None:
    assert of.answer(args) == text
    assert of.value(args) == text.rpartition(" ")[2]


@given(ANY, MODULI)
def test_modinv_agrees_with_python(a: int, m: int) -> None:
    if math.gcd(a, m) == 1:
        assert modinv.value(f"{a} {m}") == f"{pow(a, -1, m)}"
    else:
        assert "has no inverse modulo" in refusal(modinv, f"{a} {m}")


@given(ANY, ANY, MODULI)
def test_powmod_agrees_with_python(a: int, e: int, m: int) -> None:
    if e < 0 and math.gcd(a, m) != 1:
        assert "has no inverse modulo" in refusal(powmod, f"{a} {e} {m}")
    else:
        assert powmod.value(f"{a} {e} {m}") == f"{pow(a, e, m)}"


@settings(deadline=None)  # the first pays for the import
@given(ANY, MODULI.map(lambda n: n | 1))
def test_jacobi_agrees_with_sympy(a: int, n: int) -> None:
    from sympy import jacobi_symbol  # noqa: PLC0415 - 1.5 s to import, for this test only

    assert jacobi.value(f"{a} {n}") == f"{jacobi_symbol(a % n, n)}"


@given(st.integers(-300, 300), MODULI)
def test_fibonacci_agrees_with_adding(n: int, m: int) -> None:
    this, following = 0, 1
    for _ in range(abs(n)):
        this, following = following, this + following
    signed = -this if n < 0 and n % 2 == 0 else this
    assert fibonacci.value(f"{n} {m}") == f"{signed % m}"


@settings(deadline=None)
@given(st.integers(-(10**600), 10**600), MODULI)
def test_neighbouring_fibonacci_numbers_add_up(n: int, m: int) -> None:
    first, second, third = (int(fibonacci.value(f"{n + more} {m}")) for more in range(3))
    assert (first + second - third) % m == 0


def test_a_fibonacci_number_far_out_has_the_period_of_its_modulus() -> None:
    # Modulo 10 they repeat after 60, modulo 10**k after 15 * 10**(k-1) (D. D. Wall, 1960).
    huge = 15 * 10**99 * 12_345
    assert [int(fibonacci(huge + n, 10**100)) for n in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]


@pytest.mark.parametrize("of", [modinv, powmod, fibonacci])
@pytest.mark.parametrize("m", ["0", "-7", "-" + "9" * 1_000])
def test_a_modulus_is_positive(of: AnyService, m: str) -> None:
    args = f"3 2 {m}" if of is powmod else f"3 {m}"
    said = refusal(of, args)
    assert said.startswith(f"the modulus is '{m[:10]}")
    assert said.endswith("; give one from 1 on")
    assert len(said) < 100


@pytest.mark.parametrize("n", ["0", "20", "-5", "-20", "1" * 1_000 + "0"])
def test_jacobi_takes_odd_positive_numbers(n: str) -> None:
    assert refusal(jacobi, f"3 {n}").endswith("is not an odd positive number, as N has to be")


@pytest.mark.parametrize(
    ("of", "args"), [(modinv, "3 6"), (powmod, "3 -1 6"), (powmod, f"3 -{10**30} 6")]
)
def test_without_an_inverse_the_common_divisor_is_named(of: AnyService, args: str) -> None:
    assert refusal(of, args) == "'3' has no inverse modulo '6': '3' divides both"


def test_flint_would_have_ended_the_process() -> None:
    """The reason for looking at the gcd first; once this fails that is needed no more."""
    code = "from flint import fmpz; pow(fmpz(3), -1, fmpz(6))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode < 0


def test_an_inverse_that_is_wrong_is_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modular, "pow", lambda _a, _e, _m: fmpz(4), raising=False)
    with pytest.raises(ArithmeticError, match="the inverse is none"):
        modinv.answer("3 7")


@pytest.mark.parametrize(
    ("of", "most", "count"),
    [
        (modinv, INVERSE_DIGITS_MAX, 2),
        (jacobi, INVERSE_DIGITS_MAX, 2),
        (powmod, POWMOD_DIGITS_MAX, 3),
        (fibonacci, FIBONACCI_DIGITS_MAX, 2),
    ],
)
def test_each_refuses_one_digit_too_many(of: AnyService, most: int, count: int) -> None:
    for place in range(count):
        words = ["1"] * count
        words[place] = "1" * (most + 1)
        assert f"has {most + 1} digits, the most is {most}" in refusal(of, " ".join(words))
        words[place] = "1" * 1_000_000
        assert "has 1000000 digits" in refusal(of, " ".join(words))
        words[place] = "1" * most
        assert of.answer(" ".join(words))

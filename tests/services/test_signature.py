"""What a signature says: the usage and the types."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from flint import fmpz

from linebus.services.arguments import Integer
from linebus.services.declare import Service, service
from tests.services.examples import (
    add,
    half,
    nothing,
    power,
    say,
    total,
)


@pytest.mark.parametrize(
    ("declared", "usage"),
    [
        (add, "add A B"),
        (total, "total [NUMBERS...]"),
        (say, "say TIMES TEXT..."),
        (power, "power BASE [EXPONENT] [MODULUS]"),
        (nothing, "nothing"),
    ],
)
def test_usage_comes_from_the_signature(declared: Service[..., Any], usage: str) -> None:
    assert declared.usage == usage


@pytest.mark.parametrize(
    ("declared", "types"),
    [
        (add, "a: int, b: int -> int"),
        (total, "*numbers: int -> int"),
        (say, "times: int, text: str -> str"),
        (half, "x: float -> float"),
        (nothing, "-> str"),
    ],
)
def test_types_are_told_in_the_words_of_the_signature(
    declared: Service[..., Any], types: str
) -> None:
    assert declared.signature == types


def test_whatever_counts_as_an_integer_is_an_int() -> None:
    @service
    def either(n: Annotated[int | fmpz, Integer(make=fmpz)]) -> int | fmpz | None:
        return n

    assert either.signature == "n: int -> int | None"


def test_a_result_without_a_type_is_a_value() -> None:
    def untyped(n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return n

    untyped.__annotations__ = {"n": int}
    assert service(untyped).signature == "n: int -> value"


def test_other_types_are_told_as_they_are_written() -> None:
    @service
    def several(n: int) -> list[int]:
        return [n]

    assert several.signature == "n: int -> list[int]"

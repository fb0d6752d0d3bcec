"""Services of every shape, for the tests of how services are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Unpack

import pytest

from linebus.errors import Refused, UsageError
from linebus.services.arguments import Argument, Rest
from linebus.services.declare import Options, Service, service

if TYPE_CHECKING:
    from collections.abc import Callable


@service(reply="{a} + {b} = {result}", pure=True)
def add(a: int, b: int) -> int:
    """Add two numbers,
    exactly.

    There is more to say.
    """  # noqa: D205 - a first paragraph of two lines is what is tested
    return a + b


@service(reply="{text}!")
def shout(text: str) -> str:
    return text


@service
def total(*numbers: int) -> int:
    return sum(numbers)


@service(reply="{numbers} from {first}: {result}")
def many(first: str, *numbers: int) -> int:
    return len(first) + sum(numbers)


@service
def say(times: int, text: Annotated[str, Rest]) -> str:
    return "|".join([text] * times)


@service
def echo(text: Annotated[str, Rest]) -> str:
    return text


@service
def power(base: int, exponent: int = 2, modulus: int = 1000) -> int:
    return pow(base, exponent, modulus)


@service
def half(x: float) -> float:
    return x / 2


@service
def negate(flag: bool) -> bool:
    return not flag


@service
def nothing() -> str:
    return "done"


def parse_nothing(word: str) -> str:
    if word == "a":
        message = "no a please"
        raise ValueError(message)
    message = "nothing else either"
    raise Refused(message)


@service
def picky(x: Annotated[str, Argument(parse_nothing)]) -> str:
    return x


def refusal(of: Service[..., Any], args: str) -> str:
    with pytest.raises(Refused) as caught:
        of.answer(args)
    return str(caught.value)


def complaint(function: Callable[..., object], **options: Unpack[Options]) -> str:
    with pytest.raises(UsageError) as caught:
        service(**options)(function)
    return str(caught.value)

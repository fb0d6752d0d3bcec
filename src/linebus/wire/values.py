"""Values, as `call` sends and gets them: words of a line one way, JSON text the other.

A service that is called gives its result instead of its reply's sentence. JSON says by itself
what type a value has, and every language reads it; integers may have any number of digits.
"""

from __future__ import annotations

import json
import operator

from linebus import limits
from linebus.errors import ProtocolError, UsageError


def argument(value: object) -> str:
    """Return a value as what a person would type for it.

    Raises UsageError for what has no such form: a container, bytes, None, an empty text, a text
    that would not stay on its line.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str() if value.strip(" \t") and not set("\r\n") & set(value):
            return value
        case float():
            return repr(value)
        case str():
            raise UsageError(
                f"{value[: limits.SHOWN_WORD_CHARS_MAX]!r} cannot be an argument: "
                "it is empty or has line ends"
            )
    if (number := _integer(value)) is None:
        what = type(value).__name__
        raise UsageError(f"a {what} cannot be an argument; give int, float, str or bool")
    return digits_of(number)


def _integer(value: object) -> int | None:
    """Return a value as the integer that it is; None where it is none."""
    try:
        return operator.index(value)  # type: ignore[arg-type]  # the question is whether it is one
    except TypeError:
        return None


def encode(result: object) -> str:
    """Return a service's result as JSON text; a tuple becomes a list.

    Raises TypeError for what JSON has no form for, and ValueError for nan and infinities.
    """
    if hasattr(result, "__index__") and not isinstance(result, bool):
        return digits_of(operator.index(result))
    try:
        return _dumps(result)
    except ValueError as error:
        try:
            return _encode_long(result)
        except RecursionError:  # it holds itself
            raise error from None


def _known(value: object) -> int:
    if (number := _integer(value)) is None:
        raise TypeError(f"a {type(value).__name__} has no JSON form")
    return number


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_known).encode


def _encode_long(value: object) -> str:
    """Do what `_dumps` does, with integers in it that have too many digits for it."""
    match value:
        case dict():
            items = [f"{_encode_key(key)}: {_encode_long(each)}" for key, each in value.items()]
            return "{" + ", ".join(items) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_encode_long, value)) + "]"
        case None | bool() | str() | float():
            return _dumps(value)
    return digits_of(_known(value))


def _encode_key(key: object) -> str:
    """Return a dictionary's key as JSON writes it, which is always a text."""
    if isinstance(key, int) and not isinstance(key, bool):
        return f'"{digits_of(key)}"'
    return _dumps({key: 0}).removeprefix("{").removesuffix(": 0}")


def decode(text: str) -> object:
    """Return the value that JSON text stands for. Raises ProtocolError where it is none."""
    try:
        return json.loads(text, parse_int=integer_of)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a JSON value: {text[: limits.SHOWN_WORD_CHARS_MAX]!r}") from error


def digits_of(number: int) -> str:
    """Return an integer's decimal digits, however many there are."""
    if number < 0:
        return "-" + digits_of(-number)
    if number.bit_length() <= limits.INT_BITS_MAX:
        return str(number)
    half = number.bit_length() * 3 // 20  # about half of its digits: log10(2) is 0.301
    high, low = divmod(number, 10**half)
    return digits_of(high) + digits_of(low).rjust(half, "0")


def integer_of(digits: str) -> int:
    """Return the integer that decimal digits, with a sign or without, stand for."""
    if digits.startswith("-"):
        return -integer_of(digits[1:])
    if len(digits) <= limits.INT_DIGITS_MAX:
        return int(digits)
    half = len(digits) // 2
    high: int = 10**half * integer_of(digits[:-half])
    return high + integer_of(digits[-half:])

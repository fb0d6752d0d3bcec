"""Values, as `call` sends and gets them: words of a line one way, JSON text the other.

A service that is called gives its result instead of its reply's sentence. JSON says by itself
what type a value has, and every language reads it; integers may have any number of digits.
"""

from __future__ import annotations

import json
import operator

from linebus.errors import ProtocolError, UsageError

# Python's int() and str() refuse more decimal digits by default; longer numbers go in halves.
_DIGITS_MAX = 4_300
_BITS_MAX = 14_000

assert 2**_BITS_MAX < 10**_DIGITS_MAX


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
            raise UsageError(f"{value[:40]!r} cannot be an argument: it is empty or has line ends")
        case _:
            return digits_of(_integer_for_line(value))


def _integer_for_line(value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]  # the question is whether it is one
    except TypeError as error:
        what = type(value).__name__
        raise UsageError(f"a {what} cannot be an argument; give int, float, str or bool") from error


def encode(result: object) -> str:
    """Return a service's result as JSON text; a tuple becomes a list.

    Raises TypeError for what JSON has no form for, and ValueError for nan and infinities.
    """
    if hasattr(result, "__index__") and not isinstance(result, bool):
        return digits_of(operator.index(result))
    return json.dumps(result, ensure_ascii=False, allow_nan=False, default=_integer_for_json)


def _integer_for_json(value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]  # the question is whether it is one
    except TypeError as error:
        raise TypeError(f"a {type(value).__name__} has no JSON form") from error


def decode(text: str) -> object:
    """Return the value that JSON text stands for. Raises ProtocolError where it is none."""
    try:
        return json.loads(text, parse_int=integer_of)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a JSON value: {text[:40]!r}") from error


def digits_of(number: int) -> str:
    """Return an integer's decimal digits, however many there are."""
    if number < 0:
        return "-" + digits_of(-number)
    if number.bit_length() <= _BITS_MAX:
        return str(number)
    half = number.bit_length() * 3 // 20  # about half of its digits: log10(2) is 0.301
    high, low = divmod(number, 10**half)
    return digits_of(high) + digits_of(low).rjust(half, "0")


def integer_of(digits: str) -> int:
    """Return the integer that decimal digits, with a sign or without, stand for."""
    if digits.startswith("-"):
        return -integer_of(digits[1:])
    if len(digits) <= _DIGITS_MAX:
        return int(digits)
    half = len(digits) // 2
    high: int = 10**half * integer_of(digits[:-half])
    return high + integer_of(digits[-half:])

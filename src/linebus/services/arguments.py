"""One word of a line, or what is left of it, becomes a value; a wrong one is refused.

Whatever is refused here raises Refused without the usage, which the caller knows.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

from linebus import limits
from linebus.errors import Refused, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT_MAX = sys.int_info.str_digits_check_threshold
"""Characters (640): below this no setting of the interpreter makes int() refuse."""

# ASCII on purpose: int() and float() also take underscores, blanks and the digits of any script.
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Rest:
    """Mark the last parameter as the rest of the line: `Annotated[str, Rest]`, never empty."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A parser of one's own for one word.

    `parse` raises Refused, whose text is shown as it is, or ValueError: "'x' is not WHAT", or
    the text of the ValueError where `what` is empty.
    """

    parse: Callable[[str], object]
    what: str = ""


@dataclass(frozen=True, slots=True)
class Integer:
    """An int of at most `digits_max` digits; a longer word is refused by its length alone.

    `make` makes the number from a word of more than SHORT_MAX digits (int is slow there).
    UsageError if int would have to read more than limits.INT_DIGITS_MAX digits, which it refuses.
    """

    digits_max: int = limits.INT_DIGITS_MAX
    make: Callable[[str], object] = int

    def __post_init__(self) -> None:
        if self.make is int and self.digits_max > limits.INT_DIGITS_MAX:
            message = (
                f"Integer(digits_max={self.digits_max}) is more than int() reads;"
                f" give a make= that can, or at most {limits.INT_DIGITS_MAX}"
            )
            raise UsageError(message)


def reader_for(annotation: object, label: str) -> tuple[Callable[[str], object], int, bool]:
    """How to read a word of that type, up to which length int() alone may, is it the rest."""
    base, *markers = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    for marker in markers:
        if isinstance(marker, Argument):
            return functools.partial(_read_own, marker), 0, False
        if isinstance(marker, Integer):
            return functools.partial(_read_int, marker), min(SHORT_MAX, marker.digits_max), False
        if (marker is Rest or isinstance(marker, Rest)) and base is str:
            return str, 0, True
    if base is int:
        return functools.partial(_read_int, Integer()), SHORT_MAX, False
    if base in _READERS:
        return _READERS[base], 0, False
    shown = base.__name__ if isinstance(base, type) else str(base)
    message = (
        f"{label} has type {shown}, which a word cannot become; use int, float, str, bool,"
        " or Annotated[T, Argument(parse=...)] with a parser of your own"
    )
    raise UsageError(message)


def shown(word: str) -> str:
    """Quote a word for a refusal: at most SHOWN_WORD_CHARS_MAX characters, however long it is."""
    most = limits.SHOWN_WORD_CHARS_MAX
    return repr(word if len(word) <= most else word[: most - 1] + "…")


def _refusal(word: str, what: str) -> Refused:
    return Refused(f"{shown(word)} is not {what}")


def _read_int(integer: Integer, word: str) -> object:
    digits = len(word) - word.startswith(("+", "-"))
    if digits > integer.digits_max:
        raise _overlong(word, digits, integer.digits_max)
    if _INTEGER.fullmatch(word) is None:
        raise _refusal(word, "an integer")
    return int(word) if digits <= SHORT_MAX else integer.make(word.removeprefix("+"))


def _overlong(word: str, digits: int, digits_max: int) -> Refused:
    # bytes.isdigit reads a million characters in 0.4 ms, the pattern and str.isdigit in 6.
    if not (word.isascii() and word[-digits:].encode().isdigit()):
        return _refusal(word, "an integer")
    return Refused(f"number too long: {shown(word)} has {digits} digits, the most is {digits_max}")


def _read_float(word: str) -> float:
    value = float(word) if _FLOAT.fullmatch(word) else math.inf
    if math.isinf(value):
        raise _refusal(word, "a number")
    return value


def _read_bool(word: str) -> bool:
    if word not in ("true", "false"):
        raise _refusal(word, "true or false")
    return word == "true"


def _read_own(argument: Argument, word: str) -> object:
    try:
        return argument.parse(word)
    except ValueError as error:
        text = f"{shown(word)} is not {argument.what}" if argument.what else str(error)
        raise Refused(text) from error


_READERS: dict[object, Callable[[str], object]] = {
    float: _read_float,
    str: str,
    bool: _read_bool,
}

"""Which lines of a plain client still wait for a result, as far as texts can tell.

Results of the exercise carry no numbers of requests, and every client sees everyone's. So a
result is matched by what it says: the integers of a line come back in its result, and an error
names the service. This never waits and never prints.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from linebus import limits

_INTEGER = re.compile(r"(?<![0-9])-?[0-9]+")
_PUNCTUATION = "'\"`:;,.!?()[]<>"


class Unanswered:
    """Lines in the order in which they were sent; a result takes away at most one."""

    def __init__(self) -> None:
        """Start with none."""
        self._lines: list[_Line] = []
        self._names: set[str] = set()

    def __len__(self) -> int:
        """Return how many lines wait."""
        return len(self._lines)

    def add(self, text: str) -> None:
        """Note a line that is about to be sent."""
        line = _Line(text.strip())
        self._lines.append(line)
        if len(self._names) < limits.PLAIN_NAMES_MAX:
            self._names.add(line.name)

    def clear(self) -> None:
        """Give up on all of them."""
        self._lines.clear()

    def hear(self, text: str) -> None:
        """Take a text from client_outputs and drop the line that it answers, if any.

        An echo of a request answers nothing. A result that names a service which was asked
        answers only lines for that service: `gcd for 4 2 is 2` is no result of `isprime 2`.
        """
        stripped = text.strip()
        if any(line.text == stripped for line in self._lines):
            return
        said = _Said(stripped)
        named = said.words & self._names
        answered = [
            line
            for line in self._lines
            if line.is_answered_by(said) and (not named or line.name in named)
        ]
        if answered:
            self._lines.remove(max(answered, key=lambda line: line.closeness(said)))


def _integers(text: str) -> frozenset[tuple[str, int]]:
    """Return the integers of a text, repeats numbered; `007` equals `7`.

    The digits are never converted, since Python refuses to convert very long ones.
    """
    found: Counter[str] = Counter()
    numbered = set()
    for token in _INTEGER.findall(text):
        digits = token.lstrip("-").lstrip("0") or "0"
        value = f"-{digits}" if token[0] == "-" and digits != "0" else digits
        found[value] += 1
        numbered.add((value, found[value]))
    return frozenset(numbered)


def _words(text: str) -> list[str]:
    """Return the words of a text without the punctuation around them."""
    stripped = (word.strip(_PUNCTUATION) for word in text.casefold().split())
    return [word for word in stripped if word]


@dataclass(eq=False, slots=True)
class _Said:
    """A text from client_outputs, taken apart."""

    text: str
    order: list[str] = field(init=False)
    words: frozenset[str] = field(init=False)
    integers: frozenset[tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.order = _words(self.text)
        self.words = frozenset(self.order)
        self.integers = _integers(self.text)


@dataclass(eq=False, slots=True)
class _Line:
    """A line that was sent, taken apart."""

    text: str
    name: str = field(init=False)
    words: frozenset[str] = field(init=False)
    integers: frozenset[tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        name, _, arguments = self.text.partition(" ")
        self.name = name.casefold().strip(_PUNCTUATION)
        self.words = frozenset(_words(self.text))
        self.integers = _integers(arguments)

    def is_answered_by(self, said: _Said) -> bool:
        """Return whether the text may be this line's result, or the error that it caused."""
        if self.integers and self.integers <= said.integers:
            return True
        if "error" in said.words:
            return self.name in said.words
        return not self.integers and bool(self.words) and self.words <= said.words

    def closeness(self, said: _Said) -> tuple[int, int]:
        """Return how well the text fits: integers in common first, then an early mention."""
        common = len(self.integers) if self.integers <= said.integers else 0
        place = said.order.index(self.name) if self.name in said.words else len(said.order)
        return common, -place

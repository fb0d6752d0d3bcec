"""The nearest known name for an unknown one, at a bounded cost.

A flood of unknown names must not become a flood of comparisons, and neither must thousands of known
ones: suggestions are remembered, and only so many names are compared in a second; beyond that the
error comes without one. A comparison of two long names takes as long as a hundred of short ones, so
long names are not compared at all.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Suggestions:
    """Remembers which known name is nearest to an unknown one."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._nearest: dict[str, str | None] = {}
        self._counted_since = 0.0
        self._spent = 0

    def forget(self) -> None:
        """Forget everything: the known names have changed."""
        self._nearest.clear()

    def nearest(self, name: str, known: Callable[[], Collection[str]], now: float) -> str | None:
        """Return the nearest to `name` of the names that `known` returns, or None."""
        if name in self._nearest:
            return self._nearest[name]
        if now - self._counted_since >= 1:
            self._counted_since, self._spent = now, 0
        left = limits.COMPARISONS_PER_S_MAX - self._spent
        if left <= 0 or len(name) > limits.COMPARED_CHARS_MAX:
            return None
        names = [each for each in known() if len(each) <= limits.COMPARED_CHARS_MAX]
        del names[limits.COMPARISONS_PER_S_MAX :]
        self._spent += 1 + len(names)
        if len(names) > left:
            return None
        if len(self._nearest) >= limits.SUGGESTIONS_CACHED_MAX:
            self._nearest.clear()
        found = get_close_matches(name, names, n=1)
        self._nearest[name] = found[0] if found else None
        return self._nearest[name]

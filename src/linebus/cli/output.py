"""How texts from outside are shown: nothing in them may act on the terminal."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return a text with everything that does not print (escapes, bidirectional marks) escaped.

    A newline counts as such too: whoever wants several lines splits the text first.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )

"""Long lists of texts, cut so that each part fits into one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BYTES_PER_CHAR_MAX = 4
_CHARS_MAX = limits.MESSAGE_BYTES_TARGET // _BYTES_PER_CHAR_MAX


def bytes_of(texts: Sequence[str]) -> int:
    """Return a bound of what texts take in memory, and all the more of their bytes in a message.

    That is one pass which no Python loop makes.
    """
    per_char = 1 if all(map(str.isascii, texts)) else _BYTES_PER_CHAR_MAX
    return per_char * sum(map(len, texts)) + limits.TEXT_BYTES * len(texts)


def parts(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive parts that each fit into one message.

    A part has at most LINES_PER_MESSAGE_MAX texts and, beyond its first text, at most a quarter of
    MESSAGE_BYTES_TARGET characters, which no UTF-8 text makes longer than the target.
    """
    for start in range(0, len(texts), limits.LINES_PER_MESSAGE_MAX):
        end = min(start + limits.LINES_PER_MESSAGE_MAX, len(texts))
        if sum(map(len, texts[start:end])) <= _CHARS_MAX:
            yield start, end
        else:
            yield from _short_parts(texts, start, end)


def _short_parts(texts: Sequence[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    chars = 0
    for index in range(start, end):
        chars += len(texts[index])
        if chars > _CHARS_MAX and index > start:
            yield start, index
            start, chars = index, len(texts[index])
    yield start, end

"""Where a client's lines come from: an iterable, or a descriptor such as standard input's."""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from linebus import limits
from linebus.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


Lines = TypeVar("Lines")


def several(lines: Lines) -> Lines:
    """Return lines for `map`. Raises UsageError for a lone line, whose characters are none."""
    if isinstance(lines, str):
        raise UsageError("map takes several lines, such as a list; ask takes one")
    return lines


class Chunks:
    """Reads lines in chunks while they come fast, and one by one while they come slowly."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read from any iterable of lines. Raises UsageError for a lone line."""
        self._lines = iter(several(lines))
        self._comes_fast = False
        self.is_at_end = False

    def read(self) -> list[str]:
        """Return the next lines, at least one unless the iterable is exhausted."""
        started_at = time.monotonic()
        if self._comes_fast:
            chunk = list(islice(self._lines, limits.CHUNK_LINES))
        else:
            chunk = []
            for line in islice(self._lines, limits.CHUNK_LINES):
                chunk.append(line)
                if time.monotonic() - started_at > limits.CHUNK_S:
                    break
            else:
                self.is_at_end = len(chunk) < limits.CHUNK_LINES
        took_s = time.monotonic() - started_at
        if self._comes_fast:
            self.is_at_end = len(chunk) < limits.CHUNK_LINES
        self._comes_fast = len(chunk) == limits.CHUNK_LINES and took_s < limits.CHUNK_S
        return chunk


class LineReader:
    """Reads the lines that a descriptor has, without waiting for more than one read.

    A line that is too long to be sent is cut just behind the bound, so that whoever sends it
    refuses it, and no input can fill the memory.
    """

    def __init__(self, descriptor: int) -> None:
        """Read from `descriptor`, which the caller has found readable."""
        self.is_at_end = False
        self._descriptor = descriptor
        self._rest = b""

    def read(self) -> list[str]:
        """Return the lines that are complete after one read; the last one needs no newline.

        A byte that is no UTF-8 becomes half a surrogate pair, for which there is an error.
        """
        data = os.read(self._descriptor, limits.READ_BYTES)
        if data:
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest[: limits.LINE_BYTES_MAX + 1]
        else:
            self.is_at_end = True
            lines = [self._rest] if self._rest else []
        return [line.decode("utf-8", "surrogateescape") for line in lines]

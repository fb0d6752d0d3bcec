"""Programs for the tests: written in Python, since that is what surely is here."""

from __future__ import annotations

import sys
from typing import Any

from linebus.worker.program import ProgramSpec

# What they all begin with: `lines()` are what they read, `say` writes and flushes.
PRELUDE = """\
import os, signal, sys
def lines():
    while line := sys.stdin.buffer.readline():
        yield line.decode().rstrip("\\n")
def say(text, end="\\n"):
    os.write(1, (text + end).encode())
"""
UPPER = "for line in lines(): say(line.upper())"


def python(code: str, **given: Any) -> ProgramSpec:  # noqa: ANN401  whatever a spec has
    words = (sys.executable, "-c", PRELUDE + code)
    return ProgramSpec("upper", tuple(word.encode() for word in words), **given)

"""The documents for readers: which there are, their fenced blocks, how many lines of each kind.

README.md and whatever lies below docs/ are found, not listed: no page goes without a test.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What test_examples.py runs.
RUN = frozenset({"python", "console"})


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    line: int
    kind: str
    text: str


def content(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def blocks(document: str) -> list[Block]:
    text = content(document)
    return [
        Block(document, text[: found.start()].count("\n") + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def prose(document: str) -> str:
    """A document without its blocks."""
    return FENCE.sub("", content(document))


class Lines(NamedTuple):
    """How many lines documents have, and how many of them stand in blocks that are run or shown."""

    all: int
    run: int
    shown: int


def lines(documents: list[str]) -> Lines:
    every = [block for document in documents for block in blocks(document)]
    return Lines(
        sum(content(document).count("\n") for document in documents),
        sum(block.text.count("\n") for block in every if block.kind in RUN),
        sum(block.text.count("\n") for block in every if block.kind not in RUN),
    )

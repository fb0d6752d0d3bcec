"""Thousands of mixed lines through `linebus up`, each reply compared with an independent oracle.

LINEBUS_ORACLE_LINES says how many lines (`make oracle` takes 20,000), LINEBUS_ORACLE_SEED which.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from linebus.text import visible
from tests.integration.native_processes import Home
from tests.oracle import expected, lines

if TYPE_CHECKING:
    from pathlib import Path

COUNT = int(os.environ.get("LINEBUS_ORACLE_LINES", "2000"))
SEED = int(os.environ.get("LINEBUS_ORACLE_SEED", "2"))
# What services say of numbers that are sound but not for them; else they tell the usage.
REFUSALS = (
    "has no inverse modulo ",
    "; give one from 1 on",
    " is not an odd positive number",
    "there is no prime below ",
    " is not an integer from 1 on",
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


def problem(line: str, reply: str) -> str | None:
    """Say what is wrong with a reply, None where nothing is."""
    outcome, text = expected(line)
    if outcome == "answered":
        wrong = reply != visible(text or "")
    elif outcome == "failed":
        told = [f"; usage: {line.split(maxsplit=1)[0]} ", *REFUSALS]
        wrong = not any(each in reply for each in told)
    else:
        wrong = not reply.startswith("unknown service ")
    return f"{line[:80]!r} ({outcome}): {reply[:120]!r}" if wrong else None


@pytest.mark.timeout(600)
def test_every_line_gets_the_reply_that_the_oracle_expects(tmp_path: Path) -> None:
    asked = lines(COUNT, SEED)
    with Home(tmp_path) as home:
        done = home.run("up", *home.ports, "--procs", 2, text="\n".join(asked) + "\n")
    assert len(done.out) == len(asked), done.err
    assert done.err == []
    problems = [said for pair in zip(asked, done.out, strict=True) if (said := problem(*pair))]
    assert problems == []
    assert done.code == 1, "some of the lines cannot be answered"

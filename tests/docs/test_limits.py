"""docs/limits.md against limits.py: the numbers are right, and no bound is missing."""

from __future__ import annotations

import re

import pytest

from linebus import limits
from tests.docs.documents import content

DOCUMENT = content("docs/limits.md")
ROWS = re.findall(r"^\| `([A-Z_]+)` \| ([\d.,]+) \|", DOCUMENT, re.MULTILINE)

# Bounds that neither a user nor a peer can meet.
INTERNAL = {
    "PORT_MAX": "TCP's",
    "SOCKETS_MAX": "a server has a handful of sockets",
    "DRAIN_MESSAGES_MAX": "what is left is received in the next round",
    "POLL_MS_MAX": "zmq_poll's",
    "INT_BITS_MAX": "longer integers go in halves",
    "GUARD_PER_BYTE_MAX": "what libzmq makes of a byte",
    "CUT_ROUTES_MAX": "what earlier ones have left is received as ever",
    "TIMERS_VOID_MAX": "memory for time",
    "SUGGESTIONS_CACHED_MAX": "memory for time",
    "REPORT_BYTES_MAX": "between a guardian and its executors",
    "SOURCE_FILES_MAX": "of one's own services; beyond it a change is not noticed",
    "PORTS_LOOK_S_MAX": "how often a worker looks at ports that are wrong",
    "PLAIN_NAMES_MAX": "what client.py guesses by",
    "CLOCKS_APART_S_MAX": "what doctor calls a problem",
}


@pytest.mark.parametrize(("name", "value"), ROWS)
def test_a_limit_is_what_the_code_says(name: str, value: str) -> None:
    wanted = getattr(limits, name)
    assert float(value.replace(",", "")) == wanted, (
        f"the row of {name} in docs/limits.md should say {wanted:,}"
    )


def test_all_rows_are_read_and_each_limit_has_one() -> None:
    assert len(ROWS) == len([row for row in DOCUMENT.splitlines() if row.startswith("| `")])
    assert len(dict(ROWS)) == len(ROWS)


def test_every_bound_is_told_or_known_to_be_internal() -> None:
    bounds = {name for name in vars(limits) if name.endswith("_MAX")}
    told = {name for name, _ in ROWS}
    assert bounds - told - set(INTERNAL) == set(), "rows that docs/limits.md needs"
    assert set(INTERNAL) <= bounds - told, "these are told, or are no bounds any more"


def test_every_name_in_the_text_is_a_limit() -> None:
    names = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", DOCUMENT))
    assert [name for name in names if not hasattr(limits, name)] == []

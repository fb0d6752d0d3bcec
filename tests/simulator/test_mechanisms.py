"""Some mechanisms switched off; `make mechanisms` does so with all, as docs/simulator.md lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from linebus.testing.simulator import SimulationFailed, simulate
from tests.simulator.mechanisms import MECHANISMS

# Where to begin, so that CI is quick; a change of the core may move that, so 40 seeds may be tried.
FIRST_SEED = {
    "lines are sent again to an executor that is back": 1,
    "executors keep texts until they are received": 14,
    "clients ask again what is unanswered": 9,
    "… neither of these": 3,
    "clients drop second replies": 3,
    "acknowledged replies are forgotten": 0,
    "strikes": 1,
    "the line at hand is charged": 8,
    "grace at the start of a server": 9,
    "silent workers are given up": 0,
    "credit": 8,
}
WITHIN = 40


@pytest.mark.parametrize("name", FIRST_SEED)
def test_without_it_the_simulator_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MECHANISMS[name](monkeypatch)
    with pytest.raises(SimulationFailed):
        simulate(seeds=range(FIRST_SEED[name], FIRST_SEED[name] + WITHIN))


def test_the_document_lists_every_mechanism() -> None:
    page = Path(__file__).resolve().parents[2].joinpath("docs", "simulator.md").read_text("utf-8")
    listed = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert [name for name in MECHANISMS if name not in listed] == []

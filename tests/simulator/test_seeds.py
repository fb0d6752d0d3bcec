"""The seeds that CI runs; `make sim` runs 5,000."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from linebus.testing.simulator.simulation import Simulation

SEEDS = 200
AT_ONCE = 20
TWICE = (3, 11, 74)


def checksum(seed: int) -> str:
    """Run a seed; SimulationFailed tells what did not hold."""
    simulation = Simulation(seed)
    simulation.run()
    return f"{seed} {simulation.trace.checksum:08x}"


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_everything_that_is_promised_holds_in_a_storm_and_in_the_same_way_twice(first: int) -> None:
    seeds = range(first, first + AT_ONCE)
    assert list(map(checksum, seeds)) == list(map(checksum, seeds))


def elsewhere(hash_seed: str) -> list[str]:
    """The checksums of some seeds in another process, whose hashes are others."""
    program = (
        "from tests.simulator.test_seeds import TWICE, checksum\n"
        "for seed in TWICE: print(checksum(seed))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_one_seed_is_one_run_in_every_process() -> None:
    here = [checksum(seed) for seed in TWICE]
    assert here == [checksum(seed) for seed in TWICE]
    assert here == elsewhere("1") == elsewhere("2") == elsewhere("3")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linebus.testing.simulator", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_a_trace_or_figures() -> None:
    one = command("3", "--trace")
    assert one.returncode == 0
    assert checksum(3).split()[1] in one.stdout
    assert "hello 1" in one.stdout
    some = command("3..5", "--processes", "1")
    assert some.returncode == 0
    assert some.stdout.startswith("3 seeds, 0 failed")

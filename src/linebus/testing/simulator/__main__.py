"""`python -m linebus.testing.simulator SEED|SEED..SEED [--trace]`: run seeds, tell of failures."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from time import perf_counter

from linebus.testing.simulator.simulation import Figures, Simulation, SimulationFailed


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _run(seed: int) -> Figures | str:
    try:
        return Simulation(seed).run()
    except SimulationFailed as failed:
        return f"seed {seed}: {failed.what}"


def _trace(seed: int) -> bool:
    """Run one seed and print its events; return whether all held."""
    simulation = Simulation(seed)
    try:
        simulation.run()
    except SimulationFailed as failed:
        print(failed)
        return False
    print(simulation.trace)
    print(f"seed {seed}: all holds; checksum of all events {simulation.trace.checksum:08x}")
    return True


def _run_all(seeds: range, processes: int) -> bool:
    """Run seeds in several processes; print each failure and the figures at the end."""
    figures, failures, began_at = Figures(), 0, perf_counter()
    with multiprocessing.Pool(processes) as pool:
        for found in pool.imap(_run, seeds, chunksize=8):
            if isinstance(found, str):
                failures += 1
                print(found, flush=True)
            else:
                figures.add(found)
    took_s = perf_counter() - began_at
    print(f"{len(seeds)} seeds, {failures} failed; {len(seeds) / took_s:.1f} seeds/s")
    print(f"{figures.simulated_s / 3600:.1f} simulated hours, {figures.events} events")
    print(f"after the faults all had ended within {figures.calm_s_max:.1f} s")
    for title, counter in (("faults", figures.faults), ("outcomes", figures.outcomes)):
        shown = ", ".join(f"{name} {count}" for name, count in counter.most_common())
        print(f"{counter.total()} {title}: {shown}")
    return not failures


def main() -> int:
    """Run what the arguments say; return the exit code."""
    parser = argparse.ArgumentParser("python -m linebus.testing.simulator", description=__doc__)
    parser.add_argument("seeds", type=_seeds, metavar="SEED|SEED..SEED")
    parser.add_argument("--trace", action="store_true", help="print the last events of each seed")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    arguments = parser.parse_args()
    if arguments.trace or len(arguments.seeds) == 1:
        held = [_trace(seed) for seed in arguments.seeds]
        return 0 if all(held) else 1
    return 0 if _run_all(arguments.seeds, arguments.processes) else 1


if __name__ == "__main__":
    sys.exit(main())

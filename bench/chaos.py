"""Faults of all kinds at a bus of real processes under load, and how soon it recovers.

    python bench/chaos.py [SECONDS] [SEED]        (make chaos; 180 seconds by default)

The seed is printed; it settles what is drawn; what the kernel makes of that may shift later draws.
A recovery is the time from a fault until a client has a reply to a line that was asked after it:
"first" the first client that has one, "all" the last. Where something is stopped, stalled or
delayed for a while, the time counts from when that is over. It fails where a line is not answered
once, right and in order, or where a process does not end within 5 s.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.integration.chaos import KINDS, Storm
from tests.integration.native_processes import Home

END_S_MAX = 5.0


def percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def row(name: str, first: list[float], every: list[float]) -> str:
    shares = [f"{percentile(every, percent):>7.3f}" for percent in (50, 95, 99, 100)]
    return f"{name:<18} {len(every):>5} {percentile(first, 50):>9.3f} {max(first):>9.3f}" + "".join(
        shares
    )


def report(storm: Storm) -> None:
    print(
        f"{'fault':<18} {'times':>5} {'first: 50%':>9} {'max':>8}   all: 50%    95%    99%    max"
    )
    for name in [*KINDS, "two at once"]:
        if every := storm.recoveries[name]:
            print(row(name, storm.next_replies[name], every))
    alls = [each for times in storm.recoveries.values() for each in times]
    firsts = [each for times in storm.next_replies.values() for each in times]
    print(row("all of them", firsts, alls))
    starts = [f"{percentile(storm.starts_s, percent):.3f}" for percent in (50, 95, 100)]
    print(f"of which a server takes to start, 50%, 95%, max: {', '.join(starts)} s")
    counts = ", ".join(f"{name} {storm.faults[name]}" for name in KINDS)
    print(f"faults, those in pairs too: {counts}; {storm.faults.total()} in all", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 180.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, Home(Path(folder)) as home:
        with Storm(home, seed) as storm:
            started = time.monotonic()
            while time.monotonic() - started < seconds:
                storm.hit(*storm.random_kinds())
            lines = storm.finish()
            took_s = time.monotonic() - started
            report(storm)
            print(f"{lines} lines answered once, right and in order; {lines / took_s:.0f} a second")
            end_s = storm.end()
        print(f"server and workers ended {end_s:.2f} s after SIGTERM")
        assert end_s < END_S_MAX
    print("nothing is left behind")


if __name__ == "__main__":
    main()

"""linebus and what else there is on the same work: measured in turns, written to docs/.

    python bench/compare.py [--rounds N] [--quick] [--only NAME,…] [--render]      (make bench)

What was found stays in build/bench.json; `--render` writes the document from it again without
measuring. With --only or --quick nothing is written unless --write says so: the document in the
repository is that of a whole run. Nothing here is a test: no number makes it fail.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import document
import measures
import zmq
from hosts import HostFailed, adopt_orphans, end_orphans
from peer import Unavailable, names, peer_class
from peers.redis import version_of_redis

import linebus

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
RAW = ROOT / "build" / "bench.json"
ROUNDS = 5
FAR_ROUNDS = 3
SECONDS, SECONDS_QUICK = 0.6, 0.25


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=0, help="how often (default: 5, quick: 1)")
    parser.add_argument("--quick", action="store_true", help="less of everything: some minutes")
    parser.add_argument("--only", metavar="NAME,…", help=f"these beside linebus, of: {names()}")
    parser.add_argument("--write", action="store_true", help="write docs/ in any case")
    parser.add_argument("--render", action="store_true", help="write docs/ from the last run")
    return parser.parse_args()


def environment(started_at: float) -> dict[str, Any]:
    """What the figures depend on; nothing that tells whose machine it is."""
    cpu = platform.processor() or platform.machine()
    with suppress(OSError, AttributeError):
        text = Path("/proc/cpuinfo").read_text("utf-8")
        cpu = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)[1]  # type: ignore[index]
    return {
        "linebus": linebus.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "libzmq": zmq.zmq_version(),
        "redis": version_of_redis(),
        "cpu": cpu,
        "cores": measures.cores(),
        "day": time.strftime("%Y-%m-%d", time.gmtime(started_at)),
    }


def descriptions() -> dict[str, dict[str, str]]:
    found = {}
    for name in names():
        with suppress(Unavailable):
            peer = peer_class(name)
            found[name] = {
                "title": peer.title,
                "versions": peer.versions(),
                "settings": peer.settings,
            }
    return found


def attempt(tell: Callable[[str], None], measure: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Measure; what fails is told and leaves the rest as it is."""
    try:
        return measure()
    except (HostFailed, OSError, AssertionError, ValueError) as error:
        tell(f"not measured: {error}")
        return None
    finally:
        end_orphans()


def measure_all(wanted: argparse.Namespace) -> dict[str, Any]:
    started_at = time.time()

    def tell(text: str) -> None:
        print(f"{time.time() - started_at:6.0f} s  {text}", file=sys.stderr, flush=True)

    chosen = names()
    if wanted.only:
        given = wanted.only.split(",")
        if unknown := set(given) - set(chosen):
            sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(chosen)}")
        chosen = [name for name in chosen if name in given or name == "linebus"]
    rounds = wanted.rounds or (1 if wanted.quick else ROUNDS)
    plan = measures.Plan(
        names=chosen,
        rounds=rounds,
        far_rounds=min(rounds, FAR_ROUNDS),
        seconds=SECONDS_QUICK if wanted.quick else SECONDS,
        cores=measures.cores(),
        is_quick=wanted.quick,
        tell=tell,
    )
    peers = measures.Peers(plan)
    found: dict[str, Any] = {"environment": environment(started_at), "peers": descriptions()}
    found["rounds"] = measures.rounds_of_all(plan, peers)
    found["cores"] = attempt(tell, lambda: measures.all_cores(plan, peers))
    found["files"] = attempt(tell, lambda: measures.files(plan))
    found["windows"] = attempt(tell, lambda: measures.windows(plan, peers))
    capacity = {
        name: statistics.median(
            each[name]["isprime"]["per_s"] for each in found["rounds"] if name in each
        )
        for name in chosen
        if any(name in each for each in found["rounds"])
    }
    found["loads"] = attempt(tell, lambda: measures.loads(plan, peers, capacity))
    found["scaling"] = attempt(tell, lambda: measures.scaling(plan, peers))
    found["depths"] = attempt(tell, lambda: measures.depths(plan))
    found["breadths"] = attempt(tell, lambda: measures.breadths(plan))
    found["idle"] = attempt(tell, lambda: measures.idleness(plan))
    found["skipped"] = peers.skipped
    found["took_s"] = time.time() - started_at
    tell("measured")
    return found


def main() -> None:
    wanted = options()
    adopt_orphans()
    if wanted.render:
        found = json.loads(RAW.read_text("utf-8"))
    else:
        try:
            found = measure_all(wanted)
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            end_orphans()
        RAW.parent.mkdir(exist_ok=True)
        RAW.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(document.tables(found))
    if wanted.render or wanted.write or not (wanted.only or wanted.quick):
        for path in document.write(found, ROOT / "docs"):
            print(f"written: {path.relative_to(ROOT)}", file=sys.stderr)
    else:
        print(f"docs/ is as it was; --write or --render writes it from {RAW.name}", file=sys.stderr)


if __name__ == "__main__":
    main()

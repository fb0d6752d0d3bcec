"""What is measured, in which order, and how long. Nothing here knows one peer from another.

Each peer of a round is started for it and ended after it, so that nobody who idles takes part of
the machine. linebus, the proxy and NATS, which the narrow goals compare, run side by side and take
turns measure by measure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts import Host, HostFailed, end_orphans
from peer import FOLDER
from servers import crowd, order, said, serving

from linebus.cli.measuring import ECHO, ISPRIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Found = dict[str, Any]
SIDE_BY_SIDE = ("linebus", "proxy", "nats")
LINE_64 = [ISPRIME.line, ISPRIME.reply]
LINE_ECHO = [ECHO.line, ECHO.reply]
LINE_GCD = ["gcd 1071 462", "gcd for 1071 462 is 21"]


def _probably(number: int) -> list[str]:
    return [f"isprime {number}", f"{number} is probably prime"]


LINE_256 = _probably(2**256 - 189)
LINE_1024 = _probably(2**1024 - 105)
BY_BITS = {"64": LINE_64, "256": LINE_256, "1024": LINE_1024}

WINDOWS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 32_768]
LOADS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000]
DEPTHS = [1_000, 10_000, 100_000, 1_000_000]
# Lines for a file of each size of number: some seconds for two processes.
FILE_LINES = {"64": 1_000_000, "256": 60_000, "1024": 2_000}
CHUNKS = {"64": [100, 1_000, 5_000, 20_000], "256": [10, 100, 1_000], "1024": [1, 10, 50]}
# How many workers and clients are in session, how many of the clients ask.
CROWDS = [(10, 10, 10), (1_000, 10_000, 10), (1_000, 10_000, 10_000)]
# Each request alone, and so many that those of ten clients form runs.
OUTSTANDING = [10, 10_000]
IDLE_WORKERS = 100


@dataclass
class Plan:
    """How much of it, and what to tell on the way."""

    names: list[str]
    rounds: int
    far_rounds: int
    seconds: float
    cores: int
    is_quick: bool
    tell: Callable[[str], None]


def groups(names: list[str]) -> Iterator[list[str]]:
    """Those that run side by side, then each of the others alone."""
    if together := [name for name in names if name in SIDE_BY_SIDE]:
        yield together
    for name in names:
        if name not in together:
            yield [name]


class Peers:
    """Starts peers, and remembers why one cannot be measured."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.skipped: dict[str, str] = {}

    def measure(
        self, names: Iterable[str], workers: int, wanted: list[tuple[str, str, Found]]
    ) -> dict[str, Found]:
        """Return what each of the peers makes of each measure, in turns."""
        found: dict[str, Found] = {}
        with ExitStack() as stack:
            hosts = []
            for name in names:
                if name in self.skipped:
                    continue
                try:
                    hosts.append(stack.enter_context(Host(name, workers)))
                    found[name] = {}
                except HostFailed as error:
                    self._skip(name, str(error))
            for label, measure, details in wanted:
                for host in hosts:
                    if host.name in found:
                        try:
                            found[host.name][label] = host.measure(measure, **details)
                        except HostFailed as error:
                            self._skip(host.name, f"{label}: {error}")
                            del found[host.name]
        end_orphans()
        return found

    def _skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason
        self._plan.tell(f"{name} is left out: {reason}")


def rounds_of_all(plan: Plan, peers: Peers) -> list[dict[str, Found]]:
    """One worker process, one client: one at a time, and as fast as it goes."""
    timed = {"seconds": plan.seconds}
    wanted = [
        ("alone", "alone", {"question": LINE_64, **timed}),
        ("isprime", "pipelined", {"question": LINE_64, **timed}),
        ("echo", "pipelined", {"question": LINE_ECHO, **timed}),
        # Once more: the tail of few thousand round trips is what varies most.
        ("alone_again", "alone", {"question": LINE_64, **timed}),
    ]
    found = []
    for number in range(plan.rounds):
        one: dict[str, Found] = {}
        for names in groups(plan.names):
            is_far = names[0] not in SIDE_BY_SIDE
            if is_far and number >= plan.far_rounds:
                continue
            plan.tell(f"round {number + 1} of {plan.rounds}: {', '.join(names)}")
            one |= peers.measure(names, 1, wanted[:3] if is_far else wanted)
        found.append(one)
    return found


def all_cores(plan: Plan, peers: Peers) -> dict[str, Found]:
    """256 and 1,024 bits through as many worker processes as there are cores."""
    timed = {"seconds": plan.seconds}
    wanted = [
        ("256", "pipelined", {"question": LINE_256, **timed}),
        ("1024", "pipelined", {"question": LINE_1024, **timed}),
    ]
    found: dict[str, Found] = {}
    near = [name for name in plan.names if name in (*SIDE_BY_SIDE, "pool")]
    for names in groups(near if plan.is_quick else plan.names):
        plan.tell(f"all cores: {', '.join(names)}")
        found |= peers.measure(names, plan.cores, wanted)
    return found


def files(plan: Plan) -> Found:
    """Whole files through two executors, beside Pool.imap with its best chunk size."""
    found: Found = {"mixed": []}
    shrink = 5 if plan.is_quick else 1
    with Host("linebus", 2) as ours, Host("pool", 2) as pool:
        for bits, question in BY_BITS.items():
            plan.tell(f"files: {bits} bits")
            count = FILE_LINES[bits] // shrink
            asked: Found = {"question": question, "count": count}
            by_chunk = {
                chunk: pool.measure("lines", **asked, window=chunk)["per_s"]
                for chunk in CHUNKS[bits]
            }
            best = max(by_chunk, key=lambda chunk: by_chunk[chunk])
            pairs = [
                {
                    "linebus": ours.measure("lines", **asked)["per_s"],
                    "pool": pool.measure("lines", **asked, window=best)["per_s"],
                }
                for _ in range(plan.rounds)
            ]
            found[bits] = {"lines": count, "chunk": best, "by_chunk": by_chunk, "rounds": pairs}
        plan.tell("files: isprime and gcd mixed")
        for _ in range(plan.rounds):
            questions = [LINE_64, LINE_GCD]
            found["mixed"].append(
                ours.measure("mixed", questions=questions, count=200_000 // shrink)
            )
    end_orphans()
    return found


def windows(plan: Plan, peers: Peers) -> Found:
    """Replies a second against how many requests are outstanding."""
    some = WINDOWS[::2] if plan.is_quick else WINDOWS
    wanted = [
        (str(window), "pipelined", {"question": LINE_64, "seconds": 0.2, "window": window})
        for window in some
    ]
    names = [name for name in SIDE_BY_SIDE if name in plan.names]
    plan.tell("throughput against window")
    return peers.measure(names, 1, wanted)


def loads(plan: Plan, peers: Peers, capacity: dict[str, float]) -> Found:
    """How long requests take that come at a steady rate, below what the peer can do."""
    some = LOADS[::3] if plan.is_quick else LOADS
    found: Found = {}
    for name in SIDE_BY_SIDE:
        if name in plan.names and name in capacity:
            plan.tell(f"latency against load: {name}")
            wanted = [
                (str(load), "offered", {"question": LINE_64, "per_s": load, "seconds": 0.8})
                for load in some
                if load < 0.9 * capacity[name]
            ]
            found |= peers.measure([name], 1, wanted)
    return found


def scaling(plan: Plan, peers: Peers) -> Found:
    """Linebus with one worker process, two, … as many as there are cores."""
    found: Found = {}
    counts = sorted({1, 2, 4, 8, 16, plan.cores} & set(range(1, plan.cores + 1)))
    for count in counts:
        plan.tell(f"scaling: {count} of {plan.cores}")
        wanted = [
            (bits, "pipelined", {"question": question, "seconds": plan.seconds})
            for bits, question in BY_BITS.items()
        ]
        found[str(count)] = peers.measure(["linebus"], count, wanted).get("linebus", {})
    return found


# -- linebus alone -------------------------------------------------------------------------------


def depths(plan: Plan) -> list[Found]:
    """A queue of so many lines: what it takes in memory, and what it does to throughput."""
    found = []
    some = [DEPTHS[0], DEPTHS[-1]] if plan.is_quick else DEPTHS
    for round_ in range(1 if plan.is_quick else 3):
        for queued in some:
            plan.tell(f"{queued:,} lines queued, round {round_ + 1}")
            command = [sys.executable, str(FOLDER / "depth.py"), str(queued), "400000"]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=120, check=False, cwd=FOLDER
            )
            end_orphans()
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
                raise HostFailed(f"{queued:,} lines queued: {last}")
            found.append(json.loads(done.stdout))
    return found


def breadths(plan: Plan) -> list[Found]:
    """What a request costs the server while very many peers are in session."""
    return [_breadth(plan, outstanding, *peers) for outstanding in OUTSTANDING for peers in CROWDS]


def _breadth(plan: Plan, outstanding: int, workers: int, clients: int, asking: int) -> Found:
    plan.tell(f"{workers:,} workers, {asking:,} of {clients:,} clients ask {outstanding:,}")
    with (
        serving() as server,
        crowd("workers", server, workers),
        crowd("clients", server, clients, str(outstanding), str(asking)) as crowd_asking,
    ):
        order(crowd_asking, "go")
        # The first request of each client, for which books are opened, is not what is looked for.
        while _watch(crowd_asking, plan)[1] < 2 * asking:
            pass
        spent, at = server.cpu_s, time.monotonic()
        replies, _ = _watch(crowd_asking, plan)
        found = {
            "outstanding": outstanding,
            "workers": workers,
            "clients": clients,
            "asking": asking,
            "per_s": replies / (time.monotonic() - at),
            "cpu_s_per_request": (server.cpu_s - spent) / max(1, replies),
            "bytes": server.memory_bytes,
        }
    end_orphans()
    return found


def _watch(asking: subprocess.Popen[bytes], plan: Plan) -> tuple[int, int]:
    """Return how many replies come within a while, and how many have come in all."""
    order(asking, "count")
    before = int(said(asking))
    time.sleep(2 if plan.is_quick else 5)
    order(asking, "count")
    replies = int(said(asking))
    return replies - before, replies


def idleness(plan: Plan) -> Found:
    """What part of a core a server uses while a hundred workers wait for something to do."""
    plan.tell(f"{IDLE_WORKERS} idle workers")
    with serving() as server, crowd("workers", server, IDLE_WORKERS):
        time.sleep(2)
        spent, at = server.cpu_s, time.monotonic()
        time.sleep(4 if plan.is_quick else 20)
        share = (server.cpu_s - spent) / (time.monotonic() - at)
    end_orphans()
    return {"workers": IDLE_WORKERS, "share": share}


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""One peer and the one client of it, in a process of its own.

    python bench/host.py PEER WORKERS

It reads what to measure from standard input, a JSON object a line, and writes what it found. At the
end of the input it ends, and with it all that the peer has started.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from peer import FOLDER, Peer, Unavailable, peer_class

from linebus.cli.measuring import Question, percentile, rate

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_START_S = 0.3
MIXED_SEED = 7


def alone(peer: Peer, question: list[str], seconds: float) -> dict[str, float]:
    found = peer.alone(Question(*question), seconds)
    return {"per_s": found.per_s, "p50_s": found.p50_s, "p99_s": found.p99_s}


def pipelined(
    peer: Peer, question: list[str], seconds: float, window: int | None = None
) -> dict[str, float]:
    asked = Question(*question)
    return {"per_s": rate(lambda line, count: peer.answer(line, count, window), asked, seconds)}


def lines(
    peer: Peer, question: list[str], count: int, window: int | None = None
) -> dict[str, float]:
    """So many lines, once."""
    asked = Question(*question)
    asked.check(peer.answer(asked.line, count // 100, window), count // 100)
    begun_at = time.perf_counter()
    asked.check(peer.answer(asked.line, count, window), count)
    return {"per_s": count / (time.perf_counter() - begun_at)}


def mixed(peer: Peer, questions: list[list[str]], count: int) -> dict[str, float]:
    """Lines for several services at random, beside the same lines sorted by service."""
    chance = random.Random(MIXED_SEED)
    shuffled = [Question(*chance.choice(questions)) for _ in range(count)]
    ordered = sorted(shuffled, key=lambda each: each.line)
    took = []
    for asked in (shuffled, ordered):
        wanted = [each.line for each in asked]
        begun_at = time.perf_counter()
        texts = list(peer.answer_all(wanted))  # type: ignore[attr-defined]
        took.append(time.perf_counter() - begun_at)
        assert texts == [each.reply for each in asked], "each line has its own reply"
    return {"per_s": count / took[0], "unmixed_per_s": count / took[1]}


@contextmanager
def fed(line: str, count: int, per_s: float) -> Iterator[tuple[int, float]]:
    """A descriptor to which a process writes lines at a steady rate, and when it begins."""
    read, write = os.pipe()
    started_at = time.monotonic() + HEAD_START_S
    words = [line, count, per_s, started_at]
    command = [sys.executable, str(FOLDER / "feeder.py"), *map(str, words)]
    feeder = subprocess.Popen(command, stdout=write, stdin=subprocess.DEVNULL)
    os.close(write)
    try:
        yield read, started_at
    finally:
        os.close(read)
        feeder.kill()
        feeder.wait()


def offered(peer: Peer, question: list[str], per_s: float, seconds: float) -> dict[str, float]:
    """Requests that come at a steady rate, whether or not the earlier ones are answered."""
    count = max(100, int(per_s * seconds))
    with fed(question[0], count, per_s) as (descriptor, started_at):
        took = peer.offered(descriptor, count, started_at, per_s)
    took_s = time.monotonic() - started_at
    assert len(took) == count, "every line is answered"
    shares = {f"p{percent}_s": percentile(took, percent) for percent in (50, 90, 99)}
    return {"offered_per_s": per_s, "per_s": count / took_s, **shares}


MEASURES = {
    "alone": alone,
    "pipelined": pipelined,
    "lines": lines,
    "mixed": mixed,
    "offered": offered,
}


def say(stream: Any, found: dict[str, Any]) -> None:  # noqa: ANN401  a text file
    print(json.dumps(found), file=stream, flush=True)


def main() -> None:
    name, workers = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever peers print is no measure
    try:
        with peer_class(name)() as peer:
            begun_at = time.monotonic()
            peer.start(int(workers))
            say(replies, {"started_s": time.monotonic() - begun_at})
            for order in sys.stdin:
                wanted = json.loads(order)
                say(replies, MEASURES[wanted.pop("measure")](peer, **wanted))
    except Unavailable as error:
        say(replies, {"unavailable": str(error)})
    except Exception as error:  # noqa: BLE001  it is told in the table
        traceback.print_exc()
        say(replies, {"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()

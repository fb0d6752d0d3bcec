"""How many instructions the core takes for a request, counted by callgrind: no noise touches that.

    python bench/core.py        (make bench-core; needs valgrind)

Three figures: a request that is alone (asked, dispatched, answered, delivered, acknowledged), the
same where a thousand workers and ten thousand clients take turns, and a line of a run of 1,000.
Counted is what the broker and the codec do, from a peer's bytes to bytes for a peer, without
sockets; each figure is the difference of two counts, so that what is done once falls out. Another
interpreter or another version of it has other figures.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile

from linebus import limits
from linebus.core import broker
from linebus.core.broker import Broker
from linebus.wire import messages as m
from linebus.wire import native

NOW = 10.0
ROUNDS = (200, 700)
RUN_LINES = 1_000
MANY = (1_000, 10_000)
LINE_COST_S = 1e-6


class Bench:
    """A broker, its workers with an executor each, and its clients: nothing but bytes."""

    def __init__(self, workers: int, clients: int) -> None:
        self._tokens = 0
        self._broker = Broker(self._fresh_token, 0.0)
        self._broker.expire(NOW)
        self._executors = dict(self._join(number) for number in range(workers))
        self._clients = [self._join_client(number) for number in range(clients)]
        self._asked = 0

    def _fresh_token(self) -> bytes:
        self._tokens += 1
        return b"token-%010d" % self._tokens

    def _join(self, number: int) -> tuple[bytes, bytes]:
        """Return an executor's route and token."""
        key, ident = b"%032d" % number, b"%016d" % number
        hashes = [hashlib.sha256(key).digest()]
        offer = m.Offer("echo", "echo TEXT", "")
        self._greet(b"w" + ident, m.WorkerHello(1, ident, "", [offer], hashes, discovered=False))
        credit = limits.CREDIT_LINES_MAX
        hello = m.ExecutorHello(1, ident, key, b"", 0, 0, credit)
        return b"e" + ident, self._greet(b"e" + ident, hello)

    def _join_client(self, number: int) -> tuple[bytes, bytes]:
        """Return a client's route and token."""
        ident = b"%016d" % number
        return b"c" + ident, self._greet(b"c" + ident, m.ClientHello(1, ident, ""))

    def _greet(self, route: bytes, hello: m.Hello) -> bytes:
        self._broker.greet(route, hello, NOW)
        [greeting] = [each for to, _, [each] in self._broker.outgoing(()) if to == route]
        return bytes(greeting.token)  # type: ignore[attr-defined]  a greeting has one

    def _hear(self, route: bytes, token: bytes, message: m.Message) -> list[tuple[bytes, m.Work]]:
        """Do what a round of the server does with what a peer sent; return work and for whom."""
        [body] = native.encode([message])
        self._broker.receive(route, token, native.decode_from_peer(body), NOW)
        self._broker.expire(NOW)
        self._broker.dispatch(NOW)
        work = []
        for to, _, messages in self._broker.outgoing(()):
            native.encode(messages)
            work += [(to, each) for each in messages if isinstance(each, m.Work)]
        return work

    def request(self, lines: int) -> None:
        """Ask so many lines at once and answer them in as many messages as they were sent in.

        It is the next client that asks, and any executor that answers.
        """
        turns, turn = divmod(self._asked, len(self._clients))
        self._asked += 1
        first, last = turns * lines + 1, (turns + 1) * lines
        client = self._clients[turn]
        waiting = self._hear(*client, m.Ask("echo", first, ["12345678"] * lines))
        while waiting:
            route, work = waiting.pop()
            credit = work.first + len(work.lines) + limits.CREDIT_LINES_MAX
            answers = m.Answers(work.first, work.lines, [], LINE_COST_S, credit)
            waiting += self._hear(route, self._executors[route], answers)
        self._hear(*client, m.Ack("echo", [(first, last)]))


def count(lines: int, workers: int, clients: int, rounds: int) -> int:
    """Return how many instructions a process takes that does so many rounds."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, __file__, *map(str, (lines, workers, clients, rounds))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def request_cost(lines: int, workers: int, clients: int, few: int, many: int) -> float:
    """Return how many instructions a request takes."""
    more = count(lines, workers, clients, many) - count(lines, workers, clients, few)
    return more / (many - few)


def main() -> None:
    if len(sys.argv) > 1:
        lines, workers, clients, rounds = map(int, sys.argv[1:])
        bench = Bench(workers, clients)
        for _ in range(clients + rounds):  # the first request of each client opens books for it
            bench.request(lines)
        return
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is missing: install it with your system's packages")
    is_compiled = not str(broker.__file__).endswith(".py")
    version = sys.version.split()[0]
    print(f"Python {version}, {'compiled' if is_compiled else 'not compiled'}")
    few, many = ROUNDS
    print(f"a request alone: {request_cost(1, 1, 1, few, many):,.0f} instructions")
    alone = request_cost(1, *MANY, few, many)
    among = f"where {MANY[0]:,} workers and {MANY[1]:,} clients take turns"
    print(f"{among}: {alone:,.0f} instructions")
    run = request_cost(RUN_LINES, 1, 1, few // 10, many // 10) / RUN_LINES
    print(f"a line of a run of {RUN_LINES}: {run:,.0f} instructions")


if __name__ == "__main__":
    main()

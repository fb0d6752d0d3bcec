"""How many instructions the core takes for a request, counted by callgrind: no noise touches that.

    python bench/core.py        (make bench-core; needs valgrind)

Two figures: a request that is alone (asked, dispatched, answered, delivered, acknowledged), and a
line of a run of 1,000. Counted is what the broker and the codec do, from a peer's bytes to bytes
for a peer, without sockets; each figure is the difference of two counts, so that what is done once
falls out. Another interpreter or another version of it has other figures.
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

KEY = b"k" * limits.KEY_BYTES
NOW = 10.0
ROUNDS = (200, 700)
RUN_LINES = 1_000
LINE_COST_S = 1e-6


class Bench:
    """A broker with one client and one executor, made of nothing but bytes."""

    def __init__(self) -> None:
        self._tokens = 0
        self._broker = Broker(self._fresh_token, 0.0)
        self._broker.expire(NOW)
        offer = m.Offer("echo", "echo TEXT", "")
        hashes = [hashlib.sha256(KEY).digest()]
        self._greet(b"worker", m.WorkerHello(1, b"w" * 16, "", [offer], hashes, discovered=False))
        credit = limits.CREDIT_LINES_MAX
        self._executor = self._greet(
            b"executor", m.ExecutorHello(1, b"e" * 16, KEY, b"", 0, 0, credit)
        )
        self._client = self._greet(b"client", m.ClientHello(1, b"c" * 16, ""))
        self._next = self._answered = 1

    def _fresh_token(self) -> bytes:
        self._tokens += 1
        return b"token-%010d" % self._tokens

    def _greet(self, route: bytes, hello: m.Hello) -> bytes:
        self._broker.greet(route, hello, NOW)
        [greeting] = [each for to, _, [each] in self._broker.outgoing(()) if to == route]
        return bytes(greeting.token)  # type: ignore[attr-defined]  a greeting has one

    def _hear(self, route: bytes, token: bytes, body: bytes) -> None:
        """Do what a round of the server does with what a peer has sent."""
        self._broker.receive(route, token, native.decode_from_peer(body), NOW)
        self._broker.expire(NOW)
        self._broker.dispatch(NOW)
        for _, _, messages in self._broker.outgoing(()):
            native.encode(messages)

    def request(self, lines: int) -> None:
        """Ask so many lines at once and answer them in as many messages as they were sent in."""
        first, last = self._next, self._next + lines - 1
        ask = m.Ask("echo", first, ["12345678"] * lines)
        self._hear(b"client", self._client, native.encode([ask])[0])
        credit = last + limits.CREDIT_LINES_MAX
        answers = m.Answers(first, ["12345678"] * lines, [], LINE_COST_S, credit)
        self._hear(b"executor", self._executor, native.encode([answers])[0])
        ack = m.Ack("echo", [(first, last)])
        self._hear(b"client", self._client, native.encode([ack])[0])
        self._next += lines


def count(lines: int, rounds: int) -> int:
    """Return how many instructions a process takes that does so many rounds."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, __file__, str(lines), str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def main() -> None:
    if len(sys.argv) > 1:
        bench, lines = Bench(), int(sys.argv[1])
        for _ in range(int(sys.argv[2])):
            bench.request(lines)
        return
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is missing: install it with your system's packages")
    is_compiled = not str(broker.__file__).endswith(".py")
    version = sys.version.split()[0]
    print(f"Python {version}, {'compiled' if is_compiled else 'not compiled'}")
    few, many = ROUNDS
    alone = (count(1, many) - count(1, few)) / (many - few)
    print(f"a request alone: {alone:,.0f} instructions")
    few, many = few // 10, many // 10
    run = (count(RUN_LINES, many) - count(RUN_LINES, few)) / (many - few)
    print(f"a line of a run of {RUN_LINES}: {run / RUN_LINES:,.0f} instructions")


if __name__ == "__main__":
    main()

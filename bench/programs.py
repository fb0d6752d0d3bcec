"""Programs as workers beside a service in Python that does the same, in one run.

    python bench/programs.py [ROUNDS]

One client process, one executor each, lines in and the same lines out. `pipelined` asks through
`Client.map`, `alone` one line at a time through `Client.ask`. The services take turns; what counts
is the median of the ratios, since the machine's speed drifts. Programs that this machine does not
have are left out. Nothing here is a test: no number makes it fail.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import linebus

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = "twelve plus eighteen"
# What the ratios are taken of.
ECHO = """\
import linebus
from typing import Annotated

@linebus.service
def echo(text: Annotated[str, linebus.Rest]) -> str:
    return text
"""
PYTHON = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
PROGRAMS = {
    "awk": ["awk", "{ print; fflush() }"],
    "mawk": ["mawk", "-W", "interactive", "{ print }"],
    "sed": ["sed", "-u", ""],
    "cat": ["cat"],
    "perl": ["perl", "-pe", "BEGIN { $| = 1 }"],
    "python": [sys.executable, "-c", PYTHON],
}
PIPELINED = 200_000
ALONE = 2_000
ONCE = 300


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def workers() -> Iterator[tuple[str, list[str], list[str]]]:
    """Name the services, with what stands before and after the options that all workers have."""
    yield "echo", ["echo:echo"], []
    for name, words in PROGRAMS.items():
        if shutil.which(words[0]) and not (name == "awk" and is_mawk()):
            yield name, [name], ["--", *words]
    yield "once", ["once", "--once"], ["--", "cat"]


def is_mawk() -> bool:
    """Return whether `awk` is mawk, which reads whole blocks unless it is told otherwise."""
    return Path(shutil.which("awk") or "").resolve().name == "mawk"


@contextmanager
def bus() -> Iterator[tuple[linebus.Client, list[str]]]:
    """A server with a worker for each service; yields a client and the services' names."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "echo.py").write_text(ECHO, "utf-8")

        def start(*words: str) -> str:
            process = subprocess.Popen(
                [sys.executable, "-m", "linebus", *words],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            assert process.stdout is not None, "asked for above"
            return process.stdout.readline()

        ports = [str(port) for port in free_ports(4)]
        start("serve", *ports)
        address = f"tcp://127.0.0.1:{ports[0]}"
        names = []
        for name, first, last in workers():
            said = start("work", *first, "--procs", "1", "--bus", address, *last)
            assert said.startswith("linebus: offering "), said
            names.append(name)
        yield stack.enter_context(linebus.Client(address, connect_timeout_s=20)), names


def pipelined(client: linebus.Client, name: str) -> float:
    count = ONCE if name == "once" else PIPELINED
    started = time.perf_counter()
    replies = client.map(repeat(f"{name} {WORDS}", count))
    answered = sum(reply.text == WORDS for reply in replies)
    assert answered == count, "every line is answered"
    return count / (time.perf_counter() - started)


def alone(client: linebus.Client, name: str) -> float:
    count = ONCE if name == "once" else ALONE
    started = time.perf_counter()
    for line in repeat(f"{name} {WORDS}", count):
        client.ask(line)
    return count / (time.perf_counter() - started)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with bus() as (client, names):
        for name in names:
            assert client.ask(f"{name} {WORDS}").text == WORDS, name
        for way in (pipelined, alone):
            rows = [[way(client, name) for name in names] for _ in range(rounds)]
            print(f"\n{way.__name__ + ' lines/s':<20} {'median':>10} {'of echo':>8}")
            for name, column in zip(names, zip(*rows, strict=True), strict=True):
                ratio = statistics.median(a / row[0] for a, row in zip(column, rows, strict=True))
                print(f"{name:<20} {statistics.median(column):>10,.0f} {ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()

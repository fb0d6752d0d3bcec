"""What a program to compare with has to do, and what several of them need.

A peer is a file in bench/peers/ that defines `PEER`, a subclass of Peer. It is used in a process of
its own (bench/host.py), which is the one client; whatever it starts ends with that process.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from linebus.cli.measuring import SERVICES, Alone, alone
from linebus.services.catalog import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from linebus.cli.measuring import Question

FOLDER = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_S = 30.0
END_S = 5.0


class Unavailable(Exception):
    """The peer cannot be measured here: something of it is not installed."""


class Peer(ABC):
    """One program on the work: a client here, so many worker processes, and what is between."""

    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """What is installed from the package index, for the versions in the table."""
    settings: ClassVar[str]
    """How it is set up for throughput, and which of its own documents says so."""

    def __init__(self) -> None:
        self._processes = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    @abstractmethod
    def start(self, workers: int) -> None:
        """Start what is needed with so many worker processes. Raises Unavailable."""

    @abstractmethod
    def ask(self, line: str) -> str:
        """Ask one line and wait for its reply."""

    @abstractmethod
    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        """Ask a line so many times as fast as that goes; give all replies.

        `window` is how many are outstanding, or how many travel together where users choose that
        by hand; None is what suits the peer best.
        """

    def alone(self, question: Question, seconds: float) -> Alone:
        """Measure round trips; a peer of asyncio does it inside its loop."""
        return alone(self.ask, question, seconds)

    def offered(self, lines: int, count: int, started_at: float, per_s: float) -> list[float]:
        """Ask the lines that come from a descriptor at a steady rate; return how long each took.

        Line number i is due at `started_at` + i / `per_s` by time.monotonic.
        """
        raise Unavailable("not measured at a given load")

    @classmethod
    def versions(cls) -> str:
        """Return the versions of what was installed, for the table."""
        return ", ".join(f"{each} {importlib.metadata.version(each)}" for each in cls.packages)

    def spawn(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process that ends with this peer."""
        child = subprocess.Popen(
            command,
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(FOLDER), **environment},
        )
        self._processes.callback(_end, child)
        return child

    def spawn_python(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a module of this folder."""
        return self.spawn(sys.executable, "-m", *arguments, **environment)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


# -- what workers need ---------------------------------------------------------------------------


def answerer() -> Callable[[str], str]:
    """Return the function that a worker answers lines with: linebus's own services."""
    answers = {service.name: service.answer for service in load(SERVICES)}

    def answer(line: str) -> str:
        name, _, arguments = line.partition(" ")
        return answers[name](arguments)

    return answer


# -- what peers need -----------------------------------------------------------------------------


def names() -> list[str]:
    """Return the names of all peers, linebus and the floor first."""
    first = ["linebus", "proxy", "nats"]
    found = sorted(path.stem for path in (FOLDER / "peers").glob("*.py") if path.stem != "redis")
    return [
        *first,
        *(name.removesuffix("_") for name in found if name.removesuffix("_") not in first),
    ]


def peer_class(name: str) -> type[Peer]:
    """Return the peer of this name. Raises Unavailable where its packages are not installed."""
    try:
        module = importlib.import_module(f"peers.{name}_")
    except ImportError as error:
        raise Unavailable(f"not installed: {error}") from error
    found: type[Peer] = module.PEER
    return found


def free_ports(count: int = 1) -> list[int]:
    """Return ports of this machine that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for_port(port: int) -> None:
    """Wait until something listens there."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as sock:
            if sock.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens at port {port}")


def program(name: str, cure: str) -> str:
    """Return the path of a program. Raises Unavailable with the way to get it."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise Unavailable(f"there is no {name}: {cure}")
    return found

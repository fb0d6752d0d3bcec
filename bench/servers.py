"""A server of linebus to look at from outside, and the crowds around it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from peer import FOLDER, HOST, free_ports, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60.0


class Server:
    """What the operating system tells of a server's process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self.address = f"tcp://{HOST}:{port}"
        self._proc = Path("/proc") / str(process.pid)

    @property
    def cpu_s(self) -> float:
        """What it has used of the processors."""
        fields = (self._proc / "stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_bytes(self) -> int:
        """What it has in memory."""
        return int((self._proc / "statm").read_text("utf-8").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )


@contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program of ours; it ends with the block."""
    child = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=FOLDER,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def serving(window: int = 0) -> Iterator[Server]:
    """A server; with a larger window where one is given."""
    ports = free_ports(4)
    command = ["raised.py"] if window else ["-m", "linebus"]
    environment = {"BENCH_WINDOW": str(window)} if window else {}
    with running(*command, "serve", *map(str, ports), **environment) as child:
        wait_for_port(ports[0])
        yield Server(child, ports[0])


@contextmanager
def crowd(kind: str, server: Server, count: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A crowd of peers, all in session."""
    words = ["crowd.py", kind, str(server.port), str(count), "echo", *more]
    with running(*words) as child:
        assert said(child) == "ready", f"the crowd of {count} {kind} is not in session"
        yield child


def said(child: subprocess.Popen[bytes]) -> str:
    """Return the next line that a program of ours says. Raises TimeoutError."""
    assert child.stdout is not None, "asked for above"
    if not select.select([child.stdout], [], [], PATIENCE_S)[0]:
        raise TimeoutError("a program of the bench says nothing")
    return child.stdout.readline().decode().strip()


def order(child: subprocess.Popen[bytes], word: str) -> None:
    """Give a crowd an order."""
    assert child.stdin is not None, "asked for above"
    child.stdin.write(f"{word}\n".encode())
    child.stdin.flush()

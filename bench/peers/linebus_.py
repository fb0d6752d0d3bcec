"""linebus: server, one worker with executors, `linebus.Client`."""

from __future__ import annotations

import time
from itertools import repeat
from typing import TYPE_CHECKING

from peer import HOST, Peer, free_ports

import linebus
from linebus import limits
from linebus.cli.measuring import SERVICES
from linebus.errors import LinebusError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Linebus(Peer):
    title = "linebus"
    packages = ("linebus", "pyzmq", "msgspec", "python-flint")
    settings = "as installed: `ask` one at a time, `map` for many; nothing is batched by hand"

    def start(self, workers: int) -> None:
        ports = free_ports(4)
        self.address = f"tcp://{HOST}:{ports[0]}"
        self.server = self.spawn_python("linebus", "serve", *map(str, ports))
        work = ("linebus", "work", "gcd", *SERVICES, "--procs", str(workers), "--bus", self.address)
        self.spawn_python(*work)
        self.bus = self._processes.enter_context(linebus.Client(self.address, connect_timeout_s=30))
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return self.bus.ask(line).text

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        if window is not None:  # no user's setting: what a smaller one would make of it
            limits.CHUNK_LINES = max(1, min(window // 4, 2_048))
            limits.WINDOW_LINES = window - limits.CHUNK_LINES + 1
        return (reply.text for reply in self.bus.map(repeat(line, count)))

    def answer_all(self, lines: list[str]) -> Iterable[str]:
        """Ask different lines."""
        return (reply.text for reply in self.bus.map(lines))

    def offered(self, lines: int, count: int, started_at: float, per_s: float) -> list[float]:
        took: list[float] = []
        for replies in self.bus.map_descriptor(lines):
            now = time.monotonic()
            for reply in replies:
                if reply.outcome != linebus.Outcome.ANSWERED:
                    raise LinebusError(reply.text)
                took.append(now - started_at - len(took) / per_s)
        return took


PEER = Linebus

"""libzmq's own proxy in C between Python ends: the floor, as `linebus bench` has it too."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import zmq
from peer import Peer

from linebus.cli.floor import Floor

if TYPE_CHECKING:
    from collections.abc import Iterable


class Proxy(Peer):
    title = "libzmq's C proxy"
    packages = ("pyzmq",)
    settings = (
        "`zmq_proxy` in a process of its own, one request a message, 1,000 outstanding, high-water "
        "marks off (with them it drops replies: zmq_setsockopt(3))"
    )

    def start(self, workers: int) -> None:
        self._floor = self._processes.enter_context(Floor(workers))
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return self._floor.ask(line)

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        return self._floor.answer(line, count, window or 1_000)

    def offered(self, lines: int, count: int, started_at: float, per_s: float) -> list[float]:
        """Send what comes, receive what comes; as far as pyzmq goes this is the quickest loop."""
        client = self._floor.socket
        poller = zmq.Poller()
        poller.register(lines, zmq.POLLIN)
        poller.register(client, zmq.POLLIN)
        rest, took = b"", []
        while len(took) < count:
            ready = dict(poller.poll(5_000))
            if not ready:
                raise TimeoutError("the proxy has lost replies")
            if lines in ready:
                *whole, rest = (rest + os.read(lines, 65_536)).split(b"\n")
                if not whole:
                    poller.unregister(lines)
                for line in whole:
                    client.send(line)
            if client in ready:
                for _ in range(256):
                    try:
                        client.recv(zmq.NOBLOCK)
                    except zmq.Again:
                        break
                    took.append(time.monotonic() - started_at - len(took) / per_s)
        return took


PEER = Proxy

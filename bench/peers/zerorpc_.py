"""zerorpc: its servers are the workers; there is nothing between."""

from __future__ import annotations

import sys
from collections import deque
from itertools import cycle
from typing import TYPE_CHECKING

import zerorpc
from peer import HOST, Peer, answerer, free_ports, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 100
ASYNC = {"async": True}  # a keyword of Python's by now


class Lines:
    def __init__(self) -> None:
        self.answer = answerer()


class Zerorpc(Peer):
    title = "zerorpc"
    packages = ("zerorpc", "gevent", "pyzmq", "msgpack")
    settings = (
        "its documents say nothing of throughput: as installed, many as `async` calls on one "
        "client, 100 outstanding; the client talks to the workers themselves, in turn"
    )

    def start(self, workers: int) -> None:
        ports = free_ports(workers)
        for port in ports:
            self.spawn_python("peers.zerorpc_", str(port))
        clients = []
        for port in ports:
            wait_for_port(port)
            clients.append(zerorpc.Client(f"tcp://{HOST}:{port}", timeout=60))
            self._processes.callback(clients[-1].close)
        self._turns = cycle(clients)
        for _ in ports:
            self.ask("echo hello")

    def ask(self, line: str) -> str:
        return str(next(self._turns).answer(line))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        waiting: deque[object] = deque()
        for _ in range(count):
            waiting.append(next(self._turns).answer(line, **ASYNC))
            if len(waiting) >= (window or WINDOW):
                yield str(waiting.popleft().get())  # type: ignore[attr-defined]
        while waiting:
            yield str(waiting.popleft().get())  # type: ignore[attr-defined]


PEER = Zerorpc

if __name__ == "__main__":
    server = zerorpc.Server(Lines())
    server.bind(f"tcp://{HOST}:{sys.argv[1]}")
    server.run()

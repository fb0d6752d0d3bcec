"""libzmq's own proxy between Python ends: what a server that does nothing costs.

Client and worker send one request a message; the proxy, in C, passes on what comes and promises
nothing. `linebus bench` sets it beside a server, whose worker answers with the same services.
Started as `python -m linebus.cli.floor PARENT_PID` this is the proxy, with an address behind it a
worker of the proxy at that address.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import zmq

from linebus import limits, process
from linebus.cli.measuring import SERVICES
from linebus.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ANY_PORT = f"tcp://{limits.HOST}:*"


class Floor:
    """A proxy and its workers from `__enter__` to `__exit__`, and a client of it."""

    def __init__(self, workers: int) -> None:
        """Prepare; nothing is started yet."""
        self._workers = workers
        self._processes: list[subprocess.Popen[str]] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = _unbounded(self._context, zmq.DEALER)

    def __enter__(self) -> Self:
        """Start all; return once they can answer. Raises SetupError."""
        try:
            front, back = self._start().split()
            for _ in range(self._workers):
                self._start(back)
        except BaseException:
            self.__exit__()
            raise
        self.socket.connect(front)
        return self

    def _start(self, *arguments: str) -> str:
        """Start the proxy or a worker; return the line that it prints when it is there."""
        command = [sys.executable, "-m", __name__, str(os.getpid()), *arguments]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self._processes.append(child)
        assert child.stdout is not None, "asked for above"
        said = child.stdout.readline()
        if not said:
            how = process.how_it_ended(child.wait())
            raise SetupError(f"the C proxy to compare with cannot start ({how})")
        return said

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        self._context.destroy(linger=0)
        for each in self._processes:
            each.kill()
            with each:
                pass

    def ask(self, line: str) -> str:
        """Ask one line and wait for its reply."""
        self.socket.send(line.encode())
        return self.socket.recv().decode()

    def answer(
        self, line: str, count: int, window: int = limits.BENCH_WINDOW_LINES
    ) -> Iterator[str]:
        """Ask a line so many times, with a window of requests outstanding; yield the replies."""
        request, send, receive = line.encode(), self.socket.send, self.socket.recv
        sent = min(window, count)
        for _ in range(sent):
            send(request)
        for _ in range(count - sent):
            yield receive().decode()
            send(request)
        for _ in range(sent):
            yield receive().decode()


def _unbounded(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.set_hwm(0)  # else the proxy's ROUTER drops replies without a word
    return socket


def _proxy() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    front, back = _unbounded(context, zmq.ROUTER), _unbounded(context, zmq.DEALER)
    for socket in (front, back):
        socket.bind(_ANY_PORT)
    ends = [socket.getsockopt(zmq.LAST_ENDPOINT) for socket in (front, back)]
    print(*(end.decode() for end in ends if isinstance(end, bytes)), flush=True)
    zmq.proxy(front, back)


def _work(address: str) -> None:
    """Answer what the proxy passes on, with the same functions as a worker of linebus."""
    from linebus.services.catalog import load

    answers = {service.name: service.answer for service in load(SERVICES)}
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = _unbounded(context, zmq.DEALER)
    socket.connect(address)
    print("ready", flush=True)
    while True:
        route, line = socket.recv_multipart()
        name, _, arguments = line.decode().partition(" ")
        socket.send_multipart((route, answers[name](arguments).encode()))


def main(arguments: Sequence[str]) -> None:
    """Run the proxy, or a worker of it, until the process that started this one ends it."""
    parent, *addresses = arguments
    process.end_with_parent(int(parent))
    with suppress(KeyboardInterrupt):
        if addresses:
            _work(*addresses)
        else:
            _proxy()


if __name__ == "__main__":
    main(sys.argv[1:])

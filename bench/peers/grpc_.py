"""gRPC: its asyncio client and servers, which are the workers; there is nothing between."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import cycle
from typing import TYPE_CHECKING

import grpc
import uvloop
from peer import HOST, Peer, answerer, free_ports, wait_for_port

from linebus.cli.measuring import Alone, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linebus.cli.measuring import Question

WINDOW = 100
METHOD = "/bench.Lines/Answer"
OPTIONS = [("grpc.optimization_target", "throughput")]


async def serve(port: str) -> None:
    answer = answerer()

    async def reply(line: bytes, _context: object) -> bytes:
        return answer(line.decode()).encode()

    server = grpc.aio.server(options=OPTIONS)
    handlers = {"Answer": grpc.unary_unary_rpc_method_handler(reply)}
    service = grpc.method_handlers_generic_handler("bench.Lines", handlers)
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    await server.wait_for_termination()


class Grpc(Peer):
    title = "gRPC"
    packages = ("grpcio", "uvloop")
    settings = (
        "asyncio at both ends and unary calls, since streams are slower in Python (Performance "
        "Best Practices: Python), one channel used again, 100 calls at once (the usual bound of "
        "concurrent streams), uvloop; bytes as they are, no protobuf; the client talks to the "
        "workers themselves, in turn"
    )

    def start(self, workers: int) -> None:
        ports = free_ports(workers)
        for port in ports:
            self.spawn_python("peers.grpc_", str(port))
        for port in ports:
            wait_for_port(port)
        self._loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._connect(ports))

    async def _connect(self, ports: list[int]) -> None:
        self._channels = [
            grpc.aio.insecure_channel(f"{HOST}:{port}", options=OPTIONS) for port in ports
        ]
        self._calls = cycle([channel.unary_unary(METHOD) for channel in self._channels])
        for _ in ports:
            await next(self._calls)(b"echo hello", timeout=30, wait_for_ready=True)

    def __exit__(self, *_: object) -> None:
        for channel in getattr(self, "_channels", []):
            self._loop.run_until_complete(channel.close())
        super().__exit__()

    def ask(self, line: str) -> str:
        return self._loop.run_until_complete(self._ask(line.encode())).decode()

    async def _ask(self, line: bytes) -> bytes:
        return bytes(await next(self._calls)(line))

    def alone(self, question: Question, seconds: float) -> Alone:
        return self._loop.run_until_complete(self._alone(question, seconds))

    async def _alone(self, question: Question, seconds: float) -> Alone:
        line, clock = question.line.encode(), time.perf_counter
        took: list[float] = []
        texts: list[str] = []
        await self._ask(line)
        begun_at = now = clock()
        while now < begun_at + seconds:
            texts.append((await self._ask(line)).decode())
            before, now = now, clock()
            took.append(now - before)
        question.check(texts, len(took))
        return Alone(len(took) / (now - begun_at), percentile(took, 50), percentile(took, 99))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        return self._loop.run_until_complete(self._answer(line.encode(), count, window or WINDOW))

    async def _answer(self, line: bytes, count: int, window: int) -> list[str]:
        texts: list[str] = []
        left = iter(range(count))

        async def lane() -> None:
            texts.extend([(await self._ask(line)).decode() for _ in left])

        await asyncio.gather(*(lane() for _ in range(min(window, count))))
        return texts


PEER = Grpc

if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))

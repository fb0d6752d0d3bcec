"""Dramatiq with Redis as broker and as result backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from peer import Peer, answerer
from peers.redis import SETTINGS, start_redis

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 1_000
_answer = answerer()


def new_actor(url: str) -> dramatiq.Actor[[str], str]:
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url)))
    dramatiq.set_broker(broker)
    return dramatiq.actor(_answer, actor_name="answer", broker=broker, store_results=True)


if "BENCH_REDIS" in os.environ:
    new_actor(os.environ["BENCH_REDIS"])


class DramatiqRedis(Peer):
    title = "Dramatiq, Redis"
    packages = ("dramatiq", "redis", "hiredis")
    settings = (
        "one process of its command line per worker with its 8 threads (User Guide: Workers), "
        "1,000 fetched ahead (`dramatiq_queue_prefetch`: Changelog); many as groups of 1,000, "
        f"results with `get_results(block=True)` (Results); {SETTINGS}"
    )

    def start(self, workers: int) -> None:
        url = start_redis(self)
        options = ["--processes", str(workers), "--threads", "8"]
        environment = {"BENCH_REDIS": url, "dramatiq_queue_prefetch": str(WINDOW)}
        self.spawn_python("dramatiq", "peers.dramatiq_", *options, **environment)
        self._actor = new_actor(url)
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return str(self._actor.send(line).get_result(block=True, timeout=30_000))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        size = window or WINDOW
        for start in range(0, count, size):
            wanted = min(size, count - start)
            sent = dramatiq.group(self._actor.message(line) for _ in range(wanted)).run()
            yield from sent.get_results(block=True, timeout=60_000)


PEER = DramatiqRedis

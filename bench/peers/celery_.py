"""Celery with Redis as broker and as result backend."""

from __future__ import annotations

import os
from itertools import repeat
from typing import TYPE_CHECKING

from celery import Celery, group
from peer import Peer, answerer
from peers.redis import SETTINGS, start_redis

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 1_000
URL = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:1/0")


def new_app(url: str) -> Celery:
    app = Celery("bench", broker=url, backend=url)
    app.conf.update(
        worker_prefetch_multiplier=128,
        worker_disable_rate_limits=True,
        worker_enable_remote_control=False,
        task_ignore_result=False,
        broker_connection_retry_on_startup=True,
    )
    return app


app = new_app(URL)
_answer = answerer()


@app.task(name="answer")
def answer(line: str) -> str:
    return _answer(line)


class CeleryRedis(Peer):
    title = "Celery, Redis"
    packages = ("celery", "kombu", "redis", "hiredis")
    settings = (
        "`worker_prefetch_multiplier` 128 for short tasks (Optimizing), prefork pool, rate limits "
        "and remote control off, no gossip, mingle, heartbeat or events; many as groups of 1,000, "
        f"fetched with `join_native` (Canvas), which here looks every "
        f"millisecond, not every half second; {SETTINGS}"
    )

    def start(self, workers: int) -> None:
        url = start_redis(self)
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
        options = ["--pool", "prefork", "--concurrency", str(workers), *quiet]
        self.spawn_python("celery", "-A", "peers.celery_", "worker", *options, BENCH_REDIS=url)
        self._task = new_app(url).task(name="answer")(answer.run)
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return str(self._task.delay(line).get(timeout=30))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        for size in _sizes(count, window or WINDOW):
            result = group(self._task.s(each) for each in repeat(line, size)).apply_async()
            yield from result.join_native(timeout=60, interval=0.001)


def _sizes(count: int, size: int) -> Iterable[int]:
    for start in range(0, count, size):
        yield min(size, count - start)


PEER = CeleryRedis

"""RQ: Redis Queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from peer import Peer, answerer
from peers.redis import SETTINGS, start_redis
from redis import Redis
from rq import Queue, SimpleWorker

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 1_000
answer = answerer()


class RedisQueue(Peer):
    title = "RQ"
    packages = ("rq", "redis", "hiredis")
    settings = (
        "`SimpleWorker`, which does not fork for each request (Notes on Performance: for extremely "
        "short ones); many with `enqueue_many` in one pipeline, 1,000 at once; each result fetched "
        f"with `latest_result`, which blocks (Results); logging of descriptions off; {SETTINGS}"
    )

    def start(self, workers: int) -> None:
        url = start_redis(self)
        for _ in range(workers):
            self.spawn_python("peers.rq_", url)
        self._queue = Queue(connection=Redis.from_url(url))
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return _text_of(self._queue.enqueue("peers.rq_.answer", line, result_ttl=60))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        data = Queue.prepare_data("peers.rq_.answer", (line,), result_ttl=60, timeout=60)
        size = window or WINDOW
        for start in range(0, count, size):
            wanted = [data._replace(job_id=None) for _ in range(min(size, count - start))]
            for each in self._queue.enqueue_many(wanted):
                yield _text_of(each)


def _text_of(request: object) -> str:
    result = request.latest_result(timeout=30)  # type: ignore[attr-defined]
    return str(result.return_value) if result else ""


PEER = RedisQueue

if __name__ == "__main__":
    connection = Redis.from_url(sys.argv[1])
    worker = SimpleWorker(
        [Queue(connection=connection)], connection=connection, log_job_description=False
    )
    worker.work(logging_level="ERROR")

"""Ray: an actor per worker process."""

from __future__ import annotations

import os
from itertools import cycle
from typing import TYPE_CHECKING

import ray
from peer import FOLDER, Peer, answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 1_000


class Worker:
    def __init__(self) -> None:
        self._answer = answerer()

    def answer(self, line: str) -> str:
        return self._answer(line)


class Ray(Peer):
    title = "Ray"
    packages = ("ray",)
    settings = (
        "an actor per worker, since starting a task costs more than calling an actor; `ray.get` on "
        "1,000 calls at once, never in a loop (Anti-patterns: ray.get in a loop); no dashboard"
    )

    def start(self, workers: int) -> None:
        os.environ.update(RAY_DISABLE_IMPORT_WARNING="1", RAY_USAGE_STATS_ENABLED="0")
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=100 * 2**20,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": str(FOLDER)}},
        )
        self._processes.callback(ray.shutdown)
        actor = ray.remote(Worker)
        self._actors = [actor.remote() for _ in range(workers)]
        self._turns = cycle(self._actors)
        for _ in range(workers):
            self.ask("echo hello")

    def ask(self, line: str) -> str:
        return str(ray.get(next(self._turns).answer.remote(line), timeout=60))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        size = window or WINDOW
        for start in range(0, count, size):
            wanted = range(min(size, count - start))
            yield from ray.get([next(self._turns).answer.remote(line) for _ in wanted], timeout=60)


PEER = Ray

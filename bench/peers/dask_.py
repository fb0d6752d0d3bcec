"""Dask's distributed scheduler, with worker processes of one thread."""

from __future__ import annotations

from itertools import count as numbers
from typing import TYPE_CHECKING

from distributed import Client, LocalCluster
from peer import Peer, answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 1_000
BATCH = 100
_answer = answerer()


def answer(line: str) -> str:
    return _answer(line)


class Dask(Peer):
    title = "Dask distributed"
    packages = ("distributed", "dask")
    settings = (
        "one process with one thread per worker, `submit` one at a time; `map` with `batch_size` "
        "(API: submits in batches), keys of our own so that nothing is hashed or cached, 1,000 at "
        "once, one `gather` for all (Best Practices); no dashboard"
    )

    def start(self, workers: int) -> None:
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
        self._processes.enter_context(cluster)
        self._client = self._processes.enter_context(Client(cluster))
        self._numbers = numbers()
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        future = self._client.submit(answer, line, key=f"one-{next(self._numbers)}")
        return str(future.result(timeout=30))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        size = window or WINDOW
        for start in range(0, count, size):
            wanted = min(size, count - start)
            keys = [f"many-{next(self._numbers)}" for _ in range(wanted)]
            futures = self._client.map(answer, [line] * wanted, key=keys, batch_size=size)
            yield from self._client.gather(futures)


PEER = Dask

"""concurrent.futures.ProcessPoolExecutor: as Pool, with futures."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import TYPE_CHECKING

from peer import Peer, answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 1_000
_answer = answerer()


def answer(line: str) -> str:
    return _answer(line)


class Executor(Peer):
    title = "ProcessPoolExecutor"
    packages = ()
    settings = (
        "`submit` one at a time; `map` with a large chunk size (library reference: Executor.map): "
        "1,000 lines"
    )

    def start(self, workers: int) -> None:
        self._pool = self._processes.enter_context(ProcessPoolExecutor(workers))
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return self._pool.submit(answer, line).result(30)

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        return self._pool.map(answer, repeat(line, count), chunksize=window or CHUNK)


PEER = Executor

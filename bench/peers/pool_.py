"""multiprocessing.Pool: no server and no other programs, the lines are batched by hand."""

from __future__ import annotations

from itertools import repeat
from multiprocessing import Pool
from typing import TYPE_CHECKING

from peer import Peer, answerer

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 1_000
_answer = answerer()


def answer(line: str) -> str:
    return _answer(line)


class MultiprocessingPool(Peer):
    title = "multiprocessing.Pool"
    packages = ()
    settings = (
        "`apply` one at a time; `imap` with a large chunk size, which makes it “much faster” "
        "(library reference: imap): 1,000 lines, and the best of four sizes where a goal says so"
    )

    def start(self, workers: int) -> None:
        self._pool = self._processes.enter_context(Pool(workers))
        self.ask("echo hello")

    def ask(self, line: str) -> str:
        return self._pool.apply(answer, (line,))

    def answer(self, line: str, count: int, window: int | None = None) -> Iterable[str]:
        return self._pool.imap(answer, repeat(line, count), chunksize=window or CHUNK)


PEER = MultiprocessingPool

"""How fast somebody answers: one line at a time, and many at once. Nothing here knows sockets."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from linebus import limits
from linebus.errors import NotAnswered
from linebus.services.arguments import Rest
from linebus.services.declare import service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@service(usage="echo TEXT", pure=True, example="echo hello")
def echo(text: Annotated[str, Rest]) -> str:
    """Give the text back: what is left of a request is the way there and back."""
    return text


SERVICES = ("isprime", f"{__name__}:{echo.name}")
"""What a worker that is measured offers, as `linebus work` takes it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A line, and the one reply that is right."""

    line: str
    reply: str

    def check(self, texts: Iterable[str], count: int) -> None:
        """Raise NotAnswered unless all of so many replies came and are right."""
        right = sum(text == self.reply for text in texts)
        if right != count:
            wrong = f"{count - right} of {count} replies to {self.line!r}"
            raise NotAnswered(f"{wrong} were wrong or missing; nothing was measured")


ISPRIME = Question("isprime 18446744073709551557", "18446744073709551557 is prime")
ECHO = Question("echo 18446744073709551557", "18446744073709551557")


@dataclass(frozen=True, slots=True)
class Alone:
    """Round trips with one request outstanding: how many a second, and how long they took."""

    per_s: float
    p50_s: float
    p99_s: float


def alone(ask: Callable[[str], str], question: Question, seconds: float) -> Alone:
    """Ask one line after the other for so long. Raises NotAnswered."""
    took: list[float] = []
    texts: list[str] = []
    clock = time.perf_counter
    question.check([ask(question.line)], 1)  # whoever has to be started or found is there then
    begun_at = now = clock()
    while now < begun_at + seconds or not took:
        texts.append(ask(question.line))
        before, now = now, clock()
        took.append(now - before)
    question.check(texts, len(took))
    return Alone(len(took) / (now - begun_at), percentile(took, 50), percentile(took, 99))


def rate(answer: Callable[[str, int], Iterable[str]], question: Question, seconds: float) -> float:
    """Return how many replies a second come while many requests are outstanding.

    More and more are asked until it takes so long; only the last attempt counts.
    Raises NotAnswered.
    """
    count = limits.BENCH_LINES
    while True:
        begun_at = time.perf_counter()
        question.check(answer(question.line, count), count)
        took_s = time.perf_counter() - begun_at
        if took_s >= seconds:
            return count / took_s
        count = int(count * min(max(1.2 * seconds / took_s, 1.5), limits.BENCH_LINES_GROWTH)) + 1


def percentile(values: Sequence[float], percent: int) -> float:
    """Return what so many percent of the values do not exceed."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]

"""What comes back of what executors were sent: texts, lines that have not begun, lines that failed.

An executor answers the lines of one lease in order, different leases in any. What it has not begun
is dispatched again, as if it had never been sent.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from linebus.wire.messages import TakenBack

if TYPE_CHECKING:
    from linebus.core.endings import Endings
    from linebus.core.ledger import Ledger
    from linebus.core.runs import Lease
    from linebus.core.workers import Executor
    from linebus.wire import messages as m


def _between(offsets: list[int], start: int, end: int) -> list[int]:
    """Return those of the sorted offsets that lie in `start`…`end`, counted from `start`."""
    here = offsets[bisect_left(offsets, start) : bisect_left(offsets, end)] if offsets else offsets
    return [offset - start for offset in here]


class Returns:
    """Takes from executors what they tell of their lines. Methods return what is wrong with it."""

    def __init__(self, ledger: Ledger, endings: Endings) -> None:
        """Enter outcomes in this ledger; have lines dispatched again by these endings."""
        self._ledger = ledger
        self._endings = endings

    def texts(self, executor: Executor, answers: m.Answers) -> str | None:
        """Take the texts for lines; those that have come before are passed over."""
        texts, failed, first = answers.texts, answers.failed, answers.first
        count = len(texts)
        if first + count - 1 > executor.sent:
            return "texts for lines that were not sent"
        if failed and max(failed) >= count:
            return "a failed line beyond the texts"
        failed.sort()
        start = 0
        while start < count and (lease := executor.lease_at(first + start)) is not None:
            if lease.first < first + start:
                return "texts for lines before whose text others are due"
            start = lease.first - first  # what lies before is known, or was taken back
            end = min(start + lease.run.count, count)
            if start < end:
                here = texts if end - start == count else texts[start:end]
                fails = _between(failed, start, end)
                self._deliver(executor, lease, here, fails, answers.ran_s)
            start = end
        executor.confirm(first, first + count - 1)
        executor.credit = max(executor.credit, answers.credit)
        return None

    def _deliver(
        self, executor: Executor, lease: Lease, texts: list[str], failed: list[int], ran_s: float
    ) -> None:
        run = lease.run
        if not run.is_void:
            self._ledger.deliver(lease, executor.number, texts, failed, ran_s)
        run.books.service.note_cost(ran_s)
        size = executor.advance(lease, len(texts))
        self._ledger.hold(run.books.client, -size)

    def broken(self, executor: Executor, lost: m.Lost) -> None:
        """Fail the line that broke a limit, for the reason that its guardian gives."""
        lease = executor.line_alone(lost.position)
        if lease is not None:
            self._deliver(executor, lease, [lost.reason], [0], lost.ran_s)

    def hand_back(self, executor: Executor, hand_back: m.HandBack, now: float) -> None:
        """Dispatch again what an executor has not begun, while it is long at a line."""
        lease = executor.lease_at(hand_back.position)
        if lease is None or lease.first > hand_back.position:
            return  # it has got on meanwhile, and will not say any more what it has not begun
        executor.hold_up(lease.run.books.client)
        self._take_back(executor, hand_back.position + 1, now)

    def skipped(self, executor: Executor, skipped: m.Skipped, now: float) -> str | None:
        """Dispatch again what an executor has not begun, and let it go on."""
        if skipped.first > executor.sent + 1:
            return "skips lines that were not sent"
        self._take_back(executor, skipped.first, now)
        executor.go_on()
        executor.outbox.append(TakenBack(executor.sent))
        passed_over = executor.sent + 1 - skipped.first  # which have ended there from now on
        executor.credit = max(executor.credit, skipped.credit + passed_over)
        return None

    def _take_back(self, executor: Executor, first: int, now: float) -> None:
        for run in reversed(executor.take_back(first)):
            self._endings.requeue(run, "", now)

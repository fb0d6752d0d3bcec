"""What a request comes to: one reply, whatever happened."""

from __future__ import annotations

from msgspec import Struct

from linebus.core.lifecycle import Outcome
from linebus.wire.messages import Ended, Replies


class Reply(Struct, frozen=True):
    """How one request ended.

    `outcome` is a word of a closed set (`linebus.Outcome`); `text` the answer or, for any other
    outcome, the reason and what to do. `worker` is the public number of the executor that replied
    and `attempt` counts dispatches from 1; both are 0 where nobody replied. Where the server itself
    did, as for `linebus.services`, `worker` is 0 and `attempt` 1. `queued_s` is how long the
    request's slice waited in the broker; `ran_s` is exact for a lone line and the mean of its slice
    otherwise. Both are in seconds.
    """

    outcome: Outcome
    text: str
    worker: int = 0
    attempt: int = 0
    queued_s: float = 0.0
    ran_s: float = 0.0

    @property
    def is_answered(self) -> bool:
        """Whether a worker answered; otherwise `text` says why not."""
        return self.outcome is Outcome.ANSWERED


def replies_of(entry: Replies | Ended, offset: int, count: int) -> list[Reply]:
    """Return the replies in part of what the server sent at once."""
    if isinstance(entry, Ended):
        return [Reply(_outcome(entry.outcome), entry.text)] * count
    texts = entry.texts[offset : offset + count]
    rest = (entry.worker, entry.attempt, entry.queued_s, entry.ran_s)
    if not entry.failed:  # the hot path: nothing to look up per line
        answered = Outcome.ANSWERED
        return [Reply(answered, text, *rest) for text in texts]
    failed = set(entry.failed)
    return [
        Reply(Outcome.FAILED if index in failed else Outcome.ANSWERED, text, *rest)
        for index, text in enumerate(texts, offset)
    ]


def _outcome(word: str) -> Outcome:
    """Return the outcome of this name; a newer server's unknown word is a failure here."""
    try:
        return Outcome(word)
    except ValueError:
        return Outcome.FAILED

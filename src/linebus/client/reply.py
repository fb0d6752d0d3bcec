"""What a request comes to: one reply, whatever happened."""

from __future__ import annotations

import msgspec

from linebus.core.lifecycle import Outcome
from linebus.wire.messages import Ended, Replies


class Reply(msgspec.Struct, frozen=True, gc=False):
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
    worker, attempt, queued_s, ran_s = entry.worker, entry.attempt, entry.queued_s, entry.ran_s
    answered = Outcome.ANSWERED  # the hot path: nothing is looked up per line
    replies = [Reply(answered, text, worker, attempt, queued_s, ran_s) for text in texts]
    for index in entry.failed:
        if 0 <= index - offset < len(replies):
            at = index - offset
            replies[at] = msgspec.structs.replace(replies[at], outcome=Outcome.FAILED)
    return replies


def _outcome(word: str) -> Outcome:
    """Return the outcome of this name; a newer server's unknown word is a failure here."""
    try:
        return Outcome(word)
    except ValueError:
        return Outcome.FAILED

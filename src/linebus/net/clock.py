"""How long a poller may wait."""

from __future__ import annotations

from math import inf

from linebus import limits


def milliseconds_until(at: float, now: float) -> int | None:
    """Return how long to wait for the moment `at`, rounded up; None where it never comes.

    Rounded down, a wait of less than a millisecond would become a busy loop.
    """
    if at == inf:
        return None
    if at <= now:
        return 0
    return min(int((at - now) * 1000) + 1, limits.POLL_MS_MAX)

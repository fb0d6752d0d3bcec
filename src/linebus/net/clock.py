"""How long a poller may wait."""

from __future__ import annotations

from math import inf

# zmq_poll takes a C int of milliseconds; nothing here minds being woken up once in ten days.
_MAX = 10**9


def milliseconds_until(at: float, now: float) -> int | None:
    """Return how long to wait for the moment `at`, rounded up; None where it never comes.

    Rounded down, a wait of less than a millisecond would become a busy loop.
    """
    if at == inf:
        return None
    if at <= now:
        return 0
    return min(int((at - now) * 1000) + 1, _MAX)

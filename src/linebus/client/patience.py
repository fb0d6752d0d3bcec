"""How long one call waits: for each reply, and for a server that is not there."""

from __future__ import annotations

import time
from math import inf

from linebus.errors import DeadlineExceeded


class Patience:
    """One call's. `at` is the moment at which the next reply is overdue; inf: none is owed."""

    def __init__(self, timeout_s: float | None, owed: int = 1) -> None:
        """Wait so many seconds for each reply, from now on; None: as long as it takes."""
        self._timeout_s = inf if timeout_s is None else timeout_s
        self.renew(owed)

    def renew(self, owed: int) -> None:
        """Start afresh: the first line is asked, or the caller has come back for more replies."""
        self.started_at = time.monotonic()
        self.at = self.started_at + self._timeout_s if owed else inf

    def spare(self, seconds: float) -> None:
        """Do not count time that the caller's own code has taken."""
        self.started_at += seconds
        self.at += seconds

    @property
    def is_over(self) -> bool:
        """Whether the next reply is overdue."""
        return time.monotonic() >= self.at

    @property
    def left_s(self) -> float | None:
        """How much of it is left; None: there is no end to it."""
        return None if self.at == inf else self.at - time.monotonic()

    def absence_until(self, away_since: float, connect_timeout_s: float) -> float:
        """Return how long a server may stay away that has been away since then."""
        return max(away_since, self.started_at) + connect_timeout_s

    def exceeded(self, why: str = "") -> DeadlineExceeded:
        """Return what says that it is over."""
        return exceeded(self._timeout_s, why)


def exceeded(timeout_s: float, why: str = "") -> DeadlineExceeded:
    """Return what says that no reply has come in time."""
    return DeadlineExceeded(f"no reply within {timeout_s:g} s{why}")

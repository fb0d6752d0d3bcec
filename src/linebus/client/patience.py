"""How long one call waits: for each reply, and for a server that is not there."""

from __future__ import annotations

import time
from math import inf


class Patience:
    """One call's. `at` is the moment at which the next reply is overdue."""

    def __init__(self, timeout_s: float | None) -> None:
        """Wait so many seconds for each reply, from now on; None: as long as it takes."""
        self.timeout_s = inf if timeout_s is None else timeout_s
        self.started_at = time.monotonic()
        self.at = self.started_at + self.timeout_s

    def renew(self) -> None:
        """Note that a reply has come."""
        self.at = time.monotonic() + self.timeout_s

    @property
    def is_over(self) -> bool:
        """Whether the next reply is overdue."""
        return time.monotonic() >= self.at

    def absence_until(self, away_since: float, connect_timeout_s: float) -> float:
        """Return how long a server may stay away that has been away since then."""
        return max(away_since, self.started_at) + connect_timeout_s

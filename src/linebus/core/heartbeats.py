"""How often peers want to be heard from, and after how much silence they give each other up."""

from __future__ import annotations

from linebus import limits


def interval_s(workers: int) -> float:
    """Return the seconds between two heartbeats of each of so many workers."""
    return max(limits.HEARTBEAT_S, workers / limits.HEARTBEATS_PER_S_MAX)


def silence_s(heartbeat_s: float) -> float:
    """Return after how many seconds without a word a peer is silent."""
    return max(limits.SILENCE_LEAST_S, heartbeat_s * limits.HEARTBEATS_MISSED_MAX)

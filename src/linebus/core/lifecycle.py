"""The life of a request: what may follow what is one table, under this picture.

              no worker within the grace ───────────────► no_service | no_worker
    received ─► queued ──dispatch──► leased ──reply──► answered | failed
       │           ▲ │                 │ │ │
       │           │ ├─ deadline ──────┼─┼─┼─ deadline ─► expired       (worker told to stop)
       │           │ └─ cancelled ─────┼─┼─┴─ cancelled ► cancelled     (worker told to stop)
       │           └── executor lost ──┤ │
       │               strikes used up └─┼─────────────► quarantined
       └─ no room ───────────────────────┴─ no room ───► overloaded

States are never stored: a line is received while its message is looked at, queued while its run
stands in its client's queue, leased while its number stands in an executor's lease.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto


class Outcome(StrEnum):
    """How a request ended. The values are the words on the wire."""

    ANSWERED = "answered"
    FAILED = "failed"
    NO_SERVICE = "no_service"
    NO_WORKER = "no_worker"
    OVERLOADED = "overloaded"
    QUARANTINED = "quarantined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class State(Enum):
    """Where a request is while it has not ended."""

    RECEIVED = auto()
    QUEUED = auto()
    LEASED = auto()


ENDS = {
    State.RECEIVED: {Outcome.NO_SERVICE, Outcome.NO_WORKER, Outcome.OVERLOADED},
    State.QUEUED: {Outcome.NO_SERVICE, Outcome.NO_WORKER, Outcome.EXPIRED, Outcome.CANCELLED},
    State.LEASED: {
        Outcome.ANSWERED,
        Outcome.FAILED,
        Outcome.OVERLOADED,
        Outcome.QUARANTINED,
        Outcome.EXPIRED,
        Outcome.CANCELLED,
    },
}

assert set().union(*ENDS.values()) == set(Outcome), "ENDS says from which state an outcome comes"

"""Small bounds for half of the runs, so that few requests reach what else takes millions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIGHT = {
    "WINDOW_LINES": 48,
    "ACK_LINES": 8,
    "FIRST_SLICE_LINES": 4,
    "CREDIT_LINES_MAX": 24,
    "RECEIVED_LINES": 6,
    "RECEIVED_BEYOND_LINES": 3,
    "SERVICES_PER_CLIENT_MAX": 6,
    "UNOFFERED_PER_CLIENT_MAX": 3,
    "EXPECTED_SERVICES_MAX": 4,
    "HELD_BYTES_MAX": 48 * 1024,
    "HELD_FOR_REPLIES_BYTES": 12 * 1024,
    "HELD_SHARE_BYTES": 3 * 1024,
    "SERVER_HWM_MESSAGES": 4,
}


@contextmanager
def bounds(*, tight: bool) -> Iterator[None]:
    """Run with small bounds, or with the usual ones."""
    usual = {name: getattr(limits, name) for name in _TIGHT}
    try:
        if tight:
            for name, value in _TIGHT.items():
                setattr(limits, name, value)
        yield
    finally:
        for name, value in usual.items():
            setattr(limits, name, value)

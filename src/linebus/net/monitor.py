"""What a socket's monitor tells, one event at a time; see zmq_socket_monitor(3).

pyzmq reads the same in `zmq.utils.monitor`, which imports asyncio: a fifth of a process's start.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENT = struct.Struct("=Hi")


class MonitorEvent(NamedTuple):
    """One of zmq.EVENT_*, and its value: a descriptor, an interval, an error's number."""

    kind: int
    value: int


def next_event(monitor: zmq.Socket[bytes]) -> MonitorEvent | None:
    """Return the next thing that has happened, None where there is none yet."""
    if not monitor.poll(0):
        return None
    return MonitorEvent(*_EVENT.unpack(monitor.recv_multipart(zmq.NOBLOCK)[0]))


def events(monitor: zmq.Socket[bytes]) -> Iterator[MonitorEvent]:
    """Yield what has happened since the last call, in order."""
    while (event := next_event(monitor)) is not None:
        yield event

"""What the server and its gateway say to each other, over one pair of sockets (`net/pipes.py`).

Both are our own programs. What plain peers have sent passes through as it came.
"""

from __future__ import annotations

from msgspec import Struct


class Publish(Struct, array_like=True, tag="publish"):
    """Texts for every plain client, in UTF-8."""

    texts: list[bytes]


class Broadcast(Struct, array_like=True, tag="broadcast"):
    """Lines for the plain workers that subscribe to them, in UTF-8."""

    lines: list[bytes]


class Came(Struct, array_like=True, tag="came"):
    """What has come: reports of subscribers to worker_inputs, and the frames of results.

    Nothing of both is a sign of life.
    """

    subscriptions: list[bytes]
    results: list[list[bytes]]


ToGateway = Publish | Broadcast

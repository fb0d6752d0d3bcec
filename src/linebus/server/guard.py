"""Which connections use the server's memory in ways that no honest peer needs, and what to do.

libzmq keeps what has come of a message until it is whole, however long that takes, and every prefix
that somebody subscribes to; it bounds single frames and whole messages only. Python sees none of
that. So the guard looks at the memory of the process now and then, and where that has grown beyond
what the broker holds, at how much each connection has sent that was not received as a message. Who
has sent most of that is cut off. An honest peer that is cut off wrongly connects again and goes on.

Where the kernel tells nothing (it is Linux that does) the guard does nothing.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linebus.server.kernel import Kernel


class Guard:
    """Call `look` when `look_at` has come."""

    def __init__(self, kernel: Kernel, ports: set[int], now: float) -> None:
        """Watch the connections that are accepted on these ports."""
        self._kernel = kernel
        self._ports = ports
        self.look_at = now + limits.GUARD_S if kernel.can_tell else inf
        self._least = kernel.memory() if kernel.can_tell else 0

    def look(self, now: float, held_bytes: int, arrived: Mapping[int, int]) -> None:
        """Compare the memory with what is held; `arrived` are bytes in messages by descriptor."""
        self.look_at = now + limits.GUARD_S
        if not self._is_pressed(held_bytes):
            return
        self._kernel.trim()  # what is free need not be ours
        if self._is_pressed(held_bytes):
            self._cut_the_worst(arrived)
            self._kernel.trim()

    def _is_pressed(self, held_bytes: int) -> bool:
        memory = self._kernel.memory()
        self._least = min(self._least, memory)
        return memory - self._least > limits.GUARD_MEMORY_BYTES + held_bytes

    def _cut_the_worst(self, arrived: Mapping[int, int]) -> None:
        """Cut those who have sent most that is no message, until what is left is little."""
        unfinished = sorted(
            (_unfinished(each.received, arrived.get(each.descriptor, 0)), each.descriptor)
            for each in self._kernel.connections(self._ports)
        )
        left = sum(size for size, _ in unfinished)
        while unfinished and left > limits.GUARD_UNFINISHED_BYTES:
            size, descriptor = unfinished.pop()
            self._kernel.cut(descriptor)
            left -= size


def _unfinished(received: int, arrived: int) -> int:
    """Return what was sent and is no message; `arrived` may be of an earlier connection."""
    return received - arrived if arrived <= received else received

"""Which connections use the server's memory in ways that no honest peer needs, and what to do.

libzmq keeps what has come of a message until it is whole, however long that takes, whole ones until
they are received, and every prefix that somebody subscribes to; it bounds single frames only.
Python sees none of that. So the guard looks at the memory of the process now and then, and where
that has grown, at how much each connection has sent. Whoever has subscribed to far more than anyone
needs is cut off at once: while subscriptions come, libzmq takes them in and does not return to the
loop. Where memory is short, whoever has sent most that was not received is cut off, and nobody is
let in for a moment, or they would come again at once: what has come whole stays in memory until it
is received. An honest peer that is cut off wrongly connects again and goes on.

Where the kernel tells nothing (it is Linux that does) the guard does nothing. It looks from a
thread of its own, since the loop may be what is held up.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from linebus import limits

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from types import TracebackType

    from linebus.server.door import Door
    from linebus.server.kernel import Connection, Kernel


class Guard:
    """Looks again and again within a `with` block.

    `ports` are where connections are accepted, `publishers` those of them at which peers do nothing
    but subscribe. `held_bytes` tells what the broker holds, `arrived` how many bytes have been
    received in messages, by descriptor.
    """

    def __init__(
        self,
        kernel: Kernel,
        door: Door,
        ports: set[int],
        publishers: set[int],
        held_bytes: Callable[[], int],
        arrived: Counter[int],
    ) -> None:
        """Look at nothing yet."""
        self._kernel = kernel
        self._door = door
        self._ports = ports
        self._publishers = publishers
        self._held_bytes = held_bytes
        self._arrived = arrived
        self._usual = self._seen = kernel.memory() if kernel.can_tell else 0
        self._before = 0
        self._is_calm = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def __enter__(self) -> None:
        """Begin to look."""
        if self._kernel.can_tell:
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(limits.GUARD_CALM_S if self._is_calm else limits.GUARD_S):
            # No descriptor is to be had, to see which there are: some will be again.
            with contextlib.suppress(OSError):
                self.look()

    def look(self) -> None:
        """Look at the memory, and at single connections where it has grown."""
        self._is_calm = False
        self._door.open_when_over()
        memory = self._kernel.memory()
        self._usual = min(self._usual, memory)
        self._seen = min(self._seen, memory)
        if memory - self._seen > limits.GUARD_GROWTH_BYTES:
            self._seen = memory
            if self._publishers:
                self._cut_subscribers()
        if self._excess(memory) > limits.GUARD_MEMORY_BYTES:
            self._kernel.trim()  # what is free need not be ours
            memory = self._kernel.memory()
        if memory > self._before or not self._door.is_shut:
            self._relieve(memory)
        self._is_calm = memory == self._before and not self._door.is_shut
        self._before = memory

    def _relieve(self, memory: int) -> None:
        """Let nobody in and cut connections, where memory is short and it is they who take it."""
        excess = self._excess(memory)
        if excess <= limits.GUARD_MEMORY_BYTES:
            return
        unfinished = sorted(
            (self._unfinished(each), each.descriptor)
            for each in self._kernel.connections(self._ports)
        )
        left = sum(size for size, _ in unfinished)
        if left * limits.GUARD_PER_BYTE_MAX < excess and not self._door.is_shut:
            self._usual = memory - self._held_bytes()  # it is something else that takes it
            return
        self._door.shut(limits.GUARD_DOOR_S)
        # Short messages take far more memory than they have bytes, so the more it is, the less is
        # left to those who send.
        little = limits.GUARD_UNFINISHED_BYTES * (limits.GUARD_MEMORY_BYTES / excess) ** 2
        while unfinished and left > little:
            size, descriptor = unfinished.pop()
            self._kernel.cut(descriptor)
            left -= size
        self._kernel.trim()

    def _excess(self, memory: int) -> int:
        """Return how much of the memory is unusual and not what the broker holds."""
        return memory - self._usual - self._held_bytes()

    def _cut_subscribers(self) -> None:
        """Cut those who subscribe to more than anyone needs."""
        for each in self._kernel.connections(self._publishers):
            if each.received > limits.SUBSCRIPTIONS_BYTES_MAX:
                self._kernel.cut(each.descriptor)

    def _unfinished(self, connection: Connection) -> int:
        """Return what was sent and is no message; what arrived may be an earlier connection's."""
        arrived = self._arrived.get(connection.descriptor, 0)
        if arrived > connection.received:
            del self._arrived[connection.descriptor]
            arrived = 0
        return connection.received - arrived

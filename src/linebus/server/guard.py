"""Which connections use the server's memory in ways that no honest peer needs, and what to do.

libzmq keeps what has come of a message until it is whole, however long that takes, and every prefix
that somebody subscribes to; it bounds single frames and whole messages only. Python sees none of
that. So the guard looks at the memory of the process now and then, and where that has grown, at how
much each connection has sent. Whoever has subscribed to far more than anyone needs is cut off at
once: while subscriptions come, libzmq takes them in and does not return to the loop. Whoever has
sent most that was not received as a message is cut off where memory is short. An honest peer that
is cut off wrongly connects again and goes on.

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
        ports: set[int],
        publishers: set[int],
        held_bytes: Callable[[], int],
        arrived: Counter[int],
    ) -> None:
        """Look at nothing yet."""
        self._kernel = kernel
        self._ports = ports
        self._publishers = publishers
        self._held_bytes = held_bytes
        self._arrived = arrived
        self._usual = self._seen = kernel.memory() if kernel.can_tell else 0
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
        while not self._stop.wait(limits.GUARD_S):
            # No descriptor is to be had, to see which there are: some will be again.
            with contextlib.suppress(OSError):
                self.look()

    def look(self) -> None:
        """Look at the memory, and at single connections where it has grown."""
        memory = self._kernel.memory()
        self._usual = min(self._usual, memory)
        self._seen = min(self._seen, memory)
        if memory - self._seen > limits.GUARD_GROWTH_BYTES:
            self._seen = memory
            if self._publishers:
                self._cut_subscribers()
        if not self._is_pressed(memory):
            return
        self._kernel.trim()  # what is free need not be ours
        if self._is_pressed(self._kernel.memory()):
            if self._cut_the_worst():
                self._kernel.trim()
            else:  # many honest peers take it: looking at all of them again would find nothing
                self._usual = self._kernel.memory() - self._held_bytes()

    def _is_pressed(self, memory: int) -> bool:
        return memory - self._usual > limits.GUARD_MEMORY_BYTES + self._held_bytes()

    def _cut_subscribers(self) -> None:
        """Cut those who subscribe to more than anyone needs."""
        for each in self._kernel.connections(self._publishers):
            if each.received > limits.SUBSCRIPTIONS_BYTES_MAX:
                self._kernel.cut(each.descriptor)

    def _cut_the_worst(self) -> bool:
        """Cut those who have sent most that is no message, until what is left is little.

        Return whether there were any.
        """
        unfinished = sorted(
            (self._unfinished(each), each.descriptor)
            for each in self._kernel.connections(self._ports)
        )
        left = sum(size for size, _ in unfinished)
        is_much = left > limits.GUARD_UNFINISHED_BYTES
        while unfinished and left > limits.GUARD_UNFINISHED_BYTES:
            size, descriptor = unfinished.pop()
            self._kernel.cut(descriptor)
            left -= size
        return is_much

    def _unfinished(self, connection: Connection) -> int:
        """Return what was sent and is no message; what arrived may be an earlier connection's."""
        arrived = self._arrived.get(connection.descriptor, 0)
        if arrived > connection.received:
            del self._arrived[connection.descriptor]
            arrived = 0
        return connection.received - arrived

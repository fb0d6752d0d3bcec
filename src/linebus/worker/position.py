"""Which line an executor works on, in memory that it shares with its guardian.

The executor stores the line's number before each line (about 20 ns), so the guardian knows what
was being worked on when an executor died, and nothing has to be sent for it. The memory is an
unlinked file: it goes when both processes have gone, whatever killed them.
"""

from __future__ import annotations

import mmap
import os
import tempfile

_BYTES = mmap.PAGESIZE


class Position:
    """One number, 0 while no line is worked on. `cell[0]` is for the executor's hot loop."""

    def __init__(self, descriptor: int) -> None:
        """Map the memory behind a descriptor that `create` made."""
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BYTES)
        self._view = memoryview(self._memory)
        self.cell = self._view[:8].cast("q")

    @classmethod
    def create(cls) -> Position:
        """Return a new position in memory of its own, set to 0."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_BYTES)
            return cls(os.dup(file.fileno()))

    def read(self) -> int:
        """Return the number of the line that is being worked on, 0 for none."""
        return int(self.cell[0])

    def close(self) -> None:
        """Unmap the memory."""
        self.cell.release()
        self._view.release()
        self._memory.close()
        os.close(self.descriptor)

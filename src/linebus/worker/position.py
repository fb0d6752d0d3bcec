"""Which line an executor works on, in memory that it shares with its guardian.

Beside it stands which program it runs, if any, so that the guardian can end that too.

The executor stores the line's number before each line (about 20 ns), so the guardian knows what
was being worked on when an executor died, and nothing has to be sent for it. The other way the
guardian may ask it to begin no further line. The memory is an unlinked file: it goes when both
processes have gone, whatever killed them.
"""

from __future__ import annotations

import mmap
import os
import tempfile

from linebus import limits

_BYTES = mmap.PAGESIZE
_STREAM_AT = 64

# What the numbers of `cell` mean.
NUMBER = 0
"""The line at hand in its executor's stream, 0 while there is none."""
SERVICE = 1
"""Of which of its services that line is, by its index in what the executor offers."""
AT_ONCE = 2
"""How many lines of async services are under way."""
PAUSE = 3
"""Not 0: the executor shall begin no further line and say so."""
IS_WATCHED = 4
"""Not 0: its guardian looks at this; where it is 0, whoever begins a line has to wake it."""
PROGRAM = 5
"""The process group of the program that the executor runs, 0 while it runs none."""
SLICES = 6
"""How many slices it has taken up and left again; of an async service, begun."""
CELLS = 7
"""How many cells there are."""


class Position:
    """A few numbers, all 0 at first. `cell` is for the executor's hot loop."""

    def __init__(self, descriptor: int) -> None:
        """Map the memory behind a descriptor that `create` made."""
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BYTES)
        self._view = memoryview(self._memory)
        self.cell = self._view[:_STREAM_AT].cast("q")

    @classmethod
    def create(cls) -> Position:
        """Return a new position in memory of its own."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_BYTES)
            return cls(os.dup(file.fileno()))

    @property
    def stream(self) -> bytes:
        """What the executor's stream is called, in which the numbers count; empty at first."""
        name = bytes(self._view[_STREAM_AT : _STREAM_AT + limits.TOKEN_BYTES])
        return name if any(name) else b""

    @stream.setter
    def stream(self, name: bytes) -> None:
        padded = name.ljust(limits.TOKEN_BYTES, b"\0")
        self._view[_STREAM_AT : _STREAM_AT + limits.TOKEN_BYTES] = padded

    def program_group(self) -> int:
        """Return the process group of the program that the executor runs, 0 for none."""
        return int(self.cell[PROGRAM])

    def close(self) -> None:
        """Unmap the memory."""
        self.cell.release()
        self._view.release()
        self._memory.close()
        os.close(self.descriptor)

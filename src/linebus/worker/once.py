"""A program that runs once for each line: the line is all it reads, what it writes is the reply."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.errors import ServiceNotLoaded
from linebus.worker.dialogue import Replies
from linebus.worker.program import Program, ProgramEnded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.worker.position import Position
    from linebus.worker.program import ProgramSpec


class Once:
    """Takes the place of a Dialogue where no process of the program outlives its line."""

    descriptors: frozenset[int] = frozenset()

    def __init__(self, spec: ProgramSpec, position: Position) -> None:
        """Start nothing yet."""
        self._spec = spec
        self._position = position

    def wait_for_start(self) -> None:
        """Do nothing: there is a process only while there is a line."""

    def look(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def prepare(self) -> int:
        """Return how many lines to give to `replies` next."""
        return 1

    def replies(self, lines: list[str], first: int) -> Iterator[Replies]:
        """Yield what the program answers to each line; `first` is the first one's number."""
        for number, line in enumerate(lines, first):
            self._position.cell[0] = number if first else 0
            begun_at = time.monotonic()
            text, failed = self._run(line)
            self._position.cell[0] = 0
            yield Replies([text], [0] if failed else [], time.monotonic() - begun_at)

    def _run(self, line: str) -> tuple[str, bool]:
        try:
            program = Program(self._spec, self._position)
        except ServiceNotLoaded as error:
            return str(error), True
        limit_s = self._spec.time_limit_s
        until = time.monotonic() + limit_s if limit_s else inf
        program.write(self._spec.input_of([line]), closes=True)
        output, size = b"", 0
        try:
            while (left := until - time.monotonic()) > 0:
                data = program.read(min(left, limits.PROGRAM_SILENCE_S))
                size += len(data)
                output = (output + data)[: limits.TEXT_BYTES_MAX + 2]
        except ProgramEnded as ended:
            return self._reply(ended, output, size)
        program.kill()
        return f"{self._spec.program} took longer than {limit_s:g} s", True

    def _reply(self, ended: ProgramEnded, output: bytes, size: int) -> tuple[str, bool]:
        if ended.code != 0:
            return ended.said or f"{self._spec.program} {ended.how}", True
        text = output.decode("utf-8", "backslashreplace").removesuffix("\n").removesuffix("\r")
        if size > limits.TEXT_BYTES_MAX + 1:
            return f"the reply is too long: {size} bytes; at most {limits.TEXT_BYTES_MAX}", True
        if "\n" in text:
            count = text.count("\n") + 1
            return f"{self._spec.program} wrote {count} lines; a reply is one line", True
        return text, False

"""An executor that runs a program in place of Python services.

To the server and to the guardian it is an executor like any other: connection, stream, position,
strikes. Its process ends when the program does, so the line that was being worked on gets a strike
and the guardian starts another one. Started as `python -m linebus.worker.program_executor`, else
like `linebus.worker.executor`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.errors import ServiceNotLoaded
from linebus.wire import values
from linebus.wire.native import escape_surrogates
from linebus.worker import pipes
from linebus.worker import position as page
from linebus.worker.dialogue import Dialogue
from linebus.worker.executor import Executor, begin
from linebus.worker.once import Once
from linebus.worker.position import Position
from linebus.worker.program import ProgramEnded
from linebus.worker.watch import Bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.net.pipes import PipeReader, PipeWriter
    from linebus.worker.session import Slice


class ProgramExecutor(Executor):
    """Gives the lines to a program."""

    def __init__(
        self,
        dialogue: Dialogue | Once,
        start: pipes.Start,
        control: PipeReader,
        report: PipeWriter,
        position: Position,
    ) -> None:
        """Connect where an address is known already."""
        super().__init__((), start, control, report, position)
        assert start.program is not None, "the guardian chose this module for it"
        self._indexes = {start.program.name: 0}
        self._dialogue = dialogue
        self._watched: frozenset[int] = frozenset()

    def run(self) -> None:
        """Work until the guardian ends or SIGTERM comes, or until the program ends."""
        try:
            super().run()
        except (ProgramEnded, ServiceNotLoaded) as error:
            self._report.write(pipes.Ended(f"lost its program ({error})"))
            # No goodbye: the guardian is to tell at which line this was, so that it gets a strike.
            self._send()
            if self._dealer is not None:
                self._dealer.close()
            self._context.destroy(linger=limits.LINGER_MS)
        else:
            self._dialogue.end()

    def _exchange(self) -> None:
        """Wait for something to arrive, from the program too."""
        if self._watched != self._dialogue.descriptors:
            for descriptor in self._watched - self._dialogue.descriptors:
                self._poller.unregister(descriptor)
            for descriptor in self._dialogue.descriptors - self._watched:
                self._poller.register(descriptor, zmq.POLLIN)
            self._watched = self._dialogue.descriptors
        super()._exchange()
        self._dialogue.look()

    def _work(self, work: Slice) -> None:
        """Answer the lines of a slice, sending what is done whenever the program has a batch."""
        first, _, lines, as_values = work
        cell = self._position.cell
        while lines and not cell[page.PAUSE]:
            batch = lines[: self._dialogue.prepare()]
            for texts, failed, took_s in self._dialogue.replies(batch, first):
                if as_values:
                    texts = _as_values(texts, failed)  # noqa: PLW2901  the same in another form
                first += len(texts)
                lines = lines[len(texts) :]
                if not lines:
                    self._session.answer(first - len(texts), texts, failed, took_s)
                elif not self._hand_over(first - len(texts), texts, failed, took_s):
                    return
        if cell[page.PAUSE]:
            self._pause(work._replace(first=first, lines=lines) if lines else None)

    def _answer_plain(self, number: int, service: str, arguments: str) -> pipes.PlainText:
        self._dialogue.prepare()
        [text], failed, _ = next(self._dialogue.replies([arguments], 0))
        return pipes.PlainText(number, escape_surrogates(text), bool(failed))


def _as_values(texts: list[str], failed: list[int]) -> list[str]:
    """Return texts as JSON; what failed stays a sentence."""
    return [text if offset in failed else values.encode(text) for offset, text in enumerate(texts)]


def main(arguments: Sequence[str]) -> int:
    """Run an executor of a program for the guardian with this pid."""
    begun = begin(arguments)
    if begun is None:
        return 1
    start = begun.messages[0]
    assert start.program is not None, "the guardian chose this module for it"
    position = Position(begun.position_descriptor)
    try:
        kind = Once if start.program.once else Dialogue
        dialogue = kind(start.program, position)
        dialogue.wait_for_start()
    except ServiceNotLoaded as error:
        begun.report.write(pipes.Unloadable(str(error)))
        return 1
    # A process for each line is ended by its executor, which stays.
    time_limit_s = 0.0 if start.program.once else start.program.time_limit_s
    bounds = Bounds(time_limit_s, start.program.memory_limit)
    begun.report.write(pipes.Ready([start.program.offer()], [bounds], is_recycled=False))
    executor = ProgramExecutor(dialogue, start, begun.control, begun.report, position)
    for message in begun.messages[1:]:
        executor.obey(message)
    executor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

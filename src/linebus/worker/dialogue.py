"""Lines to a long-lived program and its replies, in order: one line for one line.

A program has no numbers for its lines, so what it answers is known by its order alone. Lines are
given to it in batches of about a millisecond of work, and a batch's replies are handed on when
each line has one and nothing more has come. Where more has come, or a program waits for more input
with a line unanswered, nothing of the batch is handed on: the program is replaced and the lines are
done again one at a time, as are all later ones, so that the line can be named.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from linebus import limits, process
from linebus.errors import ServiceNotLoaded
from linebus.text import visible
from linebus.worker.program import Program, ProgramEnded
from linebus.worker.silence import cure_of, is_computing, waits_for_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.worker.position import Position
    from linebus.worker.program import ProgramSpec

log = logging.getLogger("linebus.worker")


class Replies(NamedTuple):
    """The texts for some lines in order, the offsets of those that failed, and what they took."""

    texts: list[str]
    failed: list[int]
    took_s: float


class _Misfit(Exception):
    """A program has not answered one line with one line; says what it did."""


class Dialogue:
    """One program as one process, replaced when its replies cannot be told apart any more."""

    def __init__(self, spec: ProgramSpec, position: Position) -> None:
        """Start the program. Raises ServiceNotLoaded."""
        self._spec = spec
        self._position = position
        self._cell = position.cell
        self._line_cost_s = limits.PROGRAM_BATCH_S
        self._is_trusted = True  # it has always answered one line with one line
        self._has_hinted = False
        self._start()

    def _start(self) -> None:
        self._program = Program(self._spec, self._position)
        self._is_new = True  # it has not answered a line yet
        self._is_out_of_step = False  # what it writes next is no reply to a line to come
        self._partial = b""
        self._dropped = 0

    @property
    def descriptors(self) -> frozenset[int]:
        """What becomes readable when there is something to `look` at."""
        return self._program.descriptors

    def wait_for_start(self) -> None:
        """Wait until the program is asleep, with what it has started: it waits for a line.

        Raises ServiceNotLoaded where it ends instead, or writes what nobody asked for.
        """
        until = time.monotonic() + limits.PROGRAM_START_S
        name, program = self._spec.name, self._spec.program
        is_asleep = False
        while not is_asleep and time.monotonic() < until:
            is_asleep = all(map(process.is_asleep, process.group_members(self._program.pid)))
            try:
                # Whatever it wrote before it fell asleep can be read only now for sure.
                said = self._program.read(0 if is_asleep else limits.PROGRAM_LOOK_S)
            except ProgramEnded as ended:
                raise ServiceNotLoaded(f"cannot offer {name!r}: {program} {ended}") from ended
            if said:
                self._program.kill()
                raise ServiceNotLoaded(
                    f"cannot offer {name!r}: {program} wrote {_shown(said)} before it was asked"
                    " anything; it must write its replies only"
                )

    def look(self) -> None:
        """Hear the program while it has no line. Raises ProgramEnded."""
        if not self._is_out_of_step and (said := self._program.read(0)):
            self._is_out_of_step = True
            self._is_trusted = False
            log.error(
                "%s wrote %s although it had no line; it is replaced before the next one%s",
                self._spec.name,
                _shown(said),
                "" if self._is_new else ", and its last replies may be wrong",
            )
        if self._is_out_of_step:
            self._program.kill()

    def end(self) -> None:
        """End the program."""
        self._program.end()

    def kill(self) -> None:
        """End the program at once."""
        self._program.kill()

    # -- lines and replies -------------------------------------------------------------------

    def prepare(self) -> int:
        """Return how many lines to give to `replies` next, replacing the program if need be.

        Raises ProgramEnded, ServiceNotLoaded.
        """
        self.look()
        if self._is_out_of_step:
            self._start()
        if self._is_careful:
            return 1
        return max(1, int(limits.PROGRAM_BATCH_S / self._line_cost_s))

    @property
    def _is_careful(self) -> bool:
        return self._is_new or not self._is_trusted

    def replies(self, lines: list[str], first: int) -> Iterator[Replies]:
        """Give lines to the program; yield what it answers, in parts where that takes long.

        `first` is the number of the first line, 0 where they have none. Fewer replies than lines
        mean that the rest has to be given again, after `prepare`; leaving off in the middle does
        too. Raises ProgramEnded, with the position at the line that was being worked on.
        """
        data = self._spec.input_of(lines)
        if data.count(b"\n") > len(lines):
            if len(lines) == 1:
                yield Replies(["a line for a program cannot hold a line end"], [0], 0.0)
            else:
                yield from self.replies(lines[:1], first)
            return
        begun_at = time.monotonic()
        try:
            yield from self._ask(data, len(lines), first)
        except _Misfit as misfit:
            self._is_trusted = False
            then = "it gets one line at a time now" if len(lines) > 1 else "it is replaced"
            log.warning("%s %s; %s", self._spec.name, misfit, then)
            if len(lines) == 1:
                text = f"{self._spec.program} {misfit}"
                yield Replies([text], [0], time.monotonic() - begun_at)
        self._cell[0] = 0

    def _ask(self, data: bytes, count: int, first: int) -> Iterator[Replies]:
        texts: list[str] = []
        failed: list[int] = []
        begun_at = heard_at = time.monotonic()
        hold_s = limits.PROGRAM_HOLD_S
        hold_until = begun_at + hold_s
        answered = handed = 0
        self._cell[0] = first
        self._is_out_of_step = True
        self._program.write(data)
        while answered < count:
            self._nap(count, answered)
            till = heard_at + limits.PROGRAM_SILENCE_S
            till = min(till, hold_until) if texts else till
            try:
                data = self._program.read(max(0.0, till - time.monotonic()))
            except ProgramEnded:
                if texts:
                    yield Replies(texts, failed, time.monotonic() - begun_at)
                raise
            now = time.monotonic()
            if not data and now >= heard_at + limits.PROGRAM_SILENCE_S:
                heard_at = now
                data = self._look_at_silence(count)
            if data:
                heard_at = now
                self._take(data, texts, failed)
                answered = handed + len(texts)
                self._cell[0] = first + answered if first and answered < count else 0
            if now >= hold_until and texts and answered < count:
                hold_s *= 2
                hold_until = now + hold_s
                if is_computing(self._program.pid):
                    yield Replies(texts, failed, now - begun_at)
                    handed = answered
                    texts, failed, begun_at = [], [], time.monotonic()
        self._settle(texts, answered, count)
        took_s = time.monotonic() - begun_at
        self._line_cost_s = took_s / len(texts)
        self._is_new = self._is_out_of_step = False
        yield Replies(texts, failed, took_s)

    def _nap(self, count: int, answered: int) -> None:
        """Sleep through half of what the rest of a batch should take, so that replies gather.

        To be woken for each line costs more than a cheap line itself: naps bring a third more of
        them where a program flushes after each (measured: mawk, perl, python).
        """
        nap_s = (count - answered) * self._line_cost_s / 2
        if count > 1 and nap_s > limits.PROGRAM_NAP_S:
            time.sleep(min(nap_s, limits.PROGRAM_BATCH_S))

    def _take(self, data: bytes, texts: list[str], failed: list[int]) -> None:
        """Add what is complete now to the texts."""
        data = self._partial + data
        end = data.rfind(b"\n") + 1
        whole, self._partial = data[:end], data[end:]
        if whole:
            if b"\r" in whole:
                whole = whole.replace(b"\r\n", b"\n")
            *fresh, _ = whole.decode("utf-8", "backslashreplace").split("\n")
            if self._dropped:
                size = self._dropped + whole.index(b"\n")
                fresh[0] = f"the reply is too long: {size} bytes; at most {limits.TEXT_BYTES_MAX}"
                failed.append(len(texts))
                self._dropped = 0
            texts += fresh
        if len(self._partial) > limits.TEXT_BYTES_MAX:
            self._dropped += len(self._partial)
            self._partial = b""

    def _settle(self, texts: list[str], answered: int, count: int) -> None:
        """Raise _Misfit if more has come than was asked for."""
        more = b""
        with contextlib.suppress(ProgramEnded):  # it has answered; the next line's way meets it
            more = self._program.read(limits.PROGRAM_SETTLE_S if self._is_careful else 0)
        if answered > count or more or self._partial or self._dropped:
            if count > 1:
                raise _Misfit(f"wrote more than one line for a line, among {count} lines")
            said = "\n".join([*texts, ""]).encode() + self._partial + more
            raise _Misfit(f"wrote more than one line for one line: {_shown(said)}")

    def _look_at_silence(self, count: int) -> bytes:
        """Raise _Misfit if the program waits for input while we wait for its reply.

        Otherwise return what it has written by now.
        """
        program = self._program
        if program.is_deaf:
            program.give_up("closed its input")
        is_waiting = waits_for_input(program.pid, program.stdin)
        # Whatever it wrote before it fell asleep can be read only now for sure.
        if data := program.read(0):
            return data
        if is_waiting:
            raise _Misfit(self._what_it_left_out(count))
        if self._is_new and not self._has_hinted and process.is_asleep(program.pid):
            self._has_hinted = True
            log.warning(
                "%s has not answered its first line yet; if it keeps its replies in a buffer: %s",
                self._spec.name,
                cure_of(self._spec.words),
            )
        return b""

    def _what_it_left_out(self, count: int) -> str:
        if count > 1:
            return f"left lines unanswered, among {count} lines"
        if written := self._dropped + len(self._partial):
            return f"wrote {written} bytes without a line end, and waits for more input"
        if self._is_new:
            return (
                "read the line and wrote nothing; it seems to keep its replies in a buffer:"
                f" {cure_of(self._spec.words)}"
            )
        return "read the line and wrote nothing; each line needs one line back, be it empty"


def _shown(said: bytes) -> str:
    text = visible(said.decode("utf-8", "backslashreplace").strip())
    most = limits.SHOWN_LINE_CHARS_MAX
    return f"'{text if len(text) <= most else text[: most - 1] + '…'}'"

"""Lines in, replies out in the same order, although each service numbers its own lines.

This holds the client's one loop over lines: it has to read each line's first word. Lines that are
asked together stand in one block for each service; where they alternate, a list of small integers
says whose turn it is. So a file that mixes services costs little more than one that does not.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import inf
from operator import length_hint
from typing import TYPE_CHECKING

from linebus.client.reply import Reply, replies_of
from linebus.client.session import ClientSession, Stream, are_fit, split, why_unfit
from linebus.errors import UsageError
from linebus.wire import plain
from linebus.wire.messages import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


_ENDS = " \t\r\n"


class _Block:
    """Consecutive lines of one stream from `number` on, `left` of them, and replies that have come.

    Without a stream all replies are there from the beginning.
    """

    __slots__ = ("left", "number", "replies", "stream", "turn")

    def __init__(self, stream: Stream | None, number: int, turn: int) -> None:
        self.stream = stream
        self.number = number
        self.turn = turn
        self.left = 0
        self.replies: list[Reply] = []

    def pull(self) -> None:
        """Fetch the replies that have come, as far as none before them is missing."""
        while self.left and self.stream is not None:
            found = self.stream.take(self.number, self.left)
            if found is None:
                return
            entry, offset, taken = found
            self.replies += replies_of(entry, offset, taken)
            self.number += taken
            self.left -= taken


class _Group:
    """Lines that were asked together: their blocks, and in `turns` which one is whose turn."""

    __slots__ = ("_at", "blocks", "turns")

    def __init__(self, blocks: list[_Block], turns: list[int]) -> None:
        self.blocks = blocks
        self.turns = turns
        self._at = 0

    @property
    def next_line(self) -> tuple[str, int]:
        """The service and number of the line whose reply is taken next and has not come."""
        block = self.blocks[self.turns[self._at]]
        return (block.stream.service if block.stream is not None else "-", block.number)

    def take(self) -> list[Reply]:
        """Hand out the replies that have come, as far as none before them is missing."""
        if len(self.blocks) == 1:
            [only] = self.blocks
            only.pull()
            taken, only.replies = only.replies, []
            self._at += len(taken)
            return taken
        for block in self.blocks:
            block.pull()
        sources = [iter(block.replies) for block in self.blocks]
        turns = islice(self.turns, self._at, None)
        # The first reply that is missing ends this, by the StopIteration of its source.
        taken = list(map(next, map(sources.__getitem__, turns)))
        for block, source in zip(self.blocks, sources, strict=True):
            del block.replies[: len(block.replies) - length_hint(source)]
        self._at += len(taken)
        return taken

    def line_at(self, offset: int) -> tuple[Stream, int] | None:
        """Return the stream and number of a line, counted from the next one; None: it has none."""
        turn = self.turns[self._at + offset]
        block = self.blocks[turn]
        before = self.turns[self._at : self._at + offset].count(turn)
        if block.stream is None:
            return None
        return block.stream, block.number - len(block.replies) + before

    @property
    def left(self) -> int:
        """How many replies have not been taken."""
        return len(self.turns) - self._at


class Order:
    """The lines of one caller, in the order in which it asked them.

    `owed` counts those whose replies have not been taken.
    """

    def __init__(self, session: ClientSession) -> None:
        """Start with no line."""
        self._session = session
        self._groups: deque[_Group] = deque()
        self.owed = 0

    def ask(self, lines: Collection[str], *, values: bool = False, expires_at: float = inf) -> None:
        """Ask lines, for results as values or as sentences; each joins its service's stream.

        At `expires_at`, by the clock of whoever drives the session, they end if they have not.
        Raises UsageError where one is no text; then none is asked.
        """
        if set(map(type, lines)) != {str}:
            _check_types(lines)
        all_fit = are_fit(lines)
        blocks: dict[Stream | None, _Block] = {}
        if all_fit and (found := _of_one_service(lines)):
            name, arguments = found
            only = self._session.stream(name)
            only.fresh += arguments
            turns = [self._block_of(only, blocks).turn] * len(arguments)
        else:
            turns = self._divide(lines, blocks, all_fit=all_fit)
        for stream, block in blocks.items():
            if stream is not None:
                block.left = len(stream.fresh)
                self._session.commit(stream, values=values, expires_at=expires_at)
        if turns:
            self._groups.append(_Group(list(blocks.values()), turns))
            self.owed += len(turns)

    def _divide(
        self, lines: Collection[str], blocks: dict[Stream | None, _Block], *, all_fit: bool
    ) -> list[int]:
        """Add lines of any services; return whose turns they are."""
        turns: list[int] = []
        known: dict[str, tuple[int, Callable[[str], None]]] = {}  # whose turn, and what takes it
        for line in lines:
            name, _, arguments = line.rstrip(_ENDS).partition(" ")
            found = known.get(name)
            if found is None or (not all_fit and why_unfit(arguments)):
                turns.append(self._add(line, blocks, known))
            else:
                turn, append = found
                append(arguments.lstrip(" \t"))
                turns.append(turn)
        return turns

    def _add(
        self,
        line: str,
        blocks: dict[Stream | None, _Block],
        known: dict[str, tuple[int, Callable[[str], None]]],
    ) -> int:
        """Add a line of a service that is new here, or an unusual one; return whose turn it is."""
        parts = split(line)
        if isinstance(parts, Ended):
            block = self._block_of(None, blocks)
            block.replies += replies_of(parts, 0, 1)
            return block.turn
        stream = self._session.stream(parts[0])
        block = self._block_of(stream, blocks)
        stream.fresh.append(parts[1])
        known[parts[0]] = (block.turn, stream.fresh.append)
        return block.turn

    @staticmethod
    def _block_of(stream: Stream | None, blocks: dict[Stream | None, _Block]) -> _Block:
        if stream not in blocks:
            number = stream.next_number if stream is not None else 0
            blocks[stream] = _Block(stream, number, len(blocks))
        return blocks[stream]

    @property
    def next_line(self) -> tuple[str, int] | None:
        """The service and number of the line whose reply is taken next; None: none is owed."""
        return self._groups[0].next_line if self._groups else None

    def take(self) -> list[Reply]:
        """Hand out the replies that have come, as far as none before them is missing."""
        taken: list[Reply] = []
        while self._groups:
            group = self._groups[0]
            taken += group.take()
            if group.left:
                break
            self._groups.popleft()
        self.owed -= len(taken)
        return taken

    def line_at(self, index: int) -> tuple[Stream, int] | None:
        """Return where the line stands of the reply that is taken after `index` others.

        That is a stream and the number in it; None where it has ended without either.
        """
        for group in self._groups:
            if index < group.left:
                return group.line_at(index)
            index -= group.left
        return None

    def forget(self) -> None:
        """Give up: nobody will take the replies that are owed."""
        for group in self._groups:
            for block in group.blocks:
                if block.stream is not None and block.left:
                    self._session.owed -= block.stream.abandon(block.number, block.left)
        self._groups.clear()
        self.owed = 0


def _check_types(lines: Collection[object]) -> None:
    for line in lines:
        if not isinstance(line, str):
            raise UsageError(f"a line is a str such as 'gcd 12 18', not {type(line).__name__}")


def _of_one_service(lines: Collection[str]) -> tuple[str, list[str]] | None:
    """Return the service of all lines and their arguments, or None unless they all begin alike.

    Most who ask many lines ask one service, and this takes half the time of looking at each.
    """
    name = next(iter(lines), "").partition(" ")[0]
    if not plain.NAME.fullmatch(name):
        return None
    beginning = f"{name} "
    if not all(line.startswith(beginning) for line in islice(lines, 4)):
        return None
    rests = [line.removeprefix(beginning) for line in lines]
    if sum(map(len, rests)) + len(beginning) * len(rests) != sum(map(len, lines)):
        return None
    return name, [rest.rstrip(_ENDS).lstrip(" \t") for rest in rests]

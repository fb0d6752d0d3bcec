"""What a guardian and its executors say to each other, over one pipe each way.

Each message is a MessagePack array behind its length in four bytes. Both ends are our own
programs; the executor runs users' code, so the guardian still bounds what it reads.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import msgspec
from msgspec import Struct

from linebus import limits
from linebus.wire.messages import Offer
from linebus.worker.program import ProgramSpec
from linebus.worker.watch import Bounds

_LENGTH = struct.Struct("!I")


class Start(Struct, array_like=True, tag="start"):
    """The guardian's first words: what to load, the key to show, where to connect (or not yet).

    Where there is a program, it is what is offered, and there are no references. The executor
    names its source files where `tells_files`.
    """

    references: list[str]
    key: bytes
    address: str | None
    program: ProgramSpec | None = None
    tells_files: bool = False


class Connect(Struct, array_like=True, tag="connect"):
    """Connect to the server at this address; None: leave, what was there does not greet."""

    address: str | None


class PlainLine(Struct, array_like=True, tag="plain_line"):
    """Work on a plain line; the guardian waits for the text with this number."""

    number: int
    service: str
    arguments: str


class Unwanted(Struct, array_like=True, tag="unwanted"):
    """Nobody waits for lines `first`…`last`: what is under way of them can be given up."""

    first: int
    last: int


class Ready(Struct, array_like=True, tag="ready"):
    """The executor has loaded its services, and what bounds they have."""

    offers: list[Offer]
    bounds: list[Bounds]
    is_recycled: bool


class Files(Struct, array_like=True, tag="files"):
    """What the executor has loaded or tried to, as far as it may be worked on."""

    names: list[str]


class Unloadable(Struct, array_like=True, tag="unloadable"):
    """The executor cannot load its services, and why."""

    reason: str


class Ended(Struct, array_like=True, tag="ended"):
    """The executor ends because its program has ended, and how that was."""

    reason: str


class PlainText(Struct, array_like=True, tag="plain_text"):
    """The text for a plain line, and whether it failed."""

    number: int
    text: str
    failed: bool


class Awake(Struct, array_like=True, tag="awake"):
    """The executor has begun a line: it is to be watched."""


class Overdue(Struct, array_like=True, tag="overdue"):
    """A line has broken its time limit and cannot be given up: the executor has to be killed."""

    number: int
    reason: str
    ran_s: float


class Leaving(Struct, array_like=True, tag="leaving"):
    """The executor has done as many lines as it should and ends; another one may take its place."""


ToExecutor = Start | Connect | PlainLine | Unwanted
ToGuardian = Ready | Files | Unloadable | Ended | PlainText | Awake | Overdue | Leaving

_encode = msgspec.msgpack.Encoder().encode


class PipeReader:
    """Reads messages of one union of types from a descriptor."""

    def __init__(self, descriptor: int, types: Any) -> None:  # noqa: ANN401  a union is no type
        """Read from `descriptor`; `types` is the union of what may come."""
        self.descriptor = descriptor
        self.is_at_end = False
        self._decode = msgspec.msgpack.Decoder(types).decode
        self._rest = b""

    def read(self) -> list[Any]:
        """Return the messages that are complete after one read; note where the other end closed.

        Blocks where the descriptor does. A message that makes no sense counts as the end.
        """
        try:
            data = os.read(self.descriptor, limits.PIPE_READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self.is_at_end = True
        self._rest += data
        messages = []
        while (body := self._next_body()) is not None:
            try:
                messages.append(self._decode(body))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.is_at_end = True
                break
        return messages

    def _next_body(self) -> bytes | None:
        if len(self._rest) < _LENGTH.size:
            return None
        [length] = _LENGTH.unpack_from(self._rest)
        if length > limits.REPORT_BYTES_MAX:
            self.is_at_end = True
            return None
        end = _LENGTH.size + length
        if len(self._rest) < end:
            return None
        body, self._rest = self._rest[_LENGTH.size : end], self._rest[end:]
        return body


class PipeWriter:
    """Writes messages to a descriptor; what does not fit into the pipe waits here."""

    def __init__(self, descriptor: int) -> None:
        """Write to `descriptor`."""
        self.descriptor = descriptor
        self._waiting = b""

    @property
    def is_waiting(self) -> bool:
        """Whether something has to be written when the descriptor is ready."""
        return bool(self._waiting)

    def write(self, message: ToExecutor | ToGuardian) -> None:
        """Write a message as far as the pipe takes it."""
        body = _encode(message)
        self._waiting += _LENGTH.pack(len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Write more of what waits; what the other end will never read is dropped."""
        try:
            while self._waiting:
                written = os.write(self.descriptor, self._waiting)
                self._waiting = self._waiting[written:]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting = b""

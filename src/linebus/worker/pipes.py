"""What a guardian and its executors say to each other, over one pipe each way.

Both ends are our own programs; the executor runs users' code, so the guardian still bounds what it
reads (`net/pipes.py`).
"""

from __future__ import annotations

from msgspec import Struct

from linebus.wire.messages import Offer
from linebus.worker.program import ProgramSpec
from linebus.worker.watch import Bounds


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

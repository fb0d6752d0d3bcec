"""The messages of the native dialect, as typed structs; docs/protocol.md has a paragraph on each.

Each is an array on the wire, its tag first. Lists of lines and of texts pass through the broker
as they are: nothing between the client's one loop and the executor's one loop looks inside them.
A new field is the last one and has a default, so that peers without it are still understood.
This module never decides what a message means.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from linebus import limits

Number = Annotated[int, Meta(ge=1, le=limits.NUMBER_MAX)]
NumberOrNone = Annotated[int, Meta(ge=0, le=limits.NUMBER_MAX)]
Count = Annotated[int, Meta(ge=1, le=limits.CLIENT_LINES_MAX)]
Offset = Annotated[int, Meta(ge=0, lt=limits.LINES_PER_MESSAGE_MAX)]
Seconds = Annotated[float, Meta(ge=0, le=limits.WAIT_S_MAX)]
Nonce = Annotated[int, Meta(ge=0, le=limits.NUMBER_MAX)]
SessionId = Annotated[bytes, Meta(min_length=limits.SESSION_BYTES, max_length=limits.SESSION_BYTES)]
Token = Annotated[bytes, Meta(min_length=limits.TOKEN_BYTES, max_length=limits.TOKEN_BYTES)]
StreamId = Annotated[bytes, Meta(max_length=limits.TOKEN_BYTES)]
Key = Annotated[bytes, Meta(min_length=limits.KEY_BYTES, max_length=limits.KEY_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
# Names that begin so are the broker's own services.
RESERVED = "linebus."
OfferedName = Annotated[
    str,
    Meta(pattern=r"^(?!linebus\.)[A-Za-z_][A-Za-z0-9_.-]*\Z", max_length=limits.NAME_CHARS_MAX),
]
Description = Annotated[str, Meta(max_length=limits.DESCRIPTION_CHARS_MAX)]
Lines = Annotated[list[str], Meta(min_length=1, max_length=limits.LINES_PER_MESSAGE_MAX)]
Offsets = Annotated[list[Offset], Meta(max_length=limits.LINES_PER_MESSAGE_MAX)]
Interval = tuple[Number, Number]
Intervals = Annotated[list[Interval], Meta(max_length=limits.GAPS_MAX)]


class Message(Struct, array_like=True):
    """The root of all messages."""


# -- hello and greeting: before a session has a token ----------------------------------------


class ClientHello(Message, tag="client"):
    """A client opens its session, or takes it up again."""

    nonce: Nonce
    session: SessionId
    program: Description


class Offer(Struct, array_like=True):
    """One service that a worker offers, and what people are told of it.

    `signature` names the types of the arguments and of the value, `example` is a line to try. An
    executor works on `at_once` lines of the service at a time, in any order; 0: one by one.
    """

    name: OfferedName
    usage: Description
    doc: Description
    signature: Description = ""
    example: Description = ""
    at_once: Annotated[int, Meta(ge=0, le=limits.AT_ONCE_MAX)] = 0


class WorkerHello(Message, tag="worker"):
    """A worker's guardian opens its session, says what is offered and vouches for executors.

    `executors` holds the SHA-256 of the key of each executor that lives; `discovered` is true when
    the guardian found the native way through the welcome line on worker_inputs. `spares` are those
    of the executors that work only for clients who would have to wait for all others.
    """

    nonce: Nonce
    session: SessionId
    program: Description
    services: Annotated[list[Offer], Meta(min_length=1, max_length=limits.SERVICES_PER_WORKER_MAX)]
    executors: Annotated[list[Key], Meta(max_length=limits.EXECUTORS_PER_WORKER_MAX)]
    discovered: bool
    spares: Annotated[list[Key], Meta(max_length=limits.EXECUTORS_PER_WORKER_MAX)] = []


class ExecutorHello(Message, tag="executor"):
    """An executor opens its session, showing its key, and says how far it got.

    `stream` is what the last greeting that it got called its stream, empty in a new session.
    `received` is the number of the last line that has come, `answered` how many have been answered
    or passed over, `credit` the number up to which it takes lines. All count from 0 in a new
    session.
    """

    nonce: Nonce
    session: SessionId
    key: Key
    stream: StreamId
    received: NumberOrNone
    answered: NumberOrNone
    credit: NumberOrNone


class ClientGreeting(Message, tag="client_greeting"):
    """The answer to a client's hello: the token, and which numbers are in the books."""

    nonce: Nonce
    token: Token
    heartbeat_s: Seconds
    window_lines: Count
    seen: dict[str, list[Interval]]


class WorkerGreeting(Message, tag="worker_greeting"):
    """The answer to a guardian's hello: the token and how often to be heard from."""

    nonce: Nonce
    token: Token
    heartbeat_s: Seconds


class ExecutorGreeting(Message, tag="executor_greeting"):
    """The answer to an executor's hello: the token, and up to which number texts have come.

    Where `stream` is not the one that the executor knows, its stream starts anew at number 1.
    """

    nonce: Nonce
    token: Token
    stream: StreamId
    answered: NumberOrNone


class HelloAgain(Message, tag="hello_again"):
    """The token (or the key) is not known here: say hello, after so many seconds."""

    after_s: Seconds


class Refusal(Message, tag="refusal"):
    """The session is refused: a code for programs and a sentence for people."""

    code: Description
    text: Description


# -- clients ---------------------------------------------------------------------------------


class Ask(Message, tag="ask"):
    """A run, or its next part: lines `first`, `first + 1`, … of this client to this service.

    Where `values` is true the texts shall be results as JSON, not the sentences for people. Where
    `deadline_s` is not 0, the lines end `expired` so many seconds from now unless they have ended.
    """

    service: Name
    first: Number
    lines: Lines
    values: bool = False
    deadline_s: Seconds = 0.0


class Cancel(Message, tag="cancel"):
    """Nobody wants the replies to these numbers any more; those that have not ended do so now."""

    service: Name
    intervals: Intervals


class Ack(Message, tag="ack"):
    """The replies to these numbers have come; the broker may forget them.

    Numbers that were never asked (their lines could not be sent) are acknowledged as well, so that
    they leave no gap in the books.
    """

    service: Name
    intervals: Intervals


class Replies(Message, tag="replies"):
    """The texts for lines `first`, … in order; `failed` holds the offsets of those that failed.

    `worker` is the executor's public number, `attempt` counts dispatches from 1. `queued_s` is how
    long the first line of the slice waited, `ran_s` the mean time of a line of the slice.
    """

    service: Name
    first: Number
    texts: list[str]
    failed: list[int]
    worker: int
    attempt: int
    queued_s: float
    ran_s: float


class Ended(Message, tag="ended"):
    """`count` lines from `first` on ended otherwise, all for the one reason in `text`."""

    service: Name
    first: Number
    count: Count
    outcome: str
    text: str


Entry = Replies | Ended


def count_of(entry: Entry) -> int:
    """Return how many requests an entry ends."""
    return len(entry.texts) if isinstance(entry, Replies) else entry.count


# -- guardians -------------------------------------------------------------------------------


class Vouch(Message, tag="vouch"):
    """The guardian vouches for an executor by the SHA-256 of its key.

    Said of one that it vouches for already, it tells whether that is a spare one from now on.
    """

    executor: Key
    is_spare: bool = False


class Lost(Message, tag="lost"):
    """An executor has died while it worked on line `position` of its `stream` (0: on none).

    Where `failed` is true the line broke a limit of its service after `ran_s`: it fails for that
    reason. Otherwise it is dispatched again with a strike, and where `all_at_once` is true so are
    those that the executor worked on beside it, since nobody can say which of them it was.
    """

    executor: Key
    position: NumberOrNone
    reason: Description
    stream: StreamId = b""
    failed: bool = False
    ran_s: Seconds = 0.0
    all_at_once: bool = False


class HandBack(Message, tag="hand_back"):
    """An executor is long at line `position` of its stream: it has not begun what is behind it.

    It will not begin it either, until it has said `skipped` and heard `taken_back`.
    """

    executor: Key
    stream: StreamId
    position: Number


class Stop(Message, tag="stop"):
    """Nobody waits for an executor's lines `first`…`last`: it may be killed while it is at one.

    What else it holds is dispatched again, and nobody is charged for it.
    """

    executor: Key
    first: Number
    last: Number


# -- executors -------------------------------------------------------------------------------


class Work(Message, tag="work"):
    """Lines for an executor, numbered from `first` in its stream.

    `received` is the number up to which the broker has the texts; `values` is the run's.
    """

    first: Number
    service: Name
    lines: Lines
    received: NumberOrNone
    values: bool = False


class Received(Message, tag="received"):
    """The broker has the texts up to this number, and for `beyond`; these may be forgotten."""

    through: NumberOrNone
    beyond: Intervals = []


class TakenBack(Message, tag="taken_back"):
    """The answer to `skipped`: lines up to this number are not the executor's any more."""

    through: NumberOrNone


class Skipped(Message, tag="skipped"):
    """The executor has begun no line from `first` on; it waits for `taken_back` before it does."""

    first: Number
    credit: NumberOrNone


class Answers(Message, tag="answers"):
    """The texts for an executor's lines `first`, …, in order, and its credit from now on.

    Lines of one message `work` are answered in order, different ones in any.
    """

    first: Number
    texts: Lines
    failed: Offsets
    ran_s: Seconds
    credit: NumberOrNone


# -- everyone --------------------------------------------------------------------------------


class Heartbeat(Message, tag="heartbeat"):
    """I am alive. The broker answers with the interval that it wants from now on."""

    every_s: Seconds


class Goodbye(Message, tag="goodbye"):
    """The session ends; nothing more will come."""


Hello = ClientHello | WorkerHello | ExecutorHello
FromPeer = Ask | Ack | Cancel | Vouch | Lost | HandBack | Answers | Skipped | Heartbeat | Goodbye
FromServer = (
    ClientGreeting
    | WorkerGreeting
    | ExecutorGreeting
    | HelloAgain
    | Refusal
    | Replies
    | Ended
    | Stop
    | Work
    | Received
    | TakenBack
    | Heartbeat
)

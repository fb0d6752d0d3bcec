"""What happened in a simulation, for people to read: the last few hundred events, and a sum of all.

The messages of an event are put into words only when somebody reads them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from linebus import limits
from linebus.errors import ProtocolError
from linebus.wire import messages as m
from linebus.wire import native, plain

if TYPE_CHECKING:
    from collections.abc import Sequence


_HEARTBEAT_BYTES_MAX = 24
_SHOWN_MAX = 4


class Event(NamedTuple):
    """Who did or suffered what; `body` holds the messages where some were heard."""

    at: float
    who: str
    what: str
    first: bytes = b""
    body: bytes = b""

    def __str__(self) -> str:
        said = f" {in_words(self.first, self.body)}" if self.body else ""
        return f"{self.at:9.4f}  {self.who:<12} {self.what}{said}"


class Trace:
    """The last events of a run. `checksum` is one of all events, to compare two runs by."""

    def __init__(self, events_max: int = limits.SIMULATOR_TRACE_EVENTS) -> None:
        """Start with no event."""
        self.events: deque[Event] = deque(maxlen=events_max)
        self.checksum = 0
        self.count = 0

    def note(self, at: float, who: str, what: str, first: bytes = b"", body: bytes = b"") -> None:
        """Note an event."""
        self.checksum = crc32(b"%r %s %s" % (at, who.encode(), what.encode()), self.checksum)
        self.checksum = crc32(body, self.checksum)
        if len(body) > _HEARTBEAT_BYTES_MAX or b"heartbeat" not in body:  # these say nothing
            self.count += 1
            self.events.append(Event(at, who, what, first, body))

    def __str__(self) -> str:
        left_out = self.count - len(self.events)
        before = [f"({left_out} events before these)"] if left_out else []
        return "\n".join([*before, *map(str, self.events)])


def in_words(first: bytes, body: bytes) -> str:
    """Return messages in a short form, such as `ask echo 7…9`."""
    token = "" if first == native.VERSION else f"[{_token(first)}] "
    for decode in (native.decode_from_peer, native.decode_from_server, _decode_hello):
        try:
            messages: Sequence[m.Message] = decode(body)
        except ProtocolError:
            continue
        more = [f"and {len(messages) - _SHOWN_MAX} more"] if len(messages) > _SHOWN_MAX else []
        return token + "; ".join([*map(_short, messages[:_SHOWN_MAX]), *more])
    return f"{token}{len(body)} bytes that make no sense"


def _decode_hello(body: bytes) -> list[m.Hello]:
    return [native.decode_hello(body)]


def _numbers(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}…{first + count - 1}"


def _short(message: m.Message) -> str:
    match message:
        case m.Ask(service=service, first=first, lines=lines):
            return f"ask {service} {_numbers(first, len(lines))}: {plain.shorten(lines[0])}"
        case m.Work(first=first, service=service, lines=lines):
            return f"work {_numbers(first, len(lines))}: {service} {plain.shorten(lines[0])}"
        case m.Answers(first=first, texts=texts, credit=credit):
            said = plain.shorten(texts[0])
            return f"answers {_numbers(first, len(texts))}: {said} (credit {credit})"
        case m.Replies(service=service, first=first, texts=texts, attempt=attempt):
            said = plain.shorten(texts[0])
            return f"replies {service} {_numbers(first, len(texts))}: {said} (attempt {attempt})"
        case m.Ended(service=service, first=first, count=count, outcome=outcome):
            return f"ended {service} {_numbers(first, count)}: {outcome}"
        case m.Ack(service=service, intervals=intervals):
            return f"ack {service} {intervals[:4]}{'…' if len(intervals) > 4 else ''}"  # noqa: PLR2004
        case m.Lost(position=position, reason=reason):
            return f"lost an executor on line {position}: {reason}"
        case m.ClientHello(nonce=nonce) | m.WorkerHello(nonce=nonce):
            return f"hello {nonce}"
        case m.ExecutorHello(nonce=nonce, received=received, answered=answered, credit=credit):
            return f"hello {nonce}: received {received}, answered {answered}, credit {credit}"
        case m.ClientGreeting(nonce=nonce, token=token, seen=seen):
            return f"greeting {nonce}: token {_token(token)}, seen {dict(list(seen.items())[:4])}"
        case m.WorkerGreeting(nonce=nonce, token=token):
            return f"greeting {nonce}: token {_token(token)}"
        case m.ExecutorGreeting(nonce=nonce, token=token, answered=answered):
            return f"greeting {nonce}: token {_token(token)}, answered {answered}"
        case m.Refusal(code=code, text=text):
            return f"refusal {code}: {text}"
        case m.HelloAgain(after_s=after_s):
            return f"hello again, after {after_s:g} s"
        case m.HandBack(position=position):
            return f"hand back what is behind line {position}"
        case m.Skipped(first=first):
            return f"skipped from line {first}"
        case m.TakenBack(through=through):
            return f"taken back through {through}"
        case m.Received(through=through):
            return f"received {through}"
        case _:
            return type(message).__name__.lower()


def _token(token: bytes) -> str:
    return token.decode("ascii", "replace").removeprefix("token-").lstrip("0")

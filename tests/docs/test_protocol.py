"""docs/protocol.md against the code: every message, every field, every example, every limit."""

from __future__ import annotations

import ast
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from linebus import Outcome, Refused, limits
from linebus.core import lifecycle
from linebus.core.broker import Broker
from linebus.services.catalog import load
from linebus.wire import messages as m
from linebus.wire import native, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENT_INPUTS_PORT = 5555
TICK_S = 0.001


def fences(kind: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a kind: what follows the kind in their first line, and their text."""
    for info, text in FENCE.findall(DOCUMENT):
        first, _, rest = info.partition(" ")
        if first == kind:
            yield rest, text


def sections() -> dict[str, str]:
    """The text under each fourth-level heading, which is a message's tag."""
    parts = re.split(r"^#### (\w+)$", DOCUMENT, flags=re.MULTILINE)
    texts = (re.split(r"^## ", part, flags=re.MULTILINE)[0] for part in parts[2::2])
    return dict(zip(parts[1::2], texts, strict=True))


def test_no_block_is_of_an_unknown_kind() -> None:
    assert {info.partition(" ")[0] for info, _ in FENCE.findall(DOCUMENT)} == {
        "message",
        "plain",
        "text",
    }
    assert DOCUMENT.count("```") == 2 * len(FENCE.findall(DOCUMENT))


# -- native messages -------------------------------------------------------------------------


class Example(NamedTuple):
    """A message's example: the first frame, the body as a value, the body's bytes."""

    name: str
    first: bytes
    value: list[Any]
    body: bytes


def example(name: str, text: str) -> Example:
    found = re.fullmatch(r"frame 1: (.*)\nbody: +(.*)\nhex: +([0-9a-f\s]+)", text)
    assert found, f"the example of {name} is not in the form frame 1, body, hex"
    first, value, digits = found.groups()
    return Example(name, ast.literal_eval(first), ast.literal_eval(value), bytes.fromhex(digits))


EXAMPLES = [example(name, text) for name, text in fences("message")]
CLASSES: dict[str, type[m.Message]] = {each.__name__: each for each in m.Message.__subclasses__()}
HELLOS = ("ClientHello", "WorkerHello", "ExecutorHello")
OUTSIDE = (*HELLOS, "ClientGreeting", "WorkerGreeting", "ExecutorGreeting", "HelloAgain", "Refusal")


def tag_of(message: type[m.Message]) -> str:
    return str(message.__struct_config__.tag)


def test_every_message_has_exactly_one_example_in_its_own_section() -> None:
    assert sorted(each.name for each in EXAMPLES) == sorted(CLASSES)
    for name, message in CLASSES.items():
        assert f"```message {name}\n" in sections()[tag_of(message)]


def test_every_field_is_a_row_of_its_messages_table_in_the_order_of_the_wire() -> None:
    for message in CLASSES.values():
        rows = re.findall(r"^\| `(\w+)` \|", sections()[tag_of(message)], re.MULTILINE)
        fields = list(message.__struct_fields__)
        assert rows == fields, f"the table under `#### {tag_of(message)}` in docs/protocol.md"


def decode(name: str, body: bytes) -> list[list[Any]]:
    """Decode as whoever receives the message does; a heartbeat is decoded by both."""
    decoded: list[Sequence[m.Message]] = []
    if name in HELLOS:
        decoded.append([native.decode_hello(body)])
    if CLASSES[name] in m.FromPeer.__args__:
        decoded.append(native.decode_from_peer(body))
    if CLASSES[name] in m.FromServer.__args__:
        decoded.append(native.decode_from_server(body))
    return [list(each) for each in decoded]


@pytest.mark.parametrize("each", EXAMPLES, ids=lambda each: each.name)
def test_the_bytes_of_an_example_decode_to_its_value_and_back(each: Example) -> None:
    readings = decode(each.name, each.body)
    assert readings, "nobody receives this message"
    for messages in readings:
        assert [type(message).__name__ for message in messages] == [each.name]
        assert msgspec.to_builtins(messages, builtin_types=(bytes,)) == tuples_aside(each.value)
        [body] = native.encode(messages)
        assert body == each.body, f"the hex of {each.name} should be: {body.hex(' ')}"
    assert msgspec.msgpack.encode(each.value) == each.body


def tuples_aside(value: list[Any]) -> Any:  # noqa: ANN401  whatever an example holds
    """The value with intervals as the tuples that they are in Python."""
    return msgspec.to_builtins(
        msgspec.convert(value, list[m.Hello | m.FromServer | m.FromPeer]), builtin_types=(bytes,)
    )


@pytest.mark.parametrize("each", EXAMPLES, ids=lambda each: each.name)
def test_the_first_frame_of_an_example_is_the_version_or_a_token(each: Example) -> None:
    if each.name in OUTSIDE:
        assert each.first == native.VERSION
    else:
        assert len(each.first) == limits.TOKEN_BYTES


# -- outcomes, life --------------------------------------------------------------------------


def test_the_outcomes_are_listed() -> None:
    table = DOCUMENT.partition("| Outcome |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == list(Outcome), "the table of outcomes in docs/protocol.md"


def test_the_drawing_of_a_requests_life_is_that_of_the_code() -> None:
    [(_, drawing)] = fences("text")
    assert [line.strip() for line in drawing.splitlines()] == [
        line.strip()
        for line in (lifecycle.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0].splitlines()
    ]


# -- the plain dialect -----------------------------------------------------------------------

STEP = re.compile(r'(\w+) +([⇐⇒]) (\["[^\n]*"\])')
PLAIN = list(fences("plain"))


class Stage:
    """A broker past its first seconds, with native workers or without."""

    def __init__(self, *, native_workers: bool) -> None:
        self.now = limits.START_GRACE_S + 1
        tokens = iter(range(1, 1000))
        self.broker = Broker(lambda: next(tokens).to_bytes(limits.TOKEN_BYTES, "big"), 0.0)
        self.broker.expire(self.now)
        self.services = {each.name: each for each in load(["isprime", "gcd"])}
        self.sent: dict[str, list[str]] = {
            "client_inputs": [],
            "client_outputs": [],
            "worker_inputs": [],
        }
        if native_workers:
            self.greet_workers()

    def greet_workers(self) -> None:
        key = b"k" * limits.KEY_BYTES
        offers = [m.Offer(each.name, each.usage, each.doc) for each in self.services.values()]
        hello = m.WorkerHello(1, b"g" * 16, "docs", offers, [sha256(key).digest()], False)
        self.broker.greet(b"guardian", hello, self.now)
        self.broker.greet(
            b"executor",
            m.ExecutorHello(1, b"e" * 16, key, b"", 0, 0, 100),
            self.now,
        )
        self.step()

    def receive(self, socket: str, frame: bytes) -> None:
        match socket:
            case "client_inputs":
                self.sent["client_inputs"].append(plain.ACK.decode())
                self.broker.plain.request(frame, self.now)
            case "worker_inputs":
                self.broker.plain.subscription(frame, self.now)
                self.step(limits.PLAIN_JOIN_S)
                if frame[1:] and plain.hint(CLIENT_INPUTS_PORT).startswith(frame[1:]):
                    self.sent["worker_inputs"].append(plain.hint(CLIENT_INPUTS_PORT).decode())
            case "worker_outputs":
                self.broker.plain.result([frame])
            case _:
                pytest.fail(f"the server receives nothing on {socket}")
        self.step()

    def step(self, seconds: float = TICK_S) -> None:
        """Let time pass, and executors answer what they are sent."""
        self.now += seconds
        self.broker.expire(self.now)
        self.broker.dispatch(self.now)
        for route, token, messages in list(self.broker.outgoing(())):
            for message in messages:
                if isinstance(message, m.Work):
                    self.broker.receive(route, token, [self.answers(message)], self.now)
        self.sent["client_outputs"] += self.broker.effects.take_published()
        self.sent["worker_inputs"] += self.broker.effects.take_broadcast()

    def answers(self, work: m.Work) -> m.Answers:
        texts, failed = [], []
        for offset, arguments in enumerate(work.lines):
            try:
                texts.append(self.services[work.service].answer(arguments))
            except Refused as error:
                texts.append(str(error))
                failed.append(offset)
        return m.Answers(work.first, texts, failed, 0.0, work.first + 100)


@pytest.mark.parametrize(("setting", "script"), PLAIN)
def test_a_plain_dialogue_goes_as_written(setting: str, script: str) -> None:
    settings = {"native workers offer gcd and isprime": True, "no native workers": False}
    stage = Stage(native_workers=settings[setting])
    for line in script.splitlines():
        if line == "2 seconds pass":
            stage.step(limits.NO_WORKER_GRACE_S)
            continue
        found = STEP.fullmatch(line)
        assert found, f"not a step of a dialogue: {line}"
        socket, direction, frames = found.groups()
        [text] = json.loads(frames)
        if direction == "⇐":
            stage.receive(socket, text.encode())
        else:
            assert stage.sent[socket][:1] == [text], line
            del stage.sent[socket][0]
    assert not any(stage.sent.values()), "the server sent more than is written"


def test_the_plain_dialect_has_dialogues_for_clients_and_workers() -> None:
    assert len(PLAIN) == DOCUMENT.count("```plain ")
    script = "".join(text for _, text in PLAIN)
    assert all(socket in script for socket in ("client_inputs", "worker_inputs", "worker_outputs"))
    assert plain.hint(CLIENT_INPUTS_PORT).decode() in script
    assert plain.ERROR_PREFIX in script

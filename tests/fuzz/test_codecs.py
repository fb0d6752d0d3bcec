"""Invariant: any bytes decode to what the types say, or raise ProtocolError, and nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.client.session import split, why_unfit
from linebus.client.sources import LineReader
from linebus.core.plain_peers import PlainWorkers
from linebus.errors import ProtocolError
from linebus.net.pipes import PipeReader
from linebus.wire import native, plain, values
from linebus.wire.messages import Ended, Message
from linebus.worker import pipes
from tests.fuzz.examples import BODIES, fuzzed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.mark.parametrize(
    "decode",
    [
        lambda body: [native.decode_hello(body)],
        native.decode_from_peer,
        native.decode_from_server,
    ],
    ids=["hello", "from peer", "from server"],
)
@fuzzed
@given(body=BODIES)
def test_a_native_body_is_messages_or_a_protocol_error(
    decode: Callable[[bytes], Sequence[Message]], body: bytes
) -> None:
    with suppress(ProtocolError):
        for message in decode(body):
            assert isinstance(message, Message)
            native.encode([message])


@fuzzed
@given(frame=st.binary(max_size=100) | st.text(max_size=60).map(str.encode))
def test_a_plain_frame_is_a_line_or_nothing(frame: bytes) -> None:
    line = plain.decode(frame)
    if line is None:
        return
    name, _ = plain.split(line)
    assert " " not in name
    assert plain.shorten(line).isprintable()
    plain.malformed(line)
    port = plain.parse_hint(line)
    assert port is None or 0 < port < 65536


@fuzzed
@given(frames=st.lists(st.binary(max_size=12), max_size=8))
def test_what_xpub_reports_never_breaks_the_table_of_prefixes(frames: list[bytes]) -> None:
    workers = PlainWorkers()
    for frame in frames:
        workers.subscription(frame, 0.0)
        workers.audience("gcd 12 18")
        assert all(plain.NAME.fullmatch(name) for name in workers.names())


@fuzzed
@given(line=st.text(max_size=80))
def test_any_line_has_a_name_or_ends(line: str) -> None:
    parts = split(line)
    assert isinstance(parts, Ended) or plain.NAME.fullmatch(parts[0])
    assert why_unfit(line) is None or not line.isascii()


@fuzzed
@given(text=st.text(max_size=60) | st.binary(max_size=30).map(repr))
def test_any_text_is_a_value_or_a_protocol_error(text: str) -> None:
    with suppress(ProtocolError):
        values.decode(text)


@fuzzed
@given(data=st.binary(max_size=200))
def test_any_input_is_lines_without_a_line_end(data: bytes) -> None:
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    reader = LineReader(read)
    while not reader.is_at_end:
        for line in reader.read():
            assert "\n" not in line
            assert len(line) <= limits.LINE_BYTES_MAX + 1
    os.close(read)


@pytest.mark.parametrize("kind", [pipes.ToGuardian, pipes.ToExecutor])
@fuzzed
@given(data=BODIES)
def test_whatever_an_executor_writes_into_its_pipe_the_guardian_goes_on(
    kind: object, data: bytes
) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, data)
    os.close(write)
    reader = PipeReader(read, kind)
    for _ in range(len(data) + 2):
        reader.read()
    assert reader.is_at_end
    os.close(read)

"""Messages over a pipe, however they are cut on the way, and what is no message."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.wire.messages import Offer
from linebus.worker import pipes
from linebus.worker.program import ProgramSpec
from linebus.worker.watch import Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

offers = st.builds(Offer, st.just("gcd"), st.text(max_size=9), st.text(max_size=9))
programs = st.builds(ProgramSpec, st.text(), st.lists(st.binary()).map(tuple), st.booleans())
to_guardian = st.one_of(
    st.builds(
        pipes.Ready,
        st.lists(offers, max_size=3),
        st.lists(st.builds(Bounds, st.floats(0, 9), st.integers(0, 2**40)), max_size=3),
        st.booleans(),
    ),
    st.builds(pipes.Awake),
    st.builds(pipes.Leaving),
    st.builds(pipes.Files, st.lists(st.text())),
    st.builds(pipes.Unloadable, st.text()),
    st.builds(pipes.Ended, st.text()),
    st.builds(pipes.PlainText, st.integers(0, 2**53), st.text(), st.booleans()),
)
to_executor = st.one_of(
    st.builds(
        pipes.Start,
        st.lists(st.text()),
        st.binary(),
        st.none() | st.text(),
        st.none() | programs,
        st.booleans(),
    ),
    st.builds(pipes.Connect, st.text()),
    st.builds(pipes.PlainLine, st.integers(0, 2**53), st.text(), st.text()),
    st.builds(pipes.Unwanted, st.integers(0, 2**53), st.integers(0, 2**53)),
)


class Pipe:
    """A pipe, and what is read from it piece by piece."""

    def __init__(self, types: object) -> None:
        self.descriptor, self.write_end = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self.write_end, False)
        self.reader = pipes.PipeReader(self.descriptor, types)
        self.writer = pipes.PipeWriter(self.write_end)

    def close_writer(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(pipes.ToGuardian)
    yield pipe
    pipe.close()


def framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body


@given(st.lists(to_guardian, max_size=4), st.lists(to_executor, max_size=4))
def test_messages_come_as_they_were_sent_in_both_directions(
    reports: list[pipes.ToGuardian], orders: list[pipes.ToExecutor]
) -> None:
    for types, messages in ((pipes.ToGuardian, reports), (pipes.ToExecutor, orders)):
        pipe = Pipe(types)
        for message in messages:
            pipe.writer.write(message)
        assert pipe.reader.read() == messages
        assert not pipe.reader.is_at_end
        pipe.close()


@given(st.lists(to_guardian, max_size=3), st.data())
def test_it_does_not_matter_how_the_bytes_are_cut(
    messages: list[pipes.ToGuardian], data: st.DataObject
) -> None:
    stream = b"".join(framed(msgspec.msgpack.encode(message)) for message in messages)
    pipe = Pipe(pipes.ToGuardian)
    came = []
    while stream:
        piece = data.draw(st.integers(1, len(stream)))
        os.write(pipe.write_end, stream[:piece])
        stream = stream[piece:]
        came += pipe.reader.read()
    assert came == messages
    assert not pipe.reader.is_at_end
    pipe.close()


@given(st.binary(max_size=100))
def test_random_bytes_end_the_dialogue_or_wait_for_more(data: bytes) -> None:
    pipe = Pipe(pipes.ToGuardian)
    for stream in (data, framed(data)):
        os.write(pipe.write_end, stream)
        pipe.reader.read()
    pipe.close_writer()
    pipe.reader.read()
    assert pipe.reader.is_at_end
    pipe.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x92\xaaunloadable\xa1\xff",  # no UTF-8
        b"\x91\xa7connect",
        b"\x92\xa7connect\xa1x",  # the other direction's
        msgspec.msgpack.encode(["plain_text", -1.5, "text", False]),
        b"\x93\xa5ready\x90" + b"\x91" * 60_000,
    ],
)
def test_a_message_that_makes_no_sense_counts_as_the_end(pipe: Pipe, body: bytes) -> None:
    os.write(pipe.write_end, framed(body))
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_what_came_before_a_senseless_message_counts(pipe: Pipe) -> None:
    good = pipes.Unloadable("first")
    os.write(pipe.write_end, framed(msgspec.msgpack.encode(good)) + framed(b"\xc1"))
    assert pipe.reader.read() == [good]
    assert pipe.reader.is_at_end


def test_a_message_of_gigabytes_is_not_waited_for(pipe: Pipe) -> None:
    os.write(pipe.write_end, struct.pack("!I", limits.REPORT_BYTES_MAX + 1))
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_the_longest_message_is_one(pipe: Pipe) -> None:
    message = pipes.Unloadable("x" * (limits.REPORT_BYTES_MAX - 100))
    pipe.writer.write(message)
    came: list[object] = []
    while not came:
        pipe.writer.flush()
        came = pipe.reader.read()
        assert not pipe.reader.is_at_end
    assert came == [message]


def test_the_other_end_closing_is_the_end(pipe: Pipe) -> None:
    pipe.writer.write(pipes.Unloadable("last words"))
    pipe.close_writer()
    assert pipe.reader.read() == [pipes.Unloadable("last words")]
    assert not pipe.reader.is_at_end
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_half_a_message_at_the_end_is_none(pipe: Pipe) -> None:
    os.write(pipe.write_end, framed(msgspec.msgpack.encode(pipes.Unloadable("x")))[:-1])
    pipe.close_writer()
    assert pipe.reader.read() == []
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_nothing_there_is_not_the_end(pipe: Pipe) -> None:
    assert pipe.reader.read() == []
    assert not pipe.reader.is_at_end


def test_what_a_full_pipe_does_not_take_waits(pipe: Pipe) -> None:
    message = pipes.Unloadable("x" * 200_000)
    sent = 0
    while not pipe.writer.is_waiting:
        pipe.writer.write(message)
        sent += 1
    came: list[object] = []
    while len(came) < sent:
        came += pipe.reader.read()
        pipe.writer.flush()
    assert came == [message] * sent
    assert not pipe.writer.is_waiting


def test_what_nobody_will_read_is_dropped() -> None:
    pipe = Pipe(pipes.ToGuardian)
    os.close(pipe.descriptor)
    pipe.writer.write(pipes.Unloadable("x"))
    assert not pipe.writer.is_waiting
    pipe.close_writer()

"""Messages over a pipe, however they are cut on the way, and what is no message."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.net.pipes import PipeReader, PipeWriter
from tests.support import Pipe, framed

if TYPE_CHECKING:
    from collections.abc import Iterator


class Said(msgspec.Struct, array_like=True, tag="said"):
    """What the tests say."""

    text: str


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(Said)
    yield pipe
    pipe.close()


@given(st.lists(st.builds(Said, st.text()), max_size=3), st.data())
def test_it_does_not_matter_how_the_bytes_are_cut(
    messages: list[Said], data: st.DataObject
) -> None:
    stream = b"".join(framed(msgspec.msgpack.encode(message)) for message in messages)
    pipe = Pipe(Said)
    came = []
    while stream:
        piece = data.draw(st.integers(1, len(stream)))
        os.write(pipe.write_end, stream[:piece])
        stream = stream[piece:]
        came += pipe.reader.read()
    assert came == messages
    assert not pipe.reader.is_at_end
    pipe.close()


def test_what_came_before_a_senseless_message_counts(pipe: Pipe) -> None:
    good = Said("first")
    os.write(pipe.write_end, framed(msgspec.msgpack.encode(good)) + framed(b"\xc1"))
    assert pipe.reader.read() == [good]
    assert pipe.reader.is_at_end


def test_a_message_of_gigabytes_is_not_waited_for(pipe: Pipe) -> None:
    os.write(pipe.write_end, struct.pack("!I", limits.REPORT_BYTES_MAX + 1))
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_the_longest_message_is_one(pipe: Pipe) -> None:
    message = Said("x" * (limits.REPORT_BYTES_MAX - 100))
    pipe.writer.write(message)
    came: list[object] = []
    while not came:
        pipe.writer.flush()
        came = pipe.reader.read()
        assert not pipe.reader.is_at_end
    assert came == [message]


def test_the_other_end_closing_is_the_end(pipe: Pipe) -> None:
    pipe.writer.write(Said("last words"))
    pipe.close_writer()
    assert pipe.reader.read() == [Said("last words")]
    assert not pipe.reader.is_at_end
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_half_a_message_at_the_end_is_none(pipe: Pipe) -> None:
    os.write(pipe.write_end, framed(msgspec.msgpack.encode(Said("x")))[:-1])
    pipe.close_writer()
    assert pipe.reader.read() == []
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end


def test_nothing_there_is_not_the_end(pipe: Pipe) -> None:
    assert pipe.reader.read() == []
    assert not pipe.reader.is_at_end


def test_what_a_full_pipe_does_not_take_waits(pipe: Pipe) -> None:
    message = Said("x" * 200_000)
    sent = 0
    while not pipe.writer.is_waiting:
        pipe.writer.write(message)
        sent += 1
    assert 0 < pipe.writer.waiting_bytes < sent * 201_000
    came: list[object] = []
    while len(came) < sent:
        came += pipe.reader.read()
        pipe.writer.flush()
    assert came == [message] * sent
    assert not pipe.writer.is_waiting


def test_what_nobody_will_read_is_dropped() -> None:
    pipe = Pipe(Said)
    os.close(pipe.descriptor)
    pipe.writer.write(Said("x"))
    assert not pipe.writer.is_waiting
    pipe.close_writer()


def test_the_other_end_of_a_pair_of_sockets_being_killed_is_the_end() -> None:
    ours, its = socket.socketpair()
    PipeWriter(ours.fileno()).write(Said("what nobody has read"))
    its.close()  # as the kernel does it for a process that is killed: a reset
    reader = PipeReader(ours.fileno(), Said)
    assert reader.read() == []
    assert reader.is_at_end
    ours.close()

"""What guardian and executors say to each other, and what is none of that."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus.wire.messages import Offer
from linebus.worker import pipes
from linebus.worker.program import ProgramSpec
from linebus.worker.watch import Bounds
from tests.support import Pipe, framed

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
def test_a_message_that_makes_no_sense_counts_as_the_end(body: bytes) -> None:
    pipe = Pipe(pipes.ToGuardian)
    os.write(pipe.write_end, framed(body))
    assert pipe.reader.read() == []
    assert pipe.reader.is_at_end
    pipe.close()

"""Lines from an iterable in chunks, and from a descriptor as they come."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.client.session import why_unfit
from linebus.client.sources import Chunks, LineReader

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("count", [0, 1, 2_047, 2_048, 2_049, 4_096, 10_000])
def test_all_lines_come_in_order_and_then_there_are_none(clock: Clock, count: int) -> None:
    chunks = Chunks(str(number) for number in range(count))
    lines: list[str] = []
    while not chunks.is_at_end:
        chunk = chunks.read()
        assert chunk or chunks.is_at_end
        assert len(chunk) <= limits.CHUNK_LINES
        lines += chunk
    assert lines == [str(number) for number in range(count)]


def test_lines_that_come_fast_are_read_many_at_a_time(clock: Clock) -> None:
    chunks = Chunks(str(number) for number in range(100_000))
    assert [len(chunks.read()) for _ in range(3)] == [limits.CHUNK_LINES] * 3


def test_lines_that_come_slowly_are_handed_on_one_by_one(clock: Clock) -> None:
    def slowly() -> Iterator[str]:
        for number in range(3):
            clock.now += 1.0
            yield str(number)

    chunks = Chunks(slowly())
    assert [chunks.read() for _ in range(4)] == [["0"], ["1"], ["2"], []]
    assert chunks.is_at_end


def test_lines_that_begin_to_come_slowly_are_noticed(clock: Clock) -> None:
    def lines() -> Iterator[str]:
        for number in range(3 * limits.CHUNK_LINES):
            if number >= limits.CHUNK_LINES:
                clock.now += 0.001
            yield str(number)

    chunks = Chunks(lines())
    sizes = [len(chunks.read()) for _ in range(3)]
    assert sizes[0] == sizes[1] == limits.CHUNK_LINES
    assert sizes[2] < 5


def test_what_the_iterable_raises_is_raised() -> None:
    def lines() -> Iterator[str]:
        yield "one"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Chunks(lines()).read()


# ---- a descriptor ----------------------------------------------------------------------------


def read_all(pieces: list[bytes]) -> list[str]:
    """What a reader makes of pieces that are written one after the other."""
    read_end, write_end = os.pipe()
    reader = LineReader(read_end)
    lines: list[str] = []
    for piece in pieces:
        os.write(write_end, piece)
        lines += reader.read()
        assert not reader.is_at_end
    os.close(write_end)
    while not reader.is_at_end:
        lines += reader.read()
    os.close(read_end)
    return lines


@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda b: b.replace(b"x", b"\n"))))
def test_it_does_not_matter_how_the_bytes_are_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    lines = read_all(pieces)
    assert [line.encode("utf-8", "surrogateescape") for line in lines] == expected


def test_a_complete_line_does_not_wait_for_the_next_one() -> None:
    read_end, write_end = os.pipe()
    reader = LineReader(read_end)
    os.write(write_end, b"one\ntwo\nthr")
    assert reader.read() == ["one", "two"]
    os.write(write_end, b"ee\n")
    assert reader.read() == ["three"]
    os.close(write_end)
    assert reader.read() == []
    assert reader.is_at_end
    os.close(read_end)


def test_a_byte_that_is_no_utf_8_is_kept_for_the_error() -> None:
    [line] = read_all([b"echo \xff"])
    assert line == "echo \udcff"
    assert why_unfit(line)


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    read_end, write_end = os.pipe()
    reader = LineReader(read_end)
    piece = b"x" * 60_000
    for _ in range(50):
        os.write(write_end, piece)
        assert reader.read() == []
        assert len(reader._rest) <= limits.LINE_BYTES_MAX + 1
    os.write(write_end, b"\nshort\n")
    long, short = reader.read()
    assert why_unfit(long)
    assert short == "short"
    os.close(write_end)
    os.close(read_end)


def test_the_longest_line_is_kept_whole() -> None:
    longest = b"y" * limits.LINE_BYTES_MAX
    pieces = [longest[start : start + 60_000] for start in range(0, len(longest), 60_000)]
    [line] = read_all([*pieces, b"\n"])
    assert line.encode() == longest
    assert why_unfit(line) is None

"""Long lists of texts are cut into parts that fit, and nothing is lost between them."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.wire.packing import parts

QUARTER = limits.MESSAGE_BYTES_TARGET // 4
# Lengths around the bounds; a text of each is made by repetition, which costs hypothesis nothing.
lengths = st.one_of(
    st.integers(0, 100),
    st.integers(QUARTER - 3, QUARTER + 3),
    st.integers(QUARTER // 3 - 3, QUARTER // 3 + 3),
    st.just(limits.LINE_BYTES_MAX),
)
texts_lists = st.lists(st.builds(lambda n: "€" * n, lengths), max_size=12)


@given(texts_lists)
def test_the_parts_are_the_whole_in_order(texts: list[str]) -> None:
    cuts = list(parts(texts))
    assert [text for start, end in cuts for text in texts[start:end]] == texts
    assert all(start < end for start, end in cuts)


@given(texts_lists)
def test_a_part_is_short_or_a_single_text(texts: list[str]) -> None:
    for start, end in parts(texts):
        assert end - start == 1 or sum(map(len, texts[start:end])) <= QUARTER


@given(texts_lists)
def test_a_text_goes_along_where_there_is_room_for_it(texts: list[str]) -> None:
    cuts = list(parts(texts))
    for (start, end), _ in pairwise(cuts):
        assert sum(map(len, texts[start : end + 1])) > QUARTER


def test_many_short_texts_are_cut_by_their_number() -> None:
    most = limits.LINES_PER_MESSAGE_MAX
    assert list(parts(["x"] * most)) == [(0, most)]
    assert list(parts(["x"] * (2 * most + 1))) == [
        (0, most),
        (most, 2 * most),
        (2 * most, 2 * most + 1),
    ]


def test_short_texts_after_long_ones_are_cut_by_both_bounds() -> None:
    most = limits.LINES_PER_MESSAGE_MAX
    texts = ["x" * QUARTER, "y", *["z"] * most]
    cuts = list(parts(texts))
    assert cuts[0] == (0, 1)
    assert cuts[-1][1] == len(texts)
    assert all(end - start <= most for start, end in cuts)


def test_nothing_is_cut_into_nothing() -> None:
    assert list(parts([])) == []


def test_the_fullest_part_is_a_message_that_the_server_takes() -> None:
    # Four bytes a character is the worst that UTF-8 can do.
    texts = ["𝄞" * (QUARTER // limits.LINES_PER_MESSAGE_MAX)] * limits.LINES_PER_MESSAGE_MAX
    [(start, end)] = parts(texts)
    body = msgspec.msgpack.encode(texts[start:end])
    assert len(body) + limits.NAME_CHARS_MAX + 100 < limits.MESSAGE_BYTES_MAX


def test_the_longest_single_text_is_a_message_that_the_server_takes() -> None:
    longest = "x" * limits.LINE_BYTES_MAX
    assert list(parts(["a", longest, "b"])) == [(0, 1), (1, 2), (2, 3)]
    assert len(msgspec.msgpack.encode([longest])) < limits.MESSAGE_BYTES_MAX

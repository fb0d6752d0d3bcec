from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from linebus.core.intervals import IntervalSet

SMALL = st.integers(1, 60)
PAIRS = st.lists(st.tuples(SMALL, SMALL).map(lambda pair: (min(pair), max(pair))), max_size=20)


def numbers(pairs: list[tuple[int, int]]) -> set[int]:
    return {n for first, last in pairs for n in range(first, last + 1)}


def test_consecutive_parts_stay_one_interval() -> None:
    intervals = IntervalSet()
    for first in range(1, 1_000, 10):
        intervals.add(first, first + 9)
    assert list(intervals) == [(1, 1_000)]


@given(PAIRS, st.tuples(SMALL, SMALL).map(lambda pair: (min(pair), max(pair))))
def test_it_holds_what_a_set_of_numbers_would(
    pairs: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    intervals = IntervalSet()
    for first, last in pairs:
        intervals.add(first, last)
    held = list(intervals)
    assert numbers(held) == numbers(pairs)
    assert len(intervals) == len(held)
    assert all(a_last + 1 < b_first for (_, a_last), (b_first, _) in pairwise(held))
    within = list(intervals.within(*asked))
    assert numbers(within) == numbers([asked]) & numbers(pairs)
    assert within == sorted(within)
    missing = intervals.missing(*asked)
    assert numbers(missing) == numbers([asked]) - numbers(pairs)
    assert missing == sorted(missing)

from math import inf

import pytest

from linebus.net.clock import milliseconds_until


@pytest.mark.parametrize(
    ("at", "wait"), [(inf, None), (9.0, 0), (10.0, 0), (10.0001, 1), (10.25, 251), (1e300, 10**9)]
)
def test_waits_are_rounded_up_and_bounded(at: float, wait: int | None) -> None:
    assert milliseconds_until(at, 10.0) == wait

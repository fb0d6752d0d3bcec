import pytest

from linebus import limits
from linebus.testing.simulator.tight import bounds


def test_bounds_are_small_inside_and_as_before_after_an_error() -> None:
    usual = limits.WINDOW_LINES
    with pytest.raises(ValueError, match="x"), bounds(tight=True):
        assert usual > limits.WINDOW_LINES
        raise ValueError("x")
    assert usual == limits.WINDOW_LINES
    with bounds(tight=False):
        assert usual == limits.WINDOW_LINES

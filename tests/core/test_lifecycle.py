import re

from linebus.core import lifecycle
from linebus.core.lifecycle import ENDS, Outcome, State


def test_every_state_has_ends_and_every_outcome_follows_a_state() -> None:
    assert set(ENDS) == set(State)
    assert set().union(*ENDS.values()) == set(Outcome)


def test_only_an_executor_makes_an_answer() -> None:
    for state, outcomes in ENDS.items():
        assert (Outcome.ANSWERED in outcomes) == (state is State.LEASED)


def test_the_picture_shows_every_outcome_and_state() -> None:
    words = set(re.findall(r"[a-z_]+", lifecycle.__doc__ or ""))
    missing = {*map(str, Outcome), *(state.name.lower() for state in State)} - words
    assert missing == set(), "the picture in the docstring of lifecycle.py"

"""What the server sends at once becomes one reply for each line."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus.client.reply import Reply, replies_of
from linebus.core.lifecycle import Outcome
from linebus.wire import messages as m


def came(texts: list[str], failed: list[int]) -> m.Replies:
    return m.Replies("gcd", 11, texts, failed, worker=3, attempt=2, queued_s=0.5, ran_s=0.25)


def test_each_text_is_a_reply_that_says_who_made_it() -> None:
    assert list(replies_of(came(["a", "b"], []), 0, 2)) == [
        Reply(Outcome.ANSWERED, "a", 3, 2, 0.5, 0.25),
        Reply(Outcome.ANSWERED, "b", 3, 2, 0.5, 0.25),
    ]


def test_a_line_that_failed_is_told_from_its_neighbours() -> None:
    replies = list(replies_of(came(["a", "usage", "c"], [1]), 0, 3))
    assert [reply.outcome for reply in replies] == ["answered", "failed", "answered"]
    assert [reply.is_answered for reply in replies] == [True, False, True]
    assert replies[1] == Reply(Outcome.FAILED, "usage", 3, 2, 0.5, 0.25)


@given(st.data())
def test_a_part_is_the_same_as_that_part_of_the_whole(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    failed = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    offset = data.draw(st.integers(0, count - 1))
    taken = data.draw(st.integers(0, count - offset))
    entry = came([str(number) for number in range(count)], failed)
    whole = list(replies_of(entry, 0, count))
    assert list(replies_of(entry, offset, taken)) == whole[offset : offset + taken]


def test_lines_that_ended_otherwise_share_their_reason() -> None:
    ended = m.Ended("gcd", 11, 5, "no_worker", "nobody offers it")
    replies = list(replies_of(ended, 3, 2))
    assert replies == [Reply(Outcome.NO_WORKER, "nobody offers it")] * 2
    assert not replies[0].is_answered
    assert (replies[0].worker, replies[0].attempt) == (0, 0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_known_by_its_word(outcome: Outcome) -> None:
    [reply] = replies_of(m.Ended("gcd", 1, 1, outcome.value, "so"), 0, 1)
    assert reply.outcome is outcome


def test_an_outcome_that_a_newer_server_invents_is_a_failure() -> None:
    [reply] = replies_of(m.Ended("gcd", 1, 1, "evaporated", "so"), 0, 1)
    assert reply.outcome is Outcome.FAILED
    assert reply.text == "so"


def test_a_reply_does_not_change() -> None:
    reply = Reply(Outcome.ANSWERED, "6")
    with pytest.raises(AttributeError):
        reply.text = "7"  # type: ignore[misc]  # that is the point
    assert len({reply, Reply(Outcome.ANSWERED, "6")}) == 1


def test_a_reply_is_json_with_its_outcome_as_a_word() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Reply(Outcome.NO_SERVICE, "so"))) == {
        "outcome": "no_service",
        "text": "so",
        "worker": 0,
        "attempt": 0,
        "queued_s": 0.0,
        "ran_s": 0.0,
    }

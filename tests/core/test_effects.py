import pytest

from linebus import limits
from linebus.core.effects import Effects
from linebus.wire.messages import HelloAgain


def test_effects_are_handed_out_in_order_and_once() -> None:
    effects = Effects()
    effects.publish("one")
    effects.publish("two")
    effects.broadcast.append("line")
    assert effects.take_published() == ["one", "two"]
    assert effects.take_published() == []
    assert effects.take_broadcast() == ["line"]
    assert effects.take_broadcast() == []


def test_a_peer_without_a_session_gets_one_word_a_round() -> None:
    effects = Effects()
    for after_s in (0.0, 1.0):
        effects.notes[b"route"] = HelloAgain(after_s)
    assert effects.take_notes() == {b"route": HelloAgain(1.0)}
    assert effects.take_notes() == {}


@pytest.mark.parametrize("char", ["x", "ü", "€", "😀"])
def test_a_text_too_long_for_the_exercise_is_published_as_an_error(char: str) -> None:
    effects = Effects()
    longest = char * (limits.PLAIN_TEXT_BYTES_MAX // len(char.encode()))
    effects.publish(longest)
    effects.publish(longest + char)
    fits, error = effects.take_published()
    assert fits == longest
    assert error.startswith("error: result is too long: 327")
    assert error.endswith("at most 32768 can be published; ask with: linebus ask")


def test_half_a_surrogate_pair_counts_as_long_as_it_is_written() -> None:
    effects = Effects()
    effects.publish("\udcff" * (limits.PLAIN_TEXT_BYTES_MAX // 6 + 1))
    [error] = effects.take_published()
    assert error.startswith("error: ")


def test_connections_that_are_to_be_cut_are_told_once() -> None:
    effects = Effects()
    effects.cut += [b"one", b"two"]
    assert effects.take_cut() == [b"one", b"two"]
    assert effects.take_cut() == []

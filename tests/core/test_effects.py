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

from linebus.core.sessions import Session
from linebus.wire.messages import Heartbeat, HelloAgain


def test_what_was_to_be_sent_is_forgotten_with_the_connection() -> None:
    session = Session(b"s" * 16, 1)
    session.attach(b"route", b"token", HelloAgain(0.0))
    session.outbox.append(Heartbeat(1.0))
    session.detach(7.0)
    assert (session.route, session.greeting, session.take(), session.lost_at) == (None, None, [], 7)


def test_taking_hands_out_everything_once() -> None:
    session = Session(b"s" * 16, 1)
    session.outbox.append(Heartbeat(1.0))
    assert session.take() == [Heartbeat(1.0)]
    assert session.take() == []


def test_a_new_route_begins_with_its_greeting_alone() -> None:
    session = Session(b"s" * 16, 1)
    session.outbox.append(Heartbeat(1.0))
    session.attach(b"route", b"token", HelloAgain(0.0))
    assert session.greeting == HelloAgain(0.0)
    assert session.take() == []


def test_a_heartbeat_is_answered_once() -> None:
    session = Session(b"s" * 16, 1)
    session.heartbeat = Heartbeat(1.0)
    assert session.take() == [Heartbeat(1.0)]
    assert session.take() == []


def test_whoever_says_hello_is_not_invited_to_do_so() -> None:
    session = Session(b"s" * 16, 1)
    session.again = HelloAgain(0.0)
    session.attach(b"route", b"token", Heartbeat(1.0))
    assert session.again is None

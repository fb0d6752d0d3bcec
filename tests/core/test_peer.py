from math import inf

import pytest

from linebus import limits
from linebus.client.session import ClientSession
from linebus.core.peer import PeerSession
from linebus.errors import SessionRefused, VersionMismatch
from linebus.wire import messages as m
from linebus.wire import native

TOKEN, OTHER_TOKEN = b"t" * 16, b"o" * 16


def a_session() -> PeerSession:
    return ClientSession(b"s" * 16, "test")


def hello_of(session: PeerSession, now: float = 0.0) -> m.ClientHello:
    [(first, body)] = session.outgoing(now)
    assert first == native.VERSION
    hello = native.decode_hello(body)
    assert isinstance(hello, m.ClientHello)
    return hello


def say(session: PeerSession, message: m.Message, first: bytes = native.VERSION) -> None:
    [body] = native.encode([message])
    session.receive(first, body, 1.0)


def greeting(nonce: int, token: bytes = TOKEN) -> m.ClientGreeting:
    return m.ClientGreeting(nonce, token, 0.5, 100, {})


def a_greeted_session() -> PeerSession:
    session = a_session()
    session.connected(0.0)
    say(session, greeting(hello_of(session).nonce))
    assert session.is_greeted
    return session


def test_a_hello_is_said_at_each_connection_with_a_fresh_nonce() -> None:
    session = a_session()
    assert session.outgoing(0.0) == []
    assert session.next_deadline() == inf
    session.connected(0.0)
    first = hello_of(session)
    session.disconnected()
    session.connected(1.0)
    second = hello_of(session)
    assert (first.session, first.nonce) == (b"s" * 16, second.nonce - 1)


def test_a_greeting_for_an_earlier_hello_is_not_taken() -> None:
    session = a_session()
    session.connected(0.0)
    old = hello_of(session)
    session.connected(1.0)
    say(session, greeting(old.nonce))
    assert not session.is_greeted


def test_a_hello_without_an_answer_is_repeated() -> None:
    session = a_session()
    session.connected(0.0)
    first = hello_of(session)
    assert session.next_deadline() == limits.GREETING_S
    session.tick(limits.GREETING_S / 2)
    assert session.outgoing(0.0) == []
    session.tick(limits.GREETING_S)
    assert hello_of(session).nonce == first.nonce + 1


def test_only_frames_with_the_sessions_token_count() -> None:
    session = a_greeted_session()
    for first in (b"", b"x"):
        session.receive(first, native.encode([m.Heartbeat(99.0)])[0], 50.0)
    assert session.heard_at == 1.0
    session.receive(TOKEN, native.encode([m.Heartbeat(99.0)])[0], 50.0)
    assert session.heard_at == 50.0


def test_a_token_that_is_not_known_makes_it_say_hello_again() -> None:
    # The server has heard an older hello once more, and waits for the answer to its greeting.
    session = a_greeted_session()
    say(session, m.Heartbeat(99.0), OTHER_TOKEN)
    assert session.heard_at == 1.0
    assert not session.is_greeted
    hello_of(session)
    say(session, m.Heartbeat(99.0), OTHER_TOKEN)
    assert session.outgoing(1.0) == [], "a hello is under way"


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\x91\xa3foo", b"\xdd\xff\xff\xff\xff"])
def test_bytes_that_make_no_sense_are_dropped(body: bytes) -> None:
    session = a_greeted_session()
    session.receive(TOKEN, body, 2.0)
    session.receive(native.VERSION, body, 2.0)
    assert session.is_greeted


def test_hello_again_is_obeyed_at_once_or_after_a_while() -> None:
    session = a_greeted_session()
    say(session, m.HelloAgain(0))
    assert not session.is_greeted
    hello_of(session)
    say(session, m.HelloAgain(0))
    assert session.outgoing(1.0) == [], "it answers something older than the hello under way"
    say(session, m.HelloAgain(0.25))
    assert session.next_deadline() == 1.25
    session.tick(1.25)
    hello_of(session)


def test_another_version_is_named_with_the_cure() -> None:
    session = a_session()
    session.connected(0.0)
    with pytest.raises(VersionMismatch, match=r"linebus/2.*same version"):
        session.receive(b"linebus/2", b"whatever", 0.0)
    with pytest.raises(VersionMismatch, match="speaks linebus/0"):
        say(session, m.Refusal("version", "it speaks linebus/0"))


def test_a_refusal_raises_its_reason() -> None:
    session = a_session()
    session.connected(0.0)
    with pytest.raises(SessionRefused, match="full house"):
        say(session, m.Refusal("too_many_clients", "full house"))


def test_last_words_need_a_session() -> None:
    assert a_session().last_words() == []
    [(first, body)] = a_greeted_session().last_words()
    assert (first, native.decode_from_peer(body)) == (TOKEN, [m.Goodbye()])


def test_a_server_is_heard_from_when_the_connection_has_come() -> None:
    session = a_session()
    session.connected(7.0)
    assert session.heard_at == 7.0


def test_a_hello_that_was_not_sent_is_forgotten_with_the_connection() -> None:
    session = a_session()
    session.connected(0.0)
    session.disconnected()
    session.tick(2 * limits.GREETING_S)
    assert session.next_deadline() == inf
    assert session.outgoing(0.0) == []


def test_nothing_is_said_within_a_session_that_is_cut() -> None:
    session = a_greeted_session()
    session.disconnected()
    assert session.outgoing(0.0) == []


def test_what_belongs_into_a_session_says_nothing_outside_of_one() -> None:
    session = a_greeted_session()
    say(session, m.Heartbeat(9.0))
    assert session.is_greeted
    assert session.heard_at == 1.0

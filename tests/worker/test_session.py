import pytest

from linebus import limits
from linebus.errors import SessionRefused, VersionMismatch
from linebus.wire import messages as m
from linebus.wire import native
from linebus.worker.session import ExecutorSession, GuardianSession

TOKEN = b"t" * 16
OFFERS = [m.Offer("echo", "echo X", "")]


def an_executor() -> ExecutorSession:
    session = ExecutorSession(b"e" * 16, b"k" * 32)
    greet_executor(session, b"stream", 0)
    return session


def greet_executor(session: ExecutorSession, stream: bytes, answered: int) -> m.ExecutorHello:
    session.connected(0.0)
    [(_, body)] = session.outgoing(0.0)
    hello = native.decode_hello(body)
    assert isinstance(hello, m.ExecutorHello)
    greeting = m.ExecutorGreeting(hello.nonce, TOKEN, stream, answered)
    session.receive(native.VERSION, native.encode([greeting])[0], 0.0)
    assert session.is_greeted
    return hello


def work(session: ExecutorSession, first: int, *lines: str, received: int = 0) -> None:
    message = m.Work(first, "echo", list(lines), received)
    session.receive(TOKEN, native.encode([message])[0], 0.0)


def said(session: ExecutorSession | GuardianSession, now: float = 0.0) -> list[m.FromPeer]:
    frames = session.outgoing(now)
    return [each for _, body in frames for each in native.decode_from_peer(body)]


def test_lines_are_held_in_order_and_answered_with_their_numbers() -> None:
    session = an_executor()
    work(session, 1, "a", "b")
    work(session, 3, "c")
    assert session.next_slice() == (1, "echo", ["a", "b"], False)
    session.answer(1, ["A", "B"], [1], 0.5)
    [answers] = said(session)
    assert isinstance(answers, m.Answers)
    assert (answers.first, answers.texts, answers.failed, answers.ran_s) == (
        1,
        ["A", "B"],
        [1],
        0.25,
    )
    assert session.next_service
    assert session.next_slice() == (3, "echo", ["c"], False)
    assert session.next_slice() is None


def test_lines_that_come_twice_are_held_once() -> None:
    session = an_executor()
    work(session, 1, "a", "b")
    work(session, 1, "a", "b")
    work(session, 2, "b", "c")
    assert session.next_slice() == (1, "echo", ["a", "b"], False)
    assert session.next_slice() == (3, "echo", ["c"], False)


def test_missing_lines_are_asked_for_by_a_new_hello() -> None:
    session = an_executor()
    work(session, 5, "e")
    assert not session.is_greeted
    assert session.next_service is None


def taken_back(session: ExecutorSession, through: int) -> None:
    session.receive(TOKEN, native.encode([m.TakenBack(through)])[0], 0.0)


def test_texts_are_kept_until_the_broker_has_them() -> None:
    session = an_executor()
    work(session, 1, "a", "b", "c")
    session.answer(1, ["A"], [], 0.1)
    session.answer(2, ["B"], [], 0.1)
    said(session)
    work(session, 4, "d", received=1)
    session.disconnected()
    hello = greet_executor(session, b"stream", answered=1)
    assert (hello.stream, hello.received, hello.answered) == (b"stream", 4, 2)
    [again] = said(session)
    assert isinstance(again, m.Answers)
    assert again.texts == ["B"]
    session.receive(TOKEN, native.encode([m.Received(2)])[0], 0.0)
    assert not session._kept


def test_what_the_broker_got_before_the_cut_is_not_sent_again() -> None:
    session = an_executor()
    work(session, 1, "a", "b")
    session.answer(1, ["A", "B"], [], 0.1)
    session.disconnected()
    greet_executor(session, b"stream", answered=2)
    assert said(session) == []


def test_another_stream_means_that_all_that_was_held_is_dropped() -> None:
    session = an_executor()
    generation = session.generation
    work(session, 1, "a", "b")
    session.answer(1, ["A"], [], 0.1)
    session.disconnected()
    greet_executor(session, b"another", answered=0)
    assert session.generation == generation + 1
    assert session.next_service is None
    assert said(session) == []
    work(session, 1, "x")
    assert session.next_slice() == (1, "echo", ["x"], False)


def test_credit_counts_from_what_has_ended() -> None:
    session = an_executor()
    work(session, 1, "a", "b", "c")
    session.answer(1, ["A", "B"], [], 0.1)
    [answers] = said(session)
    assert isinstance(answers, m.Answers)
    assert answers.credit == 2 + limits.CREDIT_LINES_MAX


def test_what_is_skipped_is_not_handed_out_and_what_comes_after_it_is() -> None:
    session = an_executor()
    work(session, 1, "a", "b", "c")
    first = session.next_slice()
    assert first is not None
    session.answer(1, ["A"], [], 0.1)
    session.skip(first._replace(first=2, lines=first.lines[1:]))
    skipped = said(session)[-1]
    assert skipped == m.Skipped(2, 1 + limits.CREDIT_LINES_MAX)
    work(session, 4, "d")
    assert session.next_slice() is None
    taken_back(session, 4)
    work(session, 5, "e")
    assert session.next_slice() == (5, "echo", ["e"], False)
    session.answer(5, ["E"], [], 0.1)
    [answers] = said(session)
    assert isinstance(answers, m.Answers)
    assert answers.credit == 5 + limits.CREDIT_LINES_MAX


def test_lines_are_taken_back_that_have_not_even_come() -> None:
    session = an_executor()
    work(session, 1, "a")
    session.next_slice()
    session.answer(1, ["A"], [], 0.1)
    session.skip(None)
    taken_back(session, 7)
    work(session, 2, "b", "c")
    assert session.next_slice() is None
    work(session, 8, "h")
    assert session.next_slice() == (8, "echo", ["h"], False)


def test_what_was_skipped_is_said_again_after_a_cut_until_it_is_taken_back() -> None:
    session = an_executor()
    work(session, 1, "a", "b")
    session.skip(session.next_slice())
    said(session)
    session.disconnected()
    greet_executor(session, b"stream", answered=0)
    assert said(session) == [m.Skipped(1, limits.CREDIT_LINES_MAX)]
    assert session.next_slice() is None
    taken_back(session, 2)
    session.disconnected()
    greet_executor(session, b"stream", answered=2)
    assert said(session) == []


def test_another_stream_has_nothing_that_was_skipped() -> None:
    session = an_executor()
    work(session, 1, "a")
    session.skip(session.next_slice())
    session.disconnected()
    greet_executor(session, b"another", answered=0)
    assert said(session) == []
    work(session, 1, "x")
    assert session.next_slice() == (1, "echo", ["x"], False)


def test_an_answer_to_nothing_that_was_skipped_changes_nothing() -> None:
    session = an_executor()
    work(session, 1, "a")
    taken_back(session, 9)
    assert session.next_slice() == (1, "echo", ["a"], False)


def test_texts_that_came_out_of_their_order_are_forgotten_by_their_numbers() -> None:
    session = an_executor()
    for number in range(1, 6):
        work(session, number, "x")
    for number in (3, 5, 2):
        session.answer(number, [f"text {number}"], [], 0.1)
    session.receive(TOKEN, native.encode([m.Received(0, [(3, 3), (5, 5)])])[0], 0.0)
    session.disconnected()
    greet_executor(session, b"stream", answered=0)
    assert [a.first for a in said(session) if isinstance(a, m.Answers)] == [2]


def test_long_texts_are_sent_in_several_messages() -> None:
    session = an_executor()
    work(session, 1, *["x"] * 10)
    session.answer(1, ["y" * 100_000] * 10, [3, 9], 0.1)
    answers = [each for each in said(session) if isinstance(each, m.Answers)]
    assert len(answers) > 1
    failed = [each.first + offset for each in answers for offset in each.failed]
    assert failed == [4, 10]


def test_a_text_that_is_too_long_becomes_an_error_in_its_place() -> None:
    session = an_executor()
    work(session, 1, "a", "b", "c")
    session.answer(1, ["A", "é" * limits.TEXT_BYTES_MAX, "C"], [], 0.1)
    answers = [each for each in said(session) if isinstance(each, m.Answers)]
    texts = [text for each in answers for text in each.texts]
    assert (texts[0], texts[2]) == ("A", "C")
    assert texts[1].startswith("the reply is too long")
    assert [each.first + offset for each in answers for offset in each.failed] == [2]


# -- the guardian -------------------------------------------------------------------------------


def a_guardian() -> GuardianSession:
    session = GuardianSession(b"g" * 16, "test", discovered=True)
    session.offer(OFFERS, 0.0)
    return session


def guardians_hello(session: GuardianSession) -> m.WorkerHello:
    [(_, body)] = session.outgoing(0.0)
    hello = native.decode_hello(body)
    assert isinstance(hello, m.WorkerHello)
    return hello


def greet_guardian(session: GuardianSession, nonce: int) -> None:
    greeting = m.WorkerGreeting(nonce, TOKEN, 0.5)
    session.receive(native.VERSION, native.encode([greeting])[0], 0.0)


def test_a_guardian_says_hello_once_it_has_something_to_offer() -> None:
    session = GuardianSession(b"g" * 16, "test", discovered=False)
    session.connected(0.0)
    assert session.outgoing(0.0) == []
    session.offer(OFFERS, 0.0)
    assert guardians_hello(session).services == OFFERS


def test_a_guardian_vouches_for_the_executors_that_live() -> None:
    session = a_guardian()
    session.vouch(b"1" * 32)
    session.vouch(b"2" * 32)
    session.lost(m.Lost(b"1" * 32, 0, "killed"))
    session.connected(0.0)
    hello = guardians_hello(session)
    assert (hello.executors, hello.discovered) == ([b"2" * 32], True)


def test_what_changes_between_hello_and_greeting_is_told_after_it() -> None:
    session = a_guardian()
    session.vouch(b"1" * 32)
    session.connected(0.0)
    hello = guardians_hello(session)
    session.vouch(b"2" * 32)
    session.lost(m.Lost(b"1" * 32, 7, "killed by SIGKILL"))
    greet_guardian(session, hello.nonce)
    assert said(session) == [m.Vouch(b"2" * 32), m.Lost(b"1" * 32, 7, "killed by SIGKILL")]


def test_what_changes_without_a_connection_is_in_the_next_hello_only() -> None:
    session = a_guardian()
    session.connected(0.0)
    greet_guardian(session, guardians_hello(session).nonce)
    session.disconnected()
    session.vouch(b"1" * 32)
    session.connected(0.0)
    hello = guardians_hello(session)
    assert hello.executors == [b"1" * 32]
    greet_guardian(session, hello.nonce)
    assert said(session) == []


def test_heartbeats_go_out_in_the_servers_rhythm() -> None:
    session = a_guardian()
    session.connected(0.0)
    greet_guardian(session, guardians_hello(session).nonce)
    assert said(session, 0.4) == []
    assert said(session, 0.5) == [m.Heartbeat(0.5)]
    session.receive(TOKEN, native.encode([m.Heartbeat(2.0)])[0], 0.6)
    assert said(session, 1.0) == [m.Heartbeat(2.0)]
    assert session.next_deadline() == 3.0
    assert not session.is_silent(6.0)
    assert session.is_silent(0.6 + 2.0 * limits.HEARTBEATS_MISSED_MAX + 0.1)


def test_a_shorter_interval_holds_at_once() -> None:
    session = a_guardian()
    session.connected(0.0)
    greet_guardian(session, guardians_hello(session).nonce)
    session.receive(TOKEN, native.encode([m.Heartbeat(20.0)])[0], 0.1)
    assert said(session, 0.5) == [m.Heartbeat(20.0)]
    session.receive(TOKEN, native.encode([m.Heartbeat(0.5)])[0], 0.6)
    assert session.next_deadline() == pytest.approx(1.1)
    assert said(session, 1.2) == [m.Heartbeat(0.5)]


def refuse(session: GuardianSession, code: str, now: float) -> None:
    session.receive(native.VERSION, native.encode([m.Refusal(code, "full house")])[0], now)


def test_a_guardian_that_finds_the_server_full_tries_ever_less_often() -> None:
    session = a_guardian()
    session.connected(0.0)
    first = guardians_hello(session)
    now, waits = 0.0, []
    for _ in range(10):
        refuse(session, "too_many_workers", now)
        assert session.full == "full house"
        assert session.outgoing(now) == []
        waits.append(session.next_deadline() - now)
        now = session.next_deadline()
        session.tick(now)
        hello = guardians_hello(session)
    assert waits[0] == limits.FULL_RETRY_S
    assert waits[1] == 2 * limits.FULL_RETRY_S
    assert waits[-1] == limits.FULL_RETRY_S_MAX
    assert hello.nonce == first.nonce + 10
    greet_guardian(session, hello.nonce)
    assert session.is_greeted
    assert session.full == ""
    session.disconnected()
    session.connected(now)
    refuse(session, "too_many_services", now)
    assert session.next_deadline() == now + limits.FULL_RETRY_S


@pytest.mark.parametrize(
    ("code", "error"), [("protocol", SessionRefused), ("version", VersionMismatch)]
)
def test_other_refusals_are_for_good(code: str, error: type[Exception]) -> None:
    session = a_guardian()
    session.connected(0.0)
    with pytest.raises(error, match="full house"):
        refuse(session, code, 0.0)


def test_what_only_others_are_told_is_passed_over() -> None:
    guardian, executor = a_guardian(), an_executor()
    guardian.connected(0.0)
    greet_guardian(guardian, guardians_hello(guardian).nonce)
    strange = native.encode([m.Ended("echo", 1, 1, "expired", ""), m.Received(3)])[0]
    guardian.receive(TOKEN, strange, 0.1)
    executor.receive(TOKEN, strange, 0.1)
    assert guardian.take_stops() == []
    assert said(guardian, 0.2) == said(executor, 0.2) == []


def test_what_is_behind_a_long_line_is_handed_back_in_session_only() -> None:
    session = GuardianSession(b"g" * 16, "test", discovered=False)
    session.hand_back(b"1" * 32, b"stream", 7)
    session.offer(OFFERS, 0.0)
    session.connected(0.0)
    nonce = guardians_hello(session).nonce
    session.hand_back(b"1" * 32, b"stream", 8)
    greet_guardian(session, nonce)
    said = [
        message
        for frames in session.outgoing(0.0)
        for message in native.decode_from_peer(frames[1])
    ]
    assert said == [m.HandBack(b"1" * 32, b"stream", 8)]

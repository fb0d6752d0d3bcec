import pytest

from linebus import limits
from linebus.client.session import ClientSession, Stream, split, why_unfit
from linebus.core.intervals import IntervalSet
from linebus.wire import messages as m
from linebus.wire import native

TOKEN = b"t" * 16


def a_session(window: int = 100, seen: dict[str, list[tuple[int, int]]] | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
    session = ClientSession(b"s" * 16, "test")
    greet(session, window, seen)
    return session


def greet(
    session: ClientSession, window: int = 100, seen: dict[str, list[tuple[int, int]]] | None = None
) -> None:
    session.connected(0.0)
    [(_, body)] = session.outgoing(0.0)
    nonce = native.decode_hello(body).nonce
    greeting = m.ClientGreeting(nonce, TOKEN, 0.5, window, seen or {})
    session.receive(native.VERSION, native.encode([greeting])[0], 0.0)


def ask(session: ClientSession, service: str, *lines: str) -> None:
    stream = session.stream(service)
    stream.fresh += lines
    session.commit(stream)


def said(session: ClientSession, now: float = 0.0) -> list[m.FromPeer]:
    frames = session.outgoing(now)
    return [each for _, body in frames for each in native.decode_from_peer(body)]


def reply(session: ClientSession, service: str, first: int, *texts: str, now: float = 0.0) -> None:
    replies = m.Replies(service, first, list(texts), [], 1, 1, 0.0, 0.0)
    session.receive(TOKEN, native.encode([replies])[0], now)


def test_lines_are_numbered_by_service() -> None:
    session = a_session()
    ask(session, "a", "1", "2")
    ask(session, "b", "3")
    ask(session, "a", "4")
    assert said(session) == [
        m.Ask("a", 1, ["1", "2"]),
        m.Ask("a", 3, ["4"]),
        m.Ask("b", 1, ["3"]),
    ]


def test_nothing_beyond_the_window_is_asked() -> None:
    session = a_session(window=3)
    for n in range(1, 6):
        ask(session, "a", str(n))
    assert len(said(session)) == 3
    reply(session, "a", 2, "two")
    assert said(session) == [], "the window counts from the oldest unanswered line"
    reply(session, "a", 1, "one")
    asks = [each for each in said(session) if isinstance(each, m.Ask)]
    assert [each.first for each in asks] == [4, 5]


def test_a_long_list_is_asked_in_parts_that_fit_into_messages() -> None:
    session = a_session(window=32_768)
    ask(session, "a", *["x" * 100_000] * 10)
    asks = said(session)
    assert sum(len(each.lines) for each in asks if isinstance(each, m.Ask)) == 10
    assert all(len(native.encode([each])[0]) < limits.MESSAGE_BYTES_MAX for each in asks)


def test_bytes_under_way_are_bounded() -> None:
    session = a_session(window=32_768)
    ask(session, "a", *["x" * 200_000] * 100)
    under_way = sum(len(each.lines) for each in said(session) if isinstance(each, m.Ask))
    assert under_way * 200_000 <= limits.WINDOW_BYTES + limits.MESSAGE_BYTES_TARGET


def test_after_a_reconnect_only_what_was_not_seen_is_asked_again() -> None:
    session = a_session()
    ask(session, "a", *[str(n) for n in range(1, 11)])
    said(session)
    reply(session, "a", 3, "three")
    session.disconnected()
    greet(session, seen={"a": [(1, 4), (8, 8)]})
    assert said(session) == [m.Ask("a", 5, ["5", "6", "7"]), m.Ask("a", 9, ["9", "10"])]


def test_an_unknown_session_is_asked_everything_unanswered() -> None:
    session = a_session()
    ask(session, "a", *[str(n) for n in range(1, 6)])
    said(session)
    reply(session, "a", 2, "two", "three")
    for _ in range(2):
        session.disconnected()
        greet(session)
        assert said(session) == [
            m.Ask("a", 1, ["1"]),
            m.Ask("a", 4, ["4", "5"]),
            m.Ack("a", [(2, 3)]),  # else there would be a gap
        ]


def test_what_was_not_sent_before_the_cut_follows_in_order() -> None:
    session = a_session(window=2)
    for n in range(1, 5):
        ask(session, "a", str(n))
    assert len(said(session)) == 2
    session.disconnected()
    greet(session, window=2)
    assert said(session) == [m.Ask("a", 1, ["1"]), m.Ask("a", 2, ["2"])]
    reply(session, "a", 1, "one", "two")
    asks = [each for each in said(session) if isinstance(each, m.Ask)]
    assert [each.first for each in asks] == [3, 4]


def test_a_reply_that_comes_twice_is_handed_out_once() -> None:
    session = a_session()
    ask(session, "a", "1", "2")
    said(session)
    reply(session, "a", 1, "one")
    reply(session, "a", 1, "another")
    stream = session.stream("a")
    found = stream.take(1, 10)
    assert found is not None
    assert isinstance(found[0], m.Replies)
    assert found[0].texts == ["one"]
    assert stream.take(1, 10) is None
    assert session.owed == 1


def test_replies_for_lines_that_were_never_asked_are_dropped() -> None:
    session = a_session()
    ask(session, "a", "1")
    said(session)
    reply(session, "a", 1, "one", "two")
    reply(session, "b", 1, "one")
    assert session.owed == 1


def test_replies_are_acknowledged_in_the_intervals_in_which_they_came() -> None:
    session = a_session()
    ask(session, "a", *["x"] * 4)
    said(session)
    reply(session, "a", 1, "1", "2", "3")
    reply(session, "a", 4, "4")
    assert said(session) == [], "a few replies are no reason for a message"
    ask(session, "a", "y")
    assert said(session) == [m.Ack("a", [(1, 3), (4, 4)]), m.Ask("a", 5, ["y"])]


def test_many_replies_are_acknowledged_at_once() -> None:
    session = a_session(window=5_000)
    ask(session, "a", *["x"] * (limits.ACK_LINES + 1))
    said(session)
    reply(session, "a", 1, *["y"] * limits.ACK_LINES)
    assert said(session) == [m.Ack("a", [(1, limits.ACK_LINES)])]


def test_a_heartbeat_is_sent_only_while_something_is_owed() -> None:
    session = a_session()
    assert session.next_deadline() == float("inf")
    ask(session, "a", "1")
    said(session)
    assert said(session, 0.4) == []
    assert said(session, 0.6) == [m.Heartbeat(0.5)]
    reply(session, "a", 1, "one", now=0.7)
    assert said(session, 9.0) == []


def test_a_shorter_interval_holds_at_once() -> None:
    session = a_session()
    ask(session, "a", "1")
    session.receive(TOKEN, native.encode([m.Heartbeat(20.0)])[0], 0.1)
    session.receive(TOKEN, native.encode([m.Heartbeat(0.5)])[0], 0.2)
    assert session.next_deadline() == pytest.approx(0.7)


def test_a_silent_server_is_noticed_only_while_it_owes_something() -> None:
    session = a_session()
    assert not session.is_silent(1e6)
    ask(session, "a", "1")
    said(session)
    assert session.is_silent(limits.SILENCE_LEAST_S + 0.1)


def test_a_client_that_goes_on_asking_gives_the_server_reason_to_be_heard() -> None:
    session = a_session()
    heartbeats = 0
    for tenth in range(20):
        ask(session, "a", str(tenth))
        heartbeats += said(session, tenth / 10).count(m.Heartbeat(0.5))
    assert heartbeats == 3


def test_a_pause_of_the_caller_is_no_silence_of_the_server() -> None:
    session = a_session()
    ask(session, "a", "1", "2")
    said(session)
    reply(session, "a", 1, "one")  # read only after the pause
    assert not session.is_silent(1e6)
    said(session, 1e6)
    assert not session.is_silent(1e6 + 1)


def test_a_greeting_of_another_kind_is_no_greeting() -> None:
    session = ClientSession(b"s" * 16, "test")
    session.connected(0.0)
    [(_, body)] = session.outgoing(0.0)
    greeting = m.WorkerGreeting(native.decode_hello(body).nonce, TOKEN, 0.5)
    session.receive(native.VERSION, native.encode([greeting])[0], 0.0)
    assert not session.is_greeted


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("\udcff", "not Unicode"),
        ("é" * limits.LINE_BYTES_MAX, "too long"),
        ("x" * (limits.LINE_BYTES_MAX + 1), "too long"),
    ],
)
def test_a_line_that_cannot_be_sent_ends_as_failed(arguments: str, reason: str) -> None:
    ended = split(f"a {arguments}")
    assert isinstance(ended, m.Ended)
    assert ended.outcome == "failed"
    assert reason in ended.text


def test_replies_inside_an_entry_can_be_taken_by_another_caller_first() -> None:
    stream = Stream("a", 1)
    stream.fresh = ["x"] * 4
    stream.next_number = 5
    stream.arrive(m.Replies("a", 1, ["1", "2", "3", "4"], [], 1, 1, 0.0, 0.0), 4)
    second = stream.take(3, 2)
    assert second is not None
    assert second[1:] == (2, 2)
    first = stream.take(1, 2)
    assert first is not None
    assert first[1:] == (0, 2)


def test_lines_given_up_before_they_were_sent_are_never_asked() -> None:
    session = a_session(window=2)
    for n in range(1, 6):
        ask(session, "a", str(n))
    assert len(said(session)) == 2
    assert session.stream("a").abandon(2, 3) == 2
    reply(session, "a", 1, "one", "two")
    acks, *rest = said(session)
    assert acks == m.Ack("a", [(1, 2)])
    assert rest == [m.Ask("a", 5, ["5"]), m.Ack("a", [(3, 4)]), m.Cancel("a", [(2, 2)])]
    session.disconnected()
    greet(session, seen={"a": [(1, 2), (5, 5)]})
    ask(session, "a", "6")
    assert said(session) == [m.Ack("a", [(3, 4)]), m.Ask("a", 6, ["6"])]


def test_lines_given_up_when_they_were_to_be_asked_again_leave_no_gap() -> None:
    session = a_session()
    ask(session, "a", "1", "2", "3")
    said(session)
    session.disconnected()
    greet(session, seen={"a": [(1, 1), (3, 3)]})
    assert session.stream("a").abandon(2, 1) == 1
    ask(session, "a", "4")
    assert said(session) == [m.Ack("a", [(2, 2)]), m.Ask("a", 4, ["4"])]


def test_replies_that_nobody_takes_any_more_are_not_kept() -> None:
    session = a_session()
    ask(session, "a", "1", "2", "3")
    said(session)
    stream = session.stream("a")
    assert stream.abandon(1, 2) == 0
    reply(session, "a", 1, "one", "two", "three")
    assert stream.take(1, 1) is None
    found = stream.take(3, 9)
    assert found is not None
    assert found[1:] == (2, 1)
    assert stream.is_idle
    assert session.owed == 0


def test_replies_that_have_come_are_dropped_when_given_up() -> None:
    session = a_session()
    ask(session, "a", "1", "2")
    said(session)
    reply(session, "a", 1, "one", "two")
    session.stream("a").abandon(1, 2)
    assert session.stream("a").is_idle


def test_unfinished_streams_resume_without_asking_a_line_twice() -> None:
    session = a_session()
    ask(session, "a", *[str(n) for n in range(1, 7)])
    said(session)
    seen = IntervalSet()
    seen.add(2, 3)
    stream = session.stream("a")
    stream.resume(seen)
    numbers = [
        n for part in (*stream.sent, *stream.unsent) for n in range(part.first, part.last + 1)
    ]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_idle_streams_make_room_for_others() -> None:
    session = a_session(window=10_000)
    for n in range(3 * limits.SERVICES_PER_CLIENT_MAX):
        ask(session, f"s{n}", "x")
        first = session.stream(f"s{n}").next_number - 1
        reply(session, f"s{n}", first, "y")
        assert session.stream(f"s{n}").take(first, 1) is not None
        session.stream(f"s{n}").acks.clear()
    assert len(session._streams) <= limits.SERVICES_PER_CLIENT_MAX + 1
    assert session.stream("s1").next_number > 1, "numbers are never used again"


def test_a_reply_that_is_sent_again_after_its_stream_was_forgotten_is_acknowledged() -> None:
    session = a_session(window=10_000)
    for n in range(2 * limits.SERVICES_PER_CLIENT_MAX):
        ask(session, f"s{n}", "x")
        first = session.stream(f"s{n}").next_number - 1
        reply(session, f"s{n}", first, "y")
        assert session.stream(f"s{n}").take(first, 1) is not None
        session.stream(f"s{n}").acks.clear()
    assert "s0" not in session._streams
    reply(session, "s0", 1, "y")  # the server has not got the acknowledgement
    assert session.stream("s0").acks == [(1, 1)]
    assert session.owed == 0
    reply(session, "never", 10**6, "y")
    assert "never" not in session._streams


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("gcd 12 18", ("gcd", "12 18")),
        ("  gcd\t12 18 \r\n", ("gcd", "12 18")),
        ("gcd", ("gcd", "")),
        ("shop.price-2 a", ("shop.price-2", "a")),
    ],
)
def test_a_line_is_split_into_service_and_arguments(line: str, parts: tuple[str, str]) -> None:
    assert split(line) == parts


@pytest.mark.parametrize("line", ["", "   ", "\n", "9gcd 1", "gçd 1", "x" * 65, "a/b 1"])
def test_a_line_without_a_name_ends_as_no_service(line: str) -> None:
    ended = split(line)
    assert isinstance(ended, m.Ended)
    assert ended.outcome == "no_service"
    assert len(ended.text) < 200


def test_goodbye_forgets_what_is_owed() -> None:
    session = a_session()
    ask(session, "a", "1")
    said(session)
    [(first, _)] = session.goodbye()
    assert (first, session.owed) == (TOKEN, 0)


def test_fit_lines_have_no_reason_against_them() -> None:
    assert why_unfit("12 18") is None


def test_replies_that_another_caller_waits_for_outlive_an_abandoned_neighbour() -> None:
    session = a_session()
    ask(session, "a", "1", "2", "3", "4", "5")
    said(session)
    reply(session, "a", 1, "1", "2", "3", "4", "5")
    stream = session.stream("a")
    stream.abandon(2, 3)
    for number, text in ((1, "1"), (5, "5")):
        found = stream.take(number, 1)
        assert found is not None
        entry, offset, _ = found
        assert isinstance(entry, m.Replies)
        assert entry.texts[offset] == text
    assert not stream._arrived


def test_what_only_workers_are_told_is_passed_over() -> None:
    session = a_session()
    ask(session, "a", "1")
    said(session)
    session.receive(TOKEN, native.encode([m.Received(1)])[0], 0.1)
    assert session.owed == 1


def test_lines_given_up_that_a_new_server_does_not_know_are_over() -> None:
    session = a_session()
    ask(session, "a", "1", "2", "3", "4")
    said(session)
    session.stream("a").abandon(1, 3)
    session.disconnected()
    greet(session, seen={"a": [(2, 2)]})
    assert session.owed == 2
    messages = said(session)
    assert m.Cancel("a", [(2, 2)]) in messages
    assert m.Ask("a", 4, ["4"]) in messages
    assert not any(isinstance(each, m.Ask) and each.first < 4 for each in messages)


def test_replies_beside_what_is_given_up_stay() -> None:
    session = a_session()
    ask(session, "a", "1", "2", "3")
    said(session)
    for number in (1, 2, 3):
        reply(session, "a", number, str(number))
    stream = session.stream("a")
    stream.abandon(2, 1)
    assert [stream.take(number, 1) is None for number in (1, 2, 3)] == [False, True, False]


def test_a_line_is_measured_in_bytes() -> None:
    assert why_unfit("é" * (limits.LINE_BYTES_MAX // 2)) is None
    for line in ("é" * (limits.LINE_BYTES_MAX // 2 + 1), "e" * (limits.LINE_BYTES_MAX + 1)):
        reason = why_unfit(line)
        assert reason is not None
        assert "too long" in reason


def test_idle_streams_are_not_looked_for_at_each_of_many_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    usual = ClientSession._forget_idle_streams

    def look(session: ClientSession) -> None:
        nonlocal looks
        looks += 1
        usual(session)

    monkeypatch.setattr(ClientSession, "_forget_idle_streams", look)
    session = ClientSession(bytes(limits.SESSION_BYTES), "test")
    for number in range(20 * limits.SERVICES_PER_CLIENT_MAX):
        stream = session.stream(f"name{number}")
        stream.fresh.append("")
        session.commit(stream)
    assert looks < 10


def test_replies_that_came_together_are_taken_by_those_who_asked_apart() -> None:
    stream = Stream("echo", 1)
    stream.next_number = 4
    came = m.Replies("echo", 1, ["a", "b", "c"], [], 1, 1, 0.0, 0.0)
    assert stream.arrive(came, 3) == 3
    assert stream.take(1, 2) == (came, 0, 2)
    assert stream.take(3, 5) == (came, 2, 1)
    assert stream.take(4, 1) is None

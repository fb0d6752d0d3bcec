from __future__ import annotations

import pytest

from linebus.testing.simulator.trace import Trace, in_words
from linebus.wire import messages as m
from linebus.wire import native

TOKEN = b"token-0000000012"
LONG = "x" * 500


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (m.Ask("echo", 7, ["a", "b", "c"]), "ask echo 7…9: a"),
        (m.Work(3, "echo", ["a"], 0), "work 3: echo a"),
        (m.Answers(3, ["A"], [], 0.1, 9), "answers 3: A (credit 9)"),
        (m.Replies("echo", 7, ["A"], [], 1, 2, 0.0, 0.0), "replies echo 7: A (attempt 2)"),
        (m.Ended("echo", 7, 2, "overloaded", "full"), "ended echo 7…8: overloaded"),
        (m.Ack("echo", [(1, 2)] * 9), "ack echo [(1, 2), (1, 2), (1, 2), (1, 2)]…"),
        (m.Lost(b"k" * 32, 4, "killed"), "lost an executor on line 4: killed"),
        (m.HelloAgain(0.5), "hello again, after 0.5 s"),
        (m.Refusal("protocol", "why"), "refusal protocol: why"),
        (m.Received(5), "received 5"),
        (m.Goodbye(), "goodbye"),
        (m.ClientHello(3, b"s" * 16, ""), "hello 3"),
        (
            m.ExecutorHello(3, b"s" * 16, b"k" * 32, b"", 5, 4, 9),
            "hello 3: received 5, answered 4, credit 9",
        ),
        (m.WorkerGreeting(3, TOKEN, 0.5), "greeting 3: token 12"),
        (m.ExecutorGreeting(3, TOKEN, b"s", 7), "greeting 3: token 12, answered 7"),
        (
            m.ClientGreeting(3, TOKEN, 0.5, 9, {"echo": [(1, 2)]}),
            "greeting 3: token 12, seen {'echo': [(1, 2)]}",
        ),
    ],
)
def test_a_message_has_a_short_form(message: m.Message, words: str) -> None:
    [body] = native.encode([message])
    assert in_words(TOKEN, body) == f"[12] {words}"
    assert in_words(native.VERSION, body) == words


def test_long_lines_and_many_messages_are_cut_short() -> None:
    [body] = native.encode([m.Ask("echo", 1, [LONG]) for _ in range(9)])
    words = in_words(TOKEN, body)
    assert len(words) < 500
    assert words.endswith("and 5 more")
    assert in_words(TOKEN, b"\xc1") == "[12] 1 bytes that make no sense"


def test_the_last_events_are_kept_and_the_checksum_is_of_all() -> None:
    one, other = Trace(2), Trace(2)
    for number in range(5):
        one.note(number, "server", f"does {number}")
        other.note(number, "server", f"does {number + (number == 0)}")
    assert str(one).splitlines() == [
        "(3 events before these)",
        "   3.0000  server       does 3",
        "   4.0000  server       does 4",
    ]
    assert str(one) == str(other)
    assert one.checksum != other.checksum


def test_heartbeats_are_not_shown() -> None:
    trace = Trace()
    [body] = native.encode([m.Heartbeat(0.5)])
    trace.note(1.0, "server", "hears", TOKEN, body)
    assert str(trace) == ""
    assert trace.checksum

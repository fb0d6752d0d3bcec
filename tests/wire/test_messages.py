"""Each message says its name and its parts, and takes no value that makes no sense."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from linebus import limits
from linebus.wire import messages as m

KEY = b"k" * limits.KEY_BYTES
SESSION = b"s" * limits.SESSION_BYTES
STREAM = b"stream"
TOKEN = b"t" * limits.TOKEN_BYTES
OFFER = m.Offer("gcd", "gcd A B", "The greatest common divisor.", "a: int -> int", "gcd 1 2")

# One example of each message, and what stands on the wire for it.
EXAMPLES: list[tuple[m.Message, list[object]]] = [
    (m.ClientHello(1, SESSION, "me"), ["client", 1, SESSION, "me"]),
    (
        m.WorkerHello(2, SESSION, "me", [OFFER], [KEY], discovered=True, spares=[KEY]),
        [
            "worker",
            2,
            SESSION,
            "me",
            [["gcd", "gcd A B", OFFER.doc, OFFER.signature, OFFER.example, 0]],
            [KEY],
            True,
            [KEY],
        ],
    ),
    (
        m.ExecutorHello(3, SESSION, KEY, STREAM, received=7, answered=5, credit=23),
        ["executor", 3, SESSION, KEY, STREAM, 7, 5, 23],
    ),
    (
        m.ClientGreeting(1, TOKEN, heartbeat_s=0.5, window_lines=9, seen={"a": [(1, 4)]}),
        ["client_greeting", 1, TOKEN, 0.5, 9, {"a": [[1, 4]]}],
    ),
    (m.WorkerGreeting(2, TOKEN, 0.5), ["worker_greeting", 2, TOKEN, 0.5]),
    (m.ExecutorGreeting(3, TOKEN, STREAM, 4), ["executor_greeting", 3, TOKEN, STREAM, 4]),
    (m.HelloAgain(0.25), ["hello_again", 0.25]),
    (m.Refusal("version", "no"), ["refusal", "version", "no"]),
    (
        m.Ask("gcd", 5, ["12 18", ""], values=True, deadline_s=2.5),
        ["ask", "gcd", 5, ["12 18", ""], True, 2.5],
    ),
    (m.Cancel("gcd", [(1, 2), (7, 7)]), ["cancel", "gcd", [[1, 2], [7, 7]]]),
    (m.Stop(KEY, 3, 4), ["stop", KEY, 3, 4]),
    (m.Ack("gcd", [(1, 4), (6, 6)]), ["ack", "gcd", [[1, 4], [6, 6]]]),
    (
        m.Replies("gcd", 5, ["6", "usage"], [1], 3, 1, 0.5, 0.25),
        ["replies", "gcd", 5, ["6", "usage"], [1], 3, 1, 0.5, 0.25],
    ),
    (m.Ended("gcd", 5, 2, "no_worker", "gone"), ["ended", "gcd", 5, 2, "no_worker", "gone"]),
    (m.Vouch(KEY, is_spare=True), ["vouch", KEY, True]),
    (
        m.Lost(KEY, 7, "slow", STREAM, failed=True, ran_s=2.5, all_at_once=True),
        ["lost", KEY, 7, "slow", STREAM, True, 2.5, True],
    ),
    (m.HandBack(KEY, STREAM, 7), ["hand_back", KEY, STREAM, 7]),
    (m.Skipped(8, 21), ["skipped", 8, 21]),
    (m.TakenBack(12), ["taken_back", 12]),
    (m.Work(5, "gcd", ["12 18"], 4, values=True), ["work", 5, "gcd", ["12 18"], 4, True]),
    (m.Received(4, [(6, 6), (8, 9)]), ["received", 4, [[6, 6], [8, 9]]]),
    (m.Answers(5, ["6"], [0], 0.25, 21), ["answers", 5, ["6"], [0], 0.25, 21]),
    (m.Heartbeat(0.5), ["heartbeat", 0.5]),
    (m.Goodbye(), ["goodbye"]),
]
HELLOS = get_args(m.Hello)
FROM_PEER = get_args(m.FromPeer)
FROM_SERVER = get_args(m.FromServer)


def name(example: object) -> str:
    return type(example).__name__ if isinstance(example, m.Message) else ""


@pytest.mark.parametrize(("message", "listed"), EXAMPLES, ids=name)
def test_a_message_is_a_list_that_begins_with_its_name(
    message: m.Message, listed: list[object]
) -> None:
    data = msgspec.msgpack.encode(message)
    assert msgspec.msgpack.decode(data) == listed
    assert msgspec.msgpack.decode(data, type=type(message)) == message


def test_every_message_has_its_example() -> None:
    assert {type(message) for message, _ in EXAMPLES} == {*HELLOS, *FROM_PEER, *FROM_SERVER}


def test_no_two_messages_share_a_name() -> None:
    names = [listed[0] for _, listed in EXAMPLES]
    assert len(set(names)) == len(names)


def test_a_hello_is_never_said_within_a_session() -> None:
    assert not set(HELLOS) & {*FROM_PEER, *FROM_SERVER}


def listed(kind: type[m.Message]) -> list[Any]:
    return next(list(parts) for message, parts in EXAMPLES if type(message) is kind)


# Message, the place of a part in its list, and a value that it must not have.
SENSELESS: list[tuple[type[m.Message], int, object]] = [
    (m.ClientHello, 1, -1),
    (m.ClientHello, 1, limits.NUMBER_MAX + 1),
    (m.ClientHello, 1, True),
    (m.ClientHello, 2, SESSION + b"!"),
    (m.ClientHello, 2, SESSION[1:]),
    (m.ClientHello, 2, "s" * limits.SESSION_BYTES),
    (m.ClientHello, 3, "x" * (limits.DESCRIPTION_CHARS_MAX + 1)),
    (m.WorkerHello, 4, []),
    (m.WorkerHello, 4, [["gcd", "", ""]] * (limits.SERVICES_PER_WORKER_MAX + 1)),
    (m.WorkerHello, 4, [["", "", ""]]),
    (m.WorkerHello, 4, [["9lives", "", ""]]),
    (m.WorkerHello, 4, [["two words", "", ""]]),
    (m.WorkerHello, 4, [["gcd\n", "", ""]]),
    (m.WorkerHello, 4, [["größe", "", ""]]),
    (m.WorkerHello, 4, [["x" * (limits.NAME_CHARS_MAX + 1), "", ""]]),
    (m.WorkerHello, 4, [["gcd", "x" * (limits.DESCRIPTION_CHARS_MAX + 1), ""]]),
    (m.WorkerHello, 5, [KEY[1:]]),
    (m.WorkerHello, 5, [KEY] * (limits.EXECUTORS_PER_WORKER_MAX + 1)),
    (m.WorkerHello, 6, 1),
    (m.WorkerHello, 7, [KEY] * (limits.EXECUTORS_PER_WORKER_MAX + 1)),
    (m.ExecutorHello, 3, KEY + b"!"),
    (m.ExecutorHello, 4, b"x" * 1000),
    (m.ExecutorHello, 5, -1),
    (m.ExecutorHello, 6, -1),
    (m.ExecutorHello, 7, limits.NUMBER_MAX + 1),
    (m.ClientGreeting, 2, TOKEN[1:]),
    (m.ClientGreeting, 3, -0.5),
    (m.ClientGreeting, 3, float("nan")),
    (m.ClientGreeting, 4, 0),
    (m.ClientGreeting, 5, {"gcd": [[0, 1]]}),
    (m.ClientGreeting, 5, {"gcd": [[1]]}),
    (m.ExecutorGreeting, 3, b"x" * 1000),
    (m.HelloAgain, 1, float("nan")),
    (m.HelloAgain, 1, -1),
    (m.Refusal, 2, "x" * (limits.DESCRIPTION_CHARS_MAX + 1)),
    (m.Ask, 1, ""),
    (m.Ask, 1, "x" * (limits.NAME_CHARS_MAX + 1)),
    (m.Ask, 2, 0),
    (m.Ask, 2, 1.5),
    (m.Ask, 3, []),
    (m.Ask, 3, [b"12 18"]),
    (m.Ask, 3, [None]),
    (m.Ask, 3, [""] * (limits.LINES_PER_MESSAGE_MAX + 1)),
    (m.Ack, 2, [[1, 2, 3]]),
    (m.Ack, 2, [[0, 2]]),
    (m.Ack, 2, [[1, 1]] * (limits.GAPS_MAX + 1)),
    (m.Ask, 5, -1.0),
    (m.Ask, 5, limits.WAIT_S_MAX + 1),
    (m.Cancel, 2, [[1, 1]] * (limits.GAPS_MAX + 1)),
    (m.Stop, 1, KEY[1:]),
    (m.Stop, 2, 0),
    (m.Ended, 3, 0),
    (m.Ended, 3, limits.CLIENT_LINES_MAX + 1),
    (m.Vouch, 1, KEY[1:]),
    (m.Lost, 2, -1),
    (m.Lost, 3, "x" * (limits.DESCRIPTION_CHARS_MAX + 1)),
    (m.Work, 1, 0),
    (m.Work, 3, []),
    (m.Work, 4, -1),
    (m.Received, 1, "4"),
    (m.Answers, 2, []),
    (m.Answers, 3, [-1]),
    (m.Answers, 3, [limits.LINES_PER_MESSAGE_MAX]),
    (m.Answers, 4, -0.1),
    (m.Answers, 4, float("nan")),
    (m.Answers, 5, -1),
    (m.Heartbeat, 1, -1.0),
]


@pytest.mark.parametrize(("kind", "place", "value"), SENSELESS)
def test_a_value_that_makes_no_sense_is_refused(
    kind: type[m.Message], place: int, value: object
) -> None:
    parts = listed(kind)
    msgspec.msgpack.decode(msgspec.msgpack.encode(parts), type=kind)  # it was right before
    parts[place] = value
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(parts), type=kind)


@pytest.mark.parametrize(("message", "listed"), EXAMPLES, ids=name)
def test_a_part_too_few_is_refused(message: m.Message, listed: list[object]) -> None:
    optional = len(message.__struct_defaults__)
    data = msgspec.msgpack.encode(listed[: len(listed) - optional - 1])
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(data, type=type(message))


@pytest.mark.parametrize(("message", "listed"), EXAMPLES, ids=name)
def test_a_newer_peer_may_add_parts_at_the_end(message: m.Message, listed: list[object]) -> None:
    data = msgspec.msgpack.encode([*listed, "new in linebus 9"])
    assert msgspec.msgpack.decode(data, type=type(message)) == message


def test_where_nothing_is_said_of_spares_no_executor_is_one() -> None:
    for kind, read in ((m.WorkerHello, "spares"), (m.Vouch, "is_spare")):
        listed = next(listed for message, listed in EXAMPLES if type(message) is kind)
        data = msgspec.msgpack.encode(listed[:-1])
        assert not getattr(msgspec.msgpack.decode(data, type=kind), read)


@pytest.mark.parametrize("kind", [m.Ask, m.Work])
def test_results_are_wanted_as_sentences_where_nothing_is_said(kind: type[m.Ask | m.Work]) -> None:
    listed = next(listed for message, listed in EXAMPLES if type(message) is kind)
    without = listed[: 1 + kind.__struct_fields__.index("values")]
    assert not msgspec.msgpack.decode(msgspec.msgpack.encode(without), type=kind).values


@pytest.mark.parametrize("offered", ["a", "_", "gcd", "shop.price-2", "X" * limits.NAME_CHARS_MAX])
def test_a_service_may_have_such_a_name(offered: str) -> None:
    data = msgspec.msgpack.encode([offered, "", ""])
    assert msgspec.msgpack.decode(data, type=m.Offer).name == offered


def test_entries_count_the_requests_that_they_end() -> None:
    assert m.count_of(m.Replies("echo", 1, ["A", "B"], [], 7, 1, 0.0, 0.0)) == 2
    assert m.count_of(m.Ended("echo", 1, 9, "failed", "")) == 9

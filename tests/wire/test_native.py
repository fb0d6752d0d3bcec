"""The native dialect's codec: round trips, and bytes from peers that mean no good."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.errors import ProtocolError
from linebus.wire import messages as m
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Callable

DECODERS = [native.decode_hello, native.decode_from_peer, native.decode_from_server]

# ---- any message there may be ----------------------------------------------------------------

texts = st.text(max_size=20)
names = st.text(min_size=1, max_size=limits.NAME_CHARS_MAX)
numbers = st.integers(1, limits.NUMBER_MAX)
seconds = st.floats(0, limits.WAIT_S_MAX)
offered = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
some_lines = st.lists(texts, min_size=1, max_size=5)
tokens = st.binary(min_size=limits.TOKEN_BYTES, max_size=limits.TOKEN_BYTES)
streams = st.sampled_from([b"", b"a stream"])
keys = st.binary(min_size=limits.KEY_BYTES, max_size=limits.KEY_BYTES)
nonces = st.integers(0, limits.NUMBER_MAX)
intervals = st.lists(st.tuples(numbers, numbers), max_size=3)
offers = st.builds(m.Offer, offered, texts, texts)
offsets = st.lists(st.integers(0, limits.LINES_PER_MESSAGE_MAX - 1), max_size=3)
counts = st.integers(1, limits.CLIENT_LINES_MAX)

hellos: st.SearchStrategy[m.Hello] = st.one_of(
    st.builds(m.ClientHello, nonces, tokens, texts),
    st.builds(
        m.WorkerHello,
        nonces,
        tokens,
        texts,
        st.lists(offers, min_size=1, max_size=3),
        st.lists(keys, max_size=3),
        st.booleans(),
    ),
    st.builds(m.ExecutorHello, nonces, tokens, keys, streams, nonces, nonces, nonces),
)
from_peer: st.SearchStrategy[m.FromPeer] = st.one_of(
    st.builds(m.Ask, names, numbers, some_lines, st.booleans(), seconds),
    st.builds(m.Ack, names, intervals),
    st.builds(m.Cancel, names, intervals),
    st.builds(m.Vouch, keys),
    st.builds(m.Lost, keys, nonces, texts),
    st.builds(m.HandBack, keys, streams, numbers),
    st.builds(m.Skipped, numbers, nonces),
    st.builds(m.Answers, numbers, some_lines, offsets, seconds, nonces),
    st.builds(m.Heartbeat, seconds),
    st.builds(m.Goodbye),
)
from_server: st.SearchStrategy[m.FromServer] = st.one_of(
    st.builds(
        m.ClientGreeting,
        nonces,
        tokens,
        seconds,
        counts,
        st.dictionaries(names, intervals, max_size=3),
    ),
    st.builds(m.WorkerGreeting, nonces, tokens, seconds),
    st.builds(m.ExecutorGreeting, nonces, tokens, streams, nonces),
    st.builds(m.HelloAgain, seconds),
    st.builds(m.Refusal, texts, texts),
    st.builds(m.Replies, names, numbers, some_lines, offsets, nonces, nonces, seconds, seconds),
    st.builds(m.Ended, names, numbers, counts, texts, texts),
    st.builds(m.Work, numbers, names, some_lines, nonces),
    st.builds(m.Received, nonces, intervals),
    st.builds(m.TakenBack, nonces),
    st.builds(m.Stop, keys, numbers, numbers),
    st.builds(m.Heartbeat, seconds),
)


@given(hellos)
def test_a_hello_comes_back_as_it_was(hello: m.Hello) -> None:
    [body] = native.encode([hello])
    assert native.decode_hello(body) == hello


@given(st.lists(from_peer, max_size=5))
def test_what_a_peer_says_comes_back_as_it_was(messages: list[m.FromPeer]) -> None:
    [body] = native.encode(messages)
    assert native.decode_from_peer(body) == messages


@given(st.lists(from_server, max_size=5))
def test_what_the_server_says_comes_back_as_it_was(messages: list[m.FromServer]) -> None:
    [body] = native.encode(messages)
    assert native.decode_from_server(body) == messages


def test_the_strategies_know_every_message() -> None:
    kinds = (get_args(m.Hello), get_args(m.FromPeer), get_args(m.FromServer))
    assert [len(kind) for kind in kinds] == [3, 10, 12]


# ---- hostile bytes ---------------------------------------------------------------------------


def decode_or_refuse(decode: Callable[[bytes], object], body: bytes) -> object | None:
    """Anything but ProtocolError is a test that fails."""
    try:
        return decode(body)
    except ProtocolError as error:
        assert str(error)  # noqa: PT017  that it is raised is not demanded
        return None


@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_a_protocol_error(body: bytes) -> None:
    for decode in DECODERS:
        decode_or_refuse(decode, body)


anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=10),
        st.binary(max_size=40),
        st.sampled_from([kind.__struct_config__.tag for kind in get_args(m.FromPeer)]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(anything)
def test_well_formed_nonsense_is_a_message_or_a_protocol_error(value: Any) -> None:  # noqa: ANN401
    body = msgspec.msgpack.encode([value])
    for decode in DECODERS:
        decode_or_refuse(decode, body)


@given(st.lists(from_peer, min_size=1, max_size=3), st.data())
def test_a_message_with_one_byte_changed_does_no_harm(
    messages: list[m.FromPeer], data: st.DataObject
) -> None:
    body = bytearray(native.encode(messages)[0])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for decode in DECODERS:
        decode_or_refuse(decode, bytes(body))


@given(st.lists(from_peer, min_size=1, max_size=3), st.data())
def test_half_a_message_is_a_protocol_error(
    messages: list[m.FromPeer], data: st.DataObject
) -> None:
    body = native.encode(messages)[0]
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ProtocolError):
        native.decode_from_peer(body[:cut])


def array(length: int) -> bytes:
    return b"\xdd" + struct.pack(">I", length)


def text(length: int) -> bytes:
    return b"\xdb" + struct.pack(">I", length)


DEEP = 200_000
HOSTILE = {
    "nothing": b"",
    "a lone byte that MessagePack never uses": b"\xc1",
    "two bodies": native.encode([m.Goodbye()])[0] * 2,
    "a number": b"\x05",
    "a map": b"\x80",
    "arrays in arrays": b"\x91" * DEEP + b"\xc0",
    "maps in maps": b"\x81\xa1a" * DEEP + b"\xc0",
    "arrays in an unknown message": b"\x91\x92\xa7unknown" + b"\x91" * DEEP + b"\xc0",
    "arrays in a surplus part": b"\x91\x92\xa7goodbye" + b"\x91" * DEEP + b"\xc0",
    "maps in a surplus part": b"\x91\x92\xa7goodbye" + b"\x81\xa1a" * DEEP + b"\xc0",
    "four thousand million messages": array(2**32 - 1),
    "four thousand million lines": b"\x91\x94\xa3ask\xa1x\x01" + array(2**32 - 1),
    "a service's name of four gigabytes": b"\x91\x94\xa3ask" + text(2**32 - 1) + b"x",
    "a tag that is no UTF-8": b"\x91\x91\xa9" + b"\xff" * 9,
    "a name that is no UTF-8": b"\x91\x94\xa3ask\xa1\xff\x01\x91\xa0",
    "a line that is no UTF-8": b"\x91\x94\xa3ask\xa1x\x01\x91\xa2\xc3\x28",
    "half a surrogate pair as bytes": b"\x91\x94\xa3ask\xa1x\x01\x91\xa3\xed\xa0\x80",
    "an extension type": b"\x91\xd4\x01\x00",
    "a date": b"\x91\xd6\xff\x00\x00\x00\x00",
    "an extension of four gigabytes": b"\x91\xc9\xff\xff\xff\xff\x01",
    "a map for a message": b"\x91\x81\xa3ask\xc0",
    "a key that is a list": b"\x91\x81\x90\xc0",
    "a number beyond 64 bits as bytes": b"\x91\x92\xa9heartbeat\xc4\x09" + b"\xff" * 9,
    "nothing for a number": b"\x91\x94\xa3ask\xa1x\xc0\x91\xa0",
}


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_a_protocol_error(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(body)


def test_a_hello_is_alone() -> None:
    hello = m.ClientHello(1, b"s" * limits.SESSION_BYTES, "me")
    for messages in ([], [hello, hello]):
        [body] = native.encode(messages)
        with pytest.raises(ProtocolError):
            native.decode_hello(body)


def test_what_the_server_says_is_refused_from_a_peer() -> None:
    [body] = native.encode([m.Received(1)])
    with pytest.raises(ProtocolError, match="received"):
        native.decode_from_peer(body)


def test_a_peer_says_at_most_so_much_at_once() -> None:
    most = limits.MESSAGES_PER_BODY_MAX
    assert len(native.decode_from_peer(msgspec.msgpack.encode([m.Goodbye()] * most))) == most
    with pytest.raises(ProtocolError):
        native.decode_from_peer(msgspec.msgpack.encode([m.Goodbye()] * (most + 1)))


# ---- long bodies -----------------------------------------------------------------------------


def test_much_to_say_is_said_in_several_bodies_in_order() -> None:
    line = "x" * (limits.MESSAGE_BYTES_TARGET // 4)
    messages: list[m.FromPeer] = [m.Ask("echo", number, [line]) for number in range(1, 10)]
    bodies = native.encode(messages)
    assert len(bodies) > 1
    assert all(len(body) <= limits.MESSAGE_BYTES_TARGET for body in bodies)
    assert [said for body in bodies for said in native.decode_from_peer(body)] == messages


def test_many_short_messages_are_bodies_that_the_server_takes() -> None:
    # A client whose lines are scattered asks each in a message of its own.
    messages: list[m.FromPeer] = [m.Ask("echo", n, [""]) for n in range(1, 20_000, 2)]
    bodies = native.encode(messages)
    assert [said for body in bodies for said in native.decode_from_peer(body)] == messages


def test_a_single_message_is_never_split() -> None:
    message = m.Ask("echo", 1, ["x" * limits.MESSAGE_BYTES_TARGET] * 2)
    [body] = native.encode([message])
    assert native.decode_from_peer(body) == [message]


def test_nothing_to_say_is_an_empty_body() -> None:
    assert native.encode([]) == [b"\x90"]


# ---- texts that are no Unicode ---------------------------------------------------------------


def test_half_a_surrogate_pair_in_an_answer_is_written_as_an_escape() -> None:
    before = m.Answers(1, ["fine"], [], 0.0, 9)
    answers = m.Answers(2, ["fine", "a \udcff b"], [1], 0.5, 10)
    [body] = native.encode([before, answers])
    after = m.Answers(2, ["fine", r"a \udcff b"], [1], 0.5, 10)
    assert native.decode_from_peer(body) == [before, after]


def test_half_a_surrogate_pair_in_a_line_is_our_own_mistake() -> None:
    with pytest.raises(ProtocolError, match="surrogate"):
        native.encode([m.Ask("echo", 1, ["\ud800"])])


@given(st.text(max_size=50))
def test_unicode_text_has_nothing_to_escape(said: str) -> None:
    assert native.escape_surrogates(said) == said


@given(st.text(st.characters(categories=["Cs", "L"]), max_size=50))
def test_any_text_can_be_written_once_it_is_escaped(said: str) -> None:
    native.escape_surrogates(said).encode()


def test_a_token_is_never_taken_for_a_version() -> None:
    assert native.VERSION.startswith(native.FAMILY)
    assert len(native.VERSION) != limits.TOKEN_BYTES

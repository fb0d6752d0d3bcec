"""The native dialect's bytes: two frames, `linebus/1` or a token, then a MessagePack list.

A hello and whatever is said outside a session carries the version as its first frame; everything
later carries the token of the greeting. The second frame is a list of messages, decoded straight
into typed structs and validated in the same step (msgspec).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import msgspec

from linebus import limits
from linebus.errors import ProtocolError
from linebus.wire import messages as m

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = b"linebus/1"
FAMILY = b"linebus/"

assert len(VERSION) != limits.TOKEN_BYTES, "the first frame's length tells a hello from a token"

_encode = msgspec.msgpack.Encoder().encode
_hello_decoder = msgspec.msgpack.Decoder(
    Annotated[list[m.Hello], msgspec.Meta(min_length=1, max_length=1)]
)
_peer_decoder = msgspec.msgpack.Decoder(
    Annotated[list[m.FromPeer], msgspec.Meta(max_length=limits.MESSAGES_PER_BODY_MAX)]
)
_server_decoder = msgspec.msgpack.Decoder(list[m.FromServer])


def encode(messages: Sequence[m.Message]) -> list[bytes]:
    """Encode messages as one body, or as several in order where one would hold too much.

    A single message is never split; whoever makes one keeps it below the target.
    """
    body = _encode_text(messages)
    fits = len(body) <= limits.MESSAGE_BYTES_TARGET
    if (fits and len(messages) <= limits.MESSAGES_PER_BODY_MAX) or len(messages) == 1:
        return [body]
    half = len(messages) // 2
    return encode(messages[:half]) + encode(messages[half:])


def decode_hello(body: bytes) -> m.Hello:
    """Decode the body of a hello. Raises ProtocolError."""
    try:
        return cast("list[m.Hello]", _hello_decoder.decode(body))[0]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a hello: {error}") from error


def decode_from_peer(body: bytes) -> list[m.FromPeer]:
    """Decode what a client or worker sent within its session. Raises ProtocolError."""
    try:
        return cast("list[m.FromPeer]", _peer_decoder.decode(body))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a list of messages: {error}") from error


def decode_from_server(body: bytes) -> list[m.FromServer]:
    """Decode what the server sent. Raises ProtocolError."""
    try:
        return _server_decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a list of messages: {error}") from error


def _encode_text(messages: Sequence[m.Message]) -> bytes:
    try:
        return _encode(messages)
    except UnicodeEncodeError:
        # A lone surrogate in a reply's text: rare, so the check costs nothing on the way.
        return _encode([_without_surrogates(message) for message in messages])


def _without_surrogates(message: m.Message) -> m.Message:
    match message:
        case m.Answers(texts=texts):
            return msgspec.structs.replace(message, texts=[escape_surrogates(t) for t in texts])
        case _:
            raise ProtocolError("a text holds half a surrogate pair and is no Unicode text")


def escape_surrogates(text: str) -> str:
    r"""Write half a surrogate pair as `\udcff`, since UTF-8 has no bytes for it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

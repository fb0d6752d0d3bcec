"""Messages between processes of ours, over a pipe or a pair of sockets.

Each message is a MessagePack array behind its length in four bytes.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import msgspec
from msgspec import Struct

from linebus import limits

_LENGTH = struct.Struct("!I")

_encode = msgspec.msgpack.Encoder().encode


class PipeReader:
    """Reads messages of one union of types from a descriptor."""

    def __init__(self, descriptor: int, types: Any) -> None:  # noqa: ANN401  a union is no type
        """Read from `descriptor`; `types` is the union of what may come."""
        self.descriptor = descriptor
        self.is_at_end = False
        self._decode = msgspec.msgpack.Decoder(types).decode
        self._rest = b""

    def read(self) -> list[Any]:
        """Return the messages that are complete after one read; note where the other end closed.

        Blocks where the descriptor does. A message that makes no sense counts as the end.
        """
        try:
            data = os.read(self.descriptor, limits.PIPE_READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError:  # of a socket whose other end was killed
            data = b""
        if not data:
            self.is_at_end = True
        self._rest += data
        messages = []
        while (body := self._next_body()) is not None:
            try:
                messages.append(self._decode(body))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self.is_at_end = True
                break
        return messages

    def _next_body(self) -> bytes | None:
        if len(self._rest) < _LENGTH.size:
            return None
        [length] = _LENGTH.unpack_from(self._rest)
        if length > limits.REPORT_BYTES_MAX:
            self.is_at_end = True
            return None
        end = _LENGTH.size + length
        if len(self._rest) < end:
            return None
        body, self._rest = self._rest[_LENGTH.size : end], self._rest[end:]
        return body


class PipeWriter:
    """Writes messages to a descriptor; what does not fit into the pipe waits here."""

    def __init__(self, descriptor: int) -> None:
        """Write to `descriptor`."""
        self.descriptor = descriptor
        self._waiting = b""

    @property
    def is_waiting(self) -> bool:
        """Whether something has to be written when the descriptor is ready."""
        return bool(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """How much that is."""
        return len(self._waiting)

    def write(self, message: Struct) -> None:
        """Write a message as far as the pipe takes it."""
        body = _encode(message)
        self._waiting += _LENGTH.pack(len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Write more of what waits; what the other end will never read is dropped."""
        try:
            while self._waiting:
                written = os.write(self.descriptor, self._waiting)
                self._waiting = self._waiting[written:]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting = b""

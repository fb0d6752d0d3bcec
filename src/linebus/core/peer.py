"""A peer's side of a session, as far as clients, guardians and executors share it; no I/O.

The shell reports `connected`, `disconnected` and the two frames of what arrives; it sends what
`outgoing` returns. A hello is said at each new connection and carries a fresh nonce, so that a
greeting meant for an earlier connection is not taken for the answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.errors import ProtocolError, SessionRefused, VersionMismatch
from linebus.wire import messages as m
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Sequence

    Frames = tuple[bytes, bytes]

Greeting = m.ClientGreeting | m.WorkerGreeting | m.ExecutorGreeting


class PeerSession(ABC):
    """One session with a broker, seen from the peer. `ident` is 16 secret random bytes."""

    greeting_type: type[Greeting]

    def __init__(self, ident: bytes) -> None:
        """Start without a connection."""
        self.ident = ident
        self.is_greeted = False
        self.heard_at = 0.0
        self._nonce = 0
        self._token = b""
        self._hello_at = inf
        self._frames: list[Frames] = []

    # -- what the shell reports --------------------------------------------------------------

    def connected(self, now: float) -> None:
        """Say hello: a connection has come about."""
        self._hello_at = now
        self.heard_at = now
        self.is_greeted = False
        self.tick(now)

    def disconnected(self) -> None:
        """Note that the connection is cut."""
        self.is_greeted = False
        self._token = b""
        self._hello_at = inf
        self._frames.clear()

    def receive(self, first: bytes, body: bytes, now: float) -> None:
        """Take the two frames of what the server sent.

        Raises VersionMismatch and SessionRefused. Frames that make no sense, or that belong to an
        earlier connection, are dropped; a token that is not known makes it say hello again.
        """
        if self.is_greeted and first == self._token:
            self.heard_at = now
            for message in self._decode(body):
                self.handle(message, now)
        elif first == native.VERSION:
            self._receive_outside(body, now)
        elif first.startswith(native.FAMILY):
            raise VersionMismatch(
                f"the server speaks {first[:32].decode('ascii', 'replace')}, this program "
                f"{native.VERSION.decode()}; install the same version of linebus on both sides"
            )
        elif self.is_greeted and len(first) == limits.TOKEN_BYTES:
            # The server has heard an older hello once more and waits for an answer to its greeting.
            self._say_hello_again(now)

    def tick(self, now: float) -> None:
        """Do what the passing of time causes."""
        if now >= self._hello_at:
            self._nonce += 1
            self._hello_at = now + limits.GREETING_S
            self._frames = [(native.VERSION, native.encode([self.hello(self._nonce)])[0])]

    def next_deadline(self) -> float:
        """Return when `tick` wants to be called next, infinity where nothing is due."""
        return self._hello_at

    def outgoing(self, now: float) -> Sequence[Frames]:
        """Return the frames to be sent now, in order, and forget them."""
        if self.is_greeted:
            messages = self.messages(now)
            if messages:
                self._frames += [(self._token, body) for body in native.encode(messages)]
        frames, self._frames = self._frames, []
        return frames

    def last_words(self) -> list[Frames]:
        """Return the frames that end the session, none where it has not been greeted."""
        return [(self._token, native.encode([m.Goodbye()])[0])] if self.is_greeted else []

    def refused(self, code: str, text: str, now: float) -> None:
        """Give up; a peer that can wait until the server has room may do otherwise."""
        error = VersionMismatch if code == "version" else SessionRefused
        raise error(f"the server refuses this session: {text}")

    # -- what each kind of peer adds ---------------------------------------------------------

    @abstractmethod
    def hello(self, nonce: int) -> m.Hello:
        """Return the hello of this peer."""

    @abstractmethod
    def greeted(self, greeting: Greeting, now: float) -> None:
        """Go on from where the greeting says."""

    @abstractmethod
    def handle(self, message: m.FromServer, now: float) -> None:
        """Take one message of the session."""

    @abstractmethod
    def messages(self, now: float) -> list[m.Message]:
        """Return what is to be said within the session, and forget it."""

    # ----------------------------------------------------------------------------------------

    def _receive_outside(self, body: bytes, now: float) -> None:
        for message in self._decode(body):
            match message:
                case m.ClientGreeting() | m.WorkerGreeting() | m.ExecutorGreeting():
                    self._receive_greeting(message, now)
                case m.HelloAgain(after_s=after_s):
                    # Where a hello is under way already, this answers something older than it,
                    # unless it asks for patience: then the hello itself came too early.
                    if self.is_greeted or after_s:
                        self._say_hello_again(now, after_s)
                case m.Refusal(code=code, text=text):
                    self.refused(code, text, now)
                case _:
                    pass

    def _say_hello_again(self, now: float, after_s: float = 0.0) -> None:
        self.is_greeted = False
        self._hello_at = now + after_s
        self.tick(now)

    def _receive_greeting(self, greeting: Greeting, now: float) -> None:
        is_meant = isinstance(greeting, self.greeting_type) and greeting.nonce == self._nonce
        if is_meant and not self.is_greeted:
            self._token = greeting.token
            self._hello_at = inf
            self.is_greeted = True
            self.heard_at = now
            self.greeted(greeting, now)

    def _decode(self, body: bytes) -> list[m.FromServer]:
        try:
            return native.decode_from_server(body)
        except ProtocolError:
            return []

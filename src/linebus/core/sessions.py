"""What the sessions of clients, guardians and executors have in common.

A session is one peer's dialogue from hello to goodbye, across reconnects. Its route is where the
peer can be reached now (None: its connection is cut); its token opens every later message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linebus.wire.messages import Message

Route = bytes
Token = bytes


class Session:
    """One peer's dialogue with the broker."""

    def __init__(self, ident: bytes, number: int) -> None:
        """Start a session that has not been attached to a route."""
        self.ident = ident
        self.number = number
        self.route: Route | None = None
        self.token: Token = b""
        self.heard_at = 0.0
        self.lost_at = 0.0
        self.ended = False
        self.greeting: Message | None = None
        self.outbox: list[Message] = []
        self.heartbeat: Message | None = None  # one is enough, however many are owed
        self.again: Message | None = None  # an invitation to say hello and to ask again

    def stall(self) -> None:
        """Note that the peer does not read: what it can ask for again need not wait here."""

    def attach(self, route: Route, token: Token, greeting: Message) -> None:
        """Go on at a new route with a new token; what was to be sent before is forgotten."""
        self.route = route
        self.token = token
        self.greeting = greeting
        self.again = None
        self.outbox.clear()

    def detach(self, now: float) -> None:
        """Note that the connection is cut."""
        self.route = None
        self.lost_at = now
        self.greeting = self.again = None
        self.outbox.clear()

    def take(self) -> list[Message]:
        """Hand out what is to be sent, in order, and forget it."""
        messages, self.outbox = self.outbox, []
        if self.heartbeat is not None:
            messages.append(self.heartbeat)
            self.heartbeat = None
        return messages

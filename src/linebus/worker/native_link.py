"""A guardian's session with a server and the connection that it goes over.

There is one for what is offered now, and after a change of the services one more for as long as
executors of before the change have a line at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus.net.dealer import Dealer, Event

if TYPE_CHECKING:
    import zmq

    from linebus.worker.session import GuardianSession


class NativeLink:
    """Carries one session. It has no connection at first."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], poller: zmq.Poller, session: GuardianSession
    ) -> None:
        """Have the poller wake up for this session's connections."""
        self.session = session
        self.dealer: Dealer | None = None
        self.was_greeted = False
        self._context = context
        self._poller = poller
        self._frames: list[tuple[bytes, bytes]] = []

    @property
    def address(self) -> str | None:
        """Where it is connected or tries to be."""
        return self.dealer.address if self.dealer is not None else None

    @property
    def is_waiting(self) -> bool:
        """Whether something has to be sent when there is room, or heard that nobody tells of."""
        return bool(self._frames) or (self.dealer is not None and self.dealer.is_behind)

    def connect(self, address: str) -> None:
        """Open a connection, in place of the one there was."""
        self.disconnect()
        self.dealer = Dealer(self._context, address)
        self.dealer.register(self._poller)

    def disconnect(self) -> None:
        """Close the connection, if there is one, without a word."""
        if self.dealer is not None:
            self.dealer.unregister(self._poller)
            self.dealer.close()
            self.dealer = None
            self.session.disconnected()
        self._frames.clear()

    def hear(self, now: float) -> None:
        """Take in what has come, a bounded part of it. Raises what the session raises."""
        if self.dealer is None:
            return
        for event in self.dealer.events():
            if event is Event.CONNECTED:
                self.session.connected(now)
            elif event is Event.DISCONNECTED:
                self.session.disconnected()
                self._frames.clear()
        for frames in self.dealer.arrivals():
            self.session.receive(*frames, now)

    def renew(self, now: float) -> None:
        """Open a new connection where the server has been silent for too long."""
        if self.dealer is not None and self.session.is_silent(now):
            self.connect(self.dealer.address)

    def send(self, now: float) -> None:
        """Send what the session has to say, as far as there is room."""
        if self.dealer is None:
            return
        self._frames += self.session.outgoing(now)
        while self._frames and self.dealer.send(*self._frames[0]):
            del self._frames[0]

    def end(self) -> None:
        """Say goodbye and close the connection."""
        if self.dealer is not None:
            for first, body in self.session.last_words():
                self.dealer.send(first, body)
        self.disconnect()

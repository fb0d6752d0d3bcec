"""One peer's connection to the broker: two queues of messages, which end where it is cut."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from linebus.wire import native

if TYPE_CHECKING:
    from linebus.core.peer import PeerSession
    from linebus.testing.world import World

Frames = tuple[bytes, bytes]


class Link:
    """A connection that keeps the order of messages, and the route of the moment."""

    def __init__(self, world: World, session: PeerSession) -> None:
        """Start without a connection."""
        self.world = world
        self.session = session
        self.route: bytes | None = None
        self.to_server: deque[Frames] = deque()
        self.to_peer: deque[Frames] = deque()
        world.links.append(self)

    @property
    def now(self) -> float:
        """What the peer's clock says."""
        return self.world.now

    def connect(self) -> None:
        """Connect; the session says hello."""
        assert self.route is None, "it is connected"
        self.world.routes += 1
        self.route = b"route-%d" % self.world.routes
        self.session.connected(self.now)

    def cut(self, *, unsent: int = 0, unread: int = 0) -> None:
        """Lose the connection, and all that was under way on it but what `lose` keeps."""
        if self.route is not None:
            self.world.broker.disconnected(self.route, self.world.now)
        self.lose(unsent=unsent, unread=unread)

    def lose(self, *, unsent: int = 0, unread: int = 0) -> None:
        """Lose the connection without the broker being told (it has died as well).

        As a ZeroMQ socket does, it delivers the last `unsent` messages to whatever server it is
        connected to next, and the first `unread` ones that had come to its peer, late.
        """
        self.route = None
        while len(self.to_server) > unsent:
            self.to_server.popleft()
        while len(self.to_peer) > unread:
            self.to_peer.pop()
        self.session.disconnected()

    def collect(self) -> None:
        """Take what the session wants to send."""
        self.session.tick(self.now)
        if self.route is not None:
            self.to_server.extend(self.session.outgoing(self.now))

    def deliver_to_server(self) -> None:
        """Hand the next message to the broker, unless the connection breaks over it."""
        first, body = self.to_server.popleft()
        world = self.world
        if first != native.VERSION:
            world.mishaps.on_the_way(self, body, to_server=True)
        if self.route is not None:
            world.hear(self.route, first, body)

    def deliver_to_peer(self) -> None:
        """Hand the next message to the peer, unless the connection breaks over it."""
        first, body = self.to_peer.popleft()
        if first != native.VERSION:
            self.world.mishaps.on_the_way(self, body, to_server=False)
        if self.route is not None:
            self.session.receive(first, body, self.now)

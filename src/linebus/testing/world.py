"""A bus in one thread: the real broker with the real sessions, and a clock that the caller moves.

Nothing here sleeps, opens a socket or draws at random. What goes wrong is for a `Mishaps` to say.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.broker import Broker
from linebus.errors import ProtocolError
from linebus.testing.network import Link
from linebus.testing.peers import (
    Answer,
    ClientPeer,
    ExecutorPeer,
    GuardianPeer,
    Offered,
    of_function,
)
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from linebus.core.peer import PeerSession

RECONNECT_S = limits.RECONNECT_MS / 1000


class Mishaps:
    """What goes wrong in a world: nothing, where no subclass says otherwise."""

    def on_the_way(self, link: Link, body: bytes, *, to_server: bool) -> None:
        """A message of a session is about to arrive; cutting its link loses it."""

    def line_done(self, executor: ExecutorPeer, service: str, arguments: str) -> None:
        """A line has been worked on, and its reply has not left the executor."""


class World:
    """A server and its peers, which move only when they are told to.

    `line_cost_s` is what working on a line is said to have taken, beside what the world's clock
    says. A link in `stopped` moves nothing, as by SIGSTOP: it stays connected. `away` holds when
    links that were cut come back by themselves. `watchers` are called whenever all has come to
    rest, and return whether they did something, after which it may move again.
    """

    def __init__(self, now: float = 100.0, *, line_cost_s: float = 0.001) -> None:
        """Start a broker without peers at the moment `now`."""
        self.now = now
        self.mishaps = Mishaps()
        self.line_cost_s = line_cost_s
        self.routes = 0
        self.links: list[Link] = []
        self.stopped: set[Link] = set()
        self.away: dict[Link, float] = {}
        self.clients: list[ClientPeer] = []
        self.guardians: list[GuardianPeer] = []
        self.watchers: list[Callable[[], bool]] = []
        self._tokens = 0
        self._numbers = 0
        self.published: list[str] = []
        self.broadcast: list[str] = []
        self.broker = self._new_broker()

    def _new_broker(self) -> Broker:
        return Broker(self._fresh_token, self.now)

    def _fresh_token(self) -> bytes:
        self._tokens += 1
        return b"token-%010d" % self._tokens

    def next_number(self) -> int:
        """Return a number that no other peer has."""
        self._numbers += 1
        return self._numbers

    # -- peers -------------------------------------------------------------------------------

    def new_link(self, session: PeerSession) -> Link:
        """Return the way from a session to the server, not connected yet."""
        return Link(self, session)

    def new_executor(self, guardian: GuardianPeer) -> ExecutorPeer:
        """Return an executor that its guardian is about to start."""
        return ExecutorPeer(self, guardian, self.next_number())

    def client(self) -> ClientPeer:
        """Connect a client."""
        peer = ClientPeer(self, self.next_number())
        self.clients.append(peer)
        peer.link.connect()
        return peer

    def dismiss_client(self, client: ClientPeer) -> None:
        """End a client's session, as its program does."""
        self.pump()
        client.link.to_server.extend(client.session.goodbye())
        while client.link.to_server:
            client.link.deliver_to_server()
        client.link.cut()
        self.remove(client.link)
        self.clients.remove(client)

    def guardian(self, services: Mapping[str, Answer], procs: int = 1) -> GuardianPeer:
        """Connect a worker whose services are plain functions of text."""
        return self.worker([of_function(*each) for each in services.items()], procs)

    def worker(self, offered: Sequence[Offered], procs: int) -> GuardianPeer:
        """Connect a worker with its executors."""
        peer = GuardianPeer(self, self.next_number(), offered, procs)
        self.guardians.append(peer)
        peer.link.connect()
        return peer

    def kill_guardian(self, guardian: GuardianPeer) -> None:
        """End a worker with its executors, as by SIGKILL."""
        for executor in list(guardian.executors):
            guardian.kill_executor(executor, replace=False)
        guardian.link.cut()
        self.remove(guardian.link)
        self.guardians.remove(guardian)

    def stop_guardian(self, guardian: GuardianPeer) -> None:
        """Stop a worker and its executors, as by SIGSTOP or where their host vanishes."""
        self.stopped |= _links_of(guardian)

    def resume_guardian(self, guardian: GuardianPeer) -> None:
        """Let a worker that was stopped go on."""
        self.stopped -= _links_of(guardian)

    def remove(self, link: Link) -> None:
        """Forget a connection whose peer has ended."""
        self.links.remove(link)
        self.stopped.discard(link)
        self.away.pop(link, None)

    @property
    def executors(self) -> list[ExecutorPeer]:
        """All executors that live."""
        return [executor for guardian in self.guardians for executor in guardian.executors]

    # -- what cuts connections ---------------------------------------------------------------

    def interrupt(self, link: Link) -> None:
        """Cut a connection, which its peer opens again a moment later."""
        link.cut()
        self.away[link] = self.now + RECONNECT_S

    def restart_broker(self, lose: Callable[[Link], None] = Link.lose) -> None:
        """Put a new broker in the place of this one; all connections are lost, each by `lose`."""
        for link in self.links:
            lose(link)
        self.broker = self._new_broker()

    def restart_server(self) -> None:
        """Restart the server; its peers come back by themselves a moment later."""
        self.restart_broker()
        self.away = dict.fromkeys(self.links, self.now + RECONNECT_S)

    def _come_back(self) -> None:
        for link, at in list(self.away.items()):
            if at <= self.now and link not in self.stopped:
                del self.away[link]
                link.connect()

    # -- time and messages -------------------------------------------------------------------

    def pump(self) -> None:
        """Move all messages until nothing moves any more; no line is worked on."""
        if self.away:
            self._come_back()
        moved = True
        while moved:
            moved = self._round()
            if not moved:
                moved = any([watcher() for watcher in list(self.watchers)])  # noqa: C419  all look
            for guardian in list(self.guardians):
                moved = guardian.heed_stops() or moved
        for client in self.clients:
            client.collect()

    def _round(self) -> bool:
        """Move what there is to the broker and back; return whether there was anything."""
        moved = False
        for link in [link for link in self.links if link not in self.stopped]:
            link.collect()
            while link.to_server:
                link.deliver_to_server()
                moved = True
        moved = self.broker_round() or moved
        for link in [link for link in self.links if link not in self.stopped]:
            while link.to_peer:
                link.deliver_to_peer()
                moved = True
        return moved

    @property
    def server_now(self) -> float:
        """What the server's clock says."""
        return self.now

    def hear(self, route: bytes, first: bytes, body: bytes) -> None:
        """Hand what has come from a peer to the broker, as the server's loop does."""
        now = self.server_now
        if first == native.VERSION:
            self.broker.greet(route, native.decode_hello(body), now)
            return
        try:
            messages = native.decode_from_peer(body)
        except ProtocolError as error:
            self.broker.break_off(route, str(error), now)
            return
        self.broker.receive(route, first, messages, now)

    def broker_round(self, stalled: Collection[bytes] = ()) -> bool:
        """Let the broker do what a round of the server's loop does; return whether it spoke."""
        self.broker.expire(self.server_now)
        self.broker.dispatch(self.server_now)
        spoke = False
        by_route = {link.route: link for link in self.links if link.route is not None}
        for route, first, messages in self.broker.outgoing(stalled):
            spoke = True
            if route in by_route:
                by_route[route].to_peer.extend((first, body) for body in native.encode(messages))
        self.published += self.broker.effects.take_published()
        self.broadcast += self.broker.effects.take_broadcast()
        return spoke

    def work(self) -> None:
        """Pump and work on lines until there is nothing left to do at this moment."""
        self.pump()
        while begun := [executor for executor in self.executors if executor.begin()]:
            for executor in begun:
                if executor.position and executor.can_move:  # else one before it has ended it
                    executor.finish()
            self.pump()

    def next_deadline(self) -> float:
        """Return when time will next cause something."""
        moving = [link for link in self.links if link not in self.stopped]
        peers = min((link.session.next_deadline() for link in moving), default=inf)
        back = min((at for link, at in self.away.items() if link not in self.stopped), default=inf)
        return min(peers, back, self.broker.next_deadline())

    def pass_time(self, seconds: float) -> None:
        """Jump from deadline to deadline until so many seconds have passed; nobody works."""
        end = self.now + seconds
        while self.next_deadline() < end:
            self.now = max(self.now, self.next_deadline())
            self.pump()
        self.now = end
        self.pump()

    def run_until(self, is_done: Callable[[], bool], until: float) -> bool:
        """Work, jumping from deadline to deadline, until it is done; return whether it is.

        What is done at one moment is done whole. The clock stops at `until`, unless a service
        that moves the clock itself has moved it further.
        """
        while True:
            self.work()
            if is_done():
                return True
            if self.now >= until:
                return False
            at = self.next_deadline()
            assert at > self.now, "what was due is done"
            self.now = min(at, until)


def _links_of(guardian: GuardianPeer) -> set[Link]:
    return {guardian.link, *[executor.link for executor in guardian.executors]}

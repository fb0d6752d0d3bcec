"""A bus in one thread: the real broker with the real sessions, and a clock that tests move.

Nothing here sleeps, and nothing is drawn at random unless a test gives a `random.Random`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from linebus.client.order import Order
from linebus.client.session import ClientSession
from linebus.core.broker import Broker
from linebus.errors import ProtocolError
from linebus.wire import native
from linebus.wire.messages import Offer
from linebus.worker.session import ExecutorSession, GuardianSession, Slice

if TYPE_CHECKING:
    from linebus.client.reply import Reply
    from linebus.core.peer import PeerSession

Frames = tuple[bytes, bytes]
Answer = Callable[[str], str]


class Link:
    """One peer's connection: two queues that keep their order, and the route of the moment."""

    def __init__(self, world: World, session: PeerSession) -> None:
        self.world = world
        self.session = session
        self.route: bytes | None = None
        self.to_server: deque[Frames] = deque()
        self.to_peer: deque[Frames] = deque()
        world.links.append(self)

    def connect(self) -> None:
        assert self.route is None, "it is connected"
        self.world.routes += 1
        self.route = b"route-%d" % self.world.routes
        self.session.connected(self.world.now)

    def cut(self) -> None:
        """Lose the connection, and all that was under way on it."""
        if self.route is not None:
            self.world.broker.disconnected(self.route, self.world.now)
        self.lose()

    def lose(self) -> None:
        """Lose the connection without the broker being told (it has died as well)."""
        self.route = None
        self.to_server.clear()
        self.to_peer.clear()
        self.session.disconnected()

    def collect(self) -> None:
        """Take what the session wants to send."""
        self.session.tick(self.world.now)
        if self.route is not None:
            self.to_server.extend(self.session.outgoing(self.world.now))

    def deliver_to_server(self) -> None:
        first, body = self.to_server.popleft()
        world = self.world
        assert self.route is not None, "frames are lost with their connection"
        if first == native.VERSION:
            world.broker.greet(self.route, native.decode_hello(body), world.now)
            return
        try:
            messages = native.decode_from_peer(body)
        except ProtocolError as error:
            world.broker.break_off(self.route, str(error), world.now)
            return
        world.broker.receive(self.route, first, messages, world.now)

    def deliver_to_peer(self) -> None:
        self.session.receive(*self.to_peer.popleft(), self.world.now)


class ClientPeer:
    """A client: what it asked, and each reply in order."""

    def __init__(self, world: World, number: int) -> None:
        self.session = ClientSession(b"client-%09d" % number, "test")
        self.link = Link(world, self.session)
        self.order = Order(self.session)
        self.asked: list[str] = []
        self.replies: list[Reply] = []

    def ask(self, *lines: str) -> None:
        self.asked += lines
        self.order.ask(lines)

    def collect(self) -> None:
        self.replies += self.order.take()

    @property
    def texts(self) -> list[str]:
        return [reply.text for reply in self.replies]

    @property
    def outcomes(self) -> list[str]:
        return [str(reply.outcome) for reply in self.replies]


class ExecutorPeer:
    """An executor: works on one line at a time when it is told to."""

    def __init__(self, world: World, guardian: GuardianPeer, number: int) -> None:
        self.key = b"key-%028d" % number
        self.key_hash = hashlib.sha256(self.key).digest()
        self.guardian = guardian
        self.session = ExecutorSession(b"executor-%07d" % number, "test", self.key)
        self.link = Link(world, self.session)
        self.position = 0
        self._slice: Slice | None = None
        self._generation = 0

    def begin(self) -> bool:
        """Begin the next line; return whether there was one."""
        if self.position and self._generation == self.session.generation:
            return True
        self.position = 0
        if self._slice is None or self._generation != self.session.generation:
            self._slice = self.session.next_slice()
            self._generation = self.session.generation
        if self._slice is None:
            return False
        self.position = self._slice.first
        return True

    def finish(self, cost_s: float = 0.001) -> None:
        """Answer the line that was begun."""
        work = self._slice
        assert work is not None, "begin it first"
        self.position = 0
        if self._generation != self.session.generation:
            self._slice = None
            return
        text, failed = self.guardian.answer(work.service, work.lines[0])
        self.session.answer(work.first, [text], [0] if failed else [], cost_s)
        rest = work.lines[1:]
        self._slice = Slice(work.first + 1, work.service, rest, work.values) if rest else None


class GuardianPeer:
    """A guardian with executors; it offers services that answer by a function."""

    def __init__(self, world: World, number: int, services: dict[str, Answer], procs: int) -> None:
        self.world = world
        self.services = services
        self.session = GuardianSession(b"guardian-%07d" % number, "test", discovered=False)
        self.link = Link(world, self.session)
        self.executors: list[ExecutorPeer] = []
        offers = [Offer(name, f"{name} X", "") for name in services]
        self.session.offer(offers, world.now)
        for _ in range(procs):
            self.start_executor()

    def start_executor(self) -> ExecutorPeer:
        executor = ExecutorPeer(self.world, self, self.world.next_number())
        self.session.vouch(executor.key_hash)
        self.executors.append(executor)
        executor.link.connect()
        return executor

    def kill_executor(self, executor: ExecutorPeer, *, replace: bool = True) -> None:
        self.executors.remove(executor)
        executor.link.cut()
        self.world.links.remove(executor.link)
        self.session.lost(executor.key_hash, executor.position, "killed by SIGKILL")
        if replace:
            self.start_executor()

    def answer(self, service: str, arguments: str) -> tuple[str, bool]:
        try:
            return self.services[service](arguments), False
        except ValueError as error:
            return str(error), True


class World:
    """Everything on one machine that a test can hold in its hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.routes = 0
        self.links: list[Link] = []
        self.stopped: set[Link] = set()  # as by SIGSTOP: connected, and nothing moves
        self.clients: list[ClientPeer] = []
        self.guardians: list[GuardianPeer] = []
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
        self._numbers += 1
        return self._numbers

    # -- peers -------------------------------------------------------------------------------

    def client(self) -> ClientPeer:
        peer = ClientPeer(self, self.next_number())
        self.clients.append(peer)
        peer.link.connect()
        return peer

    def guardian(self, services: dict[str, Answer], procs: int = 1) -> GuardianPeer:
        peer = GuardianPeer(self, self.next_number(), services, procs)
        self.guardians.append(peer)
        peer.link.connect()
        return peer

    def kill_guardian(self, guardian: GuardianPeer) -> None:
        for executor in list(guardian.executors):
            guardian.kill_executor(executor, replace=False)
        guardian.link.cut()
        self.links.remove(guardian.link)
        self.guardians.remove(guardian)

    def restart_broker(self) -> None:
        for link in self.links:
            link.lose()
        self.broker = self._new_broker()

    @property
    def executors(self) -> list[ExecutorPeer]:
        return [executor for guardian in self.guardians for executor in guardian.executors]

    # -- time and messages -------------------------------------------------------------------

    def pump(self) -> None:
        """Move all messages until nothing moves any more; no line is worked on."""
        moved = True
        while moved:
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
        for client in self.clients:
            client.collect()

    def broker_round(self) -> bool:
        """Let the broker do what a round of the server's loop does; return whether it spoke."""
        self.broker.expire(self.now)
        self.broker.dispatch(self.now)
        spoke = False
        by_route = {link.route: link for link in self.links if link.route is not None}
        for route, first, messages in self.broker.outgoing(()):
            spoke = True
            if route in by_route:
                by_route[route].to_peer.extend((first, body) for body in native.encode(messages))
        self.published += self.broker.effects.take_published()
        self.broadcast += self.broker.effects.take_broadcast()
        return spoke

    def work(self) -> None:
        """Pump and work on lines until there is nothing left to do at this moment."""
        self.pump()
        while any([executor.begin() for executor in self.executors]):  # noqa: C419  all begin
            for executor in self.executors:
                if executor.position:
                    executor.finish()
            self.pump()

    def next_deadline(self) -> float:
        moving = [link for link in self.links if link not in self.stopped]
        peers = min((link.session.next_deadline() for link in moving), default=inf)
        return min(peers, self.broker.next_deadline())

    def pass_time(self, seconds: float) -> None:
        """Jump from deadline to deadline until so many seconds have passed."""
        end = self.now + seconds
        while self.next_deadline() < end:
            self.now = max(self.now, self.next_deadline())
            self.pump()
        self.now = end
        self.pump()

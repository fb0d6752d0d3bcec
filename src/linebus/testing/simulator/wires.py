"""The simulated network: connections that delay, stall and break, as TCP under ZeroMQ does.

A connection keeps the order of its messages and loses none of them, until it is cut. Then some of
what was under way still arrives, some is lost, and some is delivered to whatever server the peer
is connected to next, before its hello: so do ZeroMQ's sockets.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from linebus import limits
from linebus.testing.network import Frames, Link
from linebus.testing.simulator.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.core.peer import PeerSession
    from linebus.testing.simulator.simulation import Simulation

# The server's kernel gives up on a host that says nothing, as do libzmq's heartbeats of a peer.
KEEPALIVE_S = limits.KEEPALIVE_IDLE_S + limits.KEEPALIVE_INTERVAL_S * limits.KEEPALIVE_PROBES
ZMTP_SILENCE_S = 2 * limits.ZMTP_HEARTBEAT_MS / 1000
_PAST_MESSAGES = 16


class Lane:
    """One direction of a connection: messages arrive in order, each after some time."""

    def __init__(self, wire: Wire, arrive: Callable[[Frames], None]) -> None:
        """Start with nothing under way."""
        self._wire = wire
        self._arrive = arrive
        self.flying: deque[Frames] = deque()
        self.sent: deque[Frames] = deque(maxlen=_PAST_MESSAGES)
        self.last_at = 0.0
        self.is_stalled = False

    def send(self, frames: Frames) -> None:
        """Send a message on its way."""
        world = self._wire.simulation
        self.last_at = max(self.last_at, world.now + world.draw_delay_s())
        self.flying.append(frames)
        self.sent.append(frames)
        world.agenda.at(self.last_at, self._land)

    def stall(self) -> None:
        """Let nothing arrive until `release`."""
        self.is_stalled = True

    def release(self) -> None:
        """Let arrive what has waited."""
        self.is_stalled = False
        for _ in self.flying:
            self._wire.simulation.agenda.after(0, self._land)

    def close(self) -> list[Frames]:
        """Let nothing arrive any more; return what was under way."""
        flying = list(self.flying)
        self.flying.clear()
        return flying

    def _land(self) -> None:
        if self.is_stalled or not self.flying:
            return
        world = self._wire.simulation
        if world.is_cut_here():
            world.note(self._wire.process.name, "FAULT: cut in the middle of a message")
            self._wire.sever()
            return
        frames = self.flying.popleft()
        again = [self._wire.past_message(self)] if world.is_repeated_here() else []
        for each in world.random.sample([frames, *again], 1 + len(again)):
            if each is not None:
                self._arrive(each)


class Wire(Link):
    """A peer's way to the server: its process, and the connection of the moment.

    `to_server` is what waits for a connection, `inbox` what the peer can read. `events` is what
    its socket's monitor has to tell: True for connected, False for disconnected.
    """

    def __init__(self, simulation: Simulation, session: PeerSession) -> None:
        """Start without a connection; `connect` looks for one."""
        super().__init__(simulation, session)
        self.simulation = simulation
        kind, _, number = session.ident.decode().partition("-")
        self.process = Process(simulation.agenda, f"{kind} {int(number)}", simulation.random)
        self.inbox: deque[Frames] = deque()
        self._past_up: deque[Frames] = deque(maxlen=_PAST_MESSAGES)
        self._past_down: deque[Frames] = deque(maxlen=_PAST_MESSAGES)
        self._events: deque[bool] = deque()
        self._up: Lane | None = None
        self._down: Lane | None = None
        self._is_unplugged = False
        self._is_closed = False

    @property
    def now(self) -> float:
        """What the clock of the peer's process says."""
        return self.process.now

    @property
    def lanes(self) -> list[Lane]:
        """Both directions of the connection, none where there is no connection."""
        return [lane for lane in (self._up, self._down) if lane is not None]

    @property
    def is_hampered(self) -> bool:
        """Whether nothing passes at the moment, in one direction or both."""
        return self._is_unplugged or any(lane.is_stalled for lane in self.lanes)

    @property
    def unread(self) -> int:
        """How many messages of the server's have not been read by the peer."""
        return len(self.inbox) + (len(self._down.flying) if self._down else 0)

    # -- connecting --------------------------------------------------------------------------

    def connect(self) -> None:
        """Look for a server, now and as often as it takes."""
        self.simulation.agenda.after(self.simulation.draw_delay_s(), self._attempt)

    def _attempt(self) -> None:
        world = self.simulation
        if self._is_closed or self.route is not None:
            return
        if not world.server.is_alive or world.server.is_stopped or self._is_unplugged:
            self._try_later()
            return
        world.routes += 1
        self.route = route = b"route-%d" % world.routes
        self._up = Lane(self, partial(world.arrived, route))
        self._down = Lane(self, self._arrived)
        self._events.append(True)
        self._ship()
        self.process.wake()

    def _try_later(self) -> None:
        s = self.simulation.random.uniform(limits.RECONNECT_MS, limits.RECONNECT_MS_MAX) / 1000
        self.simulation.agenda.after(s, self._attempt)

    def _ship(self) -> None:
        while self.to_server and self._up is not None and self.route is not None:
            frames = self.to_server.popleft()
            self._up.send(frames)

    def ship_to_peer(self) -> None:
        """Send on its way what the server has for the peer."""
        while self.to_peer:
            frames = self.to_peer.popleft()
            if self._down is not None and self.route is not None:
                self._down.send(frames)

    def _arrived(self, frames: Frames) -> None:
        self.inbox.append(frames)
        self.process.wake()

    def past_message(self, lane: Lane) -> Frames | None:
        """Draw a message of an earlier connection in this direction, if there was one."""
        past = self._past_up if lane is self._up else self._past_down
        return self.simulation.fault_random.choice(past) if past else None

    # -- breaking ----------------------------------------------------------------------------

    def sever(self, *, silently: bool = False, server_died: bool = False) -> None:
        """Lose the connection.

        The server is told, unless that is done silently: then nothing of what was under way
        reaches it, and its kernel finds out after minutes.
        """
        if self._up is None or self._down is None or self.route is None:
            return
        world, route = self.simulation, self.route
        self._past_up.extend(self._up.sent)
        self._past_down.extend(self._down.sent)
        up, down = self._up.close(), self._down.close()
        self.route = self._up = self._down = None
        arrives = 0 if silently or server_died else world.random.choice([0, len(up)])
        for frames in up[:arrives]:
            world.arrived(route, frames)
        left = up[arrives:]
        self.to_server.extendleft(reversed(left[world.random.choice([0, len(left)]) :]))
        self.inbox.extend(down[: world.random.choice([0, 1, len(down)])])
        if silently:
            world.agenda.after(KEEPALIVE_S, partial(world.arrived, route, None))
        elif not server_died:
            world.arrived(route, None)
        self._events.append(False)
        self.process.wake()
        self._try_later()

    def unplug(self) -> None:
        """Let nothing pass, and nobody know, until `plug_in`."""
        self._is_unplugged = True
        for lane in self.lanes:
            lane.stall()
        self.simulation.agenda.after(ZMTP_SILENCE_S, partial(self._zmtp_silence, self.route))

    def _zmtp_silence(self, route: bytes | None) -> None:
        if self._is_unplugged and self.route == route:
            self.sever(silently=True)

    def plug_in(self) -> None:
        """End what `unplug` has begun."""
        self._is_unplugged = False
        for lane in self.lanes:
            lane.release()

    def close(self, *, silently: bool = False) -> None:
        """End with the peer's process."""
        if self._is_closed:
            return
        self.sever(silently=silently)
        self._is_closed = True
        self.process.is_alive = False
        self.simulation.remove(self)

    def end_after_sending(self) -> None:
        """End with a process that ends in good order: what it has said still arrives."""
        self.process.is_alive = False
        at = self._up.last_at if self._up is not None else 0.0
        self.simulation.agenda.at(at, self.close)

    # -- the peer's turn ---------------------------------------------------------------------

    def take_in(self) -> None:
        """Tell the session what has happened to the connection and what has arrived."""
        now, session = self.now, self.session
        while self._events:
            if self._events.popleft():
                session.connected(now)
            else:
                session.disconnected()
        read = bool(self.inbox)
        while self.inbox:
            first, body = self.inbox.popleft()
            self.simulation.note(self.process.name, "hears", first, body)
            session.receive(first, body, now)
        if read:
            self.simulation.has_read(self)
        session.tick(now)

    def start_anew(self) -> None:
        """Leave a silent server: close the socket, and connect another one."""
        self.session.disconnected()
        self.sever()
        self._events.clear()
        self.inbox.clear()
        self.to_server.clear()

    def put_out(self) -> None:
        """Send what the session wants to say."""
        self.to_server.extend(self.session.outgoing(self.now))
        self._ship()

"""The server's process: wait, receive, let the broker decide, send.

The broker's clock is read here, and nowhere else, and its random numbers are drawn here. One thread
on one poller with non-blocking receives: about five times the round trips of zmq.asyncio.
"""

from __future__ import annotations

import contextlib
import os
import time
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits, process
from linebus.core.broker import Broker
from linebus.errors import ProtocolError
from linebus.net.clock import milliseconds_until
from linebus.server.client_inputs import ClientInputs
from linebus.server.door import Door
from linebus.server.gateway_child import GatewayChild
from linebus.server.guard import Guard
from linebus.server.kernel import Kernel
from linebus.server.listening import listen
from linebus.wire import messages as m
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from linebus.server.config import ServerConfig

_ROUTE_AND_TWO = 3


class Server:
    """A broker on client_inputs and, through a gateway, on the exercise's other three sockets.

    `run` returns after SIGTERM or SIGINT, once lines that executors are working on are answered or
    DRAIN_S has passed.
    """

    def __init__(self, config: ServerConfig) -> None:
        """Bind the sockets. Raises AddressTaken and SetupError."""
        process.seed_c_library()
        process.raise_descriptor_limit()
        kernel = Kernel({config.client_inputs})
        client_inputs, *of_the_exercise = listen(config).values()
        self._door = Door(client_inputs)
        self._inputs = ClientInputs(kernel, self._door, client_inputs)
        self._gateway = GatewayChild(config.client_inputs, tuple(of_the_exercise))
        self._broker = Broker(
            lambda: os.urandom(limits.TOKEN_BYTES),
            time.monotonic(),
            echo=config.echo,
            started_at=time.time(),
        )
        self._guard = Guard(
            kernel,
            self._door,
            {config.client_inputs},
            set(),
            lambda: self._broker.held_bytes,
            self._inputs.arrived,
        )
        self._stalled: dict[bytes, list[tuple[bytes, bytes]]] = {}
        self._stalled_until = inf

    def run(self, on_start: Callable[[], None]) -> None:
        """Serve until told to stop; `on_start` is called once requests are taken."""
        poller = zmq.Poller()
        self._inputs.register(poller)
        self._gateway.register(poller)
        with process.StopSignals() as signals, self._guard:
            poller.register(signals.fileno(), zmq.POLLIN)
            on_start()
            now = time.monotonic()
            while not signals.received:
                now = self._round(poller, now)
            poller.unregister(signals.fileno())  # it stays readable
            self._broker.drain()
            drain_until = now + limits.DRAIN_S
            while now < drain_until and not self._broker.is_drained:
                now = self._round(poller, now, drain_until)
        self.close()

    def close(self) -> None:
        """Close everything; what was sent has a moment to leave."""
        self._gateway.close()
        self._door.close()  # first: who asks for a connection now shall be refused at once
        self._inputs.close()

    def abandon(self) -> None:
        """Let go of what would keep another server from the ports: this process ends."""
        self._gateway.kill()

    def _round(self, poller: zmq.Poller, before: float, until: float = inf) -> float:
        """Wait, receive, decide, send; return the moment of this round."""
        now = self._wait(poller, before, until)
        self._broker.expire(now)
        self._broker.dispatch(now)
        self._send(now)
        return now

    def _wait(self, poller: zmq.Poller, before: float, until: float) -> float:
        """Wait for sockets or the next deadline and receive; return the moment of this round.

        What the last round took, and by how much this one is late (the process was stopped, the
        machine asleep), is time in which nobody could be heard.
        """
        started = time.monotonic()
        until = min(until, self._wake_at(started))
        ready = dict(poller.poll(milliseconds_until(until, started)))
        now = time.monotonic()
        stalled_s = started - before + max(0.0, now - max(started, until))
        if stalled_s > limits.STALL_S:
            self._broker.stalled(stalled_s)
        self._receive(ready, now)
        return now

    def _wake_at(self, now: float) -> float:
        at = min(self._broker.next_deadline(), self._stalled_until, self._gateway.next_deadline())
        return min(at, now + limits.STALLED_RETRY_S) if self._gateway.is_waiting else at

    # -- receiving ---------------------------------------------------------------------------

    def _receive(self, ready: Container[object], now: float) -> None:
        """Receive from the sockets that have something: asking the others costs 5 µs each."""
        inputs = self._inputs
        # What a peer said before its connection broke still counts, so that comes first.
        cut = list(inputs.cut_routes()) if inputs.has_news(ready) else []
        if cut or inputs.has_arrivals(ready):
            for frames in inputs.receive():
                if len(frames) == _ROUTE_AND_TWO and len(frames[1]) == limits.TOKEN_BYTES:
                    self._receive_native(frames, now)
                    continue
                if self._is_hello(frames):
                    # Descriptors are used again: whose was cut before this hello?
                    cut += inputs.cut_routes()
                self._receive_input(frames, now)
        for route in cut:
            self._disconnected(route, now)
        self._hear_gateway(ready, now)

    def _hear_gateway(self, ready: Container[object], now: float) -> None:
        plain = self._broker.plain
        heard = self._gateway.turn(ready, now)
        if heard is None:
            plain.subscriptions_lost(now)
            return
        for came in heard:
            for report in came.subscriptions:
                plain.subscription(report, now)
            for result in came.results:
                plain.result(result)

    @staticmethod
    def _is_hello(frames: list[zmq.Frame]) -> bool:
        return len(frames) == _ROUTE_AND_TWO and len(frames[1]) > 0

    def _receive_input(self, frames: list[zmq.Frame], now: float) -> None:
        if delimiter := next((n for n, f in enumerate(frames[1:3], 1) if not len(f)), 0):
            # A REQ client: its envelope ends at the first empty frame. The confirmation comes
            # before any other work, since some clients wait no longer than 100 ms for it.
            self._inputs.confirm(frames[: delimiter + 1])
            if len(frames) == delimiter + 2:
                self._broker.plain.request(frames[-1].bytes, now)
        elif self._is_hello(frames):
            self._receive_hello(frames, now)

    def _receive_native(self, frames: list[zmq.Frame], now: float) -> None:
        route, token, body = [frame.bytes for frame in frames]
        try:
            messages = native.decode_from_peer(body)
        except ProtocolError as error:
            self._broker.break_off(route, str(error), now)
            return
        self._broker.receive(route, token, messages, now)

    def _receive_hello(self, frames: list[zmq.Frame], now: float) -> None:
        route, version, body = (frame.bytes for frame in frames)
        if version != native.VERSION:
            self._refuse_version(route, version)
            return
        try:
            hello = native.decode_hello(body)
        except ProtocolError as error:
            self._broker.break_off(route, str(error), now)
            return
        self._inputs.note_route(frames[0])
        self._broker.greet(route, hello, now)

    def _refuse_version(self, route: bytes, version: bytes) -> None:
        if version.startswith(native.FAMILY):
            said = version[:32].decode("ascii", "replace")
            ours = native.VERSION.decode()
            text = f"it speaks {ours}, not {said}; install the same version on both sides"
            [body] = native.encode([m.Refusal("version", text)])
            self._inputs.send_to(route, native.VERSION, body)

    def _disconnected(self, route: bytes, now: float) -> None:
        self._stalled.pop(route, None)
        self._broker.disconnected(route, now)

    # -- sending -----------------------------------------------------------------------------

    def _send(self, now: float) -> None:
        if self._stalled and now >= self._stalled_until:
            self._retry_stalled(now)
        for route, first, messages in self._broker.outgoing(self._stalled):
            self._send_to(route, [(first, body) for body in native.encode(messages)], now)
        for route in self._broker.effects.take_cut():
            self._inputs.cut(route)
        for text in self._broker.effects.take_published():
            self._gateway.publish(text)
        for line in self._broker.effects.take_broadcast():
            self._gateway.broadcast(line)
        self._gateway.flush()

    def _send_to(self, route: bytes, frames: list[tuple[bytes, bytes]], now: float) -> None:
        for index, (first, body) in enumerate(frames):
            sent = self._inputs.send_to(route, first, body)
            if sent is None:
                self._disconnected(route, now)
                return
            if not sent:
                # POLLOUT of a ROUTER tells nothing of one stalled peer, so look again soon.
                self._stalled[route] = self._stalled.get(route, []) + frames[index:]
                self._stalled_until = min(self._stalled_until, now + limits.STALLED_RETRY_S)
                return

    def _retry_stalled(self, now: float) -> None:
        stalled, self._stalled = self._stalled, {}
        self._stalled_until = inf
        for route, frames in stalled.items():
            self._send_to(route, frames, now)


def serve(config: ServerConfig, on_start: Callable[[], None]) -> None:
    """Run a server until SIGTERM or SIGINT. Raises AddressTaken and SetupError."""
    server = Server(config)
    process.start_anew_when_aborted(server.abandon)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(on_start)

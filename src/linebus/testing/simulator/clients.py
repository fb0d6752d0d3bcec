"""A simulated client: its session, its orders, and whether each reply is right."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from linebus.client.order import Order
from linebus.client.session import ClientSession
from linebus.testing.peers import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from linebus.testing.simulator.outcomes import Request
    from linebus.testing.simulator.simulation import Simulation


class Asker:
    """A client's process. Each batch of lines is an order of its own, as of several callers."""

    def __init__(self, simulation: Simulation, number: int) -> None:
        """Start it, and have it look for a server."""
        self._simulation = simulation
        self.session = ClientSession(b"client-%09d" % number, PROGRAM)
        self.wire = simulation.new_link(self.session)
        self.wire.process.turn = self._turn
        self.orders: deque[tuple[Order, deque[Request]]] = deque()
        self.wire.connect()

    @property
    def owed(self) -> int:
        """How many replies its callers wait for."""
        return sum(len(requests) for _, requests in self.orders)

    def ask(self, lines: Sequence[str], deadline_s: float = inf) -> None:
        """Ask lines, whose replies shall come in their order, by a deadline if there is one."""
        world = self._simulation
        within = f" within {deadline_s:g} s" if deadline_s < inf else ""
        self._note(f"asks {len(lines)} lines{within}: {lines[0]} … {lines[-1]}")
        order = Order(self.session)
        order.ask(lines, expires_at=self.wire.now + deadline_s)
        requests = [world.new_request(line, self.wire.now, deadline_s) for line in lines]
        self.orders.append((order, deque(requests)))
        self.wire.process.wake()

    def give_up(self) -> str:
        """Forget the oldest order, as a caller does whose deadline has passed."""
        if not self.orders:
            return "which waits for nothing"
        order, requests = self.orders.popleft()
        order.forget()
        self.wire.process.wake()
        return f"on {len(requests)} lines from {requests[0].line}" if requests else "on nothing"

    def cancel_one(self, random: Random) -> None:
        """Cancel one line somewhere among those that it waits for, and wait for its outcome."""
        orders = [each for each in self.orders if each[1]]
        if not orders:
            return
        order, requests = random.choice(orders)
        index = random.randrange(len(requests))
        found = order.line_at(index)
        if found is not None:
            self._note(f"cancels {requests[index].line}")
            requests[index].is_cancelled = True
            stream, number = found
            stream.cancels.append((number, number))
            self.wire.process.wake()

    def leave(self) -> None:
        """End the session in good order."""
        self.wire.to_server.extend(self.session.goodbye())
        self.wire.put_out()
        self.orders.clear()
        self._simulation.askers.remove(self)
        self.wire.end_after_sending()

    def die(self, *, silently: bool = False) -> None:
        """End the process, as by SIGKILL or with its host."""
        self.orders.clear()
        self._simulation.askers.remove(self)
        self.wire.close(silently=silently)

    def _note(self, what: str) -> None:
        """Note in the trace what it does."""
        self._simulation.note(self.wire.process.name, what)

    def _turn(self) -> None:
        wire, session = self.wire, self.session
        wire.take_in()
        if session.is_silent(wire.now):
            self._note("leaves a silent server")
            wire.start_anew()
        self._collect()
        wire.put_out()
        wire.process.wake_at(session.next_deadline())
        self._simulation.audit_client(self)

    def _collect(self) -> None:
        self.session.take_arrivals()  # they are found by their orders
        for order, requests in self.orders:
            for reply in order.take():
                self._simulation.judge(self, requests.popleft() if requests else None, reply)
        while self.orders and not self.orders[0][1]:
            self.orders.popleft()

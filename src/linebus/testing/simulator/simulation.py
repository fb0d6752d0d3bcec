"""One run: a server and its peers, which a storm of faults strikes, and a calm after it.

All that happens follows from the seed. After every turn of every process its books are audited;
every reply is judged when it comes; after the storm everything has to end within a stated time.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from math import inf
from random import Random
from typing import TYPE_CHECKING, cast

from linebus import limits
from linebus.client.session import split
from linebus.core.broker import Broker
from linebus.testing.simulator import audit, outcomes
from linebus.testing.simulator.clients import Asker
from linebus.testing.simulator.faults import FAULTS
from linebus.testing.simulator.outcomes import Attendance, Circumstances, Fate, Request
from linebus.testing.simulator.processes import DRIFT_MAX, Agenda, Process
from linebus.testing.simulator.scenario import Expected, Plan, Scenario, draw_plan, plan_of
from linebus.testing.simulator.tight import bounds
from linebus.testing.simulator.trace import Trace
from linebus.testing.simulator.wires import KEEPALIVE_S, Wire
from linebus.testing.simulator.workers import Executor, Guardian
from linebus.testing.world import World
from linebus.wire.messages import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from linebus.client.reply import Reply
    from linebus.core.peer import PeerSession
    from linebus.testing.network import Frames
    from linebus.testing.peers import GuardianPeer, Offered
    from linebus.testing.simulator.scenario import Troupe
    from linebus.wire.messages import Lost

_START = 100.0
_DELAYS_S = (1e-4, 1e-3, 2e-2)
_LAG_S_MAX = 0.3
_SERVER_TURN_S_MAX = 0.001
_CUT_CHANCES = (0.0, 0.0, 0.002, 0.02)
_REPEAT_CHANCES = (0.0, 0.0, 0.02, 0.2)
_FAULT_COUNTS = (0, 3, 8, 20)
# More steps than this at simulated full speed are a loop that does not end.
_STEPS_MAX = 1_000_000
# What is lost stays lost, so this need not be looked at in every turn.
_TURNS_BETWEEN_LOOKS = 8
_LINGER_S = 10.0
_LAST_WORD = "linebus.server"


class SimulationFailed(AssertionError):
    """Something that linebus promises did not hold. `seed` shows it again, `trace` tells how."""

    def __init__(self, seed: int, what: str, trace: str) -> None:
        """Tell what went wrong, with the events that led to it."""
        super().__init__(f"{trace}\nseed {seed}: {what}")
        self.seed = seed
        self.what = what
        self.trace = trace


@dataclass
class Figures:
    """What simulations have done: how many, how long by their own clocks, what struck and ended."""

    runs: int = 0
    simulated_s: float = 0.0
    events: int = 0
    calm_s_max: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Add the figures of other runs."""
        self.runs += other.runs
        self.simulated_s += other.simulated_s
        self.events += other.events
        self.calm_s_max = max(self.calm_s_max, other.calm_s_max)
        self.faults += other.faults
        self.outcomes += other.outcomes


class Simulation(World):
    """One run of a plan, from its seed. Peers and faults use what it offers."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        """Draw all that is to happen; `run` lets it happen."""
        draw = Random(seed)
        self.seed = seed
        self.plan: Plan = draw_plan(draw) if scenario is None else plan_of(scenario, draw)
        self.random = Random(draw.getrandbits(64))  # of the network and of how long things take
        self.fault_random = Random(draw.getrandbits(64))
        self.trace = Trace()
        self.figures = Figures(runs=1)
        self.now = _START
        self.agenda = Agenda(self)
        self.server = Process(self.agenda, "server", self.random)
        self.server.turn = self._server_turn
        self.askers: list[Asker] = []
        self._inbox: deque[tuple[bytes, Frames | None]] = deque()
        self._known_routes: set[bytes] = set()
        self._stalled: set[bytes] = set()
        self._delay_s = draw.choice(_DELAYS_S)
        self._cut_chance = draw.choice(_CUT_CHANCES)
        self._repeat_chance = draw.choice(_REPEAT_CHANCES)
        self._undo: list[list[Callable[[], None]]] = []
        self._fates: dict[str, Fate] = {}
        self._expected: dict[str, Expected] = {}
        self._attendance = Attendance()
        self._names = {each.offer.name for each in self._offered()}
        self._sent: dict[bytes, int] = {}
        self._turns = 0
        self._has_repeats = False
        self._credit: dict[Executor, tuple[int, float, int]] = {}
        self._lines = 0
        super().__init__(_START)
        with bounds(tight=self.plan.is_tight):
            self._set_the_stage(draw)

    def _offered(self) -> Iterator[Offered]:
        for troupe in self.plan.troupes:
            yield from troupe.offered

    def _set_the_stage(self, draw: Random) -> None:
        for troupe in self.plan.troupes:
            for _ in range(troupe.workers):
                self.start_worker(troupe)
        for _ in range(self.plan.clients):
            self.replace_client()
        for at, number, lines in self.plan.asks:
            self.agenda.after(at, partial(self._ask, number, lines))
        kinds = list(FAULTS if self.plan.faults is None else self.plan.faults)
        if not self.plan.is_tight:
            kinds = [kind for kind in kinds if not kind.startswith("flood")]
        # A run has a few kinds only: what happens rarely happens more often so.
        kinds = draw.sample(kinds, draw.randint(min(1, len(kinds)), len(kinds)))
        self._has_repeats = self._repeat_chance > 0 or "past_repeated" in kinds
        for _ in range(draw.choice(_FAULT_COUNTS) if kinds else 0):
            kind, at = draw.choice(kinds), draw.uniform(0, self.plan.duration_s)
            self.agenda.after(at, partial(self._strike, kind))

    # -- running -----------------------------------------------------------------------------

    def run(self) -> Figures:
        """Let everything happen. Raises SimulationFailed."""
        log = logging.getLogger("linebus.worker")
        was_disabled, log.disabled = log.disabled, True  # what services raise is in the replies
        try:
            with bounds(tight=self.plan.is_tight):
                self._storm()
                self._calm()
                self._last_words()
                self._goodbyes()
        except (SimulationFailed, KeyboardInterrupt):
            raise
        except Exception as error:
            raise self._failure(f"{type(error).__name__}: {error}") from error
        finally:
            log.disabled = was_disabled
        self.figures.simulated_s = self.now - _START
        self.figures.events = self.trace.count
        return self.figures

    def _storm(self) -> None:
        self._run_until(lambda: False, self.now + self.plan.duration_s)

    def _calm(self) -> None:
        """End all faults; then all that was asked has to end within a bound."""
        self.note("everyone", "the storm is over")
        self._cut_chance = self._repeat_chance = 0.0
        for undo in self._undo:
            if undo:
                undo.pop()()
        began_at = self.now
        if not self._run_until(self._has_ended, began_at + limits.SIMULATOR_CALM_S):
            owed = [request.line for a in self.askers for _, each in a.orders for request in each]
            self.fail(f"{len(owed)} requests have not ended after the calm, the first: {owed[:5]}")
        self.figures.calm_s_max = self.now - began_at
        self._look_for_losses()

    def _last_words(self) -> None:
        """Let all clients ask once more: with that they acknowledge whatever they had before."""
        for _ in range(2):  # the first may be asked before the connection stands again
            for asker in self.askers:
                asker.ask([_LAST_WORD])
            if not self._run_until(self._has_ended, self.now + limits.SIMULATOR_CALM_S):
                self.fail("the last words are not answered")
        for asker in self.askers:
            kept = audit.kept_lines(self.broker, asker.session.ident)
            if kept > 1:
                self.fail(f"{kept - 1} replies are kept that {asker.wire.process.name} has had")

    def _goodbyes(self) -> None:
        """Let everyone leave, some without a word; then nothing may be left in the books."""
        for asker in list(self.askers):
            if asker.session.owed:
                self.fail(f"{asker.wire.process.name} thinks that it is owed a reply")
            asker.leave()
        self._run_until(lambda: not self.broker.held_bytes, self.now + _LINGER_S)
        for guardian in self.workers:
            guardian.die()
        gone_s = limits.CLIENT_ABSENCE_S_MAX + KEEPALIVE_S
        self._run_until(lambda: False, self.now + gone_s / (1 - DRIFT_MAX) + 1)
        for problem in audit.remains(self.broker):
            self.fail(f"everyone has left: {problem}")

    def _has_ended(self) -> bool:
        return not any(asker.owed or asker.session.owed for asker in self.askers)

    def _run_until(self, is_done: Callable[[], bool], until: float) -> bool:
        for step in range(_STEPS_MAX):
            if step % 16 == 0 and is_done():
                return True
            if not self.agenda.step(until):
                return is_done()
        self.fail("it goes on without end")
        return False

    def fail(self, what: str) -> None:
        """Raise SimulationFailed."""
        raise self._failure(what)

    def _failure(self, what: str) -> SimulationFailed:
        return SimulationFailed(self.seed, what, str(self.trace))

    def note(self, who: str, what: str, first: bytes = b"", body: bytes = b"") -> None:
        """Note an event in the trace."""
        self.trace.note(self.now, who, what, first, body)

    # -- what peers, wires and faults need ---------------------------------------------------

    @property
    def server_now(self) -> float:
        """What the server's clock says."""
        return self.server.now

    @property
    def wires(self) -> list[Wire]:
        """The ways to the server of all peers that live."""
        return cast("list[Wire]", self.links)

    @property
    def workers(self) -> list[Guardian]:
        """The workers that live."""
        return cast("list[Guardian]", list(self.guardians))

    def new_link(self, session: PeerSession) -> Wire:
        """Return the way from a session to the server, with the process that it belongs to."""
        return Wire(self, session)

    def new_executor(self, guardian: GuardianPeer) -> Executor:
        """Return an executor that its guardian is about to start."""
        executor = Executor(self, cast("Guardian", guardian), self.next_number())
        self.note(executor.link.process.name, f"starts, of {guardian.session.ident.decode()}")
        return executor

    def start_worker(self, troupe: Troupe) -> None:
        """Start a worker with its executors."""
        self.guardians.append(Guardian(self, self.next_number(), troupe))

    def replace_client(self) -> None:
        """Start a client."""
        self.askers.append(Asker(self, self.next_number()))

    def new_lines(self, service: str, count: int) -> list[str]:
        """Return lines that nobody has asked."""
        self._lines += count
        return [f"{service} f{self._lines - index}" for index in range(count)]

    def new_request(self, line: str, asked_by: float, deadline_s: float) -> Request:
        """Note that a line is asked, at this moment by its client's clock."""
        if line not in self._expected:
            self._expected[line] = self.plan.expected(line)
        fate = self.fate_of(line)
        return Request(line, self._expected[line], self.server_now, asked_by, fate, deadline_s)

    def fate_of(self, line: str) -> Fate:
        """Return what has happened to a line so far."""
        parts = split(line)
        key = line if isinstance(parts, Ended) else " ".join(parts)
        return self._fates.setdefault(key, Fate())

    def note_death(self, executor: Executor, lost: Lost, beside: list[str]) -> None:
        """Note that an executor dies, and which lines will be charged or will fail for it."""
        if lost.failed:
            self.fate_of(executor.line).broken += 1
        elif lost.position:
            self.fate_of(executor.line).deaths += 1
        if lost.all_at_once:
            for line in beside:
                self.fate_of(line).deaths += 1

    def draw_delay_s(self) -> float:
        """Draw how long a message or a piece of news is under way."""
        lag_s = self.random.uniform(0, _LAG_S_MAX) if self.random.random() < 0.01 else 0.0  # noqa: PLR2004
        return self._delay_s * (0.5 + self.random.random()) + lag_s

    def draw_cost_s(self, service: str) -> float:
        """Draw how long a line takes."""
        return self.random.uniform(*self.plan.cost_s[service])

    def is_cut_here(self) -> bool:
        """Draw whether a connection breaks over the message that is about to arrive."""
        return self._cut_chance > 0 and self.fault_random.random() < self._cut_chance

    def is_repeated_here(self) -> bool:
        """Draw whether one of an earlier connection comes along with a message that arrives."""
        return self._repeat_chance > 0 and self.fault_random.random() < self._repeat_chance

    def later(self, seconds: float, undo: Callable[[], None]) -> None:
        """Undo a fault so much later, or when the storm is over."""
        once = [undo]
        self._undo.append(once)
        self.agenda.after(seconds, lambda: once.pop()() if once else None)

    def _ask(self, number: int, lines: list[str]) -> None:
        deadline_s = self.random.choice(self.plan.deadlines_s)
        self.askers[number % len(self.askers)].ask(lines, deadline_s)

    def _strike(self, kind: str) -> None:
        self.figures.faults[kind] += 1
        self.note("FAULT", f"{kind}: …")
        self.note("FAULT", f"{kind}: {FAULTS[kind](self)}")

    # -- the server --------------------------------------------------------------------------

    def _new_broker(self) -> Broker:
        return Broker(self._fresh_token, self.server_now)

    def arrived(self, route: bytes, frames: Frames | None) -> None:
        """Take what has come to the server; None: the connection is cut."""
        if self.server.is_alive:
            self._inbox.append((route, frames))
            self.server.wake(self.random.uniform(0, _SERVER_TURN_S_MAX))

    def has_read(self, wire: Wire) -> None:
        """Note that a peer has read, so that there may be room for more."""
        if wire.route in self._stalled:
            self._stalled.discard(wire.route)
            self.server.wake()

    def kill_server(self) -> None:
        """End the server, as by SIGKILL: all connections are cut, all is forgotten."""
        self.server.is_alive = False
        for wire in self.wires:
            wire.sever(server_died=True)
        self._inbox.clear()
        self._known_routes.clear()
        self._stalled.clear()

    def start_server(self) -> None:
        """Start a server that knows nothing."""
        self.server.is_alive = True
        self.server.is_stopped = False
        self.broker = self._new_broker()
        self._sent = {}
        self.server.wake()

    def _server_turn(self) -> None:
        for _ in range(min(len(self._inbox), limits.DRAIN_MESSAGES_MAX)):
            route, frames = self._inbox.popleft()
            if frames is None:
                self.note("server", f"loses {self._name_of(route)}")
                self._known_routes.discard(route)
                self.broker.disconnected(route, self.server_now)
            else:
                self.note("server", f"hears {self._name_of(route)}", *frames)
                self._known_routes.add(route)
                self.hear(route, *frames)
        hwm = limits.SERVER_HWM_MESSAGES
        self._stalled = {w.route for w in self.wires if w.route is not None and w.unread >= hwm}
        self.broker_round(self._stalled)
        for route in self.broker.effects.take_cut():
            for wire in [wire for wire in self.wires if wire.route == route]:
                wire.sever()
        for wire in self.wires:
            wire.ship_to_peer()
        self._note_attendance()
        self._audit_server()
        if self._inbox:
            self.server.wake()
        self.server.wake_at(self.broker.next_deadline())

    def _name_of(self, route: bytes) -> str:
        names = [wire.process.name for wire in self.wires if wire.route == route]
        return names[0] if names else f"what was at {route.decode()}"

    # -- what must hold ----------------------------------------------------------------------

    def _note_attendance(self) -> None:
        there: set[str] = set()
        for guardian in self.workers:
            link = guardian.link
            # A server whose clock has jumped takes all for silent, until it hears of them again.
            is_known = audit.knows_worker(self.broker, guardian.session.ident)
            is_there = is_known and link.route is not None and guardian.session.is_greeted
            if is_there and not (link.process.is_stopped or link.is_hampered):
                there |= guardian.services.keys()
        self._attendance.note(self._names, there, self.server_now)

    def _audit_server(self) -> None:
        for problem in audit.broker(self.broker, self._known_routes):
            self.fail(f"the server's books: {problem}")
        for problem in audit.strikes(self.broker, self._deaths_of):
            self.fail(f"a strike is wrong: {problem}")
        for problem in audit.overdue(self.broker, self.server_now):
            self.fail(f"a deadline is ignored: {problem}")
        for problem in audit.dispatched(self.broker, self._sent):
            self.fail(f"a line goes to the dead: {problem}")
        self._turns += 1
        if self._turns % _TURNS_BETWEEN_LOOKS == 0:
            self._look_for_losses()

    def _deaths_of(self, line: str) -> float:
        """Return how often a line can have been charged: at once, also what was about to begin."""
        return inf if line.startswith("several ") else self.fate_of(line).deaths

    def _look_for_losses(self) -> None:
        """Compare the server's books with what clients have."""
        sessions = {asker.session.ident: asker.session for asker in self.askers}
        for problem in audit.lost_lines(self.broker, sessions):
            self.fail(f"a line is lost: {problem}")

    def audit_client(self, asker: Asker) -> None:
        """Look at a client's books."""
        for problem in audit.client(asker.session):
            self.fail(f"the books of {asker.wire.process.name}: {problem}")

    def audit_executor(self, executor: Executor) -> None:
        """Look at an executor's stream."""
        session = executor.session
        generation, told, beyond = self._credit.get(executor, (0, 0.0, 0))
        credit = audit.credit_of(session)
        # A stream that starts anew does so with the credit beyond the answers that hello told.
        told = max(credit, told if generation == session.generation else beyond)
        if self._has_repeats:
            told = inf  # a hello that comes once more tells of a credit that was
        beyond = max(beyond, audit.credit_beyond(session))
        self._credit[executor] = session.generation, told, beyond
        for problem in audit.executor(session, told):
            self.fail(f"the stream of {executor.link.process.name}: {problem}")

    def judge(self, asker: Asker, request: Request | None, reply: Reply) -> None:
        """Look at a reply that has been delivered to whoever asked."""
        who = asker.wire.process.name
        if request is None:
            self.fail(f"{who} got a reply to nothing: {reply}")
            return
        self.figures.outcomes[str(reply.outcome)] += 1
        about = Circumstances(self.plan, self._attendance, self.server_now, asker.wire.now)
        problem = outcomes.wrong(request, reply, about)
        if problem:
            self.fail(f"{who} asked {request.line!r} and got {reply}: {problem}")


def simulate(scenario: Scenario | None = None, seeds: Iterable[int] = range(100)) -> Figures:
    """Run a scenario of yours, or the simulator's own, once for each seed.

    Raises SimulationFailed at the first seed at which something does not hold.
    """
    figures = Figures()
    for seed in seeds:
        figures.add(Simulation(seed, scenario).run())
    return figures

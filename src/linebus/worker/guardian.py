"""The guardian: a worker's parent process. It keeps executors alive and never runs user code.

So its heartbeat goes on whatever the code in the executors does, and it can tell the server the
moment one of them dies, and on which line. Started with two ports of the exercise, it is a plain
worker for anyone's server until it finds the native way; see docs/protocol.md.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits, process
from linebus.errors import ConnectError, ServiceNotLoaded
from linebus.net.clock import milliseconds_until
from linebus.net.dealer import Dealer, Event, new_context
from linebus.version import __version__
from linebus.wire import plain
from linebus.worker import pipes, ports
from linebus.worker import position as page
from linebus.worker.children import Child
from linebus.worker.news import InSession, NoServerYet, Offering, ServerFull
from linebus.worker.plain_link import PlainLink
from linebus.worker.relay import PlainRelay
from linebus.worker.session import GuardianSession
from linebus.worker.watch import Broken, Long, Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.wire.messages import Offer
    from linebus.worker.news import News
    from linebus.worker.program import ProgramSpec
    from linebus.worker.watch import Verdict

log = logging.getLogger("linebus.worker")


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker offers and where: `address` of a server, or the exercise's two `ports`.

    `references` are built-in services by name or module:object; `executors` their processes.
    Where there is a `program`, it is the one service and there are no references.
    """

    references: tuple[str, ...]
    executors: int
    address: str | None = None
    ports: tuple[int, int] | None = None
    host: str = limits.HOST
    program: ProgramSpec | None = None


class Guardian:
    """Keeps `config.executors` executors alive and speaks for them. `run` returns when stopped."""

    def __init__(self, config: WorkerConfig, on_news: Callable[[News], None]) -> None:
        """Open the sockets; `on_news` is told what whoever started this wants to know."""
        self._config = config
        self._on_news = on_news
        self._signals = process.StopSignals()
        self._poller = zmq.Poller()
        self._context = new_context()
        self._children: dict[int, Child] = {}
        self._restart_at: list[float] = []
        self._has_spare = False  # another executor than those at work waits
        self._watched_until = 0.0
        self._restart_s = 0.0
        self._failures = 0
        self._offers: list[Offer] = []
        self._session = self._new_session()
        self._dealer: Dealer | None = None
        self._frames: list[tuple[bytes, bytes]] = []
        self._stop_at = inf
        self._relay = PlainRelay()
        self._link: PlainLink | None = None
        self._native_until = 0.0
        self._hint_until = 0.0
        self._was_greeted = False
        self._has_told_full = False
        self._was_met = False
        self._look: threading.Thread | None = None
        self._look_s = limits.ABSENCE_NOTICE_S
        self._found: News | None = None
        self._tell_absence_at = inf
        if config.address:
            self._connect(config.address)

    def _new_session(self) -> GuardianSession:
        ident = os.urandom(limits.SESSION_BYTES)
        discovered = self._config.ports is not None
        program = f"linebus {__version__}, pid {os.getpid()}"
        return GuardianSession(ident, program, discovered=discovered)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then let every executor finish the line at hand.

        Raises ServiceNotLoaded where what should be offered cannot be loaded, VersionMismatch and
        SessionRefused where the server named by an address refuses.
        """
        with self._signals:
            self._poller.register(self._signals.fileno(), zmq.POLLIN)
            try:
                self._restart_at = [0.0] * self._config.executors
                while self._children or not self._signals.received:
                    self._turn()
            finally:
                self._leave()

    def _turn(self) -> None:
        """Wait for the next thing to do, and do all there is."""
        now = time.monotonic()
        self._start_children(now)
        ready = dict(self._poller.poll(self._patience_ms(now)))
        now = time.monotonic()
        for descriptor in ready.keys() & self._children.keys():
            self._hear_child(self._children[descriptor], now)
        self._flush_controls()
        self._hear_server(now)
        self._note_absence(now)
        self._session.tick(now)
        self._watch_children(now)
        if self._link is not None:
            self._hear_plain(self._link, now)
        if self._signals.received:
            self._stop_children(now)
        self._send(now)

    def _patience_ms(self, now: float) -> int | None:
        at = min(self._session.next_deadline(), self._stop_at, *self._restart_at, inf)
        at = min(at, self._tell_absence_at)
        if self._watched_until:
            is_pausing = any(child.watch.is_pausing for child in self._children.values())
            at = min(at, now + (limits.HAND_BACK_S if is_pausing else limits.WATCH_S))
        if self._frames or any(child.control.is_waiting for child in self._children.values()):
            at = min(at, now + limits.STALLED_RETRY_S)
        if self._link is not None:
            turns = (self._native_until, self._hint_until)
            at = min([at, *[turn_at for turn_at in turns if turn_at > now]])
        if self._session.is_greeted:
            at = min(at, now + limits.HEARTBEAT_S)
        return milliseconds_until(at, now)

    # -- executors ---------------------------------------------------------------------------

    def _start_children(self, now: float) -> None:
        if self._signals.received:
            self._restart_at.clear()
        for _ in [at for at in self._restart_at if at <= now]:
            address = self._dealer.address if self._dealer is not None else None
            child = self._start_child(address, now)
            if child is None:
                self._restart_at.append(now + limits.RESTART_S_MAX)
            else:
                self._session.vouch(child.key_hash)
        self._restart_at = [at for at in self._restart_at if at > now]

    def _start_child(self, address: str | None, now: float) -> Child | None:
        try:
            child = Child(self._config.references, address, now, self._config.program)
        except OSError as error:  # no process or descriptor is to be had at the moment
            log.warning("an executor cannot be started (%s); trying again", error)
            return None
        self._children[child.report.descriptor] = child
        self._poller.register(child.report.descriptor, zmq.POLLIN)
        return child

    def _replace(self, now: float, after_s: float) -> None:
        """Have another executor take the place of one that has ended: the spare one at once."""
        spare = next((each for each in self._children.values() if each.is_spare), None)
        if spare is None or not spare.is_ready:
            self._restart_at.append(now + after_s)
            return
        spare.is_spare = False
        self._session.vouch(spare.key_hash)
        if self._dealer is not None:
            spare.control.write(pipes.Connect(self._dealer.address))
        self._keep_spare(now)

    def _keep_spare(self, now: float) -> None:
        """Have one executor more than work, loaded and without a connection, where that pays."""
        if self._has_spare and not any(each.is_spare for each in self._children.values()):
            child = self._start_child(None, now)
            if child is not None:
                child.is_spare = True

    def _hear_child(self, child: Child, now: float) -> None:
        for message in child.report.read():
            match message:
                case pipes.Ready():
                    self._ready(child, message, now)
                case pipes.Awake():
                    self._watched_until = now + limits.WATCH_REST_S
                case pipes.Overdue(number=number, reason=reason, ran_s=ran_s):
                    self._judge(child, Broken(number, reason, ran_s))
                case pipes.Leaving():
                    child.is_leaving = True
                    self._replace(now, 0.0)
                case pipes.Unloadable(reason=reason) if not self._offers:
                    raise ServiceNotLoaded(reason)
                case pipes.Unloadable(reason=reason):
                    log.error("an executor cannot load its services any more: %s", reason)
                case pipes.Ended(reason=reason):
                    child.ended = reason
                case pipes.PlainText(number=number, text=text, failed=failed):
                    child.working_on = None
                    self._publish(self._relay.finished(number, text, failed=failed))
        if child.report.is_at_end:
            self._bury(child, now)

    def _ready(self, child: Child, ready: pipes.Ready, now: float) -> None:
        child.is_ready = True
        child.watch.names = [offer.name for offer in ready.offers]
        child.watch.bounds = ready.bounds
        self._failures = 0
        if not self._offers:
            self._offers = ready.offers
            self._session.offer(ready.offers, now)
            self._tell_absence_at = now + limits.ABSENCE_NOTICE_S
            self._join_exercise()
            self._on_news(Offering(child.watch.names, self._config.executors))
            is_limited = any(each.time_limit_s or each.memory_limit for each in ready.bounds)
            self._has_spare = is_limited or ready.is_recycled
            self._keep_spare(now)

    def _bury(self, child: Child, now: float) -> None:
        del self._children[child.report.descriptor]
        self._poller.unregister(child.report.descriptor)
        lost = child.bury()
        if not child.is_spare:
            self._session.lost(lost)
        if child.working_on is not None:
            self._publish(self._relay.lost(child.working_on, lost.reason))
        if self._signals.received or child.is_leaving:
            return
        if not child.is_ready:
            self._failures += 1
            if not self._offers and self._failures >= limits.STRIKES_MAX:
                raise ServiceNotLoaded(
                    f"executors end before they are ready; the last {lost.reason}"
                )
        log.warning("an executor is replaced: %s", lost.reason)
        if child.is_spare:
            self._keep_spare(now)
            return
        if child.watch.sentence is not None or now - child.started_at >= limits.SHORT_LIFE_S:
            self._restart_s = 0.0
        self._replace(now, self._restart_s)
        self._restart_s = min(max(limits.RESTART_S, 2 * self._restart_s), limits.RESTART_S_MAX)

    # -- at work -----------------------------------------------------------------------------

    def _watch_children(self, now: float) -> None:
        """Look at executors while they work; rest when they have not for a while."""
        self._note_unwanted(now)
        if not self._watched_until:
            return
        is_at_work = False
        for child in self._children.values():
            verdict = child.watch.look(now)
            if verdict is not None:
                self._judge(child, verdict)
            is_at_work = is_at_work or child.watch.is_at_work or not child.watch.unwanted.is_empty
        if is_at_work:
            self._watched_until = now + limits.WATCH_REST_S
        elif now >= self._watched_until:
            self._rest(now)

    def _rest(self, now: float) -> None:
        """Stop watching; whoever begins a line from now on says so."""
        for child in self._children.values():
            child.position.cell[page.IS_WATCHED] = 0
        began = any(child.watch.is_at_work for child in self._children.values())
        self._watched_until = now + limits.WATCH_REST_S if began else 0.0

    def _judge(self, child: Child, verdict: Verdict) -> None:
        match verdict:
            case Long(number=number):
                self._session.hand_back(child.key_hash, child.position.stream, number)
            case Broken() | Stuck():
                child.watch.sentence = verdict
                child.kill()

    def _note_unwanted(self, now: float) -> None:
        for stop in self._session.take_stops():
            self._watched_until = now + limits.WATCH_REST_S
            for child in self._children.values():
                if child.key_hash == stop.executor:
                    child.watch.unwanted.add(stop.first, stop.last, now)
                    child.control.write(pipes.Unwanted(stop.first, stop.last))

    @property
    def _at_work(self) -> list[Child]:
        """All executors but the spare one."""
        return [child for child in self._children.values() if not child.is_spare]

    def _flush_controls(self) -> None:
        for child in self._children.values():
            if child.control.is_waiting:
                child.control.flush()

    def _stop_children(self, now: float) -> None:
        if self._stop_at == inf:
            self._stop_at = now + limits.DRAIN_S
            self._poller.unregister(self._signals.fileno())  # it stays readable
            for child in self._children.values():
                child.stop()
        elif now >= self._stop_at:
            for child in self._children.values():
                child.kill()

    # -- the server --------------------------------------------------------------------------

    def _connect(self, address: str) -> None:
        if self._dealer is not None:
            self._dealer.unregister(self._poller)
            self._dealer.close()
            self._session.disconnected()
        self._frames.clear()
        self._dealer = Dealer(self._context, address)
        self._dealer.register(self._poller)

    def _hear_server(self, now: float) -> None:
        dealer = self._dealer
        if dealer is None:
            return
        for event in islice(dealer.events(), limits.DRAIN_MESSAGES_MAX):
            if event is Event.CONNECTED:
                self._session.connected(now)
            elif event is Event.DISCONNECTED:
                self._session.disconnected()
                self._frames.clear()
        for frames in dealer.arrivals():
            try:
                self._session.receive(*frames, now)
            except ConnectError:
                if self._config.address:
                    raise
                self._session.disconnected()  # a hint led astray; the exercise goes on
        if self._session.is_silent(now):
            self._connect(dealer.address)
        self._note_presence(dealer, now)

    def _note_presence(self, dealer: Dealer, now: float) -> None:
        is_greeted = self._session.is_greeted
        if is_greeted and not self._was_greeted:
            self._on_news(InSession(dealer.address))
            for child in self._at_work:
                child.control.write(pipes.Connect(dealer.address))
        elif self._session.full and not self._has_told_full:
            self._has_told_full = True
            self._on_news(ServerFull(dealer.address, self._session.full))
        if is_greeted:
            self._native_until = now + limits.NATIVE_SILENCE_S
            self._has_told_full = False
        self._was_greeted = is_greeted

    def _note_absence(self, now: float) -> None:
        """Have it told where nobody takes this worker in for a while."""
        is_met = self._session.is_greeted or bool(self._session.full)
        if self._link is not None:
            self._link.read_news()
            is_met = is_met or self._link.is_accepted
        if is_met:
            self._tell_absence_at = inf
            self._look_s, self._found = limits.ABSENCE_NOTICE_S, None
        elif self._was_met:
            self._tell_absence_at = now + limits.ABSENCE_NOTICE_S
        elif now >= self._tell_absence_at:
            self._tell_absence(now)
        self._was_met = is_met

    def _tell_absence(self, now: float) -> None:
        if self._config.address:
            self._tell_absence_at = inf
            self._on_news(NoServerYet(self._config.address))
            return
        # Another server may come to the ports, so what is there is looked at again.
        self._tell_absence_at = now + self._look_s
        self._look_s = min(2 * self._look_s, limits.PORTS_LOOK_S_MAX)
        if self._look is None or not self._look.is_alive():
            self._look = threading.Thread(target=self._look_at_ports, daemon=True)
            self._look.start()  # it may take a moment to find out

    def _look_at_ports(self) -> None:
        assert self._config.ports, "there is an address otherwise"
        found = ports.look(self._config.host, self._config.ports)
        if not self._was_met and not self._signals.received and found not in (None, self._found):
            self._found = found
            self._on_news(found)

    def _send(self, now: float) -> None:
        if self._dealer is None:
            return
        self._frames += self._session.outgoing(now)
        while self._frames and self._dealer.send(*self._frames[0]):
            del self._frames[0]

    # -- the exercise ------------------------------------------------------------------------

    def _join_exercise(self) -> None:
        """Open the exercise's sockets, now that a line or a greeting would find an executor.

        The welcome line is subscribed to from here on, and a server of ours waits only a moment
        for whoever has done that to say hello.
        """
        if self._config.ports:
            inputs, outputs = (f"tcp://{self._config.host}:{port}" for port in self._config.ports)
            self._link = PlainLink(self._context, inputs, outputs)
            self._link.register(self._poller)

    def _hear_plain(self, link: PlainLink, now: float) -> None:
        """Be a plain worker while there is no native server, else only look for hints."""
        self._drop_vain_hint(now)
        is_native = now < self._native_until
        services = set() if is_native else {offer.name for offer in self._offers}
        link.subscribe(services)
        if is_native:
            self._relay.drop_waiting()
        for line in link.lines():
            if line.startswith(plain.HINT_PREFIX):
                self._follow_hint(line)
            else:
                self._publish(self._relay.accept(line, services))
        for child in self._at_work:
            if self._relay.is_waiting and child.is_ready and child.working_on is None:
                child.working_on, service, arguments = self._relay.next_line()
                child.control.write(pipes.PlainLine(child.working_on, service, arguments))

    def _follow_hint(self, line: str) -> None:
        """Try the native way; anyone may have typed the line, so nothing else changes yet."""
        port = plain.parse_hint(line)
        if port is None or self._session.is_greeted:
            return
        address = f"tcp://{self._config.host}:{port}"
        if self._dealer is None or self._dealer.address != address:
            self._connect(address)
        self._hint_until = time.monotonic() + limits.GREETING_S

    def _drop_vain_hint(self, now: float) -> None:
        """Leave alone what a hint led to and what does not greet: it may be anyone's REP socket."""
        if self._dealer is None or self._session.is_greeted or self._session.full:
            self._hint_until = now + limits.GREETING_S
        elif now >= self._hint_until:
            self._dealer.unregister(self._poller)
            self._dealer.close()
            self._dealer = None
            self._session.disconnected()
            self._frames.clear()
            for child in self._at_work:
                child.control.write(pipes.Connect(None))

    def _publish(self, text: str | None) -> None:
        if text is not None and self._link is not None:
            self._link.publish(text)

    # -- the end -----------------------------------------------------------------------------

    def _leave(self) -> None:
        for child in self._children.values():
            child.process.send_signal(signal.SIGKILL)
            child.bury()
        if self._dealer is not None:
            for first, body in self._session.last_words():
                self._dealer.send(first, body)
            self._dealer.close()
        if self._link is not None:
            self._link.close()
        self._context.destroy(linger=limits.LINGER_MS)


def work(config: WorkerConfig, on_news: Callable[[News], None]) -> None:
    """Run a worker until SIGTERM or SIGINT. Raises what `Guardian.run` raises."""
    Guardian(config, on_news).run()

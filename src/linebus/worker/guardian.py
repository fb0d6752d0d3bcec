"""The guardian: a worker's parent process. It keeps executors alive and never runs user code.

So its heartbeat goes on whatever the code in the executors does, and it can tell the server the
moment one of them dies, and on which line. Started with two ports of the exercise, it is a plain
worker for anyone's server until it finds the native way; see docs/protocol.md.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import zmq

from linebus import limits, process
from linebus.errors import ConnectError, ServiceNotLoaded
from linebus.net.clock import milliseconds_until
from linebus.net.dealer import new_context
from linebus.version import __version__
from linebus.wire import plain
from linebus.worker import pipes
from linebus.worker import position as page
from linebus.worker.absence import Absence
from linebus.worker.children import Child
from linebus.worker.native_link import NativeLink
from linebus.worker.news import InSession, Offering, Reloaded, ServerFull
from linebus.worker.plain_link import PlainLink
from linebus.worker.relay import PlainRelay
from linebus.worker.room import Room
from linebus.worker.session import GuardianSession
from linebus.worker.sources import Sources
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

    `references` are built-in services by name or module:object; `executors` their processes, to
    which a spare one comes where they are several.
    Where there is a `program`, it is the one service and there are no references. A worker that
    `reloads` takes over changes of its services' source files.
    """

    references: tuple[str, ...]
    executors: int
    address: str | None = None
    ports: tuple[int, int] | None = None
    host: str = limits.HOST
    program: ProgramSpec | None = None
    reloads: bool = False


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
        self._has_spare = False  # there is one executor more than work
        self._spare_at = inf  # when another spare one is started
        self._watched_until = 0.0
        self._room = Room()
        self._restart_s = 0.0
        self._failures = 0
        self._offers: list[Offer] = []
        self._native = self._new_native()
        self._former: list[NativeLink] = []  # of before a change, while executors have lines
        self._sources = Sources()
        self._candidate: Child | None = None  # it loads what has changed
        self._changed: list[str] = []
        self._is_broken = False  # what has changed cannot be loaded
        self._stop_at = inf
        self._relay = PlainRelay()
        self._link: PlainLink | None = None
        self._native_until = 0.0
        self._hint_until = 0.0
        self._has_told_full = False
        self._absence = Absence(config.address, config.host, config.ports, on_news)
        if config.address:
            self._native.connect(config.address)

    def _new_native(self) -> NativeLink:
        ident = os.urandom(limits.SESSION_BYTES)
        discovered = self._config.ports is not None
        program = f"linebus {__version__}, pid {os.getpid()}"
        session = GuardianSession(ident, program, discovered=discovered)
        return NativeLink(self._context, self._poller, session)

    @property
    def _session(self) -> GuardianSession:
        return self._native.session

    @property
    def _links(self) -> list[NativeLink]:
        return [self._native, *self._former]

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
        self._absence.note(now, is_met=self._is_met())
        for link in self._links:
            link.session.tick(now)
        if self._config.reloads and not self._signals.received:
            self._take_over_changes(now)
        self._watch_children(now)
        if self._link is not None:
            self._hear_plain(self._link, now)
        if self._signals.received:
            self._stop_children(now)
        for link in self._links:
            link.send(now)

    def _patience_ms(self, now: float) -> int | None:
        links = self._links
        at = min([self._stop_at, *self._restart_at, self._spare_at, self._absence.tell_at])
        at = min([at, self._sources.next_deadline(), *[x.session.next_deadline() for x in links]])
        if self._watched_until:
            is_pausing = any(child.watch.is_pausing for child in self._children.values())
            at = min(at, now + (limits.HAND_BACK_S if is_pausing else limits.WATCH_S))
        is_waiting = any(link.is_waiting for link in links)
        if is_waiting or any(child.control.is_waiting for child in self._children.values()):
            at = min(at, now + limits.STALLED_RETRY_S)
        if self._link is not None:
            turns = (self._native_until, self._hint_until)
            at = min([at, *[turn_at for turn_at in turns if turn_at > now]])
        if any(link.session.is_greeted for link in links):
            at = min(at, now + limits.HEARTBEAT_S)
        return milliseconds_until(at, now)

    # -- executors ---------------------------------------------------------------------------

    def _start_children(self, now: float) -> None:
        if self._signals.received:
            self._restart_at.clear()
            self._spare_at = inf
        if self._spare_at <= now:
            self._keep_spare(now)
        for _ in [at for at in self._restart_at if at <= now]:
            # What it loads may offer something else: then it is for another session.
            address = None if self._config.reloads else self._native.address
            child = self._start_child(address, now)
            if child is None:
                self._restart_at.append(now + limits.RESTART_S_MAX)
            elif not self._config.reloads:
                self._vouch(child)
        self._restart_at = [at for at in self._restart_at if at > now]

    def _vouch(self, child: Child) -> None:
        child.link = self._native
        if self._shares_spare and not child.is_spare:
            child.give_way()
        self._session.vouch(child.key_hash, is_spare=child.is_spare)

    def _start_child(self, address: str | None, now: float) -> Child | None:
        try:
            config = self._config
            child = Child(
                config.references, address, now, config.program, tells_files=config.reloads
            )
        except OSError as error:  # no process or descriptor is to be had at the moment
            log.warning("an executor cannot be started (%s); trying again", error)
            return None
        self._children[child.report.descriptor] = child
        self._poller.register(child.report.descriptor, zmq.POLLIN)
        return child

    def _replace(self, now: float, after_s: float) -> None:
        """Have another executor take the place of one that has ended: the spare one at once."""
        if self._config.reloads and self._staying() >= self._config.executors:
            return
        spare = next((each for each in self._children.values() if each.is_spare), None)
        if spare is None or not spare.is_ready or spare.is_leaving:
            self._restart_at.append(now + after_s)
            return
        spare.is_spare = False
        if spare.link is None:
            self._adopt(spare)
        else:
            spare.link.session.vouch(spare.key_hash)
            spare.give_way()
        self._keep_spare(now)

    def _adopt(self, child: Child) -> None:
        """Let an executor work that has loaded what is offered."""
        self._vouch(child)
        if self._native.address is not None:
            child.control.write(pipes.Connect(self._native.address))

    @property
    def _shares_spare(self) -> bool:
        """Whether the spare executor is the server's to use, not only loaded.

        Beside a single executor it is not: one line at a time may be what is wanted.
        """
        return self._config.executors >= limits.SPARE_PROCS_MIN

    def _keep_spare(self, now: float) -> None:
        """Have one executor more than work, loaded, where that pays."""
        self._spare_at = inf
        spares = [each for each in self._children.values() if each.is_spare]
        is_wanted = self._has_spare and not self._signals.received
        if is_wanted and all(each.is_leaving for each in spares):
            child = self._start_child(None, now)
            if child is None:
                self._spare_at = now + limits.RESTART_S_MAX
            else:
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
                case pipes.Files(names=names):
                    self._sources.add(names, child.started_at_wall, now)
                case pipes.Leaving():
                    child.is_leaving = True
                    if child.is_spare:
                        self._keep_spare(now)
                    else:
                        self._replace(now, 0.0)
                case pipes.Unloadable(reason=reason) if not self._offers:
                    raise ServiceNotLoaded(reason)
                case pipes.Unloadable(reason=reason) if child is self._candidate:
                    child.ended = reason
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
            self._absence.begin(now)
            self._join_exercise()
            self._on_news(Offering(child.watch.names, self._config.executors))
            self._set_spare(ready)
            self._keep_spare(now)
        if child.link is not None or child.is_leaving:
            return
        if child.is_spare:
            if self._shares_spare and _pool(ready.offers) == _pool(self._offers):
                self._adopt(child)
        else:
            if child is self._candidate or _pool(ready.offers) != _pool(self._offers):
                self._take_over(child, ready, now)
            self._adopt(child)

    def _set_spare(self, ready: pipes.Ready) -> None:
        is_limited = any(each.time_limit_s or each.memory_limit for each in ready.bounds)
        self._has_spare = self._shares_spare or is_limited or ready.is_recycled

    def _bury(self, child: Child, now: float) -> None:
        del self._children[child.report.descriptor]
        self._poller.unregister(child.report.descriptor)
        lost = child.bury()
        if child.link is not None:
            child.link.session.lost(lost)
        if child.working_on is not None:
            self._publish(self._relay.lost(child.working_on, lost.reason))
        if self._signals.received or child.is_leaving:
            return
        if child is self._candidate:
            self._candidate = None
            self._is_broken = True
            log.error("not reloaded: %s", child.ended or f"the executor {lost.reason}")
            return
        if not child.is_ready:
            self._failures += 1
            if not self._offers and self._failures >= limits.STRIKES_MAX:
                raise ServiceNotLoaded(
                    f"executors end before they are ready; the last {lost.reason}"
                )
        log.warning("an executor is replaced: %s", lost.reason)
        if child.watch.sentence is not None or now - child.started_at >= limits.SHORT_LIFE_S:
            self._restart_s = 0.0
        if child.is_spare:
            self._spare_at = now + self._restart_s
        else:
            self._replace(now, self._restart_s)
        self._restart_s = min(max(limits.RESTART_S, 2 * self._restart_s), limits.RESTART_S_MAX)

    # -- changes of the services -------------------------------------------------------------

    def _take_over_changes(self, now: float) -> None:
        """Have what has changed loaded, then executors replaced; as many stay at work meanwhile."""
        if not self._offers:
            return
        if changed := self._sources.changed(now):
            self._changed = sorted({*self._changed, *map(os.path.relpath, changed)})
            self._load_anew(now)
        former = self._of_before()
        at_work = [each for each in self._at_work if each.link is not None and not each.is_leaving]
        if len(at_work) > self._config.executors:
            # A plain line that it may not have read yet would be lost with it.
            for child in [each for each in former if each.working_on is None][:1]:
                former.remove(child)
                child.is_leaving = True
                child.stop()
        wanted = self._config.executors + (bool(former) and not self._is_broken)
        if self._candidate is None and self._staying() < wanted:
            self._restart_at.append(now)
        for link in [each for each in self._former if not self._has_executors(each)]:
            link.end()
            self._former.remove(link)

    def _load_anew(self, now: float) -> None:
        """Start an executor that loads what has changed."""
        if self._candidate is not None:
            self._discard(self._candidate)
        self._candidate = self._start_child(None, now)
        self._is_broken = self._candidate is None

    def _discard(self, child: Child) -> None:
        """End an executor that has no lines; none is to take its place for that."""
        child.is_leaving = True
        child.kill()
        if child is self._candidate:
            self._candidate = None

    def _take_over(self, child: Child, ready: pipes.Ready, now: float) -> None:
        """Offer what an executor has loaded, in a session of its own beside the former one.

        So each line goes to an executor of the session in which its service was offered.
        """
        if child is self._candidate:
            self._candidate = None
        for each in self._children.values():  # these may have loaded what there was before
            if each.is_spare and each.link is not None:
                each.is_leaving = True
                each.stop()
                continue
            is_old = each.is_spare or each.started_at <= child.started_at
            if each.link is None and each is not child and is_old:
                self._discard(each)
        self._is_broken = False
        address = self._native.address
        self._former.append(self._native)
        self._native = self._new_native()
        self._offers = ready.offers
        self._session.offer(ready.offers, now)
        self._hint_until = now + limits.GREETING_S
        if address is not None:
            self._native.connect(address)
        self._on_news(Reloaded(child.watch.names, self._changed))
        self._changed = []
        self._set_spare(ready)
        self._keep_spare(now)

    def _staying(self) -> int:
        """Count the executors that are at work or will be, but for those that are to leave."""
        apart = [each for each in self._at_work if each.is_leaving or each is self._candidate]
        return len(self._at_work) - len(apart) + len(self._restart_at)

    def _of_before(self) -> list[Child]:
        """Return the executors of before a change that may leave: what has changed is offered."""
        if not self._former:
            return []
        is_away = not any(link.session.is_greeted for link in self._former)
        if not self._session.is_greeted and not is_away:
            return []
        return [each for each in self._at_work if each.link in self._former and not each.is_leaving]

    def _has_executors(self, link: NativeLink) -> bool:
        return any(child.link is link for child in self._children.values())

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
        self._room.look(self._children.values(), now)
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
                if child.link is not None:
                    child.link.session.hand_back(child.key_hash, child.position.stream, number)
            case Broken() | Stuck():
                child.watch.sentence = verdict
                child.kill()

    def _note_unwanted(self, now: float) -> None:
        for stop in [stop for link in self._links for stop in link.session.take_stops()]:
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
            self._absence.end()
            for child in self._children.values():
                child.stop()
        elif now >= self._stop_at:
            for child in self._children.values():
                child.kill()

    # -- the server --------------------------------------------------------------------------

    def _hear_server(self, now: float) -> None:
        for link in self._links:
            try:
                link.hear(now)
            except ConnectError:
                if self._config.address and link is self._native:
                    raise
                link.session.disconnected()  # a hint led astray; the exercise goes on
            link.renew(now)
            self._note_presence(link)
        if self._session.is_greeted:
            self._native_until = now + limits.NATIVE_SILENCE_S

    def _note_presence(self, link: NativeLink) -> None:
        session = link.session
        if session.is_greeted and not link.was_greeted and link.address is not None:
            if not any(each.was_greeted for each in self._links):
                self._on_news(InSession(link.address))
            for child in self._children.values():
                if child.link is link:
                    child.control.write(pipes.Connect(link.address))
        elif session.full and not self._has_told_full and link.address is not None:
            self._has_told_full = True
            self._on_news(ServerFull(link.address, session.full))
        if session.is_greeted:
            self._has_told_full = False
        link.was_greeted = session.is_greeted

    def _is_met(self) -> bool:
        """Return whether somebody takes this worker in."""
        if self._link is not None:
            self._link.read_news()
            if self._link.is_accepted:
                return True
        return self._session.is_greeted or bool(self._session.full)

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
            is_free = child.link is self._native and not child.is_leaving
            if self._relay.is_waiting and is_free and child.is_ready and child.working_on is None:
                child.working_on, service, arguments = self._relay.next_line()
                child.control.write(pipes.PlainLine(child.working_on, service, arguments))

    def _follow_hint(self, line: str) -> None:
        """Try the native way; anyone may have typed the line, so nothing else changes yet."""
        port = plain.parse_hint(line)
        if port is None or self._session.is_greeted:
            return
        address = f"tcp://{self._config.host}:{port}"
        if self._native.address != address:
            self._native.connect(address)
        self._hint_until = time.monotonic() + limits.GREETING_S

    def _drop_vain_hint(self, now: float) -> None:
        """Leave alone what a hint led to and what does not greet: it may be anyone's REP socket."""
        if self._native.address is None or self._session.is_greeted or self._session.full:
            self._hint_until = now + limits.GREETING_S
        elif now >= self._hint_until:
            self._native.disconnect()
            for child in self._children.values():
                child.control.write(pipes.Connect(None))

    def _publish(self, text: str | None) -> None:
        if text is not None and self._link is not None:
            self._link.publish(text)

    # -- the end -----------------------------------------------------------------------------

    def _leave(self) -> None:
        for child in self._children.values():
            child.process.send_signal(signal.SIGKILL)
            child.bury()
        for link in self._links:
            link.end()
        if self._link is not None:
            self._link.close()
        self._context.destroy(linger=limits.LINGER_MS)


def _pool(offers: list[Offer]) -> dict[str, int]:
    """Return by what a server tells workers apart: those that offer the same share their lines."""
    return {offer.name: offer.at_once for offer in offers}


def work(config: WorkerConfig, on_news: Callable[[News], None]) -> None:
    """Run a worker until SIGTERM or SIGINT. Raises what `Guardian.run` raises."""
    Guardian(config, on_news).run()

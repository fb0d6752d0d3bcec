"""An executor: a child process that runs the user's code, one line after the other or many at once.

It holds its own connection to the server, so a request takes no extra hop. It ends with its
guardian. Started as `python -m linebus.worker.executor GUARDIAN_PID REPORT_FD POSITION_FD`, with
what it must not show to others (the key) on its standard input.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from linebus import limits, process
from linebus.errors import ConnectError, Refused, ServiceNotLoaded
from linebus.net.clock import milliseconds_until
from linebus.net.dealer import Dealer, Event, new_context
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.services.catalog import load
from linebus.text import LogFormatter, show_what_ends_us
from linebus.wire.native import escape_surrogates
from linebus.worker import pipes
from linebus.worker import position as page
from linebus.worker.answering import answer_of, failure, not_offered, offer_of
from linebus.worker.position import Position
from linebus.worker.session import ExecutorSession, Slice
from linebus.worker.sources import source_files
from linebus.worker.watch import Bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.services.catalog import AnyService
    from linebus.worker.at_once import AtOnce

log = logging.getLogger("linebus.worker")


class Executor:
    """Works on what the server sends, and on plain lines that the guardian hands over."""

    def __init__(
        self,
        services: Sequence[AnyService],
        start: pipes.Start,
        control: PipeReader,
        report: PipeWriter,
        position: Position,
    ) -> None:
        """Connect where an address is known already."""
        self._services = {service.name: service for service in services}
        self._indexes = {service.name: index for index, service in enumerate(services)}
        self._answers = {service.name: service.answer for service in services}
        self._values = {service.name: service.value for service in services}
        self._lines_left = {
            service.name: service.bounds.recycle_after
            for service in services
            if service.bounds.recycle_after
        }
        self._is_spent = False  # it has done as many lines as it should
        self._at_once: AtOnce | None = None
        self._generation = 0
        self._key = start.key
        self._guardian_pid = os.getppid()
        self._control = control
        self._report = report
        self._position = position
        self._signals = process.StopSignals(signal.SIGTERM)
        self._context = new_context()
        self._poller = zmq.Poller()
        self._poller.register(control.descriptor, zmq.POLLIN)
        self._session = self._new_session()
        self._dealer: Dealer | None = None
        self._frames: list[tuple[bytes, bytes]] = []
        self._sent_at = 0.0
        # How many modules there were when the guardian was told of their files; 0: it is not told.
        self._modules_told = len(sys.modules) if start.tells_files else 0
        if start.address:
            self._connect(start.address)

    def _new_session(self) -> ExecutorSession:
        return ExecutorSession(os.urandom(limits.SESSION_BYTES), self._key)

    def run(self) -> None:
        """Work until the guardian ends or SIGTERM comes; then the line at hand is the last."""
        with self._signals:
            self._poller.register(self._signals.fileno(), zmq.POLLIN)
            while not self._is_to_end() and not self._control.is_at_end:
                work = self._session.next_slice()
                if work is None:
                    self._exchange()
                else:
                    self._take_up(work)
                    # What another service does may take long: nothing waits for that.
                    if self._session.next_service != work.service or self._is_time_to_send():
                        self._send()
            self._poller.unregister(self._signals.fileno())  # it stays readable
            while self._at_once and not self._control.is_at_end and not self._is_orphan():
                if self._session.next_service is not None:
                    self._pause(None)  # what has come since then shall not wait for these
                self._exchange()
            self._leave()

    # -- working -----------------------------------------------------------------------------

    def _take_up(self, work: Slice) -> None:
        """Do the lines of a slice, or begin them where the service does many at once."""
        cell, name = self._position.cell, work.service
        cell[page.SERVICE] = self._indexes.get(name, -1)
        if not cell[page.IS_WATCHED]:
            cell[page.IS_WATCHED] = 1
            self._report.write(pipes.Awake())
        left = self._lines_left.get(name)
        if left is not None:
            work = work._replace(lines=work.lines[:left])
            self._lines_left[name] = left - len(work.lines)
        if work.service in self._services and self._services[name].answer_async:
            self._begin(work)
        else:
            self._work(work)
        cell[page.SLICES] += 1
        self._is_spent = self._is_spent or self._lines_left.get(name) == 0

    def _work(self, work: Slice) -> None:
        """Answer the lines of a slice, sending what is done every FLUSH_S.

        This is the executor's one loop over lines and the hot path of every service.
        """
        first, service, lines, values = work
        answer = (self._values if values else self._answers).get(service, not_offered)
        cell, clock = self._position.cell, time.monotonic
        rest: Slice | None = None
        texts: list[str] = []
        failed: list[int] = []
        begun_at = clock()
        send_at = max(begun_at, self._sent_at + limits.FLUSH_S)
        for number, arguments in enumerate(lines, first):
            cell[0] = number  # page.NUMBER and page.PAUSE, written out for speed
            if cell[3]:
                rest = work._replace(first=number, lines=lines[number - work.first :])
                break
            try:
                text = answer(arguments)
            except Refused as error:
                text = str(error)
                failed.append(len(texts))
            except Exception as error:  # noqa: BLE001  whatever a service raises is its answer
                text = failure(service, error)
                failed.append(len(texts))
            texts.append(text)
            if (now := clock()) >= send_at and number - work.first + 1 < len(lines):
                if _is_cheap(now - begun_at, len(texts)):
                    send_at = now + limits.FLUSH_S
                    continue
                if not self._hand_over(first, texts, failed, now - begun_at):
                    return
                first += len(texts)
                texts, failed, begun_at = [], [], clock()
                send_at = begun_at + limits.FLUSH_S
        cell[0] = 0
        if texts:
            self._session.answer(first, texts, failed, clock() - begun_at)
        if cell[3]:
            self._pause(rest)

    def _pause(self, rest: Slice | None) -> None:
        """Say what has not been begun, since a line took long; others may have taken it over."""
        self._position.cell[page.PAUSE] = 0
        self._session.skip(rest)
        self._send()

    def _begin(self, work: Slice) -> None:
        """Begin the lines of an async service; each is answered when it has ended."""
        if self._at_once is None:
            from linebus.worker.at_once import AtOnce  # noqa: PLC0415  asyncio takes 30 ms to load

            self._at_once = AtOnce()
            self._poller.register(self._at_once.fileno(), zmq.POLLIN)
        service = self._services[work.service]
        answer = service.value_async if work.values else service.answer_async
        assert answer is not None, "an async service has both"
        limit_s = service.bounds.time_limit_s
        for number, arguments in enumerate(work.lines, work.first):
            self._at_once.begin(number, work.service, answer, arguments, limit_s)
        self._position.cell[page.AT_ONCE] = len(self._at_once)

    def _collect(self, at_once: AtOnce) -> None:
        """Answer the lines of async services that have ended."""
        for number, text, failed, ran_s in at_once.take_done():
            self._session.answer(number, [text], [0] if failed else [], ran_s)
        self._position.cell[page.AT_ONCE] = len(at_once)

    def _note_blocked_loop(self, now: float) -> None:
        """Have this process ended where its event loop does not come to give up a line."""
        first = self._at_once.next_overdue() if self._at_once is not None else None
        if first is not None and now >= first.at + limits.BLOCKED_LOOP_S:
            self._position.cell[page.NUMBER] = first.number
            ran_s = now - first.at + first.time_limit_s
            reason = (
                f"{first.service} took longer than {first.time_limit_s:g} s, its time limit, and"
                " could not be given up: something computes in the event loop"
            )
            self._report.write(pipes.Overdue(first.number, reason, ran_s))
            signal.pause()

    def _drop_at_once(self) -> None:
        """Give up what is under way: it belongs to a stream that has ended."""
        if self._at_once is not None:
            self._poller.unregister(self._at_once.fileno())
            self._at_once.close()
            self._at_once = None
            self._position.cell[page.AT_ONCE] = 0

    def _hand_over(self, first: int, texts: list[str], failed: list[int], took_s: float) -> bool:
        """Send what is done in the middle of a slice; return whether the rest is still wanted."""
        generation = self._session.generation
        self._session.answer(first, texts, failed, took_s)
        self._send()
        if self._dealer is not None:
            self._receive(self._dealer, time.monotonic())
        if self._session.generation == generation and not self._is_to_end():
            return True
        self._position.cell[0] = 0
        return False

    def _is_to_end(self) -> bool:
        return self._is_spent or self._signals.received is not None or self._is_orphan()

    def _is_orphan(self) -> bool:
        return process.parent_is_gone(self._guardian_pid)

    def _is_time_to_send(self) -> bool:
        return time.monotonic() >= self._sent_at + limits.FLUSH_S

    # -- the server --------------------------------------------------------------------------

    def _connect(self, address: str | None) -> None:
        """Connect to this address; to nobody where it is None."""
        if self._dealer is not None and self._dealer.address == address:
            return
        if self._dealer is not None:
            self._dealer.unregister(self._poller)
            self._dealer.close()
            self._dealer = None
            self._frames.clear()
            self._drop_at_once()
            self._session = self._new_session()
            self._generation = 0
        if address is None:
            return
        self._dealer = Dealer(self._context, address)
        self._dealer.register(self._poller)

    def _exchange(self) -> None:
        """Wait for something to arrive, from the server or from the guardian."""
        if self._modules_told and self._modules_told != len(sys.modules):
            self._modules_told = len(sys.modules)
            self._report.write(pipes.Files(source_files()))
        at = self._session.next_deadline()
        if self._at_once is not None and (first := self._at_once.next_overdue()) is not None:
            at = min(at, first.at + limits.BLOCKED_LOOP_S)
        if self._frames or (self._dealer is not None and self._dealer.is_behind):
            at = min(at, time.monotonic() + limits.STALLED_RETRY_S)
        ready = dict(self._poller.poll(milliseconds_until(at, time.monotonic())))
        now = time.monotonic()
        if self._dealer is not None:
            if self._dealer.has_news(ready):
                self._look_at_connection(self._dealer, now)
            if self._dealer.has_arrivals(ready):
                self._receive(self._dealer, now)
        self._session.tick(now)
        if self._at_once is not None and self._at_once.fileno() in ready:
            self._collect(self._at_once)
        self._note_blocked_loop(now)
        if self._control.descriptor in ready:
            for message in self._control.read():
                self.obey(message)
        self._send()

    def _look_at_connection(self, dealer: Dealer, now: float) -> None:
        for event in dealer.events():
            if event is Event.CONNECTED:
                self._session.connected(now)
            elif event is Event.DISCONNECTED:
                self._session.disconnected()
                self._frames.clear()

    def _receive(self, dealer: Dealer, now: float) -> None:
        for first, body in dealer.arrivals():
            try:
                self._session.receive(first, body, now)
            except ConnectError as error:
                # Another process may fare better; the guardian sees to it, not too often.
                log.error("an executor ends: %s", error)  # noqa: TRY400  the sentence says it all
                raise SystemExit(1) from error
        if self._session.generation != self._generation:  # numbers are those of another stream
            self._generation = self._session.generation
            self._position.cell[page.NUMBER] = 0
            self._position.stream = self._session.stream
            self._drop_at_once()

    def _send(self) -> None:
        if self._dealer is None:
            return
        now = time.monotonic()
        self._frames += self._session.outgoing(now)
        while self._frames and self._dealer.send(*self._frames[0]):
            del self._frames[0]
        self._sent_at = now

    def _leave(self) -> None:
        if self._is_spent:
            self._report.write(pipes.Leaving())
        self._send()
        if self._dealer is not None:
            for first, body in self._session.last_words():
                self._dealer.send(first, body)
            self._dealer.close()
        self._context.destroy(linger=limits.LINGER_MS)
        for service in self._services.values():
            _end_setup(service)

    # -- the guardian ------------------------------------------------------------------------

    def obey(self, message: pipes.ToExecutor) -> None:
        """Do what the guardian says."""
        match message:
            case pipes.Connect(address=address):
                self._connect(address)
            case pipes.PlainLine(number=number, service=service, arguments=arguments):
                self._report.write(self._answer_plain(number, service, arguments))
            case pipes.Unwanted(first=first, last=last):
                if self._at_once is not None:
                    self._at_once.give_up(first, last)
            case _:
                pass

    def _answer_plain(self, number: int, service: str, arguments: str) -> pipes.PlainText:
        run = self._answers.get(service, not_offered)
        text, failed = answer_of(run, service, arguments)
        return pipes.PlainText(number, escape_surrogates(text), failed)


def _load(start: pipes.Start, report: PipeWriter) -> tuple[AnyService, ...] | None:
    try:
        services = load(start.references)
        for service in services:
            _set_up(service)
    except ServiceNotLoaded as error:
        if start.tells_files:
            report.write(pipes.Files(source_files(error)))
        report.write(pipes.Unloadable(str(error)))
        return None
    if start.tells_files:
        report.write(pipes.Files(source_files()))
    bounds = [Bounds(s.bounds.time_limit_s, s.bounds.memory_limit) for s in services]
    is_recycled = any(service.bounds.recycle_after for service in services)
    report.write(pipes.Ready([offer_of(each) for each in services], bounds, is_recycled))
    return services


def _set_up(service: AnyService) -> None:
    if service.prepared is None:
        return
    try:
        service.prepared.begin()
    except Exception as error:
        log.exception("the setup of %s raised an exception", service.name)
        what = f"{type(error).__name__}: {error}"
        message = f"the setup of service {service.name!r} raised {what}; correct it there"
        raise ServiceNotLoaded(message) from error


def _end_setup(service: AnyService) -> None:
    if service.prepared is not None:
        try:
            service.prepared.end()
        except Exception:  # the process ends anyway, and others may have something to end
            log.exception("the end of the setup of %s raised an exception", service.name)


def _is_cheap(took_s: float, count: int) -> bool:
    """Return whether lines cost so little that more of them make up one message."""
    return took_s < min(limits.FLUSH_CHEAP_S, count * limits.CHEAP_LINE_S)


def _take_standard_input() -> int:
    """Move the control pipe off descriptor 0, so that a service that reads gets an end of file."""
    control = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return control


def _log() -> None:
    """Have the log on stderr, and what ends the process too: both may hold words of a client."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    show_what_ends_us()


class Begun(NamedTuple):
    """What an executor's process has at its beginning, and what its guardian has said so far."""

    control: PipeReader
    report: PipeWriter
    position_descriptor: int
    messages: list[Any]


def begin(arguments: Sequence[str]) -> Begun | None:
    """Take up the pipes of an executor's process; None where its guardian has gone."""
    guardian_pid, report_descriptor, position_descriptor = map(int, arguments)
    process.end_with_parent(guardian_pid)
    process.ignore_interrupts()  # Ctrl-C is the guardian's to handle
    _log()
    inheritable = False  # what a service starts must not hold on to them
    for descriptor in (report_descriptor, position_descriptor):
        os.set_inheritable(descriptor, inheritable)
    control = PipeReader(_take_standard_input(), pipes.ToExecutor)
    messages = control.read()
    if not messages:
        return None
    return Begun(control, PipeWriter(report_descriptor), position_descriptor, messages)


def main(arguments: Sequence[str]) -> int:
    """Run an executor for the guardian with this pid."""
    begun = begin(arguments)
    if begun is None:
        return 1
    start = begun.messages[0]
    services = _load(start, begun.report)
    if services is None:
        return 1
    position = Position(begun.position_descriptor)
    executor = Executor(services, start, begun.control, begun.report, position)
    for message in begun.messages[1:]:
        executor.obey(message)
    executor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

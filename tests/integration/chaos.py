"""A bus of real processes that is hit by seeded faults while clients ask and are checked.

Everything runs as an installed command, but for one client, which is a script with
`linebus.Client`. One client and one worker are connected through a `Weather`. Faults come one after
the other, some in pairs; each records how long it took until every client had a reply to a line
that was asked after it.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Self

from linebus import limits
from tests.integration.native_processes import (
    PEERS,
    Home,
    Program,
    Proxy,
    executors,
    wait_until,
    wait_until_gone,
)
from tests.oracle import expected

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager

PATIENCE_S = 60.0
# So many lines a client is ahead of its replies: then a killed one leaves little work behind.
AHEAD_LINES = 2_000
WRITTEN_LINES = 100
# Longer than peers have patience with a silent server, and the server with them.
GIVEN_UP_S = limits.SILENCE_LEAST_S + 1
_FACTOR = 10**60 + 7


def line_of(client: int, number: int) -> str:
    """Return the line of this number; no two clients, and no two numbers, have the same one."""
    value = 10 * number + client
    if number % 3 == 0:
        return f"isprime {value}"
    return f"gcd {6 * value * _FACTOR} {4 * value * _FACTOR}"


# -- a client --------------------------------------------------------------------------------


class Asker:
    """A client that is fed lines by number; reply K must be the answer to line K."""

    def __init__(self, home: Home, number: int, *command: str) -> None:
        """Start the command, which takes lines on stdin and prints the text of each reply."""
        self._home = home
        self._number = number
        self._command = command
        self._news = threading.Condition()
        self._is_fed = True
        self._watches: list[Recovery] = []
        self.sent = 0
        self.answered = 0
        self.wrong: list[str] = []
        self._start()

    def _start(self) -> None:
        self.sent = self.answered
        self.program = _Client(list(self._command), self._home, self._take)
        self._feeder = threading.Thread(target=self._feed, args=(self.program,))
        self._feeder.start()

    def _feed(self, program: Program) -> None:
        """Write lines for as long as they are answered; end the input when told to stop."""
        try:
            while (first := self._next()) is not None:
                numbers = range(first, first + WRITTEN_LINES)
                program.write("".join(f"{line_of(self._number, each)}\n" for each in numbers))
        except BrokenPipeError:
            pass
        program.end_input()

    def _next(self) -> int | None:
        with self._news:
            self._news.wait_for(lambda: not self._is_fed or self._has_room())
            if not self._is_fed:
                return None
            self.sent += WRITTEN_LINES
            return self.sent - WRITTEN_LINES + 1

    def _has_room(self) -> bool:
        return self.sent - self.answered < AHEAD_LINES

    def _take(self, text: str) -> None:
        with self._news:
            self.answered += 1
            line = line_of(self._number, self.answered)
            if self.answered > self.sent or text != expected(line).text:
                self.wrong.append(f"{line} (line {self.answered} of {self.sent}): {text}")
            for watch in [each for each in self._watches if self.answered > each.marks[self]]:
                self._watches.remove(watch)
                watch.note(self)
            self._news.notify_all()

    def watch(self, recovery: Recovery) -> None:
        """Tell when a line that is asked from now on has been answered."""
        with self._news:
            recovery.marks[self] = self.sent
            self._watches.append(recovery)

    def kill(self) -> None:
        """Kill it; another one asks what has not been answered."""
        self.program.kill()
        with self._news:
            self._is_fed = False
            self._news.notify_all()
        self._feeder.join()
        self.program.wait()
        self._is_fed = True
        self._start()

    def finish(self) -> None:
        """Ask no more lines, wait for all replies and the end."""
        with self._news:
            self._is_fed = False
            self._news.notify_all()
        self._feeder.join()
        code = self.program.wait()
        assert self.wrong[:3] == [], self.program.story()
        assert (code, self.answered) == (0, self.sent), self.program.story()

    def close(self) -> None:
        """End it, whatever it is doing."""
        with self._news:
            self._is_fed = False
            self._news.notify_all()
        self.program.kill()
        self._feeder.join()
        self.program.wait()


class _Client(Program):
    """A client's process; what it prints is handed on, not kept: there are millions of lines."""

    def __init__(self, command: list[str], home: Home, take: Callable[[str], None]) -> None:
        self._take = take
        super().__init__(command, home.env, home.folder)

    def _read(self, stream: IO[bytes], lines: list[str]) -> None:
        if lines is self.err:
            super()._read(stream, lines)
            return
        with stream:
            for line in stream:
                # One that was killed may have left half a line.
                if line.endswith(b"\n"):
                    self._take(line[:-1].decode("utf-8", "backslashreplace"))


@dataclass
class Recovery:
    """When each client had its first reply to a line that was asked after a fault."""

    at: float
    marks: dict[Asker, int] = field(default_factory=dict)
    times_s: dict[Asker, float] = field(default_factory=dict)
    news: threading.Condition = field(default_factory=threading.Condition)

    def note(self, asker: Asker) -> None:
        """Take down that this client is served again."""
        with self.news:
            self.times_s[asker] = time.monotonic() - self.at
            self.news.notify_all()

    def wait(self) -> bool:
        """Wait for the last client."""
        with self.news:
            return self.news.wait_for(lambda: len(self.times_s) == len(self.marks), PATIENCE_S)


# -- a bad connection ------------------------------------------------------------------------


class Weather(Proxy):
    """A proxy that also delays, cuts in the middle of a frame, and stalls one way."""

    _cuts_next = False
    _delay_s = 0.0

    def cut_in_mid_frame(self) -> None:
        """Pass on only a part of what comes next, then cut that connection."""
        with self._lock:
            self._cuts_next = True
        wait_until(lambda: not self._cuts_next, "bytes to be cut")

    def delay(self, seconds: float) -> None:
        """Hold up everything that passes from now on by so much."""
        self._delay_s = seconds

    def stall(self, side: int) -> list[socket.socket]:
        """Take nothing more from the visitors (0) or the server (1) on today's connections."""
        with self._lock:
            stalled = [pair[side] for pair in self._pairs]
            for sock in stalled:
                self._selector.unregister(sock)
            return stalled

    def resume(self, stalled: list[socket.socket]) -> None:
        """Go on with those that are still there."""
        with self._lock:
            for pair in self._pairs:
                for sock in set(pair) & set(stalled):
                    self._selector.register(sock, selectors.EVENT_READ, pair)

    def _pass_on(self, source: object, pair: tuple[socket.socket, socket.socket]) -> None:
        if self._delay_s:
            threading.Event().wait(self._delay_s)
        if self._cuts_next:
            here, there = pair if source is pair[0] else reversed(pair)
            self._pairs.remove(pair)
            try:
                data = here.recv(65_536)
                there.sendall(data[: len(data) // 2 + 1])
                self._cuts_next = len(data) < 2
            except OSError:
                pass
            self._close(pair)
            return
        super()._pass_on(source, pair)


# -- the storm -------------------------------------------------------------------------------


class Storm:
    """Server, two workers, three clients, and what happens to them."""

    def __init__(self, home: Home, seed: int) -> None:
        """Start nothing yet."""
        self._home = home
        self._random = random.Random(seed)
        self._weather = [Weather(home.ports.client_inputs) for _ in range(2)]
        self._entered: list[AbstractContextManager[object]] = []
        self.askers: list[Asker] = []
        self.recoveries: dict[str, list[float]] = defaultdict(list)
        self.starts_s: list[float] = []
        self.faults: Counter[str] = Counter()
        self.next_replies: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Start everything."""
        for weather in self._weather:
            self._entered.append(weather.__enter__())
        self._serve()
        self._workers = [self._work(0), self._work(1)]
        command = (sys.executable, "-m", "linebus", "ask", "-", "--wait", "60", "--bus")
        script = (sys.executable, str(PEERS / "client_lines.py"))
        near, far = self._home.address, self._weather[0].address
        for number, words in enumerate([(*command, near), (*script, near), (*script, far)]):
            self.askers.append(Asker(self._home, number, *words))
        self._wait(self._recovery(), "the start")
        return self

    def __exit__(self, *_: object) -> None:
        """End the clients, and the connections."""
        for asker in self.askers:
            asker.close()
        for weather in self._entered:
            weather.__exit__(None, None, None)

    def _serve(self) -> None:
        started = time.monotonic()
        self._server = self._home.serve()
        self.starts_s.append(time.monotonic() - started)

    def _work(self, place: int) -> Program:
        """Start a worker; the second one is connected through bad weather."""
        at = self._weather[1].address if place else self._home.address
        return self._home.work("isprime", "gcd", procs=2 - place, at=at)

    # what happens

    def hit(self, *kinds: str) -> None:
        """Let faults happen, one right after the other; wait until all clients are served."""
        recoveries = [KINDS[kind](self) for kind in kinds]
        for recovery in recoveries:
            self._wait(recovery, " and ".join(kinds))
        self.faults.update(kinds)
        name = kinds[0] if len(kinds) == 1 else "two at once"
        self.recoveries[name].append(max(recoveries[0].times_s.values()))
        self.next_replies[name].append(min(recoveries[0].times_s.values()))

    def random_kinds(self) -> list[str]:
        """Draw what happens next: mostly one fault, sometimes two; often the server is killed."""
        names = list(KINDS)
        weights = [24 if name == "server killed" else 1 for name in names]
        one = self._random.choices(names, weights)
        return one if self._random.random() < 0.8 else self._random.sample(names, 2)

    def _recovery(self) -> Recovery:
        recovery = Recovery(time.monotonic())
        for asker in self.askers:
            asker.watch(recovery)
        return recovery

    def _wait(self, recovery: Recovery, what: str) -> None:
        came = recovery.wait()
        wrong = [text for asker in self.askers for text in asker.wrong]
        assert not wrong, f"after {what}: {wrong[:3]}"
        late = [self.askers.index(asker) for asker in recovery.marks.keys() - recovery.times_s]
        assert came, f"no reply within {PATIENCE_S} s after {what} at clients {late}"

    def _forget(self, program: Program) -> None:
        program.end_input()
        assert program.wait() is not None
        self._home.programs.remove(program)

    def kill_server(self) -> Recovery:
        """Kill it and start another one."""
        recovery = self._recovery()
        self._server.kill()
        self._forget(self._server)
        self._serve()
        return recovery

    def restart_server(self) -> Recovery:
        """Tell it to end, and start another one when it has."""
        recovery = self._recovery()
        self._server.signal(signal.SIGTERM)
        assert self._server.wait() == 0, self._server.story()
        self._forget(self._server)
        self._serve()
        return recovery

    def kill_guardian(self) -> Recovery:
        """Kill it and start another worker; its executors end by themselves."""
        recovery = self._recovery()
        place = self._random.randrange(2)
        guardian = self._workers[place]
        orphans = executors(guardian)
        guardian.kill()
        assert wait_until_gone(orphans) == []
        self._forget(guardian)
        self._workers[place] = self._work(place)
        return recovery

    def _executor(self) -> int:
        guardian = self._random.choice(self._workers)
        wait_until(lambda: bool(executors(guardian)), "an executor")
        return self._random.choice(executors(guardian))

    def kill_executor(self) -> Recovery:
        """Kill one; its guardian starts another."""
        pid = self._executor()
        recovery = self._recovery()
        os.kill(pid, signal.SIGKILL)
        return recovery

    def kill_client(self) -> Recovery:
        """Kill one; another one asks its remaining lines."""
        recovery = self._recovery()
        self._random.choice(self.askers).kill()
        return recovery

    def _pause(self, pid: int, pause_s: float = 0.0) -> Recovery:
        """Stop a process for a while; the time counts from when it goes on."""
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(pause_s or self._random.uniform(0.05, 1.2))
        recovery = self._recovery()
        os.kill(pid, signal.SIGCONT)
        return recovery

    def stop_for_long(self) -> Recovery:
        """Stop a process until everybody has given it up."""
        guardian = self._random.choice(self._workers).pid
        client = self._random.choice(self.askers).program.pid
        pid = self._random.choice([self._server.pid, guardian, self._executor(), client])
        return self._pause(pid, GIVEN_UP_S)

    def stop_server(self) -> Recovery:
        """Stop it for a while."""
        return self._pause(self._server.pid)

    def stop_guardian(self) -> Recovery:
        """Stop it for a while."""
        return self._pause(self._random.choice(self._workers).pid)

    def stop_executor(self) -> Recovery:
        """Stop it for a while."""
        return self._pause(self._executor())

    def stop_client(self) -> Recovery:
        """Stop it for a while, owed replies."""
        return self._pause(self._random.choice(self.askers).program.pid)

    def cut(self) -> Recovery:
        """Cut connections, whatever they carry."""
        recovery = self._recovery()
        self._random.choice(self._weather).cut()
        return recovery

    def cut_in_mid_frame(self) -> Recovery:
        """Cut a connection when a part of what came has been passed on."""
        recovery = self._recovery()
        self._random.choice(self._weather).cut_in_mid_frame()
        return recovery

    def stall(self) -> Recovery:
        """Let nothing pass in one direction for a while."""
        weather = self._random.choice(self._weather)
        stalled = weather.stall(self._random.randrange(2))
        threading.Event().wait(self._random.uniform(0.05, 1.2))
        recovery = self._recovery()
        weather.resume(stalled)
        return recovery

    def delay(self) -> Recovery:
        """Let everything pass late for a while."""
        weather = self._random.choice(self._weather)
        weather.delay(self._random.uniform(0.002, 0.02))
        threading.Event().wait(self._random.uniform(0.05, 1.2))
        recovery = self._recovery()
        weather.delay(0)
        return recovery

    # how it ends

    def finish(self) -> int:
        """Let all that was asked be answered; return how many lines that were."""
        for asker in self.askers:
            asker.finish()
        return sum(asker.answered for asker in self.askers)

    def end(self) -> float:
        """Tell server and workers to end; return how long the last one took."""
        programs = [self._server, *self._workers]
        started = time.monotonic()
        for program in programs:
            program.signal(signal.SIGTERM)
        assert [program.wait() for program in programs] == [0, 0, 0]
        return time.monotonic() - started


KINDS: dict[str, Callable[[Storm], Recovery]] = {
    "server killed": Storm.kill_server,
    "server restarted": Storm.restart_server,
    "guardian killed": Storm.kill_guardian,
    "executor killed": Storm.kill_executor,
    "client killed": Storm.kill_client,
    "server stopped": Storm.stop_server,
    "guardian stopped": Storm.stop_guardian,
    "executor stopped": Storm.stop_executor,
    "client stopped": Storm.stop_client,
    "stopped for 4 s": Storm.stop_for_long,
    "connections cut": Storm.cut,
    "cut in mid-frame": Storm.cut_in_mid_frame,
    "one way stalled": Storm.stall,
    "delayed": Storm.delay,
}

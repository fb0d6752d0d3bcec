"""Real processes for the tests: started on free ports, waited for by signals, never left behind.

A `Stage` starts programs and ends them; where something does not come in time, what all of them
said on stderr is part of the failure. Whatever a test waits for is generous with time
(`PATIENCE_S`) and ends at the first sign.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import zmq

from tests import support

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "tests" / "peers"
OUR_WORKERS = ("primer", "gcd")
PATIENCE_S = 20.0
# A foreign client shows a late result only after the next Enter, and may lose its first ones.
ENTER_S = 0.05
AGAIN_AFTER_ENTERS = 20


class Ports(NamedTuple):
    """The exercise's four ports."""

    client_inputs: int
    client_outputs: int
    worker_inputs: int
    worker_outputs: int

    @property
    def client(self) -> tuple[int, int]:
        return self[:2]

    @property
    def worker(self) -> tuple[int, int]:
        return self[2:]


def free_ports() -> Ports:
    """Return four ports that nobody uses."""
    return Ports(*support.free_ports(len(Ports._fields)))


class Program:
    """A running program: write lines to it, wait for what it prints."""

    def __init__(self, script: Path, *arguments: object) -> None:
        """Start a script with the Python of the tests, in a session of its own."""
        self.name = f"{script.name} {' '.join(map(str, arguments))}"
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=args, daemon=True)
            for args in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def write(self, text: str) -> None:
        """Write to the program's stdin; a program that has ended does not hear it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text)
            self.process.stdin.flush()

    def end_input(self) -> None:
        """Close the program's stdin."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def has_said(self, text: str) -> bool:
        """Whether a line of stdout contains the text (a prompt may stand before it)."""
        return any(text in line for line in list(self.lines))

    def wait_until(
        self, condition: Callable[[], bool], expectation: str, within_s: float = PATIENCE_S
    ) -> None:
        """Wait until the condition, looked at after each line, holds."""
        with self._news:
            if not self._news.wait_for(lambda: condition() or self._is_silent(), within_s):
                raise AssertionError(f"no {expectation} within {within_s} s\n{self.story()}")
        if not condition():
            raise AssertionError(f"ended without {expectation}\n{self.story()}")

    def _is_silent(self) -> bool:
        return not any(reader.is_alive() for reader in self._readers) and self.has_ended

    def expect(self, text: str, within_s: float = PATIENCE_S) -> None:
        """Wait until a line of stdout contains the text."""
        self.wait_until(lambda: self.has_said(text), f"{text!r} on stdout", within_s)

    def expect_error(self, text: str) -> None:
        """Wait until a line of stderr contains the text."""
        self.wait_until(
            lambda: any(text in line for line in list(self.errors)), f"{text!r} on stderr"
        )

    def type_until(self, line: str, text: str) -> None:
        """Type a line, then Enter and now and then the line again, until the text is shown."""
        deadline = time.monotonic() + PATIENCE_S
        for enters in itertools.count():
            self.write("\n" if enters % AGAIN_AFTER_ENTERS else f"{line}\n")
            try:
                self.expect(text, ENTER_S)
            except AssertionError:
                if time.monotonic() > deadline or self.has_ended:
                    raise
            else:
                return

    def wait(self) -> int:
        """Wait for the end; return the exit code, all output having been read."""
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end\n{self.story()}") from None
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Ask the program to end, and see to it that nothing of its session is left."""
        if not self.has_ended:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
            left = _wait_until_gone(self.process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._close_pipes()
        assert not left, f"left behind by {self.name}: {left}"

    def _close_pipes(self) -> None:
        self.end_input()
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def story(self) -> str:
        """What the program has said so far, for a failure."""
        said = [f"  out: {line}" for line in self.lines[-20:]]
        said += [f"  err: {line}" for line in self.errors[-20:]]
        return "\n".join([f"{self.name} (exit code {self.process.poll()})", *said])


def _session_members(session: int) -> list[str]:
    """The processes of a session, by /proc; elsewhere than on Linux none is found."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text(errors="replace").rpartition(")")
            fields = rest.split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(f"{name}) {fields[0]}")
    return found


def _wait_until_gone(session: int) -> list[str]:
    """Give what a program started a moment to end with it; return what has not."""
    deadline = time.monotonic() + 5
    pause = threading.Event()
    while (left := _session_members(session)) and time.monotonic() < deadline:
        pause.wait(0.02)
    return left


class Bus:
    """A plain client within the test: asks, and hears everything on client_outputs."""

    def __init__(self, ports: Ports) -> None:
        """Connect to a server's two client ports."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._ports = ports
        self._outputs = self._context.socket(zmq.SUB)
        self._outputs.setsockopt(zmq.SUBSCRIBE, b"")
        self._outputs.setsockopt(zmq.RECONNECT_IVL, 20)
        self._outputs.connect(f"tcp://127.0.0.1:{ports.client_outputs}")
        self._inputs = self._new_inputs()
        self.heard: list[str] = []

    def _new_inputs(self) -> zmq.Socket[bytes]:
        inputs = self._context.socket(zmq.REQ)
        inputs.setsockopt(zmq.LINGER, 0)
        inputs.setsockopt(zmq.RECONNECT_IVL, 20)
        inputs.connect(f"tcp://127.0.0.1:{self._ports.client_inputs}")
        return inputs

    def ask(self, line: str | bytes, within_s: float = PATIENCE_S) -> str:
        """Send a line; return the confirmation."""
        self._inputs.send(line if isinstance(line, bytes) else line.encode())
        if not self._inputs.poll(int(1000 * within_s)):
            # A REQ socket whose request went to a server that is gone waits for ever.
            self._inputs.close()
            self._inputs = self._new_inputs()
            raise AssertionError(f"no confirmation of {line!r} within {within_s} s")
        return self._inputs.recv().decode()

    def hear(self, text: str, within_s: float = PATIENCE_S) -> None:
        """Wait for exactly this text on client_outputs, counting what was heard before."""
        self.hear_until(lambda heard: text in heard, repr(text), within_s)

    def hear_part(self, *parts: str) -> str:
        """Wait for a text that contains all these parts, and return it."""

        def found(heard: list[str]) -> list[str]:
            return [text for text in heard if all(part in text for part in parts)]

        self.hear_until(lambda heard: bool(found(heard)), f"text with {parts}")
        return found(self.heard)[0]

    def hear_until(
        self,
        condition: Callable[[list[str]], bool],
        expectation: str,
        within_s: float = PATIENCE_S,
    ) -> None:
        """Receive until what was heard meets the condition."""
        deadline = time.monotonic() + within_s
        while not condition(self.heard):
            left_ms = int(1000 * (deadline - time.monotonic()))
            if left_ms <= 0 or not self._outputs.poll(left_ms):
                said = "\n".join(self.heard[-20:])
                raise AssertionError(f"no {expectation} within {within_s} s; heard:\n{said}")
            self.heard.append(self._outputs.recv().decode("utf-8", "backslashreplace"))

    def settle(self, line: str, *parts: str) -> None:
        """Send a throw-away line until it is answered: from then on, everyone has joined."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.heard.clear()
            try:
                self.ask(line, 1.0)
                self.hear_until(lambda heard: _all_in_one(heard, parts), f"{parts}", 0.3)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def close(self) -> None:
        """Close everything at once."""
        self._context.destroy(linger=0)


def _all_in_one(heard: list[str], parts: tuple[str, ...]) -> bool:
    return any(all(part in text for part in parts) for text in heard)


class Stage:
    """All programs of a test, on four ports; ends them, last started first."""

    def __init__(self, ports: Ports | None = None) -> None:
        """Choose ports; start nothing."""
        self.ports = ports or free_ports()
        self.programs: list[Program] = []
        self._buses: list[Bus] = []

    def start(self, script: Path, *arguments: object) -> Program:
        """Start any program."""
        program = Program(script, *arguments)
        self.programs.append(program)
        return program

    def server(self, name: str = "ours", *options: str) -> Program:
        """Start our server, or the peer of this name in place of it."""
        return self.start(_script(name, "server"), *self.ports, *options)

    def our_server(self, *options: str) -> Program:
        """Start our server and wait until it serves."""
        server = self.server("ours", *options)
        server.expect("serving")
        return server

    def worker(self, name: str, *options: str) -> Program:
        """Start a worker: `primer` and `gcd` are ours, all other names are peers."""
        if name in OUR_WORKERS:
            return self.start(ROOT / f"{name}.py", *self.ports.worker, *options)
        return self.start(PEERS / f"{name}.py", *self.ports.worker)

    def client(self, name: str = "ours") -> Program:
        """Start our client, or the peer of this name."""
        return self.start(_script(name, "client"), *self.ports.client)

    def bus(self) -> Bus:
        """Open a client within the test."""
        bus = Bus(self.ports)
        self._buses.append(bus)
        return bus

    def stop(self, program: Program) -> None:
        """End one program."""
        self.programs.remove(program)
        program.stop()

    def close(self) -> None:
        """End everything; nothing may be left behind."""
        for bus in self._buses:
            bus.close()
        failures = []
        for program in reversed(self.programs):
            try:
                program.stop()
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failures.append(f"{error}\n{program.story()}")
        assert not failures, "\n".join(failures)

    def report(self) -> None:
        """Print what all programs have said; pytest shows it where a test has failed."""
        for program in self.programs:
            sys.stdout.write(program.story() + "\n")


def _script(name: str, role: str) -> Path:
    return ROOT / f"{role}.py" if name == "ours" else PEERS / f"{name}.py"


class Door:
    """A bare TCP listener on a port: it tells that someone has knocked, and lets nobody in."""

    def __init__(self, port: int) -> None:
        """Listen."""
        self._socket = socket.create_server(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE_S)

    def wait_for_knock(self) -> None:
        """Return when someone has connected; the port is free afterwards."""
        try:
            visitor, _ = self._socket.accept()
            # Reset instead of closed: no connection is left that would keep the port taken.
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            visitor.close()
        finally:
            self._socket.close()

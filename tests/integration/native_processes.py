"""Real processes of the native dialect: commands on free ports, faults, and what is left behind.

A `Home` starts the installed commands, each with a mark in its environment that everything inherits
which they start. So whatever of it still lives at the end is found, also what became an orphan or
has a session of its own. What the kernel tells of processes is read from /proc: Linux only.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

import linebus
from tests.integration.processes import PATIENCE_S, free_ports
from tests.oracle import expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from linebus import Reply

HOST = "127.0.0.1"
PEERS = Path(__file__).resolve().parents[1] / "peers"
_MARK = "LINEBUS_TEST_HOME"


# -- processes, as the kernel sees them ----------------------------------------------------------


def children(pid: int) -> list[int]:
    """Return the pids of a process's children, zombies too, oldest first."""
    return sorted(child for child, (_, parent) in _processes().items() if parent == pid)


def zombies(pid: int) -> list[int]:
    """Return the children that have ended and wait to be reaped."""
    found = _processes().items()
    return [child for child, (state, parent) in found if parent == pid and state == "Z"]


def executors(guardian: Program) -> list[int]:
    """Return the pids of a guardian's executors, oldest first."""
    return [pid for pid in children(guardian.pid) if b"linebus.worker.executor" in _read(pid)]


def _processes() -> dict[int, tuple[str, int]]:
    """Return state and parent of every process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            found[int(stat.parent.name)] = (state, int(parent))
    return found


def _read(pid: int, what: str = "cmdline") -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def wait_until_gone(pids: Iterable[int], within_s: float = PATIENCE_S) -> list[int]:
    """Wait until these processes have ended; return those that have not."""
    deadline = time.monotonic() + within_s
    return [pid for pid in pids if not _ends_by(pid, deadline)]


def _ends_by(pid: int, deadline: float) -> bool:
    """Wait for a process that is nobody's child of ours; the kernel tells by a descriptor."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0])
    finally:
        os.close(descriptor)


def wait_until(condition: Callable[[], bool], expectation: str, *, pause_s: float = 0.01) -> None:
    """Look again and again: for what the kernel and the programs tell nobody."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {expectation}"
        pause.wait(pause_s)


# -- commands ------------------------------------------------------------------------------------


class Program:
    """A command that runs; its output is kept, line by line."""

    def __init__(self, command: list[str], env: Mapping[str, str], cwd: Path | None) -> None:
        """Start it at the head of a process group of its own, as a shell does."""
        self.name = " ".join(command[1:])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=env,
            cwd=cwd,
        )
        self.pid = self._process.pid
        self.out: list[str] = []
        self.err: list[str] = []
        self._news = threading.Condition()
        streams = ((self._process.stdout, self.out), (self._process.stderr, self.err))
        self._readers = [threading.Thread(target=self._read, args=each) for each in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[bytes], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def write(self, text: str) -> None:
        """Write to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def end_input(self) -> None:
        """Close its stdin."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until so many of the lines that it has printed contain the text."""
        self._wait_for(lambda: sum(text in line for line in [*self.out, *self.err]) >= times, text)

    def wait_for_lines(self, count: int) -> list[str]:
        """Wait until it has printed so many lines on stdout; return all of them."""
        self._wait_for(lambda: len(self.out) >= count, f"{count} lines on stdout")
        return list(self.out)

    def _wait_for(self, condition: Callable[[], bool], expectation: str) -> None:
        with self._news:
            self._news.wait_for(lambda: condition() or not self._is_heard(), PATIENCE_S)
            if not condition():
                raise AssertionError(f"not said: {expectation}\n{self.story()}")

    def _is_heard(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def wait(self) -> int:
        """Wait for its end; return the exit code, all its output having been read."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end\n{self.story()}") from None
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this one process."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it with -9 and reap it."""
        self._process.kill()
        self._process.wait()

    def press_ctrl_c(self) -> None:
        """Do as a terminal does: every process of the foreground group gets the signal."""
        os.killpg(self.pid, signal.SIGINT)

    def close(self) -> None:
        """End it, at once where it takes its time."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self.end_input()

    def story(self) -> str:
        """What it has said so far, for a failure."""
        said = [f"  out: {line[:200]}" for line in self.out[-20:]]
        said += [f"  err: {line[:200]}" for line in self.err[-20:]]
        return "\n".join([f"{self.name} (exit code {self._process.poll()})", *said])


class Finished(NamedTuple):
    """How a command in the foreground ended."""

    code: int
    out: list[str]
    err: list[str]


class Home:
    """A bus of real processes in a folder of its own, where users' modules are looked for."""

    def __init__(self, folder: Path) -> None:
        """Choose ports; start nothing."""
        self.folder = folder
        self.ports = free_ports()
        self.address = f"tcp://{HOST}:{self.ports.client_inputs}"
        self.mark = os.urandom(8).hex()
        # The logs of `linebus up` go below the folder.
        self.env = {**os.environ, _MARK: self.mark, "XDG_STATE_HOME": str(folder / "state")}
        self.env.pop("LINEBUS_URL", None)
        self.programs: list[Program] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End what was started; nothing may be left of it. After a failure, tell what was said."""
        for program in reversed(self.programs):
            if kind is not None:
                sys.stdout.write(program.story() + "\n")
            program.close()
        left = wait_until_gone(self.inhabitants(), 10)
        commands = [_read(pid).replace(b"\0", b" ") for pid in left]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for program in self.programs:
            program.wait()
        assert kind is not None or not left, f"left behind: {commands}"

    def inhabitants(self) -> list[int]:
        """Return the pids of all that was started here, directly or not, and still lives."""
        mark = f"{_MARK}={self.mark}".encode()
        return [pid for pid in _processes() if mark in _read(pid, "environ").split(b"\0")]

    def start(self, *arguments: object) -> Program:
        """Start `linebus …` in the background."""
        words = [str(argument) for argument in arguments]
        return self.start_python("-m", "linebus", *words)

    def start_python(self, *words: str) -> Program:
        """Start a Python program in the background."""
        return self.start_command(sys.executable, *words)

    def start_command(self, *command: str) -> Program:
        """Start any program in the background."""
        program = Program(list(command), self.env, self.folder)
        self.programs.append(program)
        return program

    def run(self, *arguments: object, text: str | bytes = "") -> Finished:
        """Run `linebus …` in the foreground with a text on stdin."""
        words = [str(argument) for argument in arguments]
        return self.run_command(sys.executable, "-m", "linebus", *words, text=text)

    def run_command(self, *command: str, text: str | bytes = "") -> Finished:
        """Run any program in the foreground with a text on stdin."""
        finished = subprocess.run(
            command,
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            timeout=2 * PATIENCE_S,
            check=False,
            env=self.env,
            cwd=self.folder,
        )
        out, err = finished.stdout.decode(), finished.stderr.decode()
        return Finished(finished.returncode, out.splitlines(), err.splitlines())

    def ask(self, *lines: object, text: str | bytes = "") -> Finished:
        """Run `linebus ask …` at this bus."""
        return self.run("ask", "--bus", self.address, *lines, text=text)

    def serve(self) -> Program:
        """Start a server; it takes requests when this returns."""
        server = self.start("serve", *self.ports)
        server.wait_for("serving")
        return server

    def work(self, *services: str, procs: int = 2, at: str = "") -> Program:
        """Start a worker; it is in session when this returns."""
        bus = at or self.address
        worker = self.start("work", *services, "--procs", procs, "--bus", bus)
        worker.wait_for("in session")
        return worker

    def write_module(self, source: str) -> None:
        """Write the user's own services, module `mine`."""
        self.folder.joinpath("mine.py").write_text(source)


class Gate:
    """The service `held` works on a line with this gate's path until the gate opens."""

    def __init__(self, folder: Path) -> None:
        """Make it, closed: a FIFO, since opening one waits for somebody at the other end."""
        self.path = folder / f"gate-{os.urandom(4).hex()}"
        self.line = f"held {self.path}"
        self.text = f"{self.path} is open"
        os.mkfifo(self.path)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hold nobody up any longer."""
        self.open()
        assert self._descriptor is not None, "opened above"
        os.close(self._descriptor)

    def wait_for_arrival(self) -> None:
        """Return when somebody works on the line."""
        wait_until(self.path.with_suffix(".here").exists, "somebody at the gate")

    def open(self) -> None:
        """Let all pass, now and later."""
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)


MODULE = """\
import os, signal
from typing import Annotated
import linebus
from linebus.services.arguments import Rest

@linebus.service(usage="held PATH", reply="{path} is {result}")
def held(path: Annotated[str, Rest]) -> str:
    open(path + ".here", "w").close()
    os.close(os.open(path, os.O_RDONLY))
    return "open"

@linebus.service(usage="fragile N", reply="{n} {result}")
def fragile(n: int) -> str:
    if n == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return "is fine"

@linebus.service(usage="raises N", reply="{n} {result}")
def raises(n: int) -> str:
    if n == 13:
        raise ZeroDivisionError("thirteen")
    return "is fine"

@linebus.service(usage="whoami", reply="{result}")
def whoami() -> int:
    return os.getpid()

everything = [held, fragile, raises, whoami]
"""
"""A user's module: services that wait, that die, that raise, that tell who they are."""


# -- lines and their replies ---------------------------------------------------------------------

_DEAR = 2**521 - 1
_LONG = 10**400


def some_lines(count: int, factor: int = 1) -> list[str]:
    """Return lines for gcd and isprime in turn, most of them different.

    They cost about the same, some ten or a hundred microseconds: then replies come evenly, and
    after each there is work that has not been done.
    """
    return [_line(number, factor) for number in range(1, count + 1)]


def _line(number: int, factor: int) -> str:
    if number % 4 == 0:
        return f"isprime {_DEAR}"
    if number % 4 == 2:
        return f"isprime {number * factor}"
    return f"gcd {number * factor * _LONG} {number * factor * _LONG * 3}"


def map_with_faults(
    address: str, lines: list[str], faults: Mapping[int, Callable[[], object]]
) -> list[Reply]:
    """Map lines; after so many replies have come, and before the next is taken, do a fault."""
    replies = []
    with linebus.Client(address) as bus:
        for count, reply in enumerate(bus.map(lines), 1):
            replies.append(reply)
            if count in faults:
                faults[count]()
    return replies


def check_all_answered(lines: list[str], replies: Iterable[Reply]) -> None:
    """Check that each line got its own answer, in order, none missing, none twice."""
    found = list(replies)
    wrong = [
        (line[:60], reply)
        for line, reply in zip(lines, found, strict=False)
        if (reply.outcome, reply.text) != expected(line)
    ]
    assert wrong[:3] == []
    assert len(found) == len(lines)


# -- cutting connections -------------------------------------------------------------------------


class Proxy:
    """Passes bytes between those who connect to `port` and a server, and cuts at a word."""

    def __init__(self, server_port: int) -> None:
        """Choose a port; nobody is let in before `__enter__`."""
        self._listener = socket.create_server((HOST, free_ports().client_inputs))
        self.address = f"tcp://{HOST}:{self._listener.getsockname()[1]}"
        self._server_port = server_port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Let clients in from now on."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cut everything and stop listening."""
        self._wake.send(b"x")
        self._thread.join()
        self.cut()
        for sock in (self._listener, self._wake, self._woken):
            sock.close()
        self._selector.close()

    def cut(self, *, spare: int = 0) -> int:
        """Cut all connections but the oldest few, whatever they carry; return how many."""
        with self._lock:
            pairs, self._pairs = self._pairs[spare:], self._pairs[:spare]
            for pair in pairs:
                self._close(pair)
        return len(pairs)

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        for sock in pair:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)
            sock.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                with self._lock:
                    if key.fileobj is self._listener:
                        self._let_in()
                    elif key.data in self._pairs:
                        self._pass_on(key.fileobj, key.data)

    def _let_in(self) -> None:
        visitor, _ = self._listener.accept()
        try:
            pair = visitor, socket.create_connection((HOST, self._server_port))
        except OSError:
            visitor.close()
            return
        self._pairs.append(pair)
        for sock in pair:
            self._selector.register(sock, selectors.EVENT_READ, pair)

    def _pass_on(self, source: object, pair: tuple[socket.socket, socket.socket]) -> None:
        here, there = pair if source is pair[0] else reversed(pair)
        data = b""
        with contextlib.suppress(OSError):
            data = here.recv(65_536)
            there.sendall(data)
        if not data:
            self._pairs.remove(pair)
            self._close(pair)

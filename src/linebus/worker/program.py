"""A program that serves as a worker: what the user said of it, and one process of it.

Its process is an executor's child, at the head of a process group of its own, so that whatever
it starts can be ended with it. Nothing here knows of requests.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shlex
import subprocess
import time
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from linebus import limits, process
from linebus.errors import ServiceNotLoaded
from linebus.text import visible
from linebus.wire.messages import Offer
from linebus.worker import position as page

if TYPE_CHECKING:
    from linebus.worker.position import Position

log = logging.getLogger("linebus.worker")


class ProgramSpec(Struct, array_like=True, frozen=True):
    """What is offered as the service `name`: a program by its words, as the system takes them.

    It is given a line's arguments, with `whole_line` the service's name before them. With `once`
    there is a process for each line. `time_limit_s` and `memory_limit` (bytes) are 0 for none.
    """

    name: str
    words: tuple[bytes, ...]
    whole_line: bool = False
    once: bool = False
    time_limit_s: float = 0.0
    memory_limit: int = 0

    @property
    def program(self) -> str:
        """The program's own name, for people."""
        return visible(os.fsdecode(os.path.basename(self.words[0])))  # noqa: PTH119  bytes

    def input_of(self, lines: list[str]) -> bytes:
        """Return what the program is to read for some lines."""
        if self.whole_line:
            lines = [f"{self.name} {line}" if line else self.name for line in lines]
        return ("\n".join(lines) + "\n").encode()

    def offer(self) -> Offer:
        """Return what a worker tells of it."""
        command = visible(shlex.join(map(os.fsdecode, self.words)))
        doc = command.encode("utf-8", "backslashreplace").decode()
        return Offer(
            self.name, f"{self.name} ...", doc[: limits.DESCRIPTION_CHARS_MAX], "text -> text"
        )


class ProgramEnded(Exception):
    """The process has ended, or has closed what ties it to us; says how."""

    def __init__(self, how: str, said: str, code: int | None) -> None:
        """Take `how` it ended, what it `said` last on stderr, its exit `code` if it had one."""
        super().__init__(f"{how}; it said: {said}" if said else how)
        self.how, self.said, self.code = how, said, code


class Program:
    """One process of a program, with pipes to it that never block.

    Once `read` has raised ProgramEnded nothing of the process and of its group is left.
    """

    def __init__(self, spec: ProgramSpec, position: Position) -> None:
        """Start it, and note it in the `position`. Raises ServiceNotLoaded."""
        self._spec = spec
        self._position = position
        try:
            self._process = subprocess.Popen(
                spec.words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                # No thread of ours runs Python, and the function takes no lock.
                preexec_fn=process.ending_with_this(),  # noqa: PLW1509
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServiceNotLoaded(f"cannot start {spec.program}: {_cause(error)}") from error
        self.pid = self._process.pid
        position.cell[page.PROGRAM] = self.pid
        assert self._process.stdin, "asked for above"
        assert self._process.stdout, "asked for above"
        assert self._process.stderr, "asked for above"
        self.stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        self._stderr = self._process.stderr.fileno()
        for descriptor in (self.stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._end = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1
        self._poll = select.poll()
        self._heard = {self._stdout, self._stderr, self._end} - {-1}
        for descriptor in self._heard:
            self._poll.register(descriptor, select.POLLIN)
        self._unwritten = b""
        self._closes = False
        self._said = b""
        self._last_said = ""
        self._is_open = True
        self._ended: ProgramEnded | None = None
        self.is_deaf = False  # it takes no more input

    @property
    def descriptors(self) -> frozenset[int]:
        """What becomes readable when there is something to `read`."""
        return frozenset(self._heard)

    def write(self, data: bytes, *, closes: bool = False) -> None:
        """Give it more to read, as fast as it takes it; where it `closes`, that was the last."""
        if self.is_deaf:
            return
        self._unwritten += data
        self._closes = closes
        self._poll.register(self.stdin, select.POLLOUT)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unwritten:
                written = os.write(self.stdin, self._unwritten)
                self._unwritten = self._unwritten[written:]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._unwritten = b""
            self.is_deaf = True
        self._poll.unregister(self.stdin)
        if self._closes and not self.is_deaf:
            self.is_deaf = True
            self._process.stdin.close()  # type: ignore[union-attr]  # asked for in __init__

    def read(self, wait_s: float) -> bytes:
        """Return what it has written to stdout, after a wait for that; nothing after a while.

        Hears its stderr and writes what waits, meanwhile. Raises ProgramEnded, only after
        everything it has written was returned.
        """
        if self._ended is not None:
            raise self._ended
        ready = dict(self._poll.poll(1000 * wait_s))
        if self.stdin in ready:
            self._flush()
        if self._stderr in ready:
            self._hear()
        if self._stdout in ready:
            data = self._read_output()
            if data:
                return data
            if data is not None:
                self.give_up("closed its output")
        if self._end in ready or (self._end < 0 and self._process.poll() is not None):
            process.kill_group(self.pid)  # what it leaves behind must not answer later lines
            data = self._read_output()
            if not data:
                self.give_up("")
            return data or b""
        return b""

    def _read_output(self) -> bytes | None:
        """Return what is there; nothing at the end, None where there may be more later."""
        try:
            return os.read(self._stdout, limits.PIPE_READ_BYTES)
        except BlockingIOError:
            return None

    def _hear(self) -> bool:
        """Log what it writes to stderr, line by line; return whether there may be more now."""
        if self._stderr not in self._heard:
            return False
        try:
            data = os.read(self._stderr, limits.PIPE_READ_BYTES)
        except BlockingIOError:
            return False
        if is_at_end := not data:
            self._poll.unregister(self._stderr)
            self._heard.discard(self._stderr)
            data = b"\n"
        *lines, self._said = (self._said + data).split(b"\n")
        if len(self._said) > limits.PROGRAM_SAID_BYTES_MAX:
            lines.append(self._said)
            self._said = b""
        for line in lines:
            text = line[: limits.PROGRAM_SAID_BYTES_MAX].decode("utf-8", "backslashreplace")
            if text.strip():
                self._last_said = visible(text.strip())
                log.info("%s: %s", self._spec.name, text.rstrip())
        return not is_at_end

    def give_up(self, cause: str) -> NoReturn:
        """Wait a little for it to end by itself, then kill it; raise how it ended.

        `cause` is what made us give it up, for where it did not end by itself.
        """
        is_over = self._is_over(limits.PROGRAM_END_S)
        process.kill_group(self.pid)
        code = self._process.wait()
        while self._hear():
            pass
        self.kill()
        how = process.how_it_ended(code) if is_over else cause
        self._ended = ProgramEnded(how, self._last_said, code if is_over else None)
        raise self._ended

    def _is_over(self, wait_s: float) -> bool:
        """Return whether it ends within some time; where the system can, without reaping it."""
        if self._end >= 0:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            return bool(poll.poll(1000 * wait_s))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_s)
        return self._process.returncode is not None

    def end(self) -> None:
        """Close its input, wait a little for it to end by itself, then kill what is left."""
        if not self._is_open:
            return
        self._unwritten = b""
        self.write(b"", closes=True)
        until = time.monotonic() + limits.PROGRAM_END_S
        with contextlib.suppress(ProgramEnded):
            while (left := until - time.monotonic()) > 0:
                self.read(left)
        self.kill()

    def kill(self) -> None:
        """Kill it and all of its group, and close what we have of it. May be called again."""
        if not self._is_open:
            return
        self._is_open = False
        process.kill_group(self.pid)
        self._process.wait()
        self._position.cell[page.PROGRAM] = 0
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if self._end >= 0:
            os.close(self._end)
        self._heard.clear()


def _cause(error: OSError | subprocess.SubprocessError) -> str:
    """Return why a program could not be started, and what to do where that is known."""
    match error:
        case FileNotFoundError():
            return "there is no such program here"
        case PermissionError():
            return "it is not executable; chmod +x makes it so"
        case OSError(errno=8):  # ENOEXEC has no class of its own
            return "it is no program; the first line of a script names its interpreter: #!/bin/sh"
        case _:
            return str(error)

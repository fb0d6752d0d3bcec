"""The processes under `linebus up`: a server and a worker, and the log that they write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Self

from linebus import limits
from linebus.errors import SetupError
from linebus.process import StopSignals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from linebus.server.config import ServerConfig

_LOG_LINES_SHOWN = 3


class Household:
    """Starts a server and a worker at `__enter__`, ends both at `__exit__`, whatever happens.

    They run in sessions of their own, so that Ctrl-C at the prompt does not reach them, and they
    end with this process even where it is killed.
    """

    def __init__(self, config: ServerConfig, services: Sequence[str], executors: int) -> None:
        """Prepare; nothing is started yet."""
        self.config = config
        self.log_path = _log_path()
        self._services = services
        self._executors = executors
        self._log: IO[bytes] | None = None
        self._server: _Process | None = None
        self._worker: _Process | None = None

    def __enter__(self) -> Self:
        """Start both; the worker waits for the server by itself.

        Ctrl-C waits until both are started, so that there is no moment at which one would be
        forgotten.
        """
        with StopSignals(signal.SIGINT) as interrupt:
            self._start()
        if interrupt.received:
            self.__exit__()
            raise KeyboardInterrupt
        return self

    def _start(self) -> None:
        self._log = self.log_path.open("wb", buffering=0)
        ports = [str(port) for port in self.config.ports().values()]
        address = self.config.address(self.config.client_inputs)
        self._server = _Process(["serve", *ports], self._log)
        work = ["work", *self._services, "--bus", address, "--procs", str(self._executors)]
        self._worker = _Process(work, self._log)

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """End the worker, then the server; the log goes where nothing went wrong."""
        for process in (self._worker, self._server):
            if process is not None:
                process.end()
        if self._log is not None:
            self._log.close()
            if kind is None:  # after an error it may tell why
                self.log_path.unlink(missing_ok=True)

    def wait_for_server(self) -> None:
        """Wait until requests are taken. Raises SetupError with the server's reason."""
        self._wait_for(self._server, b"serving")

    def wait_for_worker(self) -> None:
        """Wait until the services are offered. Raises SetupError with the worker's reason."""
        self._wait_for(self._worker, b"in session")

    def _wait_for(self, process: _Process | None, news: bytes) -> None:
        assert process is not None, "entered before"
        if not process.has_said(news):
            process.end()
            said = self.log_path.read_text(errors="replace").splitlines()
            reason = "\n".join(said[-_LOG_LINES_SHOWN:]).removeprefix("linebus: ")
            raise SetupError(reason or f"it ended without a word; see {self.log_path}")


class _Process:
    """One of our own commands in the background; what it prints goes into the log."""

    def __init__(self, arguments: list[str], log: IO[bytes]) -> None:
        parent = ["--parent", str(os.getpid())]
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "linebus", *arguments, *parent],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        self._pump: threading.Thread | None = None

    def has_said(self, news: bytes) -> bool:
        """Wait until it prints a line with these words; return False where it has ended."""
        assert self._process.stdout is not None, "asked for above"
        for line in self._process.stdout:
            self._log.write(line)
            if news in line:
                self._pump = threading.Thread(target=self._copy, daemon=True)
                self._pump.start()
                return True
        return False

    def _copy(self) -> None:
        """Keep the pipe empty, so that the process never waits for a reader."""
        assert self._process.stdout is not None, "asked for above"
        for line in self._process.stdout:
            self._log.write(line)
            self._log.flush()

    def end(self) -> None:
        """Ask it to end, and end it at once where that takes too long."""
        self._process.terminate()
        try:
            self._process.wait(limits.DRAIN_S + 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._pump is not None:
            self._pump.join()


def _log_path() -> Path:
    """Return where the log goes: the user's log folder, by process, so that two do not mix."""
    from platformdirs import user_log_path

    folder = user_log_path("linebus", appauthor=False, ensure_exists=True)
    return folder / f"up-{os.getpid()}.log"

"""The processes under `linebus up`: a server and a worker, and the log that they write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Self

from linebus import limits
from linebus.cli import logs
from linebus.errors import SetupError
from linebus.process import StopSignals, how_it_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linebus.server.config import ServerConfig

_OUR_WORDS = "linebus: "
# Ends of `linebus up` that tell of no trouble: it has returned, Ctrl-C, the reader has gone.
_USERS_CHOICE = (None, KeyboardInterrupt, BrokenPipeError)


class Household:
    """Starts a server and a worker at `__enter__`, ends both at `__exit__`, whatever happens.

    They run in sessions of their own, so that Ctrl-C at the prompt does not reach them, and they
    end with this process even where it is killed.
    """

    def __init__(self, config: ServerConfig, services: Sequence[str], executors: int) -> None:
        """Prepare; nothing is started yet."""
        self.config = config
        self.address = config.address(config.client_inputs)
        self.log_path = logs.own_path()
        self._services = services
        self._executors = executors
        self._log: IO[bytes] | None = None
        self._processes: list[_Process] = []
        self._news = threading.Condition()
        self._on_end: Callable[[str], None] | None = None
        self._is_ending = False

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
        self._log = logs.start(self.log_path)
        ports = [str(port) for port in self.config.ports().values()]
        self._start_one("server", ["serve", *ports], "serving")
        work = ["work", *self._services, "--bus", self.address, "--procs", str(self._executors)]
        self._start_one("worker", work, "in session")

    def _start_one(self, name: str, arguments: list[str], sign: str) -> None:
        assert self._log is not None, "opened before"
        process = _Process(name, arguments, sign, self._log, self._news)
        self._processes.append(process)
        process.watch(self._ended)

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """End the worker, then the server; the log goes where nothing went wrong."""
        has_trouble = self.trouble is not None or kind not in _USERS_CHOICE
        self._is_ending = True
        for process in reversed(self._processes):
            process.end()
        if self._log is not None:
            self._log.close()
            if not has_trouble:
                self.log_path.unlink(missing_ok=True)

    # -- starting ----------------------------------------------------------------------------

    def wait_until_up(self) -> None:
        """Wait until requests are taken and the services are offered.

        Raises SetupError with the reason of the process that ended instead.
        """
        with self._news:
            self._news.wait_for(lambda: self._gone() or all(p.is_up for p in self._processes))
        if gone := self._gone():
            raise SetupError(f"{gone.last_words()}; log: {self.log_path}")

    def _gone(self) -> _Process | None:
        return next((each for each in self._processes if each.code is not None), None)

    # -- while it runs -----------------------------------------------------------------------

    def watch(self, on_end: Callable[[str], None]) -> None:
        """From now on tell at once when a process ends; `on_end` is called in another thread."""
        with self._news:
            self._on_end = on_end
            gone = self._gone()
        if gone is not None:
            on_end(self._obituary(gone))

    @property
    def trouble(self) -> str | None:
        """What has ended although it should not have, and what to do."""
        gone = self._gone()
        return None if gone is None or self._is_ending else self._obituary(gone)

    @property
    def is_serving(self) -> bool:
        """Whether the server still runs."""
        return self._processes[0].code is None

    def _ended(self, process: _Process) -> None:
        with self._news:
            on_end = None if self._is_ending else self._on_end
        if on_end is not None:
            on_end(self._obituary(process))

    def _obituary(self, process: _Process) -> str:
        assert process.code is not None, "it has ended"
        if process.name == "server":
            cure = "nothing is answered any more: leave and start again with: linebus up"
        else:
            cure = f"start one with: linebus work {' '.join(self._services)} --bus {self.address}"
        how = how_it_ended(process.code)
        return f"the {process.name} under linebus up is gone ({how}); {cure}; log: {self.log_path}"


class _Process:
    """One of our own commands in the background; what it prints goes into the log."""

    def __init__(
        self, name: str, arguments: list[str], sign: str, log: IO[bytes], news: threading.Condition
    ) -> None:
        """Start it; it is up once it prints a line with the `sign` in it."""
        self.name = name
        self.is_up = False
        self.code: int | None = None
        self._sign = sign
        self._log = log
        self._news = news
        self._last_line = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "linebus", *arguments, "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._pump: threading.Thread | None = None

    def watch(self, on_end: Callable[[_Process], None]) -> None:
        """Copy what it prints into the log, and call back when it has ended."""
        self._pump = threading.Thread(target=self._copy, args=(on_end,), daemon=True)
        self._pump.start()

    def _copy(self, on_end: Callable[[_Process], None]) -> None:
        assert self._process.stdout is not None, "asked for above"
        for line in self._process.stdout:
            self._log.write(line)
            text = line.decode("utf-8", "backslashreplace").strip()
            with self._news:
                self._last_line = text or self._last_line
                if self._sign in text:
                    self.is_up = True
                    self._news.notify_all()
        code = self._process.wait()
        with self._news:
            self.code = code
            self._news.notify_all()
        on_end(self)

    def last_words(self) -> str:
        """Return why it ended, in its own words where it has said so."""
        assert self.code is not None, "it has ended"
        if self.code > 0 and self._last_line.startswith(_OUR_WORDS):
            return self._last_line.removeprefix(_OUR_WORDS)
        return f"the {self.name} ended before it was ready ({how_it_ended(self.code)})"

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

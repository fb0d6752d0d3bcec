"""The processes under `linebus up`: a server and a worker, and the log that they write."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
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

    A worker that ends by itself is started again; a server is not, since with it goes what it held.
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
        self._had_trouble = False
        self._keeper: threading.Thread | None = None

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
        self._start_worker()

    def _start_worker(self) -> None:
        work = ["work", *self._services, "--bus", self.address, "--procs", str(self._executors)]
        self._start_one("worker", work, "in session")

    def _start_one(self, name: str, arguments: list[str], sign: str) -> None:
        assert self._log is not None, "opened before"
        process = _Process(name, arguments, sign, self._log, self._news)
        self._processes.append(process)
        process.watch(self._ended)

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """End the worker, then the server; the log goes where nothing went wrong."""
        with self._news:
            has_trouble = bool(self._gone()) or self._had_trouble or kind not in _USERS_CHOICE
            self._is_ending = True
            self._news.notify_all()
        for process in reversed(self._processes):
            process.end()
        if self._keeper is not None:
            self._keeper.join()
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
        """From now on tell at once when a process ends, and start another worker.

        `on_end` is called in another thread.
        """
        with self._news:
            self._on_end = on_end
            trouble = self.trouble
        if trouble is not None:
            on_end(trouble)
        self._keeper = threading.Thread(target=self._keep_a_worker, args=(on_end,), daemon=True)
        self._keeper.start()

    @property
    def trouble(self) -> str | None:
        """What is to be done where the server has ended although it should not have."""
        code = self._processes[0].code
        if code is None or self._is_ending:
            return None
        return (
            f"the server under linebus up is gone ({how_it_ended(code)}); nothing is answered any "
            f"more: leave and start again with: linebus up; log: {self.log_path}"
        )

    @property
    def is_serving(self) -> bool:
        """Whether the server still runs."""
        return self._processes[0].code is None

    def _ended(self, process: _Process) -> None:
        with self._news:
            on_end, trouble = self._on_end, self.trouble
        if process.name == "server" and on_end is not None and trouble is not None:
            on_end(trouble)

    def _keep_a_worker(self, on_end: Callable[[str], None]) -> None:
        """Start another worker when one has ended, with a growing delay where they live short.

        The kernel ends a child together with the thread that started it (PR_SET_PDEATHSIG), so
        this one goes on until the last worker has ended.
        """
        delay_s = 0.0
        is_told = False
        while True:
            worker = self._processes[-1]
            with self._news:
                self._news.wait_for(lambda: worker.code is not None)  # noqa: B023  of this round
            if self._is_ending:
                return
            if time.monotonic() - worker.started_at >= limits.SHORT_LIFE_S:
                delay_s = 0.0
            self._note_death(worker, on_end if worker.is_up or not is_told else None)
            is_told = not worker.is_up
            with self._news:
                if self._news.wait_for(lambda: self._is_ending, delay_s):
                    return
                with contextlib.suppress(OSError):  # no process is to be had: the next round
                    self._start_worker()
                    self._processes.remove(worker)
            delay_s = min(max(limits.RESTART_S, 2 * delay_s), limits.RESTART_S_MAX)

    def _note_death(self, worker: _Process, on_end: Callable[[str], None] | None) -> None:
        """Write into the log that a worker has ended; tell it too, unless that is no news."""
        assert worker.code is not None, "it has ended"
        assert self._log is not None, "closed only after the keeper has ended"
        self._had_trouble = True
        text = f"the worker under linebus up is gone ({how_it_ended(worker.code)})"
        text += "; another one is started"
        self._log.write(f"{_OUR_WORDS}{text}\n".encode())
        if on_end is not None:
            on_end(f"{text}; log: {self.log_path}")


class _Process:
    """One of our own commands in the background; what it prints goes into the log."""

    def __init__(
        self, name: str, arguments: list[str], sign: str, log: IO[bytes], news: threading.Condition
    ) -> None:
        """Start it; it is up once it prints a line with the `sign` in it."""
        self.name = name
        self.is_up = False
        self.started_at = time.monotonic()
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

"""Hosts of peers as seen from the runner: started, asked to measure, ended whatever happens."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from peer import FOLDER

START_S = 90.0
MEASURE_S = 60.0
END_S = 20.0
_PR_SET_CHILD_SUBREAPER = 36


class HostFailed(Exception):
    """The peer could not be started, or could not do what was asked."""


class Host:
    """A process with one peer, from `__enter__` to `__exit__`."""

    def __init__(self, name: str, workers: int) -> None:
        self.name = name
        self._workers = workers

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile()
        command = [sys.executable, str(FOLDER / "host.py"), self.name, str(self._workers)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
            cwd=FOLDER,
        )
        try:
            self._receive(START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None, "asked for above"
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None, "asked for above"
        self._process.stdout.close()
        self._log.close()

    def measure(self, measure: str, **wanted: object) -> dict[str, Any]:
        """Have it measured. Raises HostFailed."""
        assert self._process.stdin is not None, "asked for above"
        try:
            self._process.stdin.write(json.dumps({"measure": measure, **wanted}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise HostFailed(f"it has ended; {self._last_words()}") from error
        return self._receive(MEASURE_S)

    def _receive(self, patience_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None, "asked for above"
        if not select.select([self._process.stdout], [], [], patience_s)[0]:
            raise HostFailed(f"nothing came within {patience_s:g} s; {self._last_words()}")
        line = self._process.stdout.readline()
        if not line:
            raise HostFailed(f"it has ended; {self._last_words()}")
        found: dict[str, Any] = json.loads(line)
        if reason := found.get("unavailable"):
            raise HostFailed(reason)
        if reason := found.get("failed"):
            raise HostFailed(f"{reason}")
        return found

    def _last_words(self) -> str:
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return said[-1][:200] if said else "it said nothing"


# -- whatever else peers leave behind ------------------------------------------------------------


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own below this process (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_orphans() -> None:
    """End all processes below this one; to be called while no host runs."""
    until = time.monotonic() + END_S
    while (found := _below(os.getpid())) and time.monotonic() < until:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


def _below(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = stat.read_text("utf-8", "replace").partition(" ")
            parents[int(number)] = int(rest.rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]

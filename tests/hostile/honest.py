"""Honest peers that ask all the while, in threads of their own, and count what they get."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import linebus
from linebus import LinebusError

if TYPE_CHECKING:
    from tests.hostile.attacks import Ports

PATIENCE_S = 60.0


def memory_of(pid: int) -> int:
    """Return how many bytes of memory a process and its children occupy, by /proc."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    family = [pid, *(int(child) for each in children for child in each.read_text().split())]
    found = 0
    for each in family:
        with suppress(FileNotFoundError, ProcessLookupError, IndexError):  # it has just ended
            fields = Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()
            found += int(fields[1]) * 4096
    return found


class Asker:
    """Asks one line after the other; each has its own right answer."""

    def __init__(self, ports: Ports) -> None:
        """Ask nothing yet."""
        self._address = f"tcp://127.0.0.1:{ports.client_inputs}"
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.wrong: list[str] = []
        self.worst_s = 0.0
        self._taken = 0
        self._worst_s = 0.0

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the line at hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        client = linebus.Client(self._address, connect_timeout_s=PATIENCE_S)
        number = 0
        with client:
            while not self._stop.is_set():
                number += 1
                started = time.monotonic()
                try:
                    text = client.ask(f"gcd {6 * number} {4 * number}", timeout_s=PATIENCE_S).text
                except LinebusError as error:
                    text = repr(error)
                self._note(text, f"gcd for {6 * number} {4 * number} is {2 * number}", started)

    def _note(self, text: str, expected: str, started: float) -> None:
        took_s = time.monotonic() - started
        with self._news:
            if text == expected:
                self.answered += 1
            else:
                self.wrong.append(text)
            self.worst_s = max(self.worst_s, took_s)
            self._worst_s = max(self._worst_s, took_s)
            self._news.notify_all()

    def wait_for(self, more: int) -> None:
        """Wait until so many more lines have been answered from now on."""
        target = self.answered + more
        with self._news:
            came = self._news.wait_for(lambda: self.answered >= target or self.wrong, PATIENCE_S)
        assert came, f"no reply within {PATIENCE_S} s"
        assert not self.wrong, self.wrong

    def take(self) -> tuple[int, float]:
        """Return how many were answered since the last call, and the longest that one took."""
        with self._news:
            answered, worst_s = self.answered - self._taken, self._worst_s
            self._taken, self._worst_s = self.answered, 0.0
        return answered, worst_s

"""The terminal of a plain client: a prompt, and results that come while someone types.

Off a terminal it only reads lines and prints texts. Nothing here knows of messages or sockets.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING

from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import has_escapes, json_line, notice
from linebus.text import visible

try:
    import readline
except ImportError:  # a Python built without it: no line editing, nothing to redraw
    readline = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing import TextIO

PROMPT = "> "
_CLEAR_BELOW = "\x1b[J"


class Screen:
    """Standard input and output, shared by the thread that reads and the one that has results."""

    def __init__(self, *, as_json: bool) -> None:
        """Find out whether this is a terminal; what cannot be decoded is kept as escapes."""
        self._as_json = as_json
        self.is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self._lock = threading.RLock()
        self._prompting = False
        self._disturbed = False
        if self.is_terminal and readline is not None:
            readline.set_pre_input_hook(self._prompted)

    def read(self) -> str | None:
        """Return the next line that is typed or piped in, None at the end of input."""
        if not self.is_terminal:
            line = sys.stdin.readline()
            return line.rstrip("\r\n") if line else None
        self._disturbed = False
        try:
            line = input(PROMPT)
        except EOFError:
            line = None
        # After Ctrl-C it stays: the goodbye then begins on a line of its own.
        self._prompting = False
        return line

    def show(self, texts: list[str]) -> None:
        """Print texts, and below them again the prompt and what is typed so far."""
        if self._as_json:
            lines = [json_line({"text": text}) for text in texts]
        else:
            lines = [visible(line) for text in texts for line in text.rstrip("\n").split("\n")]
        self._write(sys.stdout, "".join(f"{line}\n" for line in lines))

    def warn(self, text: str) -> None:
        """Say on stderr what is wrong."""
        said = notice(text, as_json=self._as_json, program="linebus client")
        self._write(sys.stderr, f"{said}\n")

    def end(self, text: str = "") -> None:
        """Leave the line of the prompt for good; say a last word, to a person."""
        text = "" if self._as_json else text
        with self._lock:
            newline = "\n" if self.is_terminal and (self._prompting or not text) else ""
            self._prompting = False
            self._write(sys.stdout, newline + (f"{text}\n" if text else ""))

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            with self._lock:
                if self._prompting:
                    text = self._cleared() + text + PROMPT + readline.get_line_buffer()
                self._disturbed = True
                stream.write(text)
                stream.flush()
        except BrokenPipeError:
            # From whichever thread: nobody reads on, and the other one may wait for input.
            os._exit(ExitCode.CLOSED_PIPE)

    def _prompted(self) -> None:
        """Note that readline has printed the prompt; once more if a result came in between."""
        with self._lock:
            if self._disturbed:
                again = f"\r{_CLEAR_BELOW}" if has_escapes() else "\n"
                sys.stdout.write(f"{again}{PROMPT}")
                sys.stdout.flush()
            self._prompting = True

    @staticmethod
    def _cleared() -> str:
        """Return what clears the prompt and what is typed, over all the rows that it takes.

        Where that cannot be done, what is typed is left above and begun again below.
        """
        if not has_escapes():
            return "\n"
        columns = shutil.get_terminal_size().columns
        rows_above = (len(PROMPT) + len(readline.get_line_buffer())) // columns
        up = f"\x1b[{rows_above}A" if rows_above else ""
        return f"\r{up}{_CLEAR_BELOW}"

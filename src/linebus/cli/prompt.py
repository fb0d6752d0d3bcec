"""The prompt of `linebus up`: history, completion and replies, as far as the terminal has them."""

from __future__ import annotations

import select
import signal
import sys
import threading
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli.ask import shape
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import has_escapes, json_line, tell
from linebus.cli.services import print_services
from linebus.errors import LinebusError, NotAnswered
from linebus.process import StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_toolkit.completion import Completer

    from linebus.cli.household import Household
    from linebus.client.client import Client

_PROMPT = "> "
_HELP = "help"
_LEAVE = {"exit", "quit"}


class Prompt:
    """Reads lines from a terminal, asks them and shows the replies."""

    def __init__(self, bus: Client, names: Sequence[str], *, as_json: bool) -> None:
        """Talk to a bus; `names` are completed where it does not tell its services in time."""
        self._bus = bus
        self._names = names
        self._as_json = as_json
        self._shape = shape(as_json=as_json)
        self._is_reading_simply = False
        self._read = self._reader()

    def converse(self, household: Household) -> ExitCode:
        """Answer what is typed until the end of the input."""
        while True:
            try:
                line = self._read().strip()
            except (EOFError, KeyboardInterrupt):
                return ExitCode.ALL_ANSWERED
            if line in _LEAVE:
                return ExitCode.ALL_ANSWERED
            if line and not household.is_serving:
                self.warn(household.trouble or "the server is gone")
                return ExitCode.NOBODY_LISTENS
            if line:
                self._answer(line)

    def _answer(self, line: str) -> None:
        """Ask a line and show its reply; Ctrl-C gives up the waiting and nothing else."""
        notice = threading.Timer(limits.PROMPT_NOTICE_S, self._tell_waiting)
        notice.daemon = True
        notice.start()
        try:
            if line == _HELP:
                self._help()
            else:
                reply = self._bus.ask(line)
                notice.cancel()
                print(self._shape(reply), flush=True)
        except NotAnswered as error:
            self.warn(str(error))
        except KeyboardInterrupt:
            self.warn("its reply is not waited for; the line may still be worked on")
        finally:
            notice.cancel()

    def _tell_waiting(self) -> None:
        """Show a person that the line is being waited for, once; a program needs no such word."""
        if sys.stdout.isatty() and not self._as_json:
            tell("no reply yet; Ctrl-C gives up waiting", as_json=False)

    def warn(self, text: str) -> None:
        """Say what went wrong, from whichever thread, while a line may be half typed."""
        if self._is_reading_simply:
            sys.stderr.write("\n")
        tell(text, as_json=self._as_json)

    def _help(self) -> None:
        services = self._bus.services()
        if not self._as_json:
            print_services(services)
            return
        for service in services:
            print(json_line(service), flush=True)

    # -- reading -----------------------------------------------------------------------------

    def _reader(self) -> Callable[[], str]:
        if not sys.stdout.isatty() or not has_escapes():
            return self._read_simply
        from prompt_toolkit import PromptSession
        from prompt_toolkit.patch_stdout import patch_stdout

        from linebus.cli.history import KeptHistory

        session: PromptSession[str] = PromptSession(
            history=KeptHistory(),
            completer=self._completer(),
            complete_while_typing=False,
        )

        def read() -> str:
            with patch_stdout(raw=True):  # what is said meanwhile goes above the prompt
                return session.prompt(_PROMPT)

        return read

    def _read_simply(self) -> str:
        """Read a line without any escapes; the prompt stays out of output that goes elsewhere."""
        shown_on = sys.stdout if sys.stdout.isatty() else sys.stderr
        self._is_reading_simply = True
        try:
            shown_on.write(_PROMPT)
            shown_on.flush()
            _wait_for_line()
            return input()
        finally:
            self._is_reading_simply = False

    def _completer(self) -> Completer:
        from prompt_toolkit.completion import WordCompleter

        return WordCompleter(self._words, sentence=True)  # arguments are nobody's to guess

    def _words(self) -> list[str]:
        """Return what a line may begin with; the blank after a name is typed already."""
        try:
            services = self._bus.services(timeout_s=limits.COMPLETION_S)
        except LinebusError:
            names = list(self._names)
        else:
            names = [service.name for service in services]
        return [*(f"{name} " for name in names), _HELP]


def _wait_for_line() -> None:
    """Wait until a line is typed or the input ends. Raises KeyboardInterrupt.

    `input` alone goes on waiting where Ctrl-C comes at the moment at which it begins to.
    """
    with StopSignals(signal.SIGINT) as interrupt:
        select.select([sys.stdin, interrupt], [], [])
    if interrupt.received:
        raise KeyboardInterrupt

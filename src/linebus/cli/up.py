"""`linebus up`: a server, the built-in services, a prompt; or: answer the lines on stdin."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.ask import annotated, bare, print_replies
from linebus.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from linebus.cli.household import Household
    from linebus.client.client import Client

_EPILOG = """\
examples:
  linebus up                                a prompt; try: gcd 12 18
  echo "gcd 12 18" | linebus up             answers the lines on stdin, in order, and exits
  linebus up 6555 6556 6557 6558            on other ports
  linebus up --procs 4                      four executors

While it runs, other programs use it too: linebus ask, client.py, workers of your own.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "run a server, the built-in services and a prompt"
    parser = shared.add_command(commands, "up", about, _EPILOG)
    shared.add_four_ports(parser)
    shared.add_procs(parser)
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from linebus.cli.household import Household
    from linebus.client.client import Client
    from linebus.server.config import ServerConfig
    from linebus.services.catalog import builtin_names

    config = ServerConfig(*shared.four_ports(parser, options))
    address = config.address(config.client_inputs)
    names = builtin_names()
    with Household(config, names, options.procs) as household:
        household.wait_for_server()
        household.wait_for_worker()
        with Client(address, connect_timeout_s=limits.CONNECT_S) as bus:
            if not sys.stdin.isatty():
                return print_replies(bus.map_descriptor(sys.stdin.fileno()), bare)
            print(_banner(household, address, names, options.procs))
            return _converse(bus, names)


def _banner(household: Household, address: str, names: Sequence[str], executors: int) -> str:
    from linebus import __version__

    ports = household.config.ports()
    plain_clients = f"{ports['client_inputs']} {ports['client_outputs']}"
    plain_workers = f"{ports['worker_inputs']} {ports['worker_outputs']}"
    return f"""\
linebus {__version__}
  address    {address}   (of the exercise: client.py {plain_clients}, primer.py {plain_workers})
  services   {", ".join(names)}   ({executors} executors)
  log        {household.log_path}
  try        gcd 12 18
Ctrl-D or Ctrl-C leaves."""


def _converse(bus: Client, names: Sequence[str]) -> int:
    """Answer what is typed until the end of the input."""
    read_line = _prompt(names)
    while True:
        try:
            line = read_line("> ")
        except (EOFError, KeyboardInterrupt):
            return ExitCode.ALL_ANSWERED
        if line.strip() in {"exit", "quit"}:
            return ExitCode.ALL_ANSWERED
        if line.strip():
            print(annotated(bus.ask(line)), flush=True)


def _prompt(names: Sequence[str]) -> Callable[[str], str]:
    """Return a function like input(), with history and completion where the terminal has them."""
    if os.environ.get("TERM") == "dumb":
        return input
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(
        history=InMemoryHistory(), completer=WordCompleter(list(names)), complete_while_typing=False
    )
    return session.prompt

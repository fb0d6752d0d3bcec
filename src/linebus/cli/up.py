"""`linebus up`: a server, the built-in services, a prompt; or: answer the lines on stdin."""

from __future__ import annotations

import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.ask import print_replies, shape
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import count, json_line, tell
from linebus.errors import ConnectError, NobodyListens
from linebus.text import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from linebus.cli.household import Household
    from linebus.client.client import Client

_EPILOG = """\
examples:
  linebus up                                a prompt; try: gcd 12 18
  echo "gcd 12 18" | linebus up             answers the lines on stdin, in order, and exits
  linebus up 6555 6556 6557 6558            on other ports
  linebus up --procs 4                      four executors

While it runs, other programs use it too: linebus ask, client.py, workers of your own.
Its server and its worker log to up-PID.log in ~/.local/state/linebus/log (on macOS in
~/Library/Logs/linebus); the log goes at the end where nothing went wrong.
Lines typed at the prompt are kept for the next time, unless LINEBUS_NO_HISTORY is set.
With --json the first line is an object with the address, the services and the log.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "run a server, the built-in services and a prompt"
    parser = shared.add_command(commands, "up", about, _EPILOG)
    shared.add_four_ports(parser)
    shared.add_procs(parser)
    shared.add_json(parser)
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from linebus.cli.household import Household
    from linebus.client.client import Client
    from linebus.server.config import ServerConfig
    from linebus.services.catalog import builtin_names

    config = ServerConfig(*shared.four_ports(parser, options))
    names = builtin_names()
    with Household(config, names, options.procs) as household:
        household.wait_until_up()
        with Client(household.address, connect_timeout_s=limits.CONNECT_S) as bus:
            if options.json:
                print(json_line(_facts(household, names, options.procs)), flush=True)
            try:
                if sys.stdin.isatty():
                    return _talk(household, bus, names, options)
                return _answer(household, bus, options)
            except ConnectError as error:
                if household.is_serving:
                    raise NobodyListens(f"{error}; log: {household.log_path}") from error
                return ExitCode.NOBODY_LISTENS  # why was told the moment the server ended


def _facts(household: Household, names: Sequence[str], executors: int) -> dict[str, object]:
    return {
        "event": "up",
        "address": household.address,
        "ports": household.config.ports(),
        "services": names,
        "executors": executors,
        "log": str(household.log_path),
    }


def _answer(household: Household, bus: Client, options: argparse.Namespace) -> int:
    """Answer what is piped in."""
    household.watch(partial(tell, as_json=options.json))
    return print_replies(bus.map_descriptor(sys.stdin.fileno()), shape(as_json=options.json))


def _talk(
    household: Household, bus: Client, names: Sequence[str], options: argparse.Namespace
) -> int:
    """Answer what is typed."""
    from linebus.cli.prompt import Prompt

    if not options.json:
        print(
            _banner(household, names, options.procs),
            file=sys.stdout if sys.stdout.isatty() else sys.stderr,
            flush=True,
        )
    prompt = Prompt(bus, names, as_json=options.json)
    household.watch(prompt.warn)
    return prompt.converse(household)


def _banner(household: Household, names: Sequence[str], executors: int) -> str:
    from linebus import __version__

    ports = household.config.ports()
    plain_clients = f"{ports['client_inputs']} {ports['client_outputs']}"
    plain_workers = f"{ports['worker_inputs']} {ports['worker_outputs']}"
    exercise = f"client.py {plain_clients}, primer.py {plain_workers}"
    return f"""\
linebus {__version__}
  address    {household.address}   (of the exercise: {exercise})
  services   {_folded(names)}   ({count(executors, "executor")})
  log        {visible(str(household.log_path))}
  try        gcd 12 18, or help
Ctrl-D or Ctrl-C leaves."""


def _folded(names: Sequence[str]) -> str:
    """Return the names in as many lines as fit under the banner's other ones."""
    return textwrap.fill(", ".join(names), 66, subsequent_indent=" " * 13)

"""`linebus client`: the plain client of the exercise.

Lines go to client_inputs one at a time, each waits for its confirmation; results, everyone's, come
from client_outputs and are printed as they come. It talks to anyone's server and knows nothing of
the native dialect.
"""

from __future__ import annotations

import signal
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse

    from linebus.cli.plain_client import Requests, Results
    from linebus.cli.screen import Screen

GOODBYE = "Terminating client"

_EPILOG = """\
examples:
  linebus client 5555 5556
  echo "isprime 97" | linebus client 5555 5556
  linebus client 5555 5556 --host 192.0.2.7
  linebus client 5555 5556 --json           each result as {"text": …}

Ctrl-C or Ctrl-D leaves. Lines piped in are answered before it leaves. Results are everyone's:
for one reply to one request use `linebus ask`.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "type lines, see results: the plain client of the exercise"
    parser = shared.add_command(commands, "client", about, _EPILOG)
    parser.add_argument(
        "client_inputs", type=shared.port, metavar="CLIENT_INPUTS", help="takes lines"
    )
    parser.add_argument(
        "client_outputs", type=shared.port, metavar="CLIENT_OUTPUTS", help="has results"
    )
    parser.add_argument("--host", default=limits.HOST, help="the server's (default: %(default)s)")
    shared.add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Pass lines on until Ctrl-C or the end of input; return the exit code."""
    from linebus.cli.screen import Screen

    screen = Screen(as_json=options.json)
    try:
        _converse(options, screen)
    except KeyboardInterrupt:
        # A second Ctrl-C ends the process, whatever holds up the goodbye.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        screen.end(GOODBYE)
    return ExitCode.ALL_ANSWERED


def _converse(options: argparse.Namespace, screen: Screen) -> None:
    from linebus.cli.plain_client import Requests, Results
    from linebus.net.dealer import new_context

    context = new_context()
    try:
        # Results first: none may be published before there is someone to hear it.
        results = Results(context, _address(options.host, options.client_outputs), screen.show)
        requests = Requests(context, _address(options.host, options.client_inputs), screen.warn)
        try:
            _send_lines(screen, requests, results)
        finally:
            requests.close()
    finally:
        # Ends the results' thread too, which then closes its socket.
        context.term()


def _send_lines(screen: Screen, requests: Requests, results: Results) -> None:
    while (line := screen.read()) is not None:
        if not line.strip():
            continue
        if len(line.encode()) > limits.LINE_BYTES_MAX:
            screen.warn(f"a line longer than {limits.LINE_BYTES_MAX} bytes was not sent")
            continue
        if not screen.is_terminal:
            results.expect(line)
        requests.send(
            line,
            before_each_attempt=results.wait_until_connected,
            attempts_max=inf if screen.is_terminal else limits.PLAIN_ATTEMPTS_PIPED_MAX,
        )
    if screen.is_terminal:
        screen.end()
    else:
        results.wait_until_answered()


def _address(host: str, port: int) -> str:
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

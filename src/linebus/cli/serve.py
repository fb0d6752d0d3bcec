"""`linebus serve`: run the server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linebus import limits, process
from linebus.cli import options as shared
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import json_line
from linebus.text import visible

if TYPE_CHECKING:
    import argparse

    from linebus.server.config import ServerConfig

_EPILOG = """\
examples:
  linebus serve                             on 127.0.0.1, ports 5555 5556 5557 5558
  linebus serve 6555 6556 6557 6558         on other ports; clients: --bus tcp://127.0.0.1:6555
  linebus serve --echo                      publish plain requests too, as in a chat
  linebus serve --json                      say as JSON when requests are taken, and where
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "serve", "run the server (the broker)", _EPILOG)
    shared.add_four_ports(parser)
    parser.add_argument("--host", default=limits.HOST, help="bind here (default: %(default)s)")
    parser.add_argument(
        "--echo", action="store_true", help="publish plain requests on client_outputs too"
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="allow a host that other machines reach, although anyone there can ask and answer",
    )
    shared.add_json(parser)
    shared.add_parent(parser)
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from linebus.server.config import ServerConfig
    from linebus.server.loop import serve

    if options.parent:
        process.end_with_parent(options.parent)
    config = ServerConfig(
        *shared.four_ports(parser, options),
        host=options.host,
        echo=options.echo,
        insecure=options.insecure,
    )
    announce = _event if options.json else _announcement
    serve(config, lambda: print(announce(config), flush=True))
    return ExitCode.ALL_ANSWERED


def _announcement(config: ServerConfig) -> str:
    ports = " ".join(str(port) for port in config.ports().values())
    address = config.address(config.client_inputs)
    return f"linebus: serving {visible(address)} (ports {ports}); Ctrl-C ends it"


def _event(config: ServerConfig) -> str:
    address = config.address(config.client_inputs)
    return json_line({"event": "serving", "address": address, "ports": config.ports()})

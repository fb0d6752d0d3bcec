"""`linebus work`: offer services."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from linebus import limits, process
from linebus.cli import options as shared
from linebus.cli.completion import complete_builtin
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import json_line
from linebus.text import LogFormatter, visible

if TYPE_CHECKING:
    import argparse

    from linebus.worker.news import News

_EPILOG = """\
examples:
  linebus work isprime gcd                  built-in services, one executor per core
  linebus work shop:price --procs 4         your own: object `price` in shop.py, in this folder
  linebus work gcd --ports 5557 5558        for any server of the exercise, ours or another
  linebus work gcd --json                   news as JSON Lines: offering, in_session, …
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "work", "offer services (a worker)", _EPILOG)
    services = parser.add_argument(
        "services",
        nargs="+",
        metavar="SERVICE",
        help="a built-in service's name, or module:object for your own",
    )
    shared.complete_with(services, complete_builtin)
    shared.add_procs(parser)
    where = parser.add_mutually_exclusive_group()
    shared.add_bus(where)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    where.add_argument(
        "--ports",
        type=shared.port,
        nargs=2,
        metavar=("WORKER_INPUTS", "WORKER_OUTPUTS"),
        help="join through the exercise's two worker ports instead",
    )
    parser.add_argument(
        "--host", default=limits.HOST, help="the server's host, with --ports (default: %(default)s)"
    )
    shared.add_json(parser)
    shared.add_parent(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from linebus.client.client import default_address
    from linebus.worker.guardian import WorkerConfig, work

    if options.parent:
        process.end_with_parent(options.parent)
    _log(as_json=options.json)
    config = WorkerConfig(
        references=tuple(options.services),
        executors=options.procs,
        address=None if options.ports else options.bus or default_address(),
        ports=tuple(options.ports) if options.ports else None,
        host=options.host,
    )
    work(config, _tell_as_json if options.json else _tell)
    return ExitCode.ALL_ANSWERED


def _tell(news: News) -> None:
    from linebus.worker.news import TROUBLES

    stream = sys.stderr if isinstance(news, TROUBLES) else sys.stdout
    print(f"linebus: {visible(str(news))}", file=stream, flush=True)


def _tell_as_json(news: News) -> None:
    print(json_line(news), flush=True)


def _log(*, as_json: bool) -> None:
    """Have the guardian's log on stderr; what services print there themselves stays as it is."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if as_json else LogFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _JsonFormatter(logging.Formatter):
    """Shows a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record on one line."""
        level = record.levelname.lower()
        return json_line({"event": "log", "level": level, "text": record.getMessage()})

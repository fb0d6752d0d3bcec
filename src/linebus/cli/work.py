"""`linebus work`: offer services."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from linebus import limits, process
from linebus.cli import options as shared
from linebus.cli.completion import complete_builtin
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import json_line
from linebus.text import LogFormatter, visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from linebus.worker.news import News
    from linebus.worker.program import ProgramSpec

_EPILOG = """\
examples:
  linebus work isprime gcd                  built-in services, one executor per core
  linebus work shop:price --procs 4         your own: object `price` in shop.py, in this folder
  linebus work gcd --ports 5557 5558        for any server of the exercise, ours or another
  linebus work gcd --json                   news as JSON Lines: offering, in_session, …
  linebus work upper -- sed -u 's/.*/\\U&/'  any program as a service of your own name: it reads
                                            lines and writes one line for each, at once
  linebus work factor --once -- factor      a process for each line
  linebus work shop:price --check           what it would offer; nothing is started
  linebus work shop:price --reload          while you write it: each change is taken over

Options stand before `--`, what follows is the program and its arguments.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "work", "offer services (a worker)", _EPILOG)
    services = parser.add_argument(
        "services",
        nargs="+",
        metavar="SERVICE",
        help="a built-in service's name, or module:object for your own; before -- PROGRAM the"
        " name of the program's service",
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
    _add_program_options(parser)
    developing = parser.add_mutually_exclusive_group()
    developing.add_argument(
        "--check", action="store_true", help="tell what would be offered, or why not, and end"
    )
    developing.add_argument(
        "--reload",
        action="store_true",
        help="take over each change of the services' source files in this folder and below",
    )
    shared.add_json(parser)
    shared.add_parent(parser)
    parser.set_defaults(run=partial(_run, parser), program=None)


def _add_program_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--whole-line",
        action="store_true",
        help="give the program the service's name too, before the arguments",
    )
    parser.add_argument(
        "--once", action="store_true", help="start the program for each line; its exit code counts"
    )
    parser.add_argument(
        "--time-limit",
        type=shared.seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long the program may work on a line; then it is killed and the line has failed",
    )
    parser.add_argument(
        "--memory",
        type=shared.size,
        default=0,
        metavar="SIZE",
        help="how much memory the program and what it starts may take, such as 500M or 2G",
    )


def split_program(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Split the words of `linebus work` at the first `--`: ours, and those of the program."""
    if list(words[:1]) != ["work"] or "--" not in words:
        return words, None
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from linebus.cli.check_work import check_program, check_services, print_checked
    from linebus.client.client import default_address
    from linebus.worker.guardian import WorkerConfig, work

    if options.parent:
        process.end_with_parent(options.parent)
    program = _program_of(parser, options)
    if options.check:
        found = [check_program(program)] if program else check_services(options.services)
        print_checked(found, as_json=options.json)
        return ExitCode.ALL_ANSWERED
    _log(as_json=options.json)
    config = WorkerConfig(
        references=() if program else tuple(options.services),
        executors=options.procs,
        address=None if options.ports else options.bus or default_address(),
        ports=tuple(options.ports) if options.ports else None,
        host=options.host,
        program=program,
        reloads=options.reload,
    )
    work(config, _tell_as_json if options.json else _tell)
    return ExitCode.ALL_ANSWERED


def _program_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> ProgramSpec | None:
    """Return the program to be offered, None where there is none; end with the usage if wrong."""
    from linebus.services.declare import checked_name
    from linebus.worker.program import ProgramSpec

    if options.program is None:
        for name in ("whole_line", "once", "time_limit", "memory"):
            if getattr(options, name):
                option = f"--{name.replace('_', '-')}"
                parser.error(f"{option} is for a program: linebus work NAME {option} … -- PROGRAM")
        return None
    if options.reload:
        parser.error("--reload is for services in Python; a program says for itself when to end")
    if not options.program:
        parser.error("there is no program behind --")
    if len(options.services) > 1:
        parser.error(f"a program is one service; got {len(options.services)} names before --")
    program = options.program[0]
    if shutil.which(program) is None:
        what = "is not executable" if Path(program).is_file() else "is not there"
        parser.error(f"the program {visible(program)!r} {what}")
    return ProgramSpec(
        checked_name(options.services[0]),
        tuple(map(os.fsencode, options.program)),
        whole_line=options.whole_line,
        once=options.once,
        time_limit_s=options.time_limit,
        memory_limit=options.memory,
    )


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

"""`linebus services`: who offers what, as the server tells it."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from linebus.cli import options as shared
from linebus.cli.completion import complete_offered
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import json_line, print_table, print_tabs, tell
from linebus.errors import NoService

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from linebus.core.admin import ServiceInfo

_EPILOG = """\
examples:
  linebus services                          every service: usage, types, executors, lines waiting
  linebus services gcd                      all that is known of one, and who offers it
  linebus services | cut -f 1               in a pipe: columns separated by tabs, no headings
  linebus services --json                   one JSON object a service

In a pipe the columns are: name, usage, types, executors, waiting, dialect (native, plain or both).
"""
_HEADINGS = ("NAME", "USAGE", "TYPES", "EXECUTORS", "WAITING")
_ONLY_PLAIN = "(only plain workers; ask with client.py)"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "services", "tell who offers what", _EPILOG)
    name = parser.add_argument(
        "name", nargs="?", metavar="NAME", help="tell everything about this service"
    )
    shared.complete_with(name, complete_offered)
    shared.add_bus(parser)
    shared.add_json(parser)
    shared.add_wait(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from linebus.cli.bus import open_bus

    with open_bus(options) as bus:
        found = bus.services()
    if options.name is not None:
        found = [_find(options.name, found)]
    if options.json:
        for service in found:
            print(json_line(service))
    elif options.name is not None:
        _print_one(found[0])
    else:
        print_services(found)
    if not found:
        tell(f"no worker has offered anything yet; {_cure(options.bus)}", as_json=options.json)
    return ExitCode.ALL_ANSWERED


def _cure(address: str | None) -> str:
    where = f" --bus {address}" if address else ""
    return f"start one with: linebus work isprime gcd{where}"


def _find(name: str, known: Sequence[ServiceInfo]) -> ServiceInfo:
    """Return the service of this name. Raises NoService, naming the nearest ones."""
    for service in known:
        if service.name == name:
            return service
    near = difflib.get_close_matches(name, [service.name for service in known])
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "see: linebus services"
    raise NoService(f"nobody has offered {name!r}; {hint}")


def print_services(found: Sequence[ServiceInfo]) -> None:
    """Print a row for each service."""
    if sys.stdout.isatty():
        print_table(_HEADINGS, map(_row, found))
    else:
        print_tabs(
            (each.name, each.usage, each.signature, *_counts(each), _dialect(each))
            for each in found
        )


def _row(service: ServiceInfo) -> tuple[str, ...]:
    if _dialect(service) == "plain":
        return service.name, _ONLY_PLAIN, "", "", ""
    return service.name, service.usage, service.signature, *_counts(service)


def _counts(service: ServiceInfo) -> tuple[str, str]:
    return str(service.executors), str(service.waiting)


def _dialect(service: ServiceInfo) -> str:
    if not service.is_plain:
        return "native"
    return "both" if service.usage else "plain"


def _print_one(service: ServiceInfo) -> None:
    """Print all that is known of one service: a field and its value on each line."""
    fields = [
        ("name", service.name),
        ("usage", service.usage),
        ("types", service.signature),
        ("doc", service.doc),
        ("example", service.example),
        ("executors", str(service.executors)),
        ("waiting", str(service.waiting)),
        ("dialect", _dialect(service)),
    ]
    workers = [
        ("worker", str(each.worker), each.program, " ".join(map(str, each.executors)))
        for each in service.workers
    ]
    if not sys.stdout.isatty():
        print_tabs([*fields, *workers])
        return
    print_table(
        (),
        [
            *((label, value) for label, value in fields if value),
            *(
                (label, f"{number}: {program}, executors {executors}")
                for label, number, program, executors in workers
            ),
        ],
    )

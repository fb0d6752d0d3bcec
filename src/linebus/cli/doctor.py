"""`linebus doctor`: look at everything that may be wrong, one line each, with the cure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import is_coloured, json_line, painted, print_tabs
from linebus.text import visible

if TYPE_CHECKING:
    import argparse

    from linebus.cli.checks import Check

_EPILOG = """\
examples:
  linebus doctor                            the usual server, or that of LINEBUS_URL
  linebus doctor --bus tcp://192.0.2.7:5555
  linebus doctor | grep ^problem            in a pipe: ok or problem, check, text, cure; by tabs
  linebus doctor --json                     an object a check: check, ok, text, cure

It asks the server about itself and runs no service. The exit code is 0 if all is fine, 1 if
something is to be mended, 3 if no linebus server is there.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "find out what is wrong, and what to do"
    parser = shared.add_command(commands, "doctor", about, _EPILOG)
    shared.add_bus(parser)
    shared.add_json(parser)
    shared.add_wait(parser, limits.DOCTOR_WAIT_S)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from linebus.cli.checks import examine

    code = ExitCode.ALL_ANSWERED
    for check in examine(options.bus, options.wait):
        _print(check, as_json=options.json)
        if not check.ok:
            code = max(code, ExitCode.NOBODY_LISTENS if check.is_absence else ExitCode.OTHERWISE)
    return code


def _print(check: Check, *, as_json: bool) -> None:
    verdict = "ok" if check.ok else "problem"
    if as_json:
        print(json_line(check.as_object()))
    elif not sys.stdout.isatty():
        print_tabs([(verdict, check.check, check.text, check.cure)])
    else:
        padded = f"{verdict:9}"
        if is_coloured(sys.stdout):
            padded = painted(padded, "green" if check.ok else "bold red")
        cure = f"; {check.cure}" if check.cure else ""
        print(f"{padded}{check.check:12} {visible(check.text + cure)}")
    sys.stdout.flush()

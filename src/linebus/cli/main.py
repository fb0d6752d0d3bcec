"""`linebus`: one command, a file for each of its subcommands; this one only puts them together."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from linebus.cli import ask, bench, client, completion, doctor, serve, services, up, work
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import tell_error, written_in_full
from linebus.errors import DeadlineExceeded, LinebusError, NobodyListens, NotAnswered, NotLinebus
from linebus.text import show_what_ends_us

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
examples:
  linebus up                      everything on this machine, and a prompt
  linebus ask "gcd 12 18"         one line in, one reply out
  linebus ask - < lines.txt       many lines in, replies in order
  linebus services                who offers what
  linebus doctor                  what is wrong, and what to do
  linebus bench                   how fast this machine is
  linebus COMMAND --help          more about a command

exit codes: 0 all answered, 1 some request ended otherwise, 2 wrong usage, 3 nobody listens there,
4 deadline, 130 Ctrl-C, 141 closed pipe. LINEBUS_URL names the server where --bus does not.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="linebus",
        description="A service bus over ZeroMQ: one line of text in, exactly one reply back.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (up, serve, work, ask, services, doctor, bench, client, completion):
        command.add_parser(commands)
    return parser


def _version() -> str:
    from linebus import __version__

    return __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        _parser().print_help(sys.stderr)
        return ExitCode.USAGE
    words, program = work.split_program(words)
    options = _parser().parse_args(words)
    if program is not None:
        options.program = program
    as_json = getattr(options, "json", False)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.CLOSED_PIPE
    except OSError as error:
        tell_error("os", str(error), as_json=as_json)
        return ExitCode.USAGE
    except LinebusError as error:
        tell_error(error.code, str(error), as_json=as_json)
        return _exit_code(error)


def _exit_code(error: LinebusError) -> ExitCode:
    match error:
        case NobodyListens() | NotLinebus():
            return ExitCode.NOBODY_LISTENS
        case DeadlineExceeded():
            return ExitCode.DEADLINE
        case NotAnswered():
            return ExitCode.OTHERWISE
        case _:
            return ExitCode.USAGE


def entry() -> None:
    """Run the command line and exit; the console script."""
    if sys.stdout is None or sys.stderr is None:  # started with a descriptor closed: >&-
        sys.exit(ExitCode.CLOSED_PIPE)
    sys.stdout = written_in_full(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        # A text that the terminal's encoding cannot show is escaped, it does not end the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text files
    show_what_ends_us()  # a mistake of ours, but it may quote anyone
    if completion.is_asked_for():
        completion.complete(_parser())
    try:
        code = main()
    except SystemExit as exit_:  # argparse: a wrong option, or --help
        code = int(exit_.code or 0)
    sys.exit(_flushed(code))


def _flushed(code: int) -> int:
    """Write out what is left; in a closed pipe it must not become a second error at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = ExitCode.CLOSED_PIPE
    except OSError as error:
        print(f"linebus: cannot write the output: {error.strerror}", file=sys.stderr)
        code = ExitCode.USAGE
    else:
        return code
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    entry()

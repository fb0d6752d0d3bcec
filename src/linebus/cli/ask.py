"""`linebus ask`: lines in, replies out, in order."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from linebus.cli import options as shared
from linebus.cli.completion import complete_offered
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import is_coloured, json_line, painted, tell
from linebus.text import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from linebus.client.client import Client
    from linebus.client.reply import Reply

_EPILOG = """\
examples:
  linebus ask "gcd 12 18"                   gcd for 12 18 is 6
  linebus ask "isprime 97" "gcd 12 18"      several lines, replies in order
  linebus ask - < lines.txt > replies.txt   a stream of lines of any length
  linebus ask --json "isprime 97"           one JSON object a line: outcome, text, worker, …
  linebus ask --deadline 5 "isprime 97"     ends as expired after 5 s, and the work stops
  linebus ask --wait 0 "isprime 97"         fails at once where nobody listens

On a terminal an outcome other than answered is named, in red where there are colours
(failed: expected 2 …); in a pipe or a file there is the text alone. --json has the outcome always.
The exit code is 0 if all lines were answered, 1 if some request ended otherwise, 4 if a deadline
or the timeout has passed. Ctrl-C cancels what has not been answered.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "ask", "ask lines and print the replies", _EPILOG)
    lines = parser.add_argument(
        "lines", nargs="+", metavar="LINE", help="a line such as 'gcd 12 18', or - for stdin"
    )
    shared.complete_with(lines, complete_offered)
    shared.add_bus(parser)
    shared.add_json(parser)
    shared.add_wait(parser)
    parser.add_argument(
        "--timeout", type=shared.seconds, metavar="SECONDS", help="how long to wait for each reply"
    )
    parser.add_argument(
        "--deadline",
        type=shared.seconds,
        metavar="SECONDS",
        help="each line ends as expired unless it is answered so soon; whoever works on it stops",
    )
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from linebus.cli.bus import open_bus

    if "-" in options.lines and sys.stdin is None:
        parser.error("- reads standard input, which is closed")
    if "-" in options.lines and len(options.lines) > 1:
        parser.error("- stands for all lines; give either - or lines")

    if any(set("\r\n") & set(line.strip()) for line in options.lines):
        parser.error("a line holds no line ends; give each as an argument of its own, or use -")

    if len(options.lines) > 1 and not any(" " in line.strip() for line in options.lines):
        joined = " ".join(options.lines)
        hint = f'a line is one argument, in quotes: linebus ask "{joined}"'
        tell(f"hint: {hint}", as_json=options.json)
    with open_bus(options) as bus:
        return print_replies(_replies(bus, options), shape(as_json=options.json))


def _replies(bus: Client, options: argparse.Namespace) -> Iterator[Iterable[Reply]]:
    patience = {"timeout_s": options.timeout, "deadline_s": options.deadline}
    if options.lines == ["-"]:
        yield from bus.map_descriptor(sys.stdin.fileno(), **patience)
    else:
        replies = bus.map(options.lines, **patience)
        yield from ([reply] for reply in replies)


def print_replies(some: Iterable[Iterable[Reply]], shape: Callable[[Reply], str]) -> ExitCode:
    """Print replies as they come, one a line; return the exit code that they make."""
    code = ExitCode.ALL_ANSWERED
    for replies in some:
        lines = []
        for reply in replies:
            lines.append(shape(reply))
            if reply.outcome == "expired":
                code = ExitCode.DEADLINE
            elif not reply.is_answered and code is ExitCode.ALL_ANSWERED:
                code = ExitCode.OTHERWISE
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    return code


def shape(*, as_json: bool) -> Callable[[Reply], str]:
    """Return how replies are to be shown: to a program, in a pipe, to a person."""
    if as_json:
        return json_line
    if not sys.stdout.isatty():
        return bare
    return coloured if is_coloured(sys.stdout) else annotated


def bare(reply: Reply) -> str:
    """Return a reply for a pipe: its text, on one line."""
    return visible(reply.text)


def annotated(reply: Reply) -> str:
    """Return a reply for a person: an outcome other than answered is named."""
    text = visible(reply.text)
    return text if reply.is_answered else f"{reply.outcome}: {text}"


def coloured(reply: Reply) -> str:
    """Return a reply for a person whose terminal has colours."""
    text = visible(reply.text)
    return text if reply.is_answered else f"{painted(f'{reply.outcome}:', 'bold red')} {text}"

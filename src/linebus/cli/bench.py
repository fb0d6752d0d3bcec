"""`linebus bench`: how fast this machine is, beside libzmq's own proxy."""

from __future__ import annotations

import socket
import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.exit_codes import ExitCode
from linebus.cli.output import json_line, print_table, print_tabs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from linebus.cli.floor import Floor
    from linebus.client.client import Client
    from linebus.server.config import ServerConfig

_EPILOG = """\
examples:
  linebus bench                             a server and a worker of its own, beside libzmq's proxy
  linebus bench --procs 1                   with one executor
  linebus bench --bus tcp://192.0.2.7:5555  the server there and its workers, as seen from here
  linebus bench --seconds 2                 longer, where figures differ from run to run
  linebus bench | cut -f 1,3                in a pipe: columns separated by tabs, no headings
  linebus bench --json                      an object a measure, with the same names

In a pipe the columns are: measure, unit, linebus, C proxy, ratio.
The proxy passes on one request a message and promises nothing; its workers answer with the same
services. Both take turns, and the ratio is the median of the rounds' ratios. More, and beside what
others make: docs/benchmarks.md.
"""
_HEADINGS = ("MEASURE", "UNIT", "LINEBUS", "C PROXY", "RATIO")


class Measure(NamedTuple):
    """One row: what was measured, and how both sides fare; without a proxy only ours."""

    measure: str
    unit: str
    linebus: float
    proxy: float | None
    ratio: float | None


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = shared.add_command(commands, "bench", "measure this machine", _EPILOG)
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--bus",
        metavar="ADDRESS",
        help="measure isprime by the server there, without a proxy beside it",
    )
    shared.add_procs(whom)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    parser.add_argument(
        "--seconds",
        type=shared.seconds,
        default=limits.BENCH_S,
        metavar="SECONDS",
        help="how long a measure takes at least, each round (default: %(default)g)",
    )
    shared.add_json(parser)
    shared.add_wait(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    _print(_measured(options), as_json=options.json)
    return ExitCode.ALL_ANSWERED


def _measured(options: argparse.Namespace) -> list[Measure]:
    from linebus.cli.bus import open_bus
    from linebus.cli.floor import Floor
    from linebus.cli.household import Household
    from linebus.cli.measuring import SERVICES
    from linebus.client.client import Client

    if options.bus:
        with open_bus(options) as bus:
            return _rows([_round(bus, options.seconds) for _ in range(limits.BENCH_ROUNDS)], [])
    with ExitStack() as stack:
        household = Household(_config_on_free_ports(), SERVICES, options.procs)
        stack.enter_context(household).wait_until_up()
        bus = stack.enter_context(Client(household.address))
        floor = stack.enter_context(Floor(options.procs))
        ours, theirs = [], []
        for _ in range(limits.BENCH_ROUNDS):
            ours.append(_round(bus, options.seconds) | _echo(bus, options.seconds))
            theirs.append(_round(floor, options.seconds) | _echo(floor, options.seconds))
    return _rows(ours, theirs)


def _config_on_free_ports() -> ServerConfig:
    from linebus.server.config import ServerConfig

    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in sockets:
            each.bind((limits.HOST, 0))
        return ServerConfig(*(each.getsockname()[1] for each in sockets))


_Figures = dict[tuple[str, str], float]
"""The figures of one side and one round, by measure and unit."""


def _round(side: Client | Floor, seconds: float) -> _Figures:
    from linebus.cli.measuring import ISPRIME, alone, rate

    ask, answer = _ways(side)
    lone = alone(ask, ISPRIME, seconds)
    return {
        ("isprime, one at a time", "per_s"): lone.per_s,
        ("isprime, one at a time", "p50_us"): 1e6 * lone.p50_s,
        ("isprime, one at a time", "p99_us"): 1e6 * lone.p99_s,
        ("isprime, pipelined", "per_s"): rate(answer, ISPRIME, seconds),
    }


def _echo(side: Client | Floor, seconds: float) -> _Figures:
    from linebus.cli.measuring import ECHO, rate

    _, answer = _ways(side)
    return {("echo, pipelined", "per_s"): rate(answer, ECHO, seconds)}


def _ways(
    side: Client | Floor,
) -> tuple[Callable[[str], str], Callable[[str, int], Iterable[str]]]:
    from itertools import repeat

    from linebus.cli.floor import Floor

    if isinstance(side, Floor):
        return side.ask, side.answer
    return (
        lambda line: side.ask(line).text,
        lambda line, count: (reply.text for reply in side.map(repeat(line, count))),
    )


def _rows(ours: list[_Figures], theirs: list[_Figures]) -> list[Measure]:
    """Return the medians of the rounds; without rounds of the proxy's only ours."""
    return [
        Measure(
            *key,
            statistics.median(figures[key] for figures in ours),
            statistics.median(figures[key] for figures in theirs) if theirs else None,
            statistics.median(a[key] / b[key] for a, b in zip(ours, theirs, strict=True))
            if theirs
            else None,
        )
        for key in ours[0]
    ]


def _print(found: list[Measure], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print(json_line(each._asdict()))
    elif sys.stdout.isatty():
        print_table(_HEADINGS, [_cells(each, "{:,.0f}") for each in found])
    else:
        print_tabs(_cells(each, "{:.0f}") for each in found)


def _cells(each: Measure, shape: str) -> tuple[str, ...]:
    figures = ["" if value is None else shape.format(value) for value in each[2:4]]
    return each.measure, each.unit, *figures, "" if each.ratio is None else f"{each.ratio:.2f}"

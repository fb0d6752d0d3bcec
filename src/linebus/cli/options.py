"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from linebus import limits, process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DEFAULT_PORTS = (
    limits.CLIENT_INPUTS_PORT,
    limits.CLIENT_OUTPUTS_PORT,
    limits.WORKER_INPUTS_PORT,
    limits.WORKER_OUTPUTS_PORT,
)


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str, more: str
) -> argparse.ArgumentParser:
    """Add a command with its one-line summary, and examples for the end of its --help."""
    return commands.add_parser(
        name,
        help=about,
        description=about,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_four_ports(parser: argparse.ArgumentParser) -> None:
    """Take no port, or the exercise's four."""
    parser.add_argument(
        "ports",
        type=port,
        nargs="*",
        metavar="PORT",
        help="client_inputs client_outputs worker_inputs worker_outputs "
        f"(default: {' '.join(map(str, _DEFAULT_PORTS))})",
    )


def four_ports(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[int, int, int, int]:
    """Return the four ports in order; end with the usage where it is another number of them."""
    match options.ports or _DEFAULT_PORTS:
        case (client_inputs, client_outputs, worker_inputs, worker_outputs):
            return client_inputs, client_outputs, worker_inputs, worker_outputs
        case ports:
            return parser.error(f"give all four ports or none; got {len(ports)}")


def add_bus(parser: argparse.ArgumentParser) -> None:
    """Take the server's address."""
    parser.add_argument(
        "--bus",
        metavar="ADDRESS",
        help=f"the server's address (default: LINEBUS_URL, else {limits.ADDRESS})",
    )


def add_wait(parser: argparse.ArgumentParser, default: float = limits.CONNECT_S) -> None:
    """Take how long to wait for a server."""
    parser.add_argument(
        "--wait",
        type=seconds,
        default=default,
        metavar="SECONDS",
        help="how long to wait for a server, also one that has gone (default: %(default)g)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Take the wish for output that programs read."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON Lines: one object a line, errors too"
    )


def add_procs(parser: argparse.ArgumentParser) -> None:
    """Take the number of executors."""
    parser.add_argument(
        "--procs",
        type=_count,
        default=process.cores(),
        metavar="N",
        help="executors, each a process of its own (default: one per core, %(default)s here);"
        " from 2 on a spare one beside them, for who would wait for all others",
    )


def add_parent(parser: argparse.ArgumentParser) -> None:
    """Take the pid of a process to end with."""
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="end when PID, which started this process, ends"
    )


def complete_with(action: argparse.Action, completer: Callable[..., Iterable[str]]) -> None:
    """Have a shell's Tab complete the values of an argument, as argcomplete looks for it."""
    action.completer = completer  # type: ignore[attr-defined]


def port(text: str) -> int:
    """Read a port; raise what argparse makes a usage error of."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= limits.PORT_MAX):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a port, a number from 1 to {limits.PORT_MAX}"
        )
    return int(text)


def seconds(text: str) -> float:
    """Read a duration; raise what argparse makes a usage error of."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= limits.WAIT_S_MAX:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a number of seconds from 0 to {limits.WAIT_S_MAX:.0f}"
        )
    return value


def size(text: str) -> int:
    """Read a number of bytes such as 500M; raise what argparse makes a usage error of."""
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)i?B?", text, re.IGNORECASE)
    value = int(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ") if found else 0
    if not value:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 500M or 2G")
    return value


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= limits.PROCS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {limits.PROCS_MAX}")
    return number

"""Starts one of the four programs of the exercise from a checkout, whatever is installed.

`server.py`, `client.py`, `primer.py` and `gcd.py` at the root of the checkout load this file by its
path and call `launch`. It finds a Python that has what linebus needs (the checkout's .venv, or the
running one), or says in one sentence what to type, and hands over to the command line.

It needs nothing but the standard library and never imports linebus before it has found it; it is
written for Python 3.8, so that an old Python gets as far as the sentence.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON_MIN = (3, 11)
PORT_MAX = 65535
EXIT_USAGE = 2

# Set across an exec, so that an environment that is not what it seems cannot make us exec for ever.
GUARD = "LINEBUS_LAUNCHER_EXECUTED"


class Program(NamedTuple):
    """One launcher: which command it stands for, and the ports that it takes."""

    command: tuple[str, ...]
    port_names: tuple[str, ...]
    ports_example: tuple[str, ...]
    ports_default: tuple[str, ...] = ()


SERVER_PORTS = ("5555", "5556", "5557", "5558")
CLIENT_PORTS = SERVER_PORTS[:2]
WORKER_PORTS = SERVER_PORTS[2:]
CLIENT_PORT_NAMES = ("CLIENT_INPUTS", "CLIENT_OUTPUTS")
WORKER_PORT_NAMES = ("WORKER_INPUTS", "WORKER_OUTPUTS")

PROGRAMS = {
    "server": Program(
        ("serve",), CLIENT_PORT_NAMES + WORKER_PORT_NAMES, SERVER_PORTS, ports_default=SERVER_PORTS
    ),
    "client": Program(("client",), CLIENT_PORT_NAMES, CLIENT_PORTS),
    "primer": Program(("work", "isprime", "--ports"), WORKER_PORT_NAMES, WORKER_PORTS),
    "gcd": Program(("work", "gcd", "--ports"), WORKER_PORT_NAMES, WORKER_PORTS),
}


def launch(name: str) -> int:
    """Run the program with the words of the command line; gives the exit code."""
    arguments = sys.argv[1:]
    if "-h" in arguments or "--help" in arguments:
        sys.stdout.write(usage(name) + "\n")
        return 0
    argv = command_line(name, arguments)
    if argv is None:
        sys.stderr.write(usage(name) + "\n")
        return EXIT_USAGE
    checkout = Path(__file__).resolve().parents[2]
    enter_environment(checkout / ".venv")
    missing = what_is_missing(checkout)
    if missing is not None:
        sys.stderr.write(missing + "\n")
        return EXIT_USAGE
    find_source(checkout / "src")
    from linebus.cli.main import main

    return main(argv)


def usage(name: str) -> str:
    """The launcher's own usage, in one line."""
    program = PROGRAMS[name]
    names = " ".join(program.port_names)
    if program.ports_default:
        names = "[" + names + "]"
    example = " ".join(program.ports_example)
    return f"usage: python3 {name}.py {names}   for example: python3 {name}.py {example}"


def command_line(name: str, arguments: Sequence[str]) -> list[str] | None:
    """The words for linebus' command line, or None if the ports are not as they should be.

    Ports come first; from the first option on, everything is passed through as it is.
    """
    program = PROGRAMS[name]
    options_from = next((i for i, word in enumerate(arguments) if word.startswith("-")), None)
    ports = tuple(arguments[:options_from]) or program.ports_default
    options = [] if options_from is None else list(arguments[options_from:])
    if len(ports) != len(program.port_names) or not all(map(is_port, ports)):
        return None
    return [*program.command, *ports, *options]


def is_port(word: str) -> bool:
    """Whether the word is the number of a port."""
    return word.isascii() and word.isdigit() and 0 < int(word) <= PORT_MAX


def enter_environment(environment: Path) -> None:
    """Start over with the environment's Python, unless it is the running one or not there."""
    entered = os.environ.pop(GUARD, None) is not None
    python = environment / "bin" / "python"
    if entered or not os.access(python, os.X_OK):
        return
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    execute(python)


def execute(python: Path) -> NoReturn:
    """Replace this process by the same command under another Python."""
    # orig_argv (Python 3.10) also holds the interpreter's own options, such as -u.
    words = getattr(sys, "orig_argv", ["", *sys.argv])[1:]
    os.execve(python, [str(python), *words], {**os.environ, GUARD: "1"})  # noqa: S606


def what_is_missing(checkout: Path) -> str | None:
    """One sentence on what to type before the program can run, or None if it can."""
    steps = (
        f"in {checkout} type `make up`, or `python3 -m venv .venv && .venv/bin/pip install .`,"
        " and then start this again"
    )
    if sys.version_info < PYTHON_MIN:
        running = ".".join(map(str, sys.version_info[:2]))
        return (
            f"linebus needs Python 3.11 or newer and this is {running}: with a newer one, {steps}."
        )
    if not all(importlib.util.find_spec(module) for module in ("zmq", "msgspec")):
        return f"linebus is not installed yet: {steps}."
    return None


def find_source(source: Path) -> None:
    """Let this process, and the Python processes that it starts, import linebus from here."""
    sys.path.insert(0, str(source))
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), inherited]))

"""`linebus completion`: what a shell needs to complete commands, options and services.

The code is argcomplete's: at each Tab the shell runs `linebus` with a variable set, and `complete`
answers instead of the command. Only then is argcomplete imported.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli import options as shared
from linebus.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    import argparse

_VARIABLE = "_ARGCOMPLETE"
_SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
examples:
  eval "$(linebus completion bash)"         now; for always, put it into ~/.bashrc
  eval "$(linebus completion zsh)"          the same for ~/.zshrc, after compinit
  linebus completion fish | source          the same for ~/.config/fish/config.fish

Tab then completes commands, options, built-in services for `work`, and, where a server answers at
once, the names of its services for `ask` and `services`.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    about = "print the code that makes a shell complete linebus"
    parser = shared.add_command(commands, "completion", about, _EPILOG)
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=", ".join(_SHELLS))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["linebus"], shell=options.shell).strip())
    return ExitCode.ALL_ANSWERED


def is_asked_for() -> bool:
    """Return whether a shell wants completions instead of the command."""
    return _VARIABLE in os.environ


def complete(parser: argparse.ArgumentParser) -> None:
    """Tell the shell what may come next, and end the process."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False)


def complete_builtin(**_: object) -> tuple[str, ...]:
    """Return the services that `linebus work` knows by name."""
    from linebus.services.catalog import builtin_names

    return builtin_names()


def complete_offered(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return the names of the services on the bus, none where it does not answer at once."""
    from linebus.client.client import Client, default_address
    from linebus.errors import LinebusError
    from linebus.net.probe import accepts
    from linebus.wire import plain

    patience_s = limits.COMPLETION_S
    address = parsed_args.bus or default_address()
    try:
        if not accepts(address, patience_s):
            return []
        with Client(address, connect_timeout_s=patience_s) as bus:
            names = [service.name for service in bus.services(timeout_s=patience_s)]
    except LinebusError:
        return []
    # They go into a command line: nothing but the names that a server of ours lets in.
    return [name for name in names if plain.NAME.fullmatch(name)]

"""docs/commands.md against the parser: a section for each command, a row for each option."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from linebus import process
from linebus.cli import main
from tests.docs.documents import content

SECTION = re.compile(r"^## linebus (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = dict(SECTION.findall(content("docs/commands.md")))
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.*?) ?\|$", re.MULTILINE)


def commands() -> dict[str, argparse.ArgumentParser]:
    [choice] = [
        action
        for action in main._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    return choice.choices


COMMANDS = commands()


def option(action: argparse.Action) -> str:
    """An option as a row of the document begins: its longest name and what it takes."""
    names = [action.metavar or action.dest.upper()]
    if isinstance(action.metavar, tuple):
        names = list(action.metavar)
    if action.nargs == 0:
        names = []
    if action.option_strings:
        return " ".join([action.option_strings[-1], *map(str, names)])
    shape = {"+": "{}...", "*": "[{}...]", "?": "[{}]"}.get(str(action.nargs), "{}")
    return shape.format(*names)


def default(action: argparse.Action) -> str:
    """What an option is without being given, as --help says it."""
    found = re.search(r"\(default: (.*)\)", (action.help or "") % vars(action))
    if not found:
        return ""
    return found[1].removesuffix(f", {process.cores()} here")


def options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    return [
        (option(action), default(action))
        for action in parser._actions
        if action.dest != "help" and action.help != argparse.SUPPRESS
    ]


def test_every_command_has_its_section() -> None:
    assert SECTIONS.keys() == COMMANDS.keys(), "a section `## linebus NAME` for each command"


def test_every_module_with_a_command_is_put_into_the_command_line() -> None:
    modules = Path(main.__file__).parent.glob("*.py")
    made = {path.stem for path in modules if "\ndef add_parser(" in path.read_text("utf-8")}
    assert made == COMMANDS.keys(), "the loop in linebus.cli.main lists the commands' modules"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_a_row_of_its_section(name: str) -> None:
    wanted = options(COMMANDS[name])
    assert name in SECTIONS, f"docs/commands.md needs a section `## linebus {name}`"
    rows = [(first, without.replace("`", "")) for first, _, without in ROW.findall(SECTIONS[name])]
    hint = "\n".join(f"| `{first}` | … | {without} |" for first, without in wanted)
    assert rows == wanted, f"the rows of `linebus {name}` should be:\n{hint}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_of_its_own(name: str) -> None:
    assert all(action.help for action in COMMANDS[name]._actions)

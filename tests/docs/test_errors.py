"""What the documents say of outcomes, errors and exit codes, against the code."""

from __future__ import annotations

import ast
import re

import pytest

import linebus
from linebus import Outcome, errors
from linebus.cli.exit_codes import ExitCode
from linebus.core import lifecycle
from tests.docs.documents import ROOT, blocks, content


def table(document: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its own two; marks are taken off."""
    _, found, text = content(document).partition(f"\n## {heading}\n")
    assert found, f"{document} has no heading {heading}"
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows, f"{document}, {heading}: there is no table"
    return [
        [cell.strip(" `") for cell in row.strip("|\n").split(" | ")]
        for row in rows[0].splitlines()[2:]
    ]


def test_every_outcome_has_its_row() -> None:
    assert [row[0] for row in table("docs/errors.md", "Outcomes")] == list(Outcome), (
        "docs/errors.md"
    )


def test_the_drawing_of_a_requests_life_is_that_of_the_code() -> None:
    [drawing] = [b.text for b in blocks("docs/ARCHITECTURE.md") if "received ─►" in b.text]
    in_code = (lifecycle.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    assert drawing.splitlines() == [line.removeprefix("    ") for line in in_code.splitlines()]


def test_the_glossary_names_every_outcome() -> None:
    [words] = re.findall(
        r"^\| \*\*outcome\*\* \|.*: (.*) \|$", content("docs/glossary.md"), re.MULTILINE
    )
    assert words.split(", ") == list(Outcome), "docs/glossary.md"


def test_every_exit_code_has_its_row() -> None:
    rows = [(int(code), name) for code, name, *_ in table("docs/errors.md", "Exit codes")]
    assert rows == [(code.value, code.name.lower().replace("_", " ")) for code in ExitCode]
    assert [int(row[0]) for row in table("README.md", "Exit codes")] == list(ExitCode)


def test_the_drawing_of_errors_is_that_of_the_code() -> None:
    [drawing] = [b.text for b in blocks("docs/errors.md") if b.text.startswith("LinebusError\n")]
    in_code = (errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    assert drawing.splitlines() == [line.removeprefix("    ") for line in in_code.splitlines()]


def test_every_public_error_has_its_row_in_the_order_of_the_code() -> None:
    public = [
        error
        for name, error in vars(errors).items()
        if isinstance(error, type)
        and issubclass(error, errors.LinebusError)
        and name in linebus.__all__
    ]
    assert [row[:3] for row in table("docs/python.md", "Errors")] == [
        [error.__name__, error.__mro__[1].__name__, error.code] for error in public
    ], "the table under Errors in docs/python.md: class, what it derives from, code"


# -- messages --------------------------------------------------------------------------------

Template = list[str | None]
# So many of a message's characters have to stand in the code; a hole may stand for the others.
SAID_MIN = 8


def templates() -> list[Template]:
    """All texts of the code, each as its pieces: what stands there, and None for each hole."""
    found: list[Template] = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces = [getattr(piece, "value", None) for piece in node.values]
                found.append([piece if isinstance(piece, str) else None for piece in pieces])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append([node.value])
    return found


TEMPLATES = templates()


def begins(template: Template, message: str, said: int = 0) -> bool:
    """Whether a text made from the template may begin with the message."""
    if not message or not template:
        return not message and said >= SAID_MIN
    piece, *rest = template
    if piece is None:
        return any(begins(rest, message[cut:], said) for cut in range(1, len(message) + 1))
    if message.startswith(piece):
        return begins(rest, message[len(piece) :], said + len(piece))
    return piece.startswith(message) and said + len(message) >= SAID_MIN


def holds(template: Template, part: str) -> bool:
    if begins(template, part):
        return True
    starts = ((index, piece.find(part[:SAID_MIN])) for index, piece in enumerate(template) if piece)
    return any(
        begins([(template[index] or "")[start:], *template[index + 1 :]], part)
        for index, start in starts
        if start > 0
    )


def messages() -> list[str]:
    rows = table("docs/errors.md", "First-day messages")
    rows += table("README.md", "When something is wrong")
    return [message for row in rows for message in row[0].split("`, `")]


@pytest.mark.parametrize("message", messages())
def test_the_code_says_every_message_that_is_explained(message: str) -> None:
    parts = [part.rstrip("…").rstrip() for part in message.split("; ")]
    unsaid = [part for part in parts if not any(holds(each, part) for each in TEMPLATES)]
    # A usage is put behind another text and is a text of the service's own.
    assert [part for part in unsaid if not part.startswith("usage:")] == []

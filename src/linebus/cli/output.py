"""How commands show things.

A person at a terminal gets columns and colours, a pipe gets bare text, `--json` one object a line.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

import msgspec

from linebus.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_encode = msgspec.json.Encoder().encode
_TERMINALS_WITHOUT_ESCAPES = {"", "dumb", "unknown"}


def json_line(value: object) -> str:
    """Return a value as JSON on one line, in which everything prints too."""
    try:
        text = _encode(value).decode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, from bytes that are no UTF-8
        text = json.dumps(msgspec.to_builtins(value), separators=(",", ":"))
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def count(number: int, thing: str) -> str:
    """Return a number and what it counts: 1 worker, 2 workers."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def written_in_full(stream: TextIO) -> TextIO:
    """Return a stream that writes the whole of a text, also under PYTHONUNBUFFERED.

    Python without a buffer forgets what a write left over, and a full pipe takes only a part from a
    process that is stopped and goes on.
    """
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(stream.buffer, io.RawIOBase):
        return stream
    encoding = stream.encoding
    buffer = io.BufferedWriter(stream.detach())
    return io.TextIOWrapper(buffer, encoding, line_buffering=True)


# -- stderr ----------------------------------------------------------------------------------


def notice(text: str, *, as_json: bool, program: str = "linebus") -> str:
    """Return how something is said beside the output, on one line."""
    if as_json:
        return json_line({"event": "notice", "text": text})
    return f"{program}: {visible(text)}"


def tell(text: str, *, as_json: bool) -> None:
    """Say something on stderr."""
    print(notice(text, as_json=as_json), file=sys.stderr, flush=True)


def tell_error(code: str, text: str, *, as_json: bool) -> None:
    """Say why a command ends: one line on stderr."""
    shown = json_line({"error": code, "text": text}) if as_json else f"linebus: {visible(text)}"
    print(shown, file=sys.stderr, flush=True)


# -- columns and colours ---------------------------------------------------------------------


def has_escapes() -> bool:
    """Return whether the user's terminal understands escapes at all."""
    return os.environ.get("TERM", "") not in _TERMINALS_WITHOUT_ESCAPES


def is_coloured(stream: TextIO) -> bool:
    """Return whether colours may go there: a terminal that has them, and nobody objects."""
    return stream.isatty() and has_escapes() and not os.environ.get("NO_COLOR")


def painted(text: str, style: str) -> str:
    """Return a text in a colour of the terminal's, such as `bold red`."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def print_tabs(rows: Iterable[Sequence[str]]) -> None:
    """Print rows for a program: cells separated by tabs, which no cell contains."""
    for row in rows:
        print("\t".join(map(visible, row)))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows for a person: aligned, below headings if any, folded to the terminal's width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    table.show_header = bool(headings)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    colours = is_coloured(sys.stdout)
    Console(
        color_system="standard" if colours else None, force_terminal=colours, emoji=False
    ).print(table)

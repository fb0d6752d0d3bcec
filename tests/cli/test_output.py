from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from linebus.cli import output

if TYPE_CHECKING:
    from typing_extensions import Buffer


# -- JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["97 is prime", "grüße 🙂", "\x1b[2J\x9b\n", "\u202e", "\U000e0041"]
)
def test_json_says_the_same_and_all_of_it_prints(text: str) -> None:
    line = output.json_line({"text": text})
    assert json.loads(line) == {"text": text}
    assert line.isprintable()


def test_json_has_half_of_a_surrogate_pair_too() -> None:
    assert json.loads(output.json_line({"text": "\udcff"})) == {"text": "\udcff"}


# -- all of it -------------------------------------------------------------------------------


class FullPipe(io.RawIOBase):
    """Takes a part of what is written, as a pipe does when a signal interrupts the write."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self.taken += bytes(data)[:7]
        return min(7, len(bytes(data)))


def test_all_is_written_where_python_has_no_buffer() -> None:
    pipe = FullPipe()
    # As Python makes sys.stdout under PYTHONUNBUFFERED.
    unbuffered = io.TextIOWrapper(pipe, "utf-8", write_through=True)  # type: ignore[type-var]
    stream = output.written_in_full(unbuffered)
    stream.write("gcd for 12 18 is 6\ngrüße\n")
    assert pipe.taken == "gcd for 12 18 is 6\ngrüße\n".encode()


def test_a_stream_that_has_a_buffer_stays_as_it_is() -> None:
    buffered = io.TextIOWrapper(io.BytesIO())
    assert output.written_in_full(buffered) is buffered


# -- stderr ----------------------------------------------------------------------------------


def test_what_is_told_is_one_line_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell("so\nit goes", as_json=False)
    assert capsys.readouterr() == ("", "linebus: so\\nit goes\n")
    output.tell("so\nit goes", as_json=True)
    said = json.loads(capsys.readouterr().err)
    assert said == {"event": "notice", "text": "so\nit goes"}


def test_an_error_has_its_code_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell_error("usage", "no\x1b", as_json=False)
    assert capsys.readouterr() == ("", "linebus: no\\x1b\n")
    output.tell_error("usage", "no\x1b", as_json=True)
    assert json.loads(capsys.readouterr().err) == {"error": "usage", "text": "no\x1b"}


@pytest.mark.parametrize(("number", "said"), [(0, "0 dogs"), (1, "1 dog"), (2, "2 dogs")])
def test_what_is_counted_has_its_plural(number: int, said: str) -> None:
    assert output.count(number, "dog") == said


# -- columns and colours ---------------------------------------------------------------------


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal 40 columns wide that has colours."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_colours_go_to_a_terminal_that_has_them_and_nowhere_else(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert output.is_coloured(terminal)
    assert not output.is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.is_coloured(terminal)
    monkeypatch.setenv("NO_COLOR", "")
    assert output.is_coloured(terminal)


@pytest.mark.parametrize("term", ["dumb", "unknown", "", None])
def test_some_terminals_have_no_escapes(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch, term: str | None
) -> None:
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    assert not output.has_escapes()
    assert not output.is_coloured(terminal)


def test_a_colour_is_the_terminals_own() -> None:
    assert output.painted("no", "bold red") == "\x1b[1;31mno\x1b[0m"


def test_rows_for_a_program_have_a_tab_between_cells_and_none_in_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.print_tabs([("a", "", "b\tc"), ("d\n", "\x1b", "e")])
    assert capsys.readouterr().out == "a\t\tb\\tc\nd\\n\t\\x1b\te\n"


@pytest.mark.parametrize("colours", [True, False])
def test_rows_for_a_person_are_aligned_and_folded(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, colours: bool
) -> None:
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal)
    rows = [("gcd", "[bold]not markup[/] :smile:"), ("x\x1b[2J", "long " * 10)]
    output.print_table(("NAME", "USAGE"), rows)
    shown = terminal.getvalue()
    assert ("\x1b[1m" in shown) is colours
    assert ("\x1b" in shown) is colours
    assert "\x1b[2J" not in shown
    assert "[bold]not markup[/] :smile:" in shown
    lines = shown.splitlines()
    assert lines[1].index("[bold]") == lines[2].index("long")
    assert len(lines) > 3


def test_rows_may_go_without_headings(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    output.print_table((), [("name", "gcd"), ("usage", "gcd A B")])
    assert terminal.getvalue().split("\n") == ["name   gcd    ", "usage  gcd A B", ""]

"""Off a terminal; what happens on one is shown by tests/integration/test_exercise.py."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from linebus.cli.screen import Screen

if TYPE_CHECKING:
    import pytest


def fed(monkeypatch: pytest.MonkeyPatch, data: bytes, *, as_json: bool = False) -> Screen:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return Screen(as_json=as_json)


def written(name: str) -> str:
    buffer: io.BytesIO = getattr(sys, name).buffer
    return buffer.getvalue().decode("ascii")


def test_lines_are_read_without_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = fed(monkeypatch, b"isprime 7\r\n\n gcd 1 2 \nlast")
    assert [screen.read() for _ in range(5)] == ["isprime 7", "", " gcd 1 2 ", "last", None]
    assert written("stdout") == ""


def test_bytes_that_are_no_text_are_kept_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fed(monkeypatch, b"isprime \xff\n").read() == r"isprime \xff"


def test_texts_are_printed_line_by_line_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = fed(monkeypatch, b"")
    screen.show(["97 is prime", "one\ntwo\n", "\x1b[2J", "", "ü"])
    assert written("stdout").splitlines() == [
        "97 is prime",
        "one",
        "two",
        r"\x1b[2J",
        "",
        r"\xfc",
    ]


def test_warnings_and_the_last_word_have_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = fed(monkeypatch, b"")
    screen.warn("nobody there\x07")
    screen.end("Terminating client")
    assert written("stderr") == "linebus client: nobody there\\x07\n"
    assert written("stdout") == "Terminating client\n"


def test_as_json_each_text_is_an_object_and_only_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = fed(monkeypatch, b"", as_json=True)
    screen.show(["97 is prime", "one\ntwo\x9b"])
    screen.warn("nobody there")
    screen.end("Terminating client")
    assert written("stdout").splitlines() == [
        '{"text":"97 is prime"}',
        r'{"text":"one\ntwo\u009b"}',
    ]
    assert written("stderr") == '{"event":"notice","text":"nobody there"}\n'


def test_what_is_typed_is_cleared_only_where_the_terminal_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = fed(monkeypatch, b"")
    monkeypatch.setenv("TERM", "xterm")
    assert screen._cleared().endswith("\x1b[J")
    monkeypatch.setenv("TERM", "dumb")
    assert screen._cleared() == "\n"

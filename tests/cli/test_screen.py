"""Off a terminal; what happens on one is shown by tests/integration/test_exercise.py."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from linebus.cli.screen import Screen

if TYPE_CHECKING:
    import pytest


def fed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> Screen:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return Screen()


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

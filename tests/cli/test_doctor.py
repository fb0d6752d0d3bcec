"""`linebus doctor`: how what was found is shown, and the exit code that it makes."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from linebus.cli import checks
from linebus.cli.checks import Check
from linebus.cli.main import main
from tests.support import PATIENCE_S, address_of, free_address, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

FINE = Check("host", ok=True, text="it is known")
BAD = Check("clock", ok=False, text="it is slow\n", cure="wind it up")
ABSENT = Check("listener", ok=False, text="nobody", cure="linebus up", is_absence=True)


def examine(monkeypatch: pytest.MonkeyPatch, *found: Check) -> None:
    def stand_in(bus: str | None, wait_s: float) -> Iterator[Check]:
        assert (bus, wait_s) == (None, 1.0)
        yield from found

    monkeypatch.setattr(checks, "examine", stand_in)


@pytest.mark.parametrize(
    ("found", "code"),
    [([FINE], 0), ([FINE, BAD, FINE], 1), ([FINE, ABSENT], 3), ([BAD, ABSENT], 3)],
)
def test_the_exit_code_tells_the_worst(
    monkeypatch: pytest.MonkeyPatch, found: list[Check], code: int
) -> None:
    examine(monkeypatch, *found)
    assert main(["doctor"]) == code


def test_in_a_pipe_a_check_is_four_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examine(monkeypatch, FINE, BAD)
    main(["doctor"])
    assert capsys.readouterr().out == (
        "ok\thost\tit is known\t\nproblem\tclock\tit is slow\\n\twind it up\n"
    )


def test_with_json_a_check_is_an_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examine(monkeypatch, FINE, ABSENT)
    main(["doctor", "--json"])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"check": "host", "ok": True, "text": "it is known", "cure": ""},
        {"check": "listener", "ok": False, "text": "nobody", "cure": "linebus up"},
    ]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_person_gets_the_cure_behind_the_problem(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    examine(monkeypatch, FINE, BAD)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    primary, secondary = os.openpty()
    with os.fdopen(secondary, "w") as terminal:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            main(["doctor"])
        came = b""
        while came.count(b"\n") < 2:
            came += os.read(primary, 10_000)
    os.close(primary)
    shown = came.decode()
    first, second = shown.splitlines()
    assert first.endswith("host         it is known")
    assert second.endswith(r"clock        it is slow\n; wind it up")
    assert ("\x1b[32mok" in first) is not bool(no_color)
    assert ("\x1b[1;31mproblem" in second) is not bool(no_color)
    assert not no_color or "\x1b" not in shown


def test_the_real_ones_are_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as config:
        words = ["--bus", address_of(config.client_inputs), "--wait", str(PATIENCE_S)]
        assert main(["doctor", *words]) == 1
    assert "\nproblem\tworkers\t" in capsys.readouterr().out
    assert main(["doctor", "--bus", free_address(), "--wait", "0"]) == 3
    assert "\nproblem\tlistener\t" in capsys.readouterr().out

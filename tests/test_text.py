from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from linebus.text import LogFormatter, visible


@pytest.mark.parametrize("text", ["97 is prime", "", "grüße, 素数 🙂", "e\u0301", r"a \ b"])
def test_what_prints_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\x00b\x07", r"a\x00b\x07"),
        ("one\ntwo\rthree\t", r"one\ntwo\rthree\t"),
        ("\u202etxet", r"\u202etxet"),
        ("\u2066\u200f\u061c", r"\u2066\u200f\u061c"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_could_act_on_a_terminal_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_whatever_comes_out_prints() -> None:
    assert visible("".join(map(chr, range(0x3000)))).isprintable()


# -- logs ------------------------------------------------------------------------------------


def raising(error: Exception) -> None:
    raise error


def record(message: str, *, error: Exception | None = None) -> str:
    info = None
    if error is not None:
        try:
            raising(error)
        except Exception:  # noqa: BLE001  for its traceback
            info = sys.exc_info()
    made = logging.LogRecord("linebus.worker", logging.ERROR, "", 0, "%s", (message,), info)
    return LogFormatter().format(made)


def test_a_record_cannot_act_on_a_terminal() -> None:
    assert record("so \x1b[2J\u202e") == r"linebus.worker: so \x1b[2J\u202e"


def test_a_record_cannot_pass_for_two() -> None:
    assert record("one\nlinebus: two") == "linebus.worker: one\n  linebus: two"


def test_a_traceback_is_shown_and_cannot_act_either() -> None:
    shown = record("broke", error=ValueError("bad \x1b[31m\r\u2066\nlinebus.worker: all is well"))
    assert shown.startswith("linebus.worker: broke\n  Traceback (most recent call last):\n")
    assert shown.endswith("\n  ValueError: bad \\x1b[31m\\r\\u2066\n  linebus.worker: all is well")


# -- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "raise ValueError(said)",
        "t = threading.Thread(target=int, args=[said]); t.start(); t.join()",
    ],
)
def test_what_ends_a_process_or_a_thread_cannot_act_on_a_terminal(words: str) -> None:
    program = (
        "import threading\nfrom linebus import text\n"
        f"said = 'so\\x1b[2J\\u202e\\nlinebus: all is well'\ntext.show_what_ends_us()\n{words}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    first, *more = done.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in more)
    assert r"x1b[2J" in done.stderr


def test_every_command_shows_its_own_end_so() -> None:
    program = "import sys\nfrom linebus.cli import main\nsys.argv[1:] = ['--version']\n"
    program += "try: main.entry()\nfinally: sys.exit(sys.excepthook is sys.__excepthook__)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0

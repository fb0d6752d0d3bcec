from __future__ import annotations

import pytest

from linebus.cli.output import visible


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

"""The text of the exercise, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus import limits
from linebus.wire import plain


@given(st.text(max_size=300))
def test_utf_8_is_read_as_what_was_written(text: str) -> None:
    assert plain.decode(text.encode()) == text


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_nothing(frame: bytes) -> None:
    text = plain.decode(frame)
    assert text is None or text.encode() == frame


@pytest.mark.parametrize("frame", [b"\xff", b"gcd 1 \xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80"])
def test_what_is_not_utf_8_is_no_line(frame: bytes) -> None:
    assert plain.decode(frame) is None


def test_the_longest_line_is_one_and_a_longer_one_is_none() -> None:
    longest = b"x" * limits.PLAIN_TEXT_BYTES_MAX
    assert plain.decode(longest) == longest.decode()
    assert plain.decode(longest + b"x") is None


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("gcd 12 18", "gcd", "12 18"),
        ("  gcd   12  18 \r\n", "gcd", "12  18"),
        ("isprime", "isprime", ""),
        ("isprime \t 7", "isprime", "7"),
        ("", "", ""),
        (" \t\n", "", ""),
    ],
)
def test_a_line_is_a_name_and_its_arguments(line: str, name: str, arguments: str) -> None:
    assert plain.split(line) == (name, arguments)


@given(st.text(max_size=50))
def test_any_line_can_be_split(line: str) -> None:
    name, arguments = plain.split(line)
    assert " " not in name
    assert arguments == arguments.strip(" \t")


@given(st.integers(1, 65535))
def test_the_welcome_line_tells_its_port(port: int) -> None:
    assert plain.hint(port) == f"linebus/1 {port}".encode()
    assert plain.parse_hint(plain.hint(port).decode()) == port


@pytest.mark.parametrize(
    "text",
    [
        "linebus/1 0",
        "linebus/1 65536",
        "linebus/1 -1",
        "linebus/1 5555 ",
        "linebus/1 5555\n",
        "linebus/1  5555",
        "linebus/1",
        "linebus/2 5555",
        "linebus/11 5555",
        "linebus/1 555555",
        "linebus/1 \u0665\u0665\u0665\u0665",
        " linebus/1 5555",
        "",
    ],
)
def test_nothing_else_is_a_welcome_line(text: str) -> None:
    assert plain.parse_hint(text) is None


@given(st.text(max_size=30))
def test_any_text_may_be_taken_for_a_welcome_line(text: str) -> None:
    assert plain.parse_hint("linebus/1 " + text) in {None, *range(1, 65536)}


@pytest.mark.parametrize(
    "line", ["isprime 97", "isprime -97", "isprime 0", "gcd 12 18", "gcd -12 -18", "gcd 007 1"]
)
def test_the_lines_of_the_exercise_may_reach_its_workers(line: str) -> None:
    assert plain.malformed(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "isprime",
        "isprime ",
        "isprime  97",
        "isprime 97 ",
        " isprime 97",
        "isprime 97\n",
        "isprime 9 7",
        "isprime 1.5",
        "isprime 0x10",
        "isprime 1_000",
        "isprime +5",
        "isprime \u0661\u0662",
        "isprime --5",
    ],
)
def test_other_spellings_get_the_usage_of_isprime(line: str) -> None:
    assert plain.malformed(line) == "isprime N"


@pytest.mark.parametrize("line", ["gcd 12", "gcd 12 18 24", "gcd 12  18", "gcd 12 x", "gcd"])
def test_other_spellings_get_the_usage_of_gcd(line: str) -> None:
    assert plain.malformed(line) == "gcd A B"


@pytest.mark.parametrize("line", ["", "isprimes 97", "ISPRIME 97", "hello there", "gcd/1 2"])
def test_lines_for_others_are_theirs_to_judge(line: str) -> None:
    assert plain.malformed(line) is None


def test_an_error_says_that_it_is_one() -> None:
    assert plain.error("no such thing") == "error: no such thing"


@given(st.text(max_size=200))
def test_a_quoted_text_is_short_and_on_one_line(text: str) -> None:
    shown = plain.shorten(text)
    assert shown.isprintable()
    assert len(shown) <= 60 * len("\\U0001f600")


def test_a_text_that_fits_is_quoted_as_it_is() -> None:
    assert plain.shorten("gcd 12 18") == "gcd 12 18"
    assert plain.shorten("x" * 60) == "x" * 60
    assert plain.shorten("x" * 61) == "x" * 59 + "…"


def test_what_acts_on_a_terminal_is_quoted_as_an_escape() -> None:
    assert plain.shorten("\x1b[2J") == "\\x1b[2J"
    assert plain.shorten("a\nb") == "a\\nb"
    assert plain.shorten("\udcff") == "\\udcff"

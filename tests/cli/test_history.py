"""What is typed at the prompt is found again the next time, by its user only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.cli import history
from linebus.cli.history import KeptHistory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("LINEBUS_NO_HISTORY", raising=False)
    return history.path()


def type_in(*lines: str) -> None:
    typed = KeptHistory()
    for line in lines:
        typed.append_string(line)


def found() -> list[str]:
    return list(KeptHistory().load_history_strings())


def test_lines_are_found_the_next_time_the_last_one_first(kept: Path) -> None:
    assert found() == []
    type_in("gcd 12 18", "isprime 97")
    type_in("grüße 🙂")
    assert found() == ["grüße 🙂", "isprime 97", "gcd 12 18"]
    assert kept.name == "history"


def test_nobody_else_may_read_them(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch(mode=0o644)
    type_in("gcd 12 18")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_there_is_a_bound(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_LINES_MAX", 3)
    type_in(*(f"gcd {number} 0" for number in range(20)))
    assert len(kept.read_text().splitlines()) <= 6
    assert found() == ["gcd 19 0", "gcd 18 0", "gcd 17 0"]
    assert len(kept.read_text().splitlines()) == 3
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in kept.parent.iterdir()] == ["history"]


def test_what_is_too_long_or_more_than_a_line_is_not_kept() -> None:
    type_in("x" * (limits.HISTORY_LINE_CHARS_MAX + 1), "one\ntwo", "")
    assert found() == []


def test_whoever_does_not_want_it_has_none(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in("gcd 12 18")
    kept.unlink()
    monkeypatch.setenv("LINEBUS_NO_HISTORY", "1")
    type_in("gcd 12 18")
    assert not kept.exists()
    assert found() == []


def test_where_it_cannot_be_kept_the_prompt_goes_on(kept: Path) -> None:
    kept.mkdir(parents=True)
    type_in("gcd 12 18")
    assert found() == []

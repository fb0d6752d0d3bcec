"""The log of `linebus up` has one place, and whoever cannot write there is told."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.cli import logs
from linebus.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_the_folder_is_where_the_help_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert logs.folder() == home / ".local/state/linebus/log"
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    assert logs.folder() == home / "state/linebus/log"


def test_each_process_has_a_log_of_its_own(home: Path) -> None:
    path = logs.own_path()
    assert path == logs.folder() / f"up-{os.getpid()}.log"
    assert list(home.iterdir()) == [], "nothing is made before it is needed"
    with logs.start(path) as log:
        log.write(b"so it goes\n")
        assert path.read_text() == "so it goes\n", "nothing is held back"


def test_a_place_where_none_can_be_written_is_named_with_the_cure(home: Path) -> None:
    (home / "taken").write_text("")
    path = home / "taken" / "up-1.log"
    with pytest.raises(SetupError) as caught:
        logs.start(path)
    assert str(caught.value).startswith(f"cannot write the log {path}: ")
    assert str(caught.value).endswith(logs.CURE)


def test_only_the_newest_logs_are_kept(home: Path) -> None:
    logs.folder().mkdir(parents=True)
    for number in range(limits.LOGS_KEPT_MAX + 5):
        path = logs.folder() / f"up-{number}.log"
        path.write_text("trouble\n")
        os.utime(path, (number, number))
    with logs.start(logs.own_path()):
        kept = {path.name for path in logs.folder().iterdir()}
    assert kept == {f"up-{number}.log" for number in range(5, limits.LOGS_KEPT_MAX + 5)} | {
        logs.own_path().name
    }

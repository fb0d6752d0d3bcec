"""Source files: which ones count, and when one of them has changed."""

from __future__ import annotations

import os
import sys
import sysconfig
from math import inf
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.errors import ServiceNotLoaded
from linebus.services.catalog import load
from linebus.worker.sources import Sources, source_files

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO_S = 1_000_000_000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def imported(monkeypatch: pytest.MonkeyPatch, name: str, file: object) -> None:
    module = ModuleType(name)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, name, module)


def test_what_is_loaded_counts_in_this_folder_and_below(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(monkeypatch, "mine", here / "mine.py")
    imported(monkeypatch, "mine.more", here / "mine" / "more.py")
    imported(monkeypatch, "other", here.parent / "other.py")
    imported(monkeypatch, "made", "<made up>")
    monkeypatch.setitem(sys.modules, "spoilt", None)
    assert source_files() == [str(here / "mine.py"), str(here / "mine" / "more.py")]


def test_what_is_installed_below_this_folder_does_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = here / ".venv" / "lib"
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"purelib": str(packages), "x": str(here)})
    imported(monkeypatch, "installed", packages / "installed.py")
    imported(monkeypatch, "mine", here / "mine.py")
    assert source_files() == [str(here / "mine.py")]


def test_no_more_are_told_than_fit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCE_FILES_MAX", 1)
    imported(monkeypatch, "a", here / "a.py")
    imported(monkeypatch, "b", here / "b.py")
    assert source_files() == [str(here / "a.py")]


@pytest.mark.parametrize("broken", ["1 +\n", "raise KeyError(1)\n", "import nowhere_at_all\n"])
def test_where_an_import_fails_the_files_that_it_met_count(
    here: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (here / "outer_of_two.py").write_text("import inner_of_two\n")
    (here / "inner_of_two.py").write_text(broken)
    with pytest.raises(ServiceNotLoaded) as caught:
        load(["outer_of_two:it"])
    found = source_files(caught.value)
    assert {str(here / "outer_of_two.py"), str(here / "inner_of_two.py")} <= set(found)


# -- changes -------------------------------------------------------------------------------------


class Watched:
    """One file that is looked at, and a clock that the test moves to the next look."""

    def __init__(self, here: Path, *, started_s: float = inf) -> None:
        self.path = here / "mine.py"
        self.sources = Sources()
        self.now = 0.0
        self.write("one")
        self.sources.add([str(self.path)], started_s, self.now)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def look(self) -> list[str]:
        self.now = self.sources.next_deadline()
        return self.sources.changed(self.now)


@pytest.fixture
def watched(here: Path) -> Watched:
    return Watched(here)


def test_nothing_is_looked_at_before_there_is_a_file() -> None:
    sources = Sources()
    assert sources.next_deadline() == inf
    assert sources.changed(1e9) == []


def test_a_file_that_stays_as_it_is_has_not_changed(watched: Watched) -> None:
    assert [watched.look() for _ in range(3)] == [[], [], []]


def test_a_change_is_told_once_when_nothing_changes_any_more(watched: Watched) -> None:
    watched.write("two of them")
    assert watched.look() == []
    watched.write("and three of them")
    assert watched.look() == []
    assert watched.look() == [str(watched.path)]
    assert watched.look() == []


def test_no_look_comes_before_its_time(watched: Watched) -> None:
    watched.write("two of them")
    assert watched.sources.changed(watched.now) == []
    assert watched.sources.next_deadline() == watched.now + limits.SOURCES_LOOK_S


def test_a_file_of_the_same_length_and_time_that_was_put_in_its_place_counts(
    watched: Watched, here: Path
) -> None:
    before = watched.path.stat()
    (here / "new").write_text("six")
    os.utime(here / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (here / "new").replace(watched.path)
    assert [watched.look(), watched.look()] == [[], [str(watched.path)]]


def test_a_file_that_goes_and_comes_back_counts(watched: Watched) -> None:
    watched.path.unlink()
    assert [watched.look(), watched.look()] == [[], [str(watched.path)]]
    watched.write("one")
    assert [watched.look(), watched.look()] == [[], [str(watched.path)]]


def test_a_file_that_was_written_after_its_process_had_started_counts_as_changed(
    here: Path,
) -> None:
    watched = Watched(here, started_s=LONG_AGO_S)
    assert [watched.look(), watched.look()] == [[], [str(watched.path)]]


def test_a_file_that_is_named_again_is_the_same_file(watched: Watched) -> None:
    watched.write("two of them")
    watched.sources.add([str(watched.path)], inf, watched.now)
    assert [watched.look(), watched.look()] == [[], [str(watched.path)]]


def test_no_more_files_are_looked_at_than_fit(
    watched: Watched, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SOURCE_FILES_MAX", 1)
    watched.sources.add([str(here / "more.py")], inf, watched.now)
    (here / "more.py").touch()
    assert [watched.look(), watched.look()] == [[], []]

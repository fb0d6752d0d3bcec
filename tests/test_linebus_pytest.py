"""pytest finds the fixture by itself, and each test has a bus of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import linebus

if TYPE_CHECKING:
    from pathlib import Path

    from linebus.testing import Bus


@linebus.service
def echo(word: str) -> str:
    return word


def test_the_fixture_is_a_bus_without_workers(linebus_bus: Bus) -> None:
    assert linebus_bus.ask("echo a").outcome == "no_service"
    linebus_bus.worker(echo)
    assert linebus_bus.ask("echo a").text == "a"


def test_each_test_has_a_bus_of_its_own(linebus_bus: Bus) -> None:
    assert linebus_bus.services() == []
    assert linebus_bus.clock.now == 0.0


STORY = """
import linebus
@linebus.service
def echo(word: str) -> str:
    return word
def test_that_passes(linebus_bus):
    linebus_bus.worker(echo)
    linebus_bus.fault("executor_dies", at="echo b")
    assert linebus_bus.ask("echo a").text == "a"
def test_that_fails(linebus_bus):
    linebus_bus.worker(echo)
    linebus_bus.fault("executor_hangs", at="echo b")
    assert linebus_bus.ask("echo a").text == "b"
"""


def test_a_fault_that_never_struck_is_an_error_of_a_test_that_passed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(STORY, "utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "executor_dies at 'echo b' has never struck" in done.stdout
    assert "executor_hangs at 'echo b'" not in done.stdout
    assert "1 failed, 1 passed, 1 error in" in done.stdout


def test_the_plugin_alone_does_not_import_linebus() -> None:
    program = "import sys, linebus_pytest; print('linebus' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"

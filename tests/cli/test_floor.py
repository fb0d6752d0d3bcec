"""libzmq's own proxy between Python ends: it answers, and nothing of it is left behind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from linebus.cli.floor import Floor
from linebus.cli.measuring import ECHO, ISPRIME
from linebus.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("workers", [1, 2])
def test_lines_go_through_the_proxy_and_back(workers: int) -> None:
    with Floor(workers) as side:
        assert side.ask(ISPRIME.line) == ISPRIME.reply
        for count, window in ((1, 10), (10, 10), (25, 10)):
            ECHO.check(side.answer(ECHO.line, count, window), count)


def test_its_processes_end_with_it() -> None:
    with Floor(1) as side:
        processes = list(side._processes)
        assert [each.poll() for each in processes] == [None, None]
    assert all(each.poll() is not None for each in processes)


def test_what_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen: Callable[..., subprocess.Popen[str]] = subprocess.Popen

    def broken(command: list[str], **options: object) -> subprocess.Popen[str]:
        started.append(popen([*command, *(["not an address"] * len(started))], **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", broken)
    with pytest.raises(SetupError, match="ended with exit code 1"), Floor(1):
        pass
    assert all(each.poll() is not None for each in started)

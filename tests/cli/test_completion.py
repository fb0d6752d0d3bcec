"""`linebus completion`: the code for the shells, and what is completed.

tests/integration/test_completion.py does it in real shells.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from typing import TYPE_CHECKING

import msgspec
import pytest

from linebus import limits
from linebus.cli import completion
from linebus.cli.main import main
from linebus.core.admin import ServiceInfo, ServicesPage
from linebus.services.catalog import builtin_names
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, free_address, linebus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("bash", "complete -o nospace -o default -o bashdefault -F _python_argcomplete linebus"),
        ("zsh", "compdef _python_argcomplete linebus"),
        ("fish", "complete --command linebus -f -a"),
    ],
)
def test_each_shell_gets_its_code(
    capsys: pytest.CaptureFixture[str], shell: str, said: str
) -> None:
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert said in out
    assert err == ""


def completed(line: str, folder: Path) -> list[str]:
    """What a shell gets when Tab is pressed at the end of a line."""
    answer = folder / "answer"
    environment = {
        **os.environ,
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
    }
    done = subprocess.run(
        linebus(), env=environment, capture_output=True, check=False, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout) == (0, b"")
    return answer.read_text().split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("linebus se", ["serve", "services"]),
        ("linebus ask --w", ["--wait"]),
        ("linebus completion ", ["bash", "zsh", "fish"]),
        ("linebus work ", [*builtin_names()]),
        ("linebus work gcd is", ["isprime"]),
        ("linebus ask --bus tcp://127.0.0.1:1 ", []),
    ],
)
def test_commands_options_choices_and_built_in_services_are_completed(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    assert completed(line, tmp_path) == expected


class Telling(FakeServer):
    """Tells of some services; the name of one would do harm in a command line."""

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        page = ServicesPage([ServiceInfo("price"), ServiceInfo("$(reboot)"), ServiceInfo("stock")])
        text = msgspec.json.encode(page).decode()
        said = m.Replies(ask.service, ask.first, [text], [], 0, 1, 0.0, 0.0)
        self.send(route, self.token, said)


def test_services_on_the_bus_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Telling(free_address()) as server:
        monkeypatch.setenv("LINEBUS_URL", server.address)
        monkeypatch.setattr(limits, "COMPLETION_S", PATIENCE_S)
        options = argparse.Namespace(bus=None)
        assert completion.complete_offered(options) == ["price", "stock"]
        options = argparse.Namespace(bus=server.address)
        assert completion.complete_offered(options) == ["price", "stock"]


@pytest.mark.parametrize("address", ["nowhere", "tcp://a..b:1"])
def test_a_wrong_address_completes_nothing(address: str) -> None:
    assert completion.complete_offered(argparse.Namespace(bus=address)) == []


def test_a_server_that_does_not_answer_at_once_completes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(FakeServer):
        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            pass

    monkeypatch.setattr(limits, "COMPLETION_S", 0.1)
    with Silent(free_address()) as server:
        assert completion.complete_offered(argparse.Namespace(bus=server.address)) == []


def test_only_a_shell_that_asks_gets_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_ARGCOMPLETE", raising=False)
    assert not completion.is_asked_for()
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert completion.is_asked_for()

"""`linebus up`: answers what is piped in, or talks at a prompt."""

from __future__ import annotations

import builtins
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from linebus.cli import up
from linebus.cli.household import Household
from linebus.client.client import Client
from linebus.server.config import ServerConfig
from tests.support import FakeServer, free_address, free_ports, linebus, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def piped(ports: list[int], lines: str) -> subprocess.CompletedProcess[str]:
    command = linebus("up", *map(str, ports), "--procs", "1")
    return subprocess.run(
        command, input=lines, capture_output=True, text=True, check=False, timeout=60
    )


def test_lines_on_stdin_are_answered_in_order_and_it_exits() -> None:
    done = piped(free_ports(), "gcd 12 18\nisprime 97\nisprime 91\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gcd for 12 18 is 6\n97 is prime\n91 is not prime\n"


def test_a_line_that_fails_is_told_by_the_exit_code() -> None:
    done = piped(free_ports(), "gcd 12\ngcd 4 6\n")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert "usage: gcd A B" in first
    assert second == "gcd for 4 6 is 2"


def test_a_port_that_is_taken_is_told_and_nothing_runs() -> None:
    with serving() as config:
        done = piped(list(config.ports().values()), "gcd 12 18\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"linebus: port {config.client_inputs} (client_inputs) is taken")


def test_the_banner_tells_what_one_needs_to_know() -> None:
    config = ServerConfig(5, 6, 7, 8)
    household = Household(config, ["gcd"], 2)
    banner = up._banner(household, "tcp://127.0.0.1:5", ["gcd", "isprime"], 2)
    for said in (
        "tcp://127.0.0.1:5",
        "client.py 5 6",
        "primer.py 7 8",
        "gcd, isprime",
        "2 executors",
        str(household.log_path),
        "try        gcd 12 18",
        "Ctrl-D or Ctrl-C leaves.",
    ):
        assert said in banner


def typed(*lines: str | BaseException) -> Callable[[str], str]:
    """Stands in for input(): the lines one after the other, then the end of the input."""
    left = list(lines)

    def read(prompt: str) -> str:
        assert prompt == "> "
        line = left.pop(0) if left else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line

    return read


def converse(monkeypatch: pytest.MonkeyPatch, *lines: str | BaseException) -> int:
    monkeypatch.setattr(up, "_prompt", lambda _names: typed(*lines))
    address = free_address()
    with FakeServer(address), Client(address) as bus:
        return up._converse(bus, ["echo"])


@pytest.mark.parametrize("word", ["quit", " exit "])
def test_the_usual_words_leave(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(monkeypatch, "echo 1", word, "echo 2") == 0
    assert capsys.readouterr().out == "echo did 1\n"


def test_what_is_typed_is_answered_until_the_end_of_the_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(monkeypatch, "echo 1", "", "  ", "%", "echo 2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[2]) == ("echo did 1", "echo did 2")
    assert lines[1].startswith("no_service: ")


def test_ctrl_c_at_the_prompt_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(monkeypatch, "echo 1", KeyboardInterrupt(), "echo 2") == 0
    assert capsys.readouterr().out == "echo did 1\n"


def test_a_terminal_that_can_do_nothing_gets_a_simple_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert up._prompt(["gcd"]) is builtins.input


def test_a_terminal_gets_history_and_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    from prompt_toolkit import PromptSession  # noqa: PLC0415  as in the command
    from prompt_toolkit.application import create_app_session  # noqa: PLC0415
    from prompt_toolkit.completion import WordCompleter  # noqa: PLC0415
    from prompt_toolkit.input import create_pipe_input  # noqa: PLC0415
    from prompt_toolkit.output import DummyOutput  # noqa: PLC0415

    monkeypatch.setenv("TERM", "xterm")
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        read = up._prompt(["gcd", "isprime"])
        session = getattr(read, "__self__", None)
        assert isinstance(session, PromptSession)
        assert isinstance(session.completer, WordCompleter)
        assert session.completer.words == ["gcd", "isprime"]
        keys.send_text("gcd 12 18\r")
        assert read("> ") == "gcd 12 18"
        keys.send_text("\x1b[A\r")  # the line before
        assert read("> ") == "gcd 12 18"
    assert os.environ["TERM"] == "xterm"

"""The one command `linebus`: help, version, exit codes, closed pipes and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import linebus as package
from linebus.cli import ask
from linebus.cli.main import main
from linebus.errors import LinebusError, UsageError
from tests.support import (
    PATIENCE_S,
    FakeServer,
    first_line,
    free_address,
    linebus,
    running,
)

COMMANDS = ["up", "serve", "work", "ask", "services", "doctor", "bench", "client", "completion"]


def exited(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """The exit code, stdout and stderr of a command line that argparse ends."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert exited(capsys, "--version") == (0, f"linebus {package.__version__}\n", "")


def test_the_help_lists_the_commands_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = exited(capsys, "--help")
    assert code == 0
    for command in COMMANDS:
        assert re.search(rf"\n    {command}\s", out)
    assert 'linebus ask "gcd 12 18"' in out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = exited(capsys, command, "--help")
    assert code == 0
    _, _, examples = out.partition("\nexamples:\n")
    assert f"linebus {command}" in examples
    assert max(map(len, examples.splitlines())) <= 100


@pytest.mark.parametrize(
    "words",
    [
        ["dance"],
        ["--dance"],
        ["ask"],
        ["ask", "gcd 1 2", "--dance"],
        ["ask", "gcd 1 2", "--timeout", "soon"],
        ["work"],
        ["work", "gcd", "--procs", "0"],
        ["work", "gcd", "--ports", "1"],
        ["work", "gcd", "--ports", "1", "2", "--bus", "tcp://127.0.0.1:1"],
        ["serve", "1", "2", "3"],
        ["serve", "a", "b", "c", "d"],
        ["up", "1"],
        ["client", "5555"],
        ["services", "gcd", "isprime"],
        ["doctor", "--wait", "soon"],
        ["bench", "--procs", "1", "--bus", "tcp://127.0.0.1:1"],
        ["completion"],
        ["completion", "csh"],
    ],
)
def test_a_wrong_command_line_exits_with_the_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = exited(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("usage: linebus")
    assert "error: " in err


def test_without_a_command_the_help_is_shown_as_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["linebus"])
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: linebus")
    assert 'linebus ask "gcd 12 18"' in err


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(linebus("--version"), capture_output=True, text=True, check=True)
    assert done.stdout == f"linebus {package.__version__}\n"


def test_an_error_is_one_sentence_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise UsageError("what could not be done; what to do now")

    monkeypatch.setattr(ask, "_run", fail)
    assert main(["ask", "gcd 12 18"]) == 2
    assert capsys.readouterr() == ("", "linebus: what could not be done; what to do now\n")


def test_an_error_stays_on_one_line_whatever_is_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise UsageError("one\ntwo \x1b[2J \udcff")

    monkeypatch.setattr(ask, "_run", fail)
    assert main(["ask", "gcd 12 18"]) == 2
    assert capsys.readouterr().err == "linebus: one\\ntwo \\x1b[2J \\udcff\n"
    assert main(["ask", "--json", "gcd 12 18"]) == 2
    said = json.loads(capsys.readouterr().err)
    assert said == {"error": "usage", "text": "one\ntwo \x1b[2J \udcff"}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_error_of_the_system_is_one_line_too(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(ask, "_run", fail)
    assert main(["ask", *options, "gcd 12 18"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Too many open files" in line
    assert (json.loads(line)["error"] == "os") if options else line.startswith("linebus: ")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141)])
def test_an_interruption_has_a_code_and_no_words(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(ask, "_run", fail)
    assert main(["ask", "gcd 12 18"]) == code
    assert capsys.readouterr() == ("", "")


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError

    assert not issubclass(ZeroDivisionError, LinebusError)
    monkeypatch.setattr(ask, "_run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["ask", "gcd 12 18"])


def test_nobody_reading_the_replies_is_a_closed_pipe() -> None:
    address = free_address()
    with FakeServer(address) as server:
        command = linebus("ask", "-", "--bus", address, "--wait", str(PATIENCE_S))
        with running(*command) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.close()
            child.stdin.write("echo 1\n")
            child.stdin.flush()
            server.wait_for(lambda: server.lines)
            assert child.wait(PATIENCE_S) == 141
            assert child.stderr is not None
            assert child.stderr.read() == ""


def test_ctrl_c_ends_a_command_without_a_traceback() -> None:
    address = free_address()

    class Silent(FakeServer):
        def on_ask(self, route: bytes, ask: object) -> None:
            pass

    with Silent(address) as server:
        command = linebus("ask", "echo 1", "--bus", address, "--wait", str(PATIENCE_S))
        with running(*command) as child:
            server.wait_for(lambda: server.lines)
            child.send_signal(signal.SIGINT)
            assert child.wait(PATIENCE_S) == 130
            assert child.stderr is not None
            assert child.stderr.read() == ""


def test_a_command_line_imports_nothing_that_only_some_commands_need() -> None:
    heavy = ["flint", "prompt_toolkit", "rich", "argcomplete", "platformdirs"]
    program = (
        "import sys; from linebus.cli import main; main._parser();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    with running(sys.executable, "-c", program, env=dict(os.environ)) as child:
        assert first_line(child) == "[]\n"


def test_a_reply_in_a_pipe_needs_no_more_than_that() -> None:
    address = free_address()
    heavy = ["flint", "prompt_toolkit", "rich", "argcomplete", "platformdirs"]
    program = (
        "import sys; from linebus.cli.main import main;"
        f"main(['ask', '--bus', '{address}', '--wait', '{PATIENCE_S}', 'echo 1']);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    with FakeServer(address), running(sys.executable, "-c", program) as child:
        assert first_line(child) == "echo did 1\n"
        assert first_line(child) == "[]\n"

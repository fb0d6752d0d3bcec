"""`linebus up`: answers what is piped in; tests/cli/test_prompt.py has what is typed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Self

import pytest

from linebus.cli import up
from linebus.cli.household import Household
from linebus.cli.main import main
from linebus.errors import NobodyListens
from linebus.server.config import ServerConfig
from linebus.services.catalog import builtin_names
from tests.support import free_ports, linebus, serving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def piped(ports: list[int], lines: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = linebus("up", *map(str, ports), "--procs", "1", *options)
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
    [line] = done.stderr.splitlines()
    assert line.startswith(f"linebus: port {config.client_inputs} (client_inputs) is taken")
    assert "; log: /" in line


def test_with_json_the_first_line_tells_what_runs_and_a_reply_follows_for_each_line() -> None:
    ports = free_ports()
    done = piped(ports, "gcd 12 18\ngcd 12\n", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["event"] == "up"
    assert first["address"] == f"tcp://127.0.0.1:{ports[0]}"
    assert list(first["ports"].values()) == ports
    assert tuple(first["services"]) == builtin_names()
    assert first["executors"] == 1
    assert first["log"].endswith(".log")
    assert (second["outcome"], third["outcome"]) == ("answered", "failed")


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "linebus").write_text("in the way")
    done = piped(free_ports(), "gcd 12 18\n")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"linebus: cannot write the log {tmp_path}/linebus/log/up-")
    assert "XDG_STATE_HOME" in line


@pytest.mark.parametrize(("executors", "said"), [(1, "(1 executor)"), (2, "(2 executors)")])
def test_the_banner_tells_what_one_needs_to_know(executors: int, said: str) -> None:
    household = Household(ServerConfig(5, 6, 7, 8), ["gcd"], executors)
    banner = up._banner(household, ["gcd", "isprime"], executors)
    for words in (
        "tcp://127.0.0.1:5",
        "client.py 5 6",
        "primer.py 7 8",
        "gcd, isprime",
        said,
        str(household.log_path),
        "try        gcd 12 18, or help",
        "Ctrl-D or Ctrl-C leaves.",
    ):
        assert words in banner


def test_the_help_says_where_the_log_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["up", "--help"])
    assert "~/.local/state/linebus/log" in capsys.readouterr().out


class Gone:
    """Stands in for a household whose server may be gone, and for its client."""

    def __init__(self, error: Exception, *, is_serving: bool) -> None:
        self.error = error
        self.is_serving = is_serving
        self.address = "tcp://127.0.0.1:1"
        self.log_path = "/the/log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_up(self) -> None:
        pass

    def watch(self, _: object) -> None:
        pass

    def map_descriptor(self, _: int) -> object:
        raise self.error


@pytest.mark.parametrize("is_serving", [True, False])
def test_where_the_server_was_lost_the_reason_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    is_serving: bool,
) -> None:
    gone = Gone(NobodyListens("nobody listens there"), is_serving=is_serving)
    monkeypatch.setattr("linebus.cli.household.Household", lambda *_: gone)
    monkeypatch.setattr("linebus.client.client.Client", lambda *_, **__: gone)
    monkeypatch.setattr("sys.stdin", (tmp_path / "none").open("w+"))
    assert main(["up"]) == 3
    said = "linebus: nobody listens there; log: /the/log\n" if is_serving else ""
    assert capsys.readouterr().err == said

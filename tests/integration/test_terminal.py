"""Commands on a real terminal: columns and colours for a person, and none where none are wanted."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from tests.integration.native_processes import Home
from tests.integration.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        home.env["LINEBUS_URL"] = home.address
        yield home


@pytest.fixture
def bus(home: Home) -> Home:
    home.serve()
    home.work("gcd", "isprime", procs=1)
    return home


def on_terminal(home: Home, *words: str, **variables: str) -> tuple[int, str]:
    """Run `linebus …` on a terminal; return the exit code and what was shown."""
    env = {**home.env, "TERM": "xterm", "NO_COLOR": "", **variables}
    # pexpect ships no types.
    spawn: Any = pexpect.spawn(
        sys.executable,
        ["-m", "linebus", *words],
        env=env,
        timeout=PATIENCE_S,
        encoding="utf-8",
        dimensions=(40, 100),
    )
    spawn.expect(pexpect.EOF)
    spawn.wait()
    assert "Traceback" not in spawn.before
    return int(spawn.exitstatus), str(spawn.before)


QUIET = [{"NO_COLOR": "1"}, {"TERM": "dumb"}]


def test_an_outcome_other_than_answered_is_coloured(bus: Home) -> None:
    code, shown = on_terminal(bus, "ask", "gcd 12 18", "gcd 12")
    assert code == 1
    first, second = shown.splitlines()
    assert first == "gcd for 12 18 is 6"
    assert second.startswith("\x1b[1;31mfailed:\x1b[0m expected 2 arguments")


@pytest.mark.parametrize("variables", QUIET)
def test_without_colours_there_is_not_one_escape(bus: Home, variables: dict[str, str]) -> None:
    for words in (["ask", "gcd 12"], ["services"], ["services", "gcd"], ["doctor"]):
        _, shown = on_terminal(bus, *words, **variables)
        assert "\x1b" not in shown
    assert "failed: expected" in on_terminal(bus, "ask", "gcd 12", **variables)[1]


def test_services_are_a_table(bus: Home) -> None:
    code, shown = on_terminal(bus, "services")
    assert code == 0
    assert "\x1b[1mNAME" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert re.search(r"^gcd +gcd A B +a: int, b: int -> int +1 +0", plain, re.MULTILINE)


def test_a_healthy_bus_is_all_green(bus: Home) -> None:
    code, shown = on_terminal(bus, "doctor")
    assert code == 0
    assert "problem" not in shown
    assert all(line.startswith("\x1b[32mok ") for line in shown.splitlines())
    assert re.search(r"workers +1 worker, 1 executor: gcd, isprime", shown)


def test_in_a_pipe_there_is_not_one_escape_whatever_the_terminal_has(bus: Home) -> None:
    bus.env |= {"TERM": "xterm", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    for words in (["ask", "gcd 12"], ["services"], ["services", "gcd"], ["doctor"]):
        done = bus.run(*words)
        assert "\x1b" not in "".join(done.out + done.err)


def test_a_person_is_told_after_a_second_that_nobody_listens_yet(home: Home) -> None:
    code, shown = on_terminal(home, "ask", "gcd 12 18")
    assert code == 3
    first, second = shown.splitlines()
    assert first == f"linebus: nobody listens at {home.address} yet; waiting up to 5 s"
    assert second.startswith(f"linebus: nobody listens at {home.address}; start a server with:")


def test_the_doctor_finds_that_nobody_listens(home: Home) -> None:
    code, shown = on_terminal(home, "doctor", "--wait", "0", NO_COLOR="1")
    assert code == 3
    *fine, last = shown.splitlines()
    assert all(line.startswith("ok ") for line in fine)
    assert last.startswith(
        f"problem  listener     nobody listens at {home.address}; start a server"
    )


def test_the_exercises_client_shows_results_without_escapes_where_there_are_none(
    bus: Home,
) -> None:
    spawn: Any = pexpect.spawn(
        sys.executable,
        ["-m", "linebus", "client", *map(str, bus.ports[:2])],
        env={**bus.env, "TERM": "dumb"},
        timeout=PATIENCE_S,
        encoding="utf-8",
    )
    spawn.expect_exact("> ")
    spawn.sendline("gcd 12 18")
    spawn.expect_exact("gcd for 12 18 is 6")
    shown = spawn.before
    spawn.expect_exact("> ")
    spawn.sendeof()
    spawn.expect(pexpect.EOF)
    assert "\x1b" not in shown + spawn.before

"""`linebus up`: one command runs everything, answers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Home,
    wait_until,
    wait_until_gone,
)
from tests.integration.processes import PATIENCE_S, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


class Terminal:
    """A person's terminal with `linebus up` in it."""

    def __init__(self, home: Home, *options: str, term: str = "xterm", no_color: str = "") -> None:
        """Start it."""
        self.is_dumb = term == "dumb"
        words = ["-m", "linebus", "up", *map(str, home.ports), *options]
        env = {**home.env, "TERM": term, "NO_COLOR": no_color}
        # pexpect ships no types.
        self.spawn: Any = pexpect.spawn(
            sys.executable,
            words,
            env=env,
            timeout=PATIENCE_S,
            encoding="utf-8",
            dimensions=(40, 200),
        )

    def wait_for_prompt(self) -> str:
        """Return what was shown before the prompt that waits for a line now."""
        if self.is_dumb:
            self.spawn.expect_exact("> ")
            return str(self.spawn.before)
        # prompt_toolkit asks where the cursor is, and a terminal answers.
        self.spawn.expect_exact("\x1b[6n")
        shown = str(self.spawn.before)
        self.spawn.send("\x1b[1;1R")
        self.spawn.expect_exact("\x1b[?25h")
        return shown

    def type(self, line: str) -> str:
        """Type a line at the prompt; return what is shown before the next prompt."""
        self.spawn.sendline(line)
        return self.wait_for_prompt()

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        self.spawn.expect(pexpect.EOF)
        self.spawn.wait()
        assert "Traceback" not in self.spawn.before
        return int(self.spawn.exitstatus)


StartTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(home: Home) -> Iterator[StartTerminal]:
    terminals = []

    def start(*options: str, **variables: str) -> Terminal:
        terminals.append(Terminal(home, *options, **variables))
        return terminals[-1]

    yield start
    for each in terminals:
        each.spawn.close(force=True)


# -- what goes wrong in a service ------------------------------------------------------------


def test_a_traceback_is_in_the_log_that_is_named_and_the_asker_gets_a_sentence(home: Home) -> None:
    home.folder.joinpath("sitecustomize.py").write_text(
        "import math\ndef gcd(*_): raise TypeError('no gcd today')\nmath.gcd = gcd\n"
    )
    home.env["PYTHONPATH"] = str(home.folder)
    up = home.start("up", *home.ports, "--json")
    up.write("gcd 12 18\n")
    facts, reply = map(json.loads, up.wait_for_lines(2))
    assert reply["text"] == "gcd failed: TypeError: no gcd today"
    log = Path(facts["log"]).read_text()
    assert "linebus.worker: gcd raised an exception\n  Traceback (most recent call last):\n" in log
    assert "  TypeError: no gcd today\n" in log
    up.end_input()
    assert up.wait() == 1


# -- lines on stdin --------------------------------------------------------------------------


def test_lines_on_stdin_are_answered_in_order_and_nothing_else_is_printed(home: Home) -> None:
    text = "gcd 12 18\nisprime 97\nisprime 91\ngcd 0 0\n"
    done = home.run("up", *home.ports, text=text)
    assert done.out == ["gcd for 12 18 is 6", "97 is prime", "91 is not prime", "gcd for 0 0 is 0"]
    assert (done.code, done.err) == (0, [])
    assert home.inhabitants() == []


def test_lines_that_are_not_answered_keep_their_places_and_make_exit_code_1(home: Home) -> None:
    text = "isprime 97\nnosuch 1\nisprime 1.5\ngdc 12 18\n\ngcd 12 18"
    done = home.run("up", *home.ports, "--procs", 2, text=text)
    assert done.code == 1
    assert len(done.out) == 6
    assert done.out[0] == "97 is prime"
    assert "unknown service 'nosuch'" in done.out[1]
    assert "usage: isprime N" in done.out[2]
    assert "did you mean 'gcd'?" in done.out[3]
    assert "empty" in done.out[4]
    assert done.out[5] == "gcd for 12 18 is 6"
    assert done.err == []


def test_a_text_that_holds_no_services_at_all_is_refused_line_by_line(home: Home) -> None:
    text = "".join(f"word{number} and more\n" for number in range(50))
    done = home.run("up", *home.ports, text=f"{text}gcd 12 18\n")
    assert len(done.out) == 51
    assert all(line.startswith("unknown service 'word") for line in done.out[:50])
    assert done.out[50] == "gcd for 12 18 is 6"
    assert (done.code, done.err) == (1, [])


def test_no_input_at_all_is_fine(home: Home) -> None:
    done = home.run("up", *home.ports)
    assert (done.code, done.out, done.err) == (0, [], [])


def test_two_executors_answer_many_lines_in_order(home: Home) -> None:
    numbers = range(1, 5_001)
    done = home.run(
        "up", *home.ports, "--procs", 2, text="".join(f"gcd {n * 2} {n * 3}\n" for n in numbers)
    )
    assert done.out == [f"gcd for {n * 2} {n * 3} is {n}" for n in numbers]
    assert done.code == 0


def test_a_line_is_answered_while_stdin_stays_open(home: Home) -> None:
    up = home.start("up", *home.ports)
    for number in range(1, 4):
        up.write(f"gcd {number} 0\n")
        assert up.wait_for_lines(number)[-1] == f"gcd for {number} 0 is {number}"
    up.end_input()
    assert up.wait() == 0


def test_others_use_the_bus_while_it_runs(home: Home) -> None:
    up = home.start("up", *home.ports)
    up.write("gcd 1 1\n")
    up.wait_for_lines(1)
    assert home.ask("isprime 97").out == ["97 is prime"]
    up.end_input()
    assert up.wait() == 0


def test_a_taken_port_is_one_clear_sentence(home: Home) -> None:
    home.serve()
    done = home.run("up", *home.ports, text="gcd 12 18\n")
    assert (done.code, done.out) == (2, [])
    [sentence] = done.err
    assert sentence.startswith(f"linebus: port {home.ports.client_inputs} ")
    assert "is taken" in sentence
    assert "other ports" in sentence


@pytest.mark.parametrize("index", range(4))
def test_serve_names_the_port_that_is_taken(home: Home, index: int) -> None:
    home.serve()
    ports = list(free_ports())
    ports[index] = home.ports[index]
    done = home.run("serve", *ports)
    assert done.code == 2
    [sentence] = done.err
    assert f"port {home.ports[index]} " in sentence
    assert "Traceback" not in sentence


def test_killing_it_leaves_no_server_no_guardian_and_no_executor(home: Home) -> None:
    up = home.start("up", *home.ports, "--procs", 2)
    up.write("gcd 12 18\n")
    up.wait_for_lines(1)
    inhabitants = home.inhabitants()
    assert len(inhabitants) >= 5, "itself, server, guardian, two executors"
    up.kill()
    assert wait_until_gone(inhabitants) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, {130}), (signal.SIGTERM, {143, -signal.SIGTERM})]
)
def test_a_signal_ends_it_and_all_that_it_started(
    home: Home, number: signal.Signals, code: set[int]
) -> None:
    up = home.start("up", *home.ports)
    up.write("gcd 12 18\n")
    up.wait_for_lines(1)
    inhabitants = home.inhabitants()
    up.signal(number)
    assert up.wait() in code
    assert up.err == []
    assert wait_until_gone(inhabitants) == []


# -- a prompt --------------------------------------------------------------------------------


def test_the_banner_tells_address_services_log_and_a_line_to_try(
    home: Home, terminal: StartTerminal
) -> None:
    banner = terminal("--procs", "2").wait_for_prompt()
    assert re.search(rf"address\s+{home.address}", banner)
    assert re.search(r"services\s+divisors, [\w\s,]+, totient\s+\(2 executors\)", banner)
    assert re.search(r"try\s+gcd 12 18", banner)
    log = re.search(r"log\s+(\S+)", banner)
    assert log is not None
    assert log[1].startswith(str(home.folder))
    assert "serving" in Path(log[1]).read_text()


def test_what_is_typed_at_the_prompt_is_answered_and_ctrl_d_leaves(
    home: Home, terminal: StartTerminal
) -> None:
    up = terminal()
    up.wait_for_prompt()
    assert "gcd for 12 18 is 6" in up.type("gcd 12 18")
    assert "did you mean 'isprime'?" in up.type("isprme 7")
    up.type("")
    assert "usage: isprime N" in up.type("isprime 1.5")
    assert "97 is prime" in up.type("isprime 97")
    up.spawn.sendeof()
    assert up.wait() == 0
    assert home.inhabitants() == []


def test_a_terminal_without_control_sequences_is_served_too(
    home: Home, terminal: StartTerminal
) -> None:
    up = terminal(term="dumb")
    up.wait_for_prompt()
    assert "gcd for 12 18 is 6" in up.type("gcd 12 18")
    assert "failed: expected" in up.type("gcd 12")
    assert "\x1b" not in up.type("isprime 97")
    assert "\x1b" not in up.type("help")
    up.spawn.sendeof()
    assert up.wait() == 0
    assert home.inhabitants() == []


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_ctrl_c_at_the_prompt_leaves(home: Home, terminal: StartTerminal, term: str) -> None:
    up = terminal(term=term)
    up.wait_for_prompt()
    up.spawn.sendintr()
    assert up.wait() == 0
    assert home.inhabitants() == []


COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|38;5|48;5|9[0-7])(?:;\d+)*m")


@pytest.mark.parametrize("no_color", ["", "1"])
def test_an_outcome_other_than_answered_is_coloured_unless_nobody_wants_that(
    terminal: StartTerminal, no_color: str
) -> None:
    up = terminal(no_color=no_color)
    shown = up.wait_for_prompt() + up.type("gcd 12 18")
    assert not COLOUR.search(shown)
    shown = up.type("gcd 12")
    assert ("\x1b[1;31mfailed:\x1b[0m expected 2" in shown) is not bool(no_color)
    assert bool(COLOUR.search(shown)) is not bool(no_color)
    assert no_color == "" or "failed: expected 2" in shown


def test_help_tells_the_services_of_others_too(home: Home, terminal: StartTerminal) -> None:
    up = terminal()
    up.wait_for_prompt()
    assert re.search(r"gcd +gcd A B +a: int, b: int -> int", up.type("help"))
    home.write_module(MODULE)
    home.work("mine:whoami", procs=1)
    assert re.search(r"whoami +whoami", up.type("help"))


def test_tab_completes_a_name_and_the_blank_behind_it(terminal: StartTerminal) -> None:
    up = terminal()
    up.wait_for_prompt()
    up.spawn.send("gc\t")
    up.spawn.expect(r"d(?: |\x1b\[C)")  # a blank, or the cursor moved by one
    assert "gcd for 12 18 is 6" in up.type("12 18")


def process(home: Home, command: str) -> int:
    """The pid of the server or the worker under `linebus up`."""
    [pid] = [
        pid
        for pid in home.inhabitants()
        if f"\0linebus\0{command}\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_worker_that_dies_while_the_prompt_is_open_is_told_at_once_and_replaced(
    home: Home, terminal: StartTerminal, term: str
) -> None:
    up = terminal(term=term)
    up.wait_for_prompt()
    os.kill(process(home, "work"), signal.SIGKILL)
    up.spawn.expect(
        r"linebus: the worker under linebus up is gone \(killed by SIGKILL\); "
        "another one is started; log"
    )
    if term != "dumb":
        up.wait_for_prompt()
    with linebus.Client(home.address) as bus:
        wait_until(lambda: bus.ask("gcd 1 1").is_answered, "the new worker answers")
    up.spawn.sendline("gcd 12 18")
    up.spawn.expect_exact("gcd for 12 18 is 6")


def test_a_server_that_dies_while_the_prompt_is_open_is_told_at_once(
    home: Home, terminal: StartTerminal
) -> None:
    up = terminal(term="dumb")
    up.wait_for_prompt()
    os.kill(process(home, "serve"), signal.SIGKILL)
    up.spawn.expect(
        r"linebus: the server under linebus up is gone \(.*start again with: linebus up"
    )
    up.spawn.sendline("gcd 12 18")
    assert up.wait() == 3
    assert "the server under linebus up is gone" in up.spawn.before
    assert home.inhabitants() == []


def test_a_server_that_dies_while_lines_are_piped_in_is_one_line_with_the_log(home: Home) -> None:
    up = home.start("up", *home.ports)
    up.write("gcd 12 18\n")
    up.wait_for_lines(1)
    os.kill(process(home, "serve"), signal.SIGKILL)
    up.wait_for("is gone")
    assert up.wait() == 3
    [line] = up.err
    log = line.rpartition("; log: ")[2]
    assert "linebus: serving" in Path(log).read_text()


def test_with_json_a_terminal_gets_objects_too(home: Home, terminal: StartTerminal) -> None:
    up = terminal("--json", term="dumb")
    assert json.loads(up.wait_for_prompt())["address"] == home.address
    shown = up.type("gcd 12 18").splitlines()
    assert json.loads(shown[1])["text"] == "gcd for 12 18 is 6"


def test_ctrl_c_during_the_start_leaves_nothing_behind(home: Home, terminal: StartTerminal) -> None:
    up = terminal()
    wait_until(lambda: len(home.inhabitants()) > 1, "a server or a worker")
    up.spawn.sendintr()
    assert up.wait() in {0, 130}
    assert home.inhabitants() == []


def test_killing_the_terminals_linebus_leaves_nothing_behind(
    home: Home, terminal: StartTerminal
) -> None:
    up = terminal()
    up.wait_for_prompt()
    inhabitants = home.inhabitants()
    up.spawn.kill(signal.SIGKILL)
    assert wait_until_gone(inhabitants) == []


def test_a_prompt_on_a_taken_port_is_one_clear_sentence(
    home: Home, terminal: StartTerminal
) -> None:
    home.serve()
    up = terminal()
    assert up.wait() == 2
    assert f"linebus: port {home.ports.client_inputs} " in up.spawn.before

"""What goes wrong on the first day: each error is one clear sentence that names the cure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import PEERS, Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A bus with the built-in services, for tests that only ask."""
    with Home(tmp_path_factory.mktemp("bus")) as bus:
        bus.serve()
        bus.work("isprime", "gcd")
        # A name that nobody has offered yet is waited for only while the server is young.
        assert bus.ask("nosuch").code == 1
        yield bus


# -- nobody, or somebody else, listens --------------------------------------------------------


def test_where_nobody_listens_the_sentence_says_how_to_start_a_server(home: Home) -> None:
    done = home.ask("--wait", 0.2, "gcd 12 18")
    assert (done.code, done.out) == (3, [])
    [sentence] = done.err
    assert sentence.startswith(f"linebus: nobody listens at {home.address}")
    assert "linebus up" in sentence
    assert "--bus" in sentence


def test_a_client_in_python_gets_the_same_as_an_exception(home: Home) -> None:
    with (
        linebus.Client(home.address, connect_timeout_s=0.2) as bus,
        pytest.raises(linebus.NobodyListens, match="linebus up"),
    ):
        bus.ask("gcd 12 18")


def test_a_server_that_speaks_only_the_exercise_is_told_from_ours(home: Home) -> None:
    server = home.start_python(str(PEERS / "server_simple.py"), *map(str, home.ports))
    server.wait_for("running")
    done = home.ask("gcd 12 18")
    assert (done.code, done.out) == (3, [])
    [sentence] = done.err
    assert f"what listens at {home.address} does not answer a linebus greeting" in sentence
    assert "client.py" in sentence


def test_an_address_that_makes_no_sense_is_wrong_usage(home: Home) -> None:
    done = home.run("ask", "--bus", "localhost:5555", "gcd 12 18")
    assert done.code == 2
    [sentence] = done.err
    assert "'localhost:5555' is not an address" in sentence
    assert "tcp://127.0.0.1:5555" in sentence


def test_linebus_url_names_the_server(bus: Home) -> None:
    bus.env["LINEBUS_URL"] = bus.address
    try:
        assert bus.run("ask", "gcd 12 18").out == ["gcd for 12 18 is 6"]
    finally:
        del bus.env["LINEBUS_URL"]


# -- lines that cannot be answered -------------------------------------------------------------


def test_an_unknown_service_is_named_and_the_nearest_one_suggested(bus: Home) -> None:
    done = bus.ask("isprme 7")
    assert (done.code, done.err) == (1, [])
    assert done.out == ["unknown service 'isprme'; did you mean 'isprime'?"]


@pytest.mark.parametrize(
    "line", ["gcd", "gcd 12", "gcd 12 18 24", "gcd 12 1.5", "gcd 0x10 2", "gcd 1_000 2", "gcd ٣ 3"]
)
def test_wrong_arguments_get_the_usage(bus: Home, line: str) -> None:
    done = bus.ask(line)
    assert (done.code, done.err) == (1, [])
    [text] = done.out
    assert text.endswith("usage: gcd A B")


def test_a_number_that_is_too_long_is_refused_with_the_bound(bus: Home) -> None:
    [text] = bus.ask(f"isprime {'7' * 10_000}").out
    assert "2500" in text.replace(",", "")
    assert text.endswith("usage: isprime N")
    assert len(text) < 300


@pytest.mark.parametrize(
    "line",
    [f"gcd {'7' * 300 * 1024} 7", f"gcd {'7' * 1_000_000} 7", f"isprime {'7' * 1_000_000}"],
    ids=["300 KiB", "a million digits for gcd", "a million digits for isprime"],
)
def test_a_line_that_is_too_long_is_refused_and_its_neighbours_are_answered(
    bus: Home, line: str
) -> None:
    done = bus.ask("-", text=f"gcd 12 18\n{line}\ngcd 12 18\n")
    assert done.code == 1
    assert len(done.out) == 3
    assert done.out[0] == done.out[2] == "gcd for 12 18 is 6"
    assert "too long" in done.out[1]
    assert str(256 * 1024) in done.out[1]
    assert len(done.out[1]) < 300


def test_lines_with_carriage_returns_are_taken(bus: Home) -> None:
    done = bus.ask("-", text="gcd 12 18\r\nisprime 97\r\n")
    assert done.out == ["gcd for 12 18 is 6", "97 is prime"]
    assert done.code == 0


def test_what_is_not_utf_8_is_refused_and_its_neighbours_are_answered(bus: Home) -> None:
    done = bus.ask("-", text=b"gcd 12 18\n\xff\xfe 7\nisprime \xff\nisprime 97\n")
    assert done.code == 1
    assert done.out[0] == "gcd for 12 18 is 6"
    assert "unknown service" in done.out[1]
    assert "not Unicode" in done.out[2]
    assert done.out[3:] == ["97 is prime"]
    assert done.err == []


def test_a_reply_cannot_act_on_the_terminal(bus: Home) -> None:
    [text] = bus.ask("isprime \x1b[31m").out
    assert "\x1b" not in text
    assert "usage: isprime N" in text


# -- workers that cannot start -----------------------------------------------------------------


def test_a_service_that_is_not_built_in_is_refused_with_what_is(home: Home) -> None:
    done = home.run("work", "nosuch", "--bus", home.address)
    assert done.code == 2
    sentence = done.err[-1]
    assert "no built-in service is called 'nosuch'" in sentence
    assert "gcd, isprime, " in sentence
    assert "module:object" in sentence


def test_a_misspelt_service_gets_a_suggestion(home: Home) -> None:
    done = home.run("work", "isprme", "--bus", home.address)
    assert done.code == 2
    assert "did you mean 'isprime'?" in done.err[-1]


def test_a_module_that_is_not_there_is_looked_for_in_this_folder(home: Home) -> None:
    done = home.run("work", "nomodule:thing", "--bus", home.address)
    assert done.code == 2
    assert done.err[-1].startswith("linebus: cannot load 'nomodule:thing'")
    assert f"is there a file nomodule.py in {home.folder}?" in done.err[-1]


@pytest.mark.parametrize(
    ("source", "cause", "cure"),
    [
        ("def thing(:\n", "SyntaxError", "correct it there"),
        ("1 / 0\n", "ZeroDivisionError", "correct it there"),
        ("import nosuchmodule\n", "nosuchmodule", "correct it there"),
        ("def thing(n: int) -> int: ...\n", "plain function", "@linebus.service"),
        ("other = 1\n", "has no 'thing'", "its services: none"),
    ],
    ids=["syntax error", "exception", "missing import", "plain function", "missing object"],
)
def test_a_module_that_cannot_be_used_is_named_with_cause_and_cure(
    home: Home, source: str, cause: str, cure: str
) -> None:
    home.write_module(source)
    done = home.run("work", "mine:thing", "--bus", home.address)
    assert done.code == 2
    [sentence] = [line for line in done.err if line.startswith("linebus: ")]
    assert sentence.startswith("linebus: cannot load 'mine:thing'")
    assert cause in sentence
    assert cure in sentence
    assert not any("Traceback" in line for line in done.err)


# -- wrong usage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("ask",),
        ("nosuch",),
        ("serve", "1", "2"),
        ("serve", "0", "1", "2", "3"),
        ("serve", "5555", "5555", "5556", "5557"),
        ("serve", "--host", "192.0.2.1"),
        ("work",),
        ("work", "gcd", "--procs", "0"),
        ("up", "--procs", "many"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_without_a_traceback(home: Home, words: tuple[str, ...]) -> None:
    done = home.run(*words)
    assert (done.code, done.out) == (2, [])
    assert done.err
    assert not any("Traceback" in line for line in done.err)


@pytest.mark.parametrize("command", ["up", "serve", "work", "ask", "client"])
def test_help_shows_examples(home: Home, command: str) -> None:
    done = home.run(command, "--help")
    assert done.code == 0
    assert "examples:" in done.out
    assert any(line.strip().startswith(f"linebus {command}") for line in done.out)

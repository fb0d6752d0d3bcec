"""`linebus ask`: streams, JSON, deadlines, pipes that close, and many clients at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    check_all_answered,
    some_lines,
)
from tests.integration.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


MANY_SERVICES = """\
import linebus

def make(number):
    @linebus.service(name=f"service{number}", usage=f"service{number} N", reply="{result}")
    def one(n: int) -> str:
        return f"{number} {n}"
    return one

first, second = [make(n) for n in range(150)], [make(n) for n in range(150, 300)]
"""


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A bus with the built-in services and some of a user's own."""
    with Home(tmp_path_factory.mktemp("bus")) as bus:
        bus.write_module(MODULE)
        bus.serve()
        bus.work("isprime", "gcd", "mine:everything")
        yield bus


def test_replies_come_in_the_order_of_the_lines(bus: Home) -> None:
    done = bus.ask("isprime 97", "gcd 12 18", "isprime 91", "gcd 2 4")
    assert done.out == ["97 is prime", "gcd for 12 18 is 6", "91 is not prime", "gcd for 2 4 is 2"]
    assert (done.code, done.err) == (0, [])


def test_a_reply_that_took_long_keeps_its_place(bus: Home) -> None:
    with Gate(bus.folder) as gate:
        asking = bus.start("ask", "--bus", bus.address, gate.line, "gcd 12 18", "isprime 97")
        gate.wait_for_arrival()
        assert asking.out == []
        gate.open()
        assert asking.wait() == 0
    assert asking.out == [gate.text, "gcd for 12 18 is 6", "97 is prime"]


def test_each_line_is_answered_as_it_comes_while_stdin_stays_open(bus: Home) -> None:
    asking = bus.start("ask", "-", "--bus", bus.address)
    for number in range(1, 101):
        asking.write(f"gcd {number * 2} {number * 3}\n")
        assert asking.wait_for_lines(number)[-1].endswith(f" is {number}")
    asking.end_input()
    assert asking.wait() == 0
    assert len(asking.out) == 100


def test_a_line_that_comes_in_pieces_is_one_line(bus: Home) -> None:
    asking = bus.start("ask", "-", "--bus", bus.address)
    asking.write("gcd 12 18\ngcd 1")
    assert asking.wait_for_lines(1) == ["gcd for 12 18 is 6"]
    asking.write("2 36\nisprime 9")
    assert asking.wait_for_lines(2)[1] == "gcd for 12 36 is 12"
    asking.write("7")
    asking.end_input()
    assert asking.wait() == 0
    assert asking.out[2:] == ["97 is prime"]


def test_no_input_is_no_output(bus: Home) -> None:
    assert bus.ask("-") == (0, [], [])


def test_an_end_of_input_waits_for_what_is_owed(bus: Home) -> None:
    with Gate(bus.folder) as gate:
        asking = bus.start("ask", "-", "--bus", bus.address)
        asking.write(f"{gate.line}\ngcd 12 18\n")
        asking.end_input()
        gate.wait_for_arrival()
        gate.open()
        assert asking.wait() == 0
    assert asking.out == [gate.text, "gcd for 12 18 is 6"]


# -- JSON ------------------------------------------------------------------------------------


def test_json_lines_tell_outcome_text_worker_attempt_and_times(bus: Home) -> None:
    done = bus.ask("--json", "gcd 12 18", "gcd 1.5 2", "nosuch 7")
    answered, failed, unknown = map(json.loads, done.out)
    assert done.code == 1
    for reply in (answered, failed, unknown):
        assert set(reply) == {"outcome", "text", "worker", "attempt", "queued_s", "ran_s"}
        assert isinstance(reply["worker"], int)
        assert 0 <= reply["queued_s"] < PATIENCE_S
        assert 0 <= reply["ran_s"] < PATIENCE_S
    assert answered["outcome"] == "answered"
    assert answered["text"] == "gcd for 12 18 is 6"
    assert answered["attempt"] == failed["attempt"] == 1
    assert answered["worker"] > 0
    assert failed["outcome"] == "failed"
    assert (unknown["outcome"], unknown["worker"], unknown["attempt"]) == ("no_service", 0, 0)


def test_json_lines_are_streamed_too(bus: Home) -> None:
    done = bus.ask("-", "--json", text="gcd 12 18\nisprime \x1b[31m\n")
    assert len(done.out) == 2
    assert json.loads(done.out[0])["text"] == "gcd for 12 18 is 6"
    assert json.loads(done.out[1])["outcome"] == "failed"
    assert "\x1b" not in done.out[1]


# -- ends ------------------------------------------------------------------------------------


def test_a_deadline_is_exit_code_4(bus: Home) -> None:
    with Gate(bus.folder) as gate:
        done = bus.ask("--timeout", 0.1, gate.line)
    assert (done.code, done.out) == (4, [])
    [sentence] = done.err
    assert "no reply" in sentence
    assert "0.1 s" in sentence


def test_a_deadline_holds_for_lines_on_stdin_too(bus: Home) -> None:
    with Gate(bus.folder) as gate:
        asking = bus.start("ask", "-", "--timeout", 0.1, "--bus", bus.address)
        asking.write("gcd 12 18\n")
        asking.wait_for_lines(1)
        asking.write(f"{gate.line}\n")
        asking.end_input()
        gate.wait_for_arrival()
        assert asking.wait() == 4
    assert asking.out == ["gcd for 12 18 is 6"]


def test_a_deadline_that_is_met_changes_nothing(bus: Home) -> None:
    assert bus.ask("--timeout", 30, "gcd 12 18").out == ["gcd for 12 18 is 6"]


@pytest.mark.parametrize("from_stdin", [True, False], ids=["stdin", "arguments"])
def test_ctrl_c_is_exit_code_130_and_silent(bus: Home, from_stdin: bool) -> None:
    with Gate(bus.folder) as gate:
        asking = bus.start("ask", "-" if from_stdin else gate.line, "--bus", bus.address)
        if from_stdin:
            asking.write("gcd 12 18\n")
            assert asking.wait_for_lines(1) == ["gcd for 12 18 is 6"]
            asking.write(f"{gate.line}\n")
        gate.wait_for_arrival()
        asking.press_ctrl_c()
        assert asking.wait() == 130
    assert asking.err == []


def test_ctrl_c_while_no_line_has_come_is_exit_code_130(bus: Home) -> None:
    asking = bus.start("ask", "-", "--bus", bus.address)
    asking.write("gcd 12 18\n")
    asking.wait_for_lines(1)
    asking.press_ctrl_c()
    assert (asking.wait(), asking.err) == (130, [])


@pytest.mark.parametrize("count", [1, 20_000])
def test_a_pipe_that_closes_is_exit_code_141_and_silent(bus: Home, count: int) -> None:
    numbers = f"seq {count} | sed 's/.*/gcd & 0/'"
    taken = "head -n 1" if count > 1 else "true <&-"
    command = f'{numbers} | "$0" -m linebus ask - | {taken}; echo "${{PIPESTATUS[2]}}"'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=True,
        env={**bus.env, "LINEBUS_URL": bus.address},
    )
    assert done.stdout.split("\n")[-2] == "141"
    assert done.stderr == ""


def test_a_client_that_left_a_line_behind_leaves_the_bus_usable(bus: Home) -> None:
    with Gate(bus.folder) as gate:
        leaving = bus.start("ask", gate.line, "--bus", bus.address)
        gate.wait_for_arrival()
        leaving.signal(signal.SIGKILL)
        assert bus.ask("gcd 12 18").out == ["gcd for 12 18 is 6"]


# -- many clients ------------------------------------------------------------------------------


def test_two_clients_at_once_get_their_own_replies_only(bus: Home) -> None:
    askings = [bus.start("ask", "-", "--bus", bus.address) for _ in range(2)]
    for number in range(1, 501):
        for factor, asking in zip((7, 11), askings, strict=True):
            asking.write(f"gcd {number * factor} 0\n")
    for factor, asking in zip((7, 11), askings, strict=True):
        asking.end_input()
        assert asking.wait() == 0
        numbers = [number * factor for number in range(1, 501)]
        assert asking.out == [f"gcd for {number} 0 is {number}" for number in numbers]


def test_twenty_clients_at_once_get_their_own_replies_only(bus: Home) -> None:
    askings = [bus.start("ask", "-", "--bus", bus.address) for _ in range(20)]
    for factor, asking in enumerate(askings, 1):
        asking.write("".join(f"gcd {number * factor} 0\n" for number in range(1, 101)))
    for factor, asking in enumerate(askings, 1):
        numbers = [number * factor for number in range(1, 101)]
        said = asking.wait_for_lines(100)
        assert said == [f"gcd for {number} 0 is {number}" for number in numbers]
    for asking in askings:
        asking.end_input()
    assert [asking.wait() for asking in askings] == [0] * 20


def test_a_lone_line_is_answered_while_another_client_has_thousands_queued(bus: Home) -> None:
    # Each takes about half a millisecond; asking alone takes a few, wherever this runs.
    big = bus.start("ask", "-", "--bus", bus.address)
    big.write(f"isprime {2**521 - 1}\n" * 20_000)
    big.wait_for_lines(1)
    with linebus.Client(bus.address) as lone:
        assert lone.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        assert lone.ask("isprime 97").text == "97 is prime"
    assert len(big.out) < 20_000
    big.kill()


def test_one_client_answers_several_maps_and_asks_in_turn(bus: Home) -> None:
    with linebus.Client(bus.address) as client:
        first, second = some_lines(500), some_lines(500, factor=3)
        check_all_answered(first, client.map(first))
        assert client.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        check_all_answered(second, client.map(second))


def test_two_maps_of_one_client_can_be_taken_in_turns(bus: Home) -> None:
    with linebus.Client(bus.address) as client:
        evens = client.map(f"gcd {2 * number} 0" for number in range(1, 501))
        odds = client.map(f"gcd {2 * number + 1} 0" for number in range(1, 501))
        for number, (even, odd) in enumerate(zip(evens, odds, strict=True), 1):
            assert even.text == f"gcd for {2 * number} 0 is {2 * number}"
            assert odd.text == f"gcd for {2 * number + 1} 0 is {2 * number + 1}"


def test_any_number_of_different_names_can_be_asked_at_once(bus: Home) -> None:
    bus.ask("nosuch")  # ends at once where the server is no longer young
    text = "".join(f"nosuch{number} 1\n" for number in range(300))
    done = bus.ask("-", text=f"{text}gcd 12 18\n")
    assert len(done.out) == 301
    assert all(line.startswith("unknown service 'nosuch") for line in done.out[:300])
    assert done.out[300] == "gcd for 12 18 is 6"
    assert (done.code, done.err) == (1, [])


def test_a_client_may_come_to_know_any_number_of_services(bus: Home) -> None:
    bus.folder.joinpath("many.py").write_text(MANY_SERVICES)
    workers = [bus.work(f"many:{half}", procs=1) for half in ("first", "second")]
    with linebus.Client(bus.address) as client:
        for number in range(300):
            assert client.ask(f"service{number} 7").text == f"{number} 7"
    for worker in workers:
        worker.close()

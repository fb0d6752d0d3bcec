"""The four programs of the exercise, as real processes: `python3 server.py 5555 5556 5557 5558`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import pexpect
import pytest
import zmq

from tests.integration.processes import PATIENCE_S, ROOT, Bus, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = [
    ("server", "primer", "gcd", "client"),
    ("client", "gcd", "primer", "server"),
    ("primer", "client", "server", "gcd"),
    ("gcd", "server", "client", "primer"),
    ("primer", "gcd", "server", "client"),
    ("client", "server", "gcd", "primer"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    """One server, primer and gcd of ours, for all the tests that disturb none of them."""
    stage = Stage()
    try:
        server = stage.our_server()
        workers = stage.worker("primer"), stage.worker("gcd")
        for worker in workers:
            worker.expect("in session with")
        yield stage
        assert not any(program.has_ended for program in (server, *workers))
    finally:
        stage.report()
        stage.close()


@pytest.fixture
def bus(running: Stage) -> Iterator[Bus]:
    """A client that has joined."""
    bus = Bus(running.ports)
    bus.settle("isprime 4", "4 is not prime")
    bus.heard.clear()
    yield bus
    bus.close()


# -- starting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_four_programs_may_start_in_any_order(stage: Stage, order: tuple[str, ...]) -> None:
    programs = {}
    for name in order:
        start = getattr(stage, name, None) or partial(stage.worker, name)
        programs[name] = start()
    for name in ("primer", "gcd"):
        programs[name].expect("in session")
    client = programs["client"]
    client.write("isprime 97\ngcd 12 18\n")
    client.end_input()
    assert client.wait() == 0
    assert sorted(client.lines) == ["97 is prime", "gcd for 12 18 is 6"]


def test_ctrl_c_ends_server_and_workers_with_exit_code_0(stage: Stage) -> None:
    programs = [stage.our_server(), stage.worker("primer"), stage.worker("gcd")]
    stage.bus().settle("isprime 4", "4 is not prime")
    stage.bus().settle("gcd 4 6", "gcd for 4 6 is 2")
    for program in reversed(programs):  # a worker says so once its server has gone
        program.interrupt()
        assert program.wait() == 0
        assert not program.errors


# -- the server ----------------------------------------------------------------------------------


def test_every_line_is_confirmed_with_ack(bus: Bus) -> None:
    for line in ("isprime 7", "gcd 1 2", "nonsense", "", "  ", b"\xff\xfe", "x" * 300_000):
        assert bus.ask(line) == "ack"


def test_results_are_those_of_the_exercise(bus: Bus) -> None:
    for line in ("isprime 97", "isprime 007", "isprime 91", "gcd 12 18", "gcd -12 0018"):
        bus.ask(line)
    bus.hear("97 is prime")
    bus.hear("7 is prime")
    bus.hear("91 is not prime")
    bus.hear("gcd for 12 18 is 6")
    bus.hear("gcd for -12 18 is 6")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("isprme 97", ["isprme", "did you mean 'isprime'?"]),
        ("frobnicate", ["frobnicate"]),
        ("isprime abc", ["isprime", "abc", "isprime N"]),
        ("isprime", ["isprime N"]),
        ("isprime 1.5", ["1.5", "isprime N"]),
        ("gcd 12", ["gcd 12", "gcd A B"]),
        ("gcd 1 2 3", ["gcd 1 2 3", "gcd A B"]),
        ("linebus/1 6666", ["linebus/1"]),
    ],
)
def test_unknown_and_malformed_lines_bring_an_error_line(
    bus: Bus, line: str, parts: list[str]
) -> None:
    bus.ask(line)
    assert bus.hear_part(*parts).startswith("error: ")


def test_bytes_that_are_no_text_bring_an_error_line(bus: Bus) -> None:
    bus.ask(b"isprime \xff")
    bus.hear_part("error: ", "not UTF-8")


def test_an_empty_line_disturbs_nothing(bus: Bus) -> None:
    bus.ask("")
    bus.ask("isprime 101")
    bus.hear("101 is prime")
    assert bus.heard == ["101 is prime"]


def test_a_server_without_workers_is_not_silent(stage: Stage) -> None:
    stage.our_server()
    bus = stage.bus()
    bus.settle("frobnicate", "error: ", "frobnicate")
    bus.ask("isprime 7")
    bus.hear_part("error: ", "isprime")


def test_plain_workers_never_see_malformed_lines(stage: Stage) -> None:
    stage.our_server()
    workers = [stage.worker("primer_simple"), stage.worker("gcd_fragile")]
    bus = stage.bus()
    bus.settle("isprime 4", "4 is not prime")
    bus.settle("gcd 4 6", "gcd for 4 6 is 2")
    for line in ("isprime abc", "isprime", "isprime 1_000", "gcd 1", "gcd  1  2", "gcd 1 2 3"):
        bus.ask(line)
        bus.hear_part("error: ", line)
    bus.settle("isprime 9", "9 is not prime")
    bus.settle("gcd 9 6", "gcd for 9 6 is 3")
    assert not any(worker.has_ended for worker in workers)


def test_with_echo_requests_are_shown_as_in_a_chat(stage: Stage) -> None:
    stage.our_server("--echo")
    stage.worker("primer")
    bus = stage.bus()
    bus.settle("isprime 4", "4 is not prime")
    bus.heard.clear()
    bus.ask("isprime 97")
    bus.hear("97 is prime")
    # On a slow machine more than one of the throw-away lines is answered.
    assert [text for text in bus.heard if "97" in text] == ["isprime 97", "97 is prime"]


def test_without_echo_requests_are_not_shown(bus: Bus) -> None:
    bus.ask("isprime 97")
    bus.hear("97 is prime")
    assert "isprime 97" not in bus.heard


# -- several of a kind ---------------------------------------------------------------------------


def test_two_primers_and_two_gcds_answer_each_request_once(stage: Stage) -> None:
    stage.our_server()
    workers = [stage.worker(name) for name in ("primer", "primer", "gcd", "gcd")]
    for worker in workers:
        worker.expect("in session with")
    bus = stage.bus()
    bus.settle("isprime 4", "4 is not prime")
    bus.heard.clear()
    numbers = range(1_001, 2_001)
    for number in numbers:
        bus.ask(f"isprime {number}")
        bus.ask(f"gcd {number} 6")
    # What was doubled would come before the last of so many later ones.
    fence = range(3_001, 3_201)
    for number in fence:
        bus.ask(f"isprime {number}")
        bus.ask(f"gcd {number} 6")
    expected = 2 * (len(numbers) + len(fence))
    bus.hear_until(lambda heard: len(set(heard) - {"4 is not prime"}) >= expected, "every result")
    counts = Counter(text for text in bus.heard if text != "4 is not prime")
    assert len(counts) == expected
    assert set(counts.values()) == {1}
    assert all(f"gcd for {n} 6 is " in " ".join(counts) for n in (1_001, 2_000))


def test_two_clients_both_see_all_results(running: Stage) -> None:
    first, second = running.client(), running.client()
    for client, prime in ((first, 1_009), (second, 1_013)):
        client.write(f"isprime {prime}\n")
        client.expect(f"{prime} is prime")
    first.write("isprime 1019\n")
    second.write("isprime 1021\n")
    for client in (first, second):
        client.expect("1019 is prime")
        client.expect("1021 is prime")
    for client in (first, second):
        client.end_input()
        assert client.wait() == 0
        running.stop(client)


def test_a_typed_hint_disturbs_nobody(running: Stage) -> None:
    client = running.client()
    client.write(f"linebus/1 6666\nlinebus/1 {running.ports.worker_outputs}\nisprime 1033\n")
    client.end_input()
    assert client.wait() == 0
    assert client.has_said("1033 is prime")
    assert client.has_said("error: unknown service 'linebus/1'")
    running.stop(client)


# -- the client, its input from a pipe -------------------------------------------------------------


def client_with(stage: Stage, text: str) -> subprocess.CompletedProcess[str]:
    """Run our client with this on its stdin until it leaves."""
    return subprocess.run(
        [sys.executable, str(ROOT / "client.py"), *map(str, stage.ports.client)],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_lines_piped_in_are_answered_before_the_client_leaves(running: Stage) -> None:
    numbers = range(10_001, 10_301)
    done = client_with(running, "".join(f"isprime {n}\n\n" for n in numbers))
    assert done.returncode == 0
    assert done.stderr == ""
    answered = {int(line.split()[0]) for line in done.stdout.splitlines()}
    assert answered == set(numbers)


def test_a_last_line_without_a_newline_counts(running: Stage) -> None:
    done = client_with(running, "isprime 1049\nnonsense")
    assert sorted(done.stdout.splitlines()) == [
        "1049 is prime",
        "error: unknown service 'nonsense'; no worker has offered it",
    ]


def test_no_input_ends_the_client_at_once(running: Stage) -> None:
    done = client_with(running, "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_line_too_long_is_refused_by_the_client_itself(running: Stage) -> None:
    done = client_with(running, f"isprime {'9' * 300_000}\nisprime 1051\n")
    assert done.returncode == 0
    assert "was not sent" in done.stderr
    assert done.stdout == "1051 is prime\n"


def test_a_closed_pipe_ends_the_client_quietly(running: Stage) -> None:
    client = f"{sys.executable} {ROOT / 'client.py'} {' '.join(map(str, running.ports.client))}"
    source, sink = os.pipe()
    os.write(sink, b"isprime 1063\n")
    # Its input stays open, so nothing but the closed pipe ends the client.
    done = subprocess.run(
        ["sh", "-c", f"{{ {client}; echo $? >&2; }} | true"],
        stdin=source,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    os.close(source)
    os.close(sink)
    assert done.stderr == "141\n"


def test_texts_from_outside_cannot_act_on_the_terminal(stage: Stage) -> None:
    """Whatever a worker, or another client through a chatty server, has published."""
    stage.server("server_chat")
    client = stage.client()
    bus = stage.bus()
    client.type_until("hello", "hello")
    bus.settle("ready?", "ready?")
    bus.ask("\x1b]0;title\x07 one\ntwo \u202etxet\r\u2066")
    bus.ask("grüße, 素数 🙂")
    client.expect("grüße, 素数 🙂")
    assert client.lines[-3:] == [
        "\\x1b]0;title\\x07 one",
        "two \\u202etxet\\r\\u2066",
        "grüße, 素数 🙂",
    ]


def test_the_client_says_that_nobody_confirms_and_goes_on_trying(stage: Stage) -> None:
    client = stage.client()
    client.write("isprime 97\n")
    client.end_input()
    client.expect_error("does not confirm; is it running")
    # The server gives workers 2 s, and starting one may take longer on a busy machine.
    stage.worker("primer").expect("offering isprime")
    stage.our_server()
    assert client.wait() == 0
    assert client.lines == ["97 is prime"]
    assert len(client.errors) == 1


def test_a_request_lost_with_its_server_is_sent_again(stage: Stage) -> None:
    """A server that took the request and confirmed nothing; a true one follows it."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        inputs, outputs = context.socket(zmq.REP), context.socket(zmq.PUB)
        inputs.bind(f"tcp://127.0.0.1:{stage.ports.client_inputs}")
        outputs.bind(f"tcp://127.0.0.1:{stage.ports.client_outputs}")
        client = stage.client()
        client.write("isprime 97\n")
        assert inputs.poll(int(1000 * PATIENCE_S))
        assert inputs.recv() == b"isprime 97"
    finally:
        context.destroy(linger=0)
    worker = stage.worker("primer")
    worker.expect("offering")  # how fast a Python starts is not what this is about
    stage.our_server()
    client.expect("97 is prime")
    client.end_input()
    assert client.wait() == 0


def test_ctrl_c_ends_the_client_while_it_waits_for_a_confirmation(stage: Stage) -> None:
    client = stage.client()
    client.write("isprime 97\n")
    client.expect_error("does not confirm")
    client.interrupt()
    assert client.wait() == 0
    assert client.lines == ["Terminating client"]


# -- the client on a terminal ----------------------------------------------------------------------


@pytest.fixture
def terminal(running: Stage) -> Iterator[pexpect.spawn[str]]:
    """Our client on a terminal, at its first prompt."""
    child = pexpect.spawn(
        sys.executable,
        [str(ROOT / "client.py"), *map(str, running.ports.client)],
        encoding="utf-8",
        timeout=PATIENCE_S,
        dimensions=(24, 80),
        env={"TERM": "xterm", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    child.expect_exact("> ")
    yield child
    child.close(force=True)


def test_at_the_prompt_a_line_is_answered(terminal: pexpect.spawn[str]) -> None:
    terminal.sendline("isprime 1069")
    terminal.expect_exact("1069 is prime\r\n")
    terminal.expect_exact("> ")


def test_a_result_while_typing_keeps_what_was_typed(terminal: pexpect.spawn[str], bus: Bus) -> None:
    terminal.send("isprime 10")
    terminal.expect_exact("isprime 10")
    bus.ask("isprime 1087")
    terminal.expect_exact("1087 is prime\r\n> isprime 10")
    terminal.sendline("91")
    terminal.expect_exact("1091 is prime")


def test_what_was_typed_over_two_rows_is_cleared_before_a_result(
    terminal: pexpect.spawn[str], bus: Bus
) -> None:
    typed = "gcd 12 " + "9" * 100
    terminal.send(typed)
    terminal.expect_exact("9" * 20)
    bus.ask("isprime 1093")
    terminal.expect(re.escape("\r\x1b[1A\x1b[J1093 is prime\r\n> gcd 12 99"))
    terminal.sendline("")
    terminal.expect_exact("is 3")


@pytest.mark.parametrize("typed", ["", "half a li"])
def test_ctrl_c_at_the_prompt_says_goodbye(terminal: pexpect.spawn[str], typed: str) -> None:
    terminal.send(typed)
    terminal.expect_exact(typed)
    terminal.sendintr()
    terminal.expect_exact("\r\nTerminating client\r\n")
    assert ends_with_code(terminal) == 0


def test_ctrl_d_at_the_prompt_leaves(terminal: pexpect.spawn[str]) -> None:
    terminal.sendeof()
    assert ends_with_code(terminal) == 0
    assert "Terminating" not in terminal.before


def ends_with_code(terminal: pexpect.spawn[str]) -> int | None:
    terminal.expect(pexpect.EOF)
    terminal.close()
    code: int | None = terminal.exitstatus
    return code


def test_the_fast_typist_gets_every_answer(terminal: pexpect.spawn[str]) -> None:
    primes = (1_097, 1_103, 1_109, 1_117)
    terminal.send("".join(chain.from_iterable(f"isprime {prime}\n" for prime in primes)))
    missing = {f"{prime} is prime" for prime in primes}
    while missing:
        index = terminal.expect_exact(sorted(missing))
        missing.discard(sorted(missing)[index])

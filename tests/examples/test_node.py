"""The peer in JavaScript, which was written from docs/protocol.md alone, against our own programs.

It needs Node and its packages: those of examples/node/node_modules where they are, else npm fetches
them into a temporary folder.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import linebus
from linebus import limits
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    children,
    wait_until,
    wait_until_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.integration.native_processes import Finished, Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node"
NODE_MIN = 20
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
NPM_S_MAX = 60
PROCS = 2

# They die, give a promise, block their process, raise, answer at length, answer what they get.
ODD_SERVICES = """\
import {{ work }} from "{worker}";
const odd = {{
  fragile: (n) => (n === "13" ? process.kill(process.pid, "SIGKILL") : `${{n}} is fine`),
  later: (ms) => new Promise((resolve) => setTimeout(resolve, Number(ms), `after ${{ms}}`)),
  blocking(ms) {{
    console.log(`blocking ${{ms}}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    return `after ${{ms}}`;
  }},
  faulty: () => null.text,
  long: (n) => "x".repeat(Number(n)),
  same: (text) => JSON.stringify(text),
}};
const described = Object.entries(odd).map(([name, run]) => [name, {{ usage: name, doc: "", run }}]);
work(Object.fromEntries(described), "{address}", {procs});
"""


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example, its packages installed."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").partition(".")[0]) < NODE_MIN:
        pytest.skip(f"node is {said.strip()}; the example needs {NODE_MIN}")
    if (EXAMPLE / "node_modules").is_dir():
        return EXAMPLE
    if shutil.which("npm") is None:
        pytest.skip("examples/node has no node_modules, and npm is not installed")
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, folder)
    try:
        done = subprocess.run(
            NPM_CI, cwd=folder, capture_output=True, text=True, check=False, timeout=NPM_S_MAX
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci does not end within {NPM_S_MAX} s")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        pytest.skip(f"npm ci cannot install the packages: {errors[:2]}")
    return folder


class NodeHome(Home):
    """A bus with peers in JavaScript."""

    def __init__(self, folder: Path, example: Path) -> None:
        super().__init__(folder)
        self.example = example
        self.env["LINEBUS_URL"] = self.address

    def node(self, *words: str) -> list[str]:
        script, *arguments = words
        return ["node", str(self.example / script), *arguments]

    def ask_in_node(self, *lines: str) -> Finished:
        return self.run_command(*self.node("ask.mjs", *lines))

    def work_in_node(self) -> Program:
        return self._in_session(*self.node("work.mjs", "--procs", str(PROCS)))

    def offer_odd_services(self, procs: int = PROCS) -> Program:
        script = self.folder / "odd.mjs"
        worker = self.example / "worker.mjs"
        script.write_text(ODD_SERVICES.format(worker=worker, address=self.address, procs=procs))
        return self._in_session("node", str(script))

    def _in_session(self, *command: str) -> Program:
        worker = self.start_command(*command)
        worker.wait_for("in session")
        return worker


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Iterator[NodeHome]:
    """A server, a worker of linebus, and a worker in JavaScript."""
    with NodeHome(tmp_path_factory.mktemp("bus"), example) as bus:
        bus.serve()
        bus.work("isprime", "gcd")
        bus.work_in_node()
        yield bus


@pytest.fixture(scope="module")
def odd_bus(bus: NodeHome) -> NodeHome:
    """The same with services that die, wait and block."""
    bus.offer_odd_services()
    return bus


@pytest.fixture
def own_bus(tmp_path: Path, example: Path) -> Iterator[NodeHome]:
    """Nothing yet: for tests that end what others would need."""
    with NodeHome(tmp_path, example) as bus:
        yield bus


def reversed_texts(lines: Sequence[str]) -> list[str]:
    return [line.removeprefix("reverse ")[::-1] for line in lines]


def test_versions_are_exact_and_the_lock_file_names_no_registry() -> None:
    lock = (EXAMPLE / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(lock)["packages"]
    dependencies = json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    locked = {name: packages[f"node_modules/{name}"]["version"] for name in dependencies}
    assert dependencies == locked
    assert "://" not in lock


# -- asking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["gcd 12 18", "isprime 97"],
        ["gcd 12", "gcd 12 18", "isprime x"],
        ["isprme 7"],
        ["reverse größer", "roman 1994", "roman many", "roman 4000", "reverse"],
        ["  gcd \t 12 18  ", "\treverse a  b "],
    ],
    ids=["answered", "failed", "no service", "in JavaScript", "blanks"],
)
def test_both_clients_get_the_same_replies_and_exit_codes(bus: NodeHome, lines: list[str]) -> None:
    ours, theirs = bus.ask(*lines), bus.ask_in_node(*lines)
    assert (theirs.out, theirs.code, theirs.err) == (ours.out, ours.code, ours.err)
    assert len(theirs.out) == len(lines)


def test_a_call_gets_a_value_from_it(bus: NodeHome) -> None:
    with linebus.Client(bus.address) as client:
        assert client.call("reverse", "abc") == "cba"
        with pytest.raises(linebus.Failed, match="is not a number"):
            client.call("roman", "x")
        offered = {service.name: service.usage for service in client.services()}
    assert offered["roman"] == "roman N"


def test_what_may_not_be_sent_is_ended_by_the_client(bus: NodeHome) -> None:
    done = bus.ask_in_node("", "what? 7", "x" * (limits.NAME_CHARS_MAX + 1), "gcd 12 18")
    refused = [line for line in done.out if line.endswith("is no service's name")]
    assert (len(refused), done.out[-1], done.code) == (3, "gcd for 12 18 is 6", 1)


def test_lines_that_do_not_fit_into_one_message_are_asked_in_several(bus: NodeHome) -> None:
    # Twelve arguments of a command together; a single one may have 128 KiB.
    lines = ["reverse " + chr(ord("a") + number) + "x" * 100_000 for number in range(12)]
    assert sum(map(len, lines)) > limits.MESSAGE_BYTES_MAX
    done = bus.ask_in_node(*lines)
    assert done.out == reversed_texts(lines)


def test_two_thousand_lines_for_both_workers_are_answered_in_order(bus: NodeHome) -> None:
    lines = [f"gcd {n} {3 * n}" if n % 2 else f"reverse line {n}" for n in range(1, 2_001)]
    replies = [
        f"gcd for {n} {3 * n} is {n}" if n % 2 else f"line {n}"[::-1] for n in range(1, 2_001)
    ]
    done = bus.ask_in_node(*lines)
    assert (done.out, done.code) == (replies, 0)
    with linebus.Client(bus.address) as client:
        assert [reply.text for reply in client.map(lines)] == replies


def test_nobody_listens(own_bus: NodeHome) -> None:
    done = own_bus.ask_in_node("--wait", "0.1", "gcd 12 18")
    assert (done.out, done.code) == ([], 3)
    assert "nobody listens" in done.err[0]


@pytest.mark.parametrize("words", [[], ["--no-such-option", "x"], ["--bus", "nowhere", "gcd 1 2"]])
def test_wrong_usage(own_bus: NodeHome, words: list[str]) -> None:
    done = own_bus.ask_in_node(*words)
    assert (done.out, done.code) == ([], 2)
    assert done.err


def test_the_commands_of_the_readme_print_what_it_says(bus: NodeHome) -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    [session] = re.findall(r"```console\n(\$ node ask.*?)```", text, re.DOTALL)
    for part in session.removeprefix("$ ").split("\n$ "):
        command, _, output = part.partition("\n")
        script = f'cd {bus.example}; linebus() {{ {sys.executable} -m linebus "$@"; }}; {command}'
        assert bus.run_command("bash", "-c", script).out == output.splitlines()


# -- working -------------------------------------------------------------------------------------


def test_arguments_come_as_they_were_asked(odd_bus: NodeHome) -> None:
    assert odd_bus.ask("same  a\tb  c ", "same").out == ['"a\\tb  c"', '""']


def test_a_service_that_waits_and_one_that_blocks_keep_their_places(odd_bus: NodeHome) -> None:
    # The guardian's heartbeats go on meanwhile: the line is not given to another executor.
    silence_ms = int(1000 * (limits.SILENCE_LEAST_S + limits.HEARTBEAT_S))
    lines = [f"blocking {silence_ms}", "later 50", "later 1"]
    with linebus.Client(odd_bus.address) as client:
        replies = list(client.map(lines))
    assert [reply.text for reply in replies] == [f"after {silence_ms}", "after 50", "after 1"]
    assert [reply.attempt for reply in replies] == [1, 1, 1]


def test_a_fault_and_a_text_that_is_too_long_are_failed(odd_bus: NodeHome) -> None:
    with linebus.Client(odd_bus.address) as client:
        faulty, long, longest = client.map(["faulty", "long 262145", "long 262144"])
    assert faulty.text.startswith("faulty failed: TypeError: ")
    assert long.text == "the reply is too long: 262145 bytes; at most 262144"
    assert [each.outcome for each in (faulty, long, longest)] == ["failed", "failed", "answered"]


def test_only_the_line_that_kills_its_executors_is_quarantined(odd_bus: NodeHome) -> None:
    with linebus.Client(odd_bus.address) as client:
        replies = list(client.map(f"fragile {n}" for n in range(20)))
    others = replies[:13] + replies[14:]
    assert replies[13].outcome == "quarantined"
    assert replies[13].text.endswith("killed by SIGKILL")
    assert [each.outcome for each in others] == ["answered"] * 19


def test_a_killed_executor_is_replaced(own_bus: NodeHome) -> None:
    own_bus.serve()
    worker = own_bus.work_in_node()
    wait_until(lambda: len(children(worker.pid)) == PROCS, "all executors")
    killed = children(worker.pid)[0]
    subprocess.run(["kill", "-9", str(killed)], check=True)
    wait_until(
        lambda: len(found := children(worker.pid)) == PROCS and killed not in found, "another one"
    )
    assert own_bus.ask("roman 1").out == ["1 is I"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_guardian_that_ends_takes_its_executors_along(
    own_bus: NodeHome, number: signal.Signals
) -> None:
    own_bus.serve()
    worker = own_bus.work_in_node()
    assert own_bus.ask("roman 4").out == ["4 is IV"]
    executors = children(worker.pid)
    assert len(executors) == PROCS
    worker.signal(number)
    assert worker.wait() == (-number if number == signal.SIGKILL else 0)
    assert wait_until_gone(executors) == []


def test_a_worker_that_is_told_to_stop_finishes_its_line_and_gives_the_others_back(
    own_bus: NodeHome,
) -> None:
    own_bus.serve()
    first = own_bus.offer_odd_services(procs=1)
    asking = own_bus.start("ask", "--bus", own_bus.address, "blocking 1000", "same a", "same b")
    first.wait_for("blocking 1000")
    own_bus.offer_odd_services(procs=1)
    first.signal(signal.SIGTERM)
    assert (first.wait(), asking.wait()) == (0, 0)
    assert asking.out == ["after 1000", '"a"', '"b"']


# -- a server that is killed ---------------------------------------------------------------------


def test_a_killed_server_costs_no_reply_and_no_worker(own_bus: NodeHome) -> None:
    own_bus.write_module(MODULE)
    server = own_bus.serve()
    own_bus.work("gcd", "mine:everything")
    worker = own_bus.work_in_node()
    with Gate(own_bus.folder) as gate:
        front = [f"reverse front {n}" for n in range(500)]
        back = [f"reverse back {n}" for n in range(500)]
        lines = [*front, gate.line, *back, "gcd 12 18"]
        asking = own_bus.start_command(*own_bus.node("ask.mjs", "--wait", "20", *lines))
        asking.wait_for_lines(len(front))
        gate.wait_for_arrival()
        server.kill()
        own_bus.serve()
        worker.wait_for("in session", times=2)
        gate.open()
        assert asking.wait() == 0
    replies = [*reversed_texts(front), gate.text, *reversed_texts(back), "gcd for 12 18 is 6"]
    assert asking.out == replies
    assert own_bus.ask("roman 9").out == ["9 is IX"]

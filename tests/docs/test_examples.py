"""Runs the examples of the documents as a reader would: in order, against a server and workers.

A python block is a script; its lines `#> …` are what it prints. A block whose first line is a
comment with a file's name is also saved under that name. In a console block `$ …` is a command and
what follows is its output; a server or a worker runs on until the end of the document once it has
printed that. The usual ports stand for free ones, and the host of the examples for another address
of this machine. Other blocks are not run.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

import linebus
from tests.docs.documents import DOCUMENTS, ROOT, RUN, Block, blocks, content, lines
from tests.support import PATIENCE_S, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


# The kinds of block that are not run, by the test that reads them instead.
TESTED_ELSEWHERE = {
    "test_protocol.py": {("docs/protocol.md", "message"), ("docs/protocol.md", "plain")},
    "test_units.py": {("docs/howto/systemd.md", "ini")},
    "test_programs.py": {("docs/howto/programs.md", "recipe")},
}
# Not run, because they install into the checkout, or run the tests that would run them.
NOT_RUN = {"make up", "make test", "pip install . && linebus up"}
# A server or a worker, and nothing that would end it or read what it prints.
RUNS_ON = re.compile(
    r"(linebus (serve|work(?! --check))|python3 (server|primer|gcd)\.py)( [\w.:/-]+)*( -- [^|;&]+)?"
)
PORTS_STATED = [str(first + port) for first in (5550, 6550, 7550, 8550) for port in (5, 6, 7, 8)]
HOST_STATED = "192.0.2.7"  # one of those that are kept free for documents
# Systems other than Linux have one loopback address only.
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
RUN_S_MAX = 60


class Place:
    """A folder of its own with the four programs, free ports, and processes that all end."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self.folder = folder
        self._processes = processes
        self._executors = 0
        ports = map(str, free_ports(len(PORTS_STATED)))
        self._ports = dict(zip(PORTS_STATED, ports, strict=True))
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = {
            **os.environ,
            "LINEBUS_URL": self.here("tcp://127.0.0.1:5555"),
            "PATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("server.py", "client.py", "primer.py", "gcd.py"):
            (folder / name).symlink_to(ROOT / name)

    def here(self, text: str) -> str:
        """Return a text of a document with the ports and the host of this place."""
        ports = re.sub(r"\b[5-8]55[5-8]\b", lambda found: self._ports[found[0]], text)
        return ports.replace(HOST_STATED, HOST)

    def run(self, *words: str) -> str:
        """Run what ends by itself; return its output. Whatever it leaves behind is killed."""
        process = self._popen(words, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=RUN_S_MAX)
            return output
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            end(process)

    def start(self, *words: str) -> IO[str]:
        """Start what runs on until the end of the test; return its output."""
        process = self._popen(words)
        self._processes.callback(end, process)
        assert process.stdout is not None, "asked for below"
        return process.stdout

    def wait_for_executors(self, said: list[str]) -> None:
        """Wait until all executors have joined: a reader takes longer to type the next command."""
        [count] = re.findall(r"linebus: offering .* with (\d+) executor", "\n".join(said))
        self._executors += int(count)
        pause, until = threading.Event(), time.monotonic() + PATIENCE_S
        with linebus.Client(self.here("tcp://127.0.0.1:5555")) as bus:
            while json.loads(bus.ask("linebus.server").text)["executors"] < self._executors:
                assert time.monotonic() < until
                pause.wait(0.1)  # the server answers this line 20 times a second at most

    def _popen(self, words: tuple[str, ...], stderr: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as processes:
        place = Place(tmp_path, processes)
        ports = place.here("5555 5556 5557 5558").split()
        server = place.start(sys.executable, "-m", "linebus", "serve", *ports)
        assert server.readline().startswith("linebus: serving ")
        words = ["work", "isprime", "gcd", "--procs", "2"]
        worker = place.start(sys.executable, "-m", "linebus", *words)
        place.wait_for_executors([worker.readline()])
        yield place


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, "a console block begins with a command"
            found[-1][1].append(line)
    return found


def run_console(place: Place, block: Block) -> None:
    for command, expected in commands(block.text):
        if command in NOT_RUN:
            continue
        wanted = [place.here(line) for line in expected]
        if RUNS_ON.fullmatch(command):
            assert wanted, "what is started has to say when it is ready"
            output = place.start("bash", "-c", f"exec {place.here(command)}")
            assert [output.readline().rstrip("\n") for _ in wanted] == wanted, command
            if re.match(r"linebus work (?!.*--(bus|ports) )", command):
                place.wait_for_executors(wanted)
        else:
            assert place.run("bash", "-c", place.here(command)).splitlines() == wanted, command


def run_python(place: Place, block: Block) -> None:
    text = place.here(block.text)
    found = re.match(r"# (\w+\.py)\n", text)
    script = place.folder / (found[1] if found else f"line_{block.line}.py")
    script.write_text(text, "utf-8")
    wanted = re.findall(r"^ *#> (.*)$", text, re.MULTILINE)
    assert place.run(sys.executable, str(script)).splitlines() == wanted, f"line {block.line}"


def run(place: Place, document: str) -> int:
    """Run the blocks of a document; return how many that were."""
    runners = {"console": run_console, "python": run_python}
    assert runners.keys() == RUN
    ours = [block for block in blocks(document) if block.kind in RUN]
    for block in ours:
        runners[block.kind](place, block)
    return len(ours)


def stated(document: str) -> int:
    """How many blocks say that they are to be run, counted as simply as can be."""
    return sum(
        line.strip() in {"```python", "```console"} for line in content(document).split("\n")
    )


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if stated(each)])
def test_the_examples_of_a_document_do_what_it_says(place: Place, document: str) -> None:
    assert run(place, document) == stated(document)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_says_what_it_is(document: str) -> None:
    found = blocks(document)
    elsewhere = set().union(*TESTED_ELSEWHERE.values())
    kinds = RUN | {"text"} | {kind for where, kind in elsewhere if where == document}
    assert {block.kind.split(" ")[0] for block in found} <= kinds
    assert 2 * len(found) == content(document).count("```")


def test_what_is_treated_apart_is_still_there() -> None:
    every = [block for document in DOCUMENTS for block in blocks(document)]
    assert {(block.document, block.kind.split(" ")[0]) for block in every} >= set().union(
        *TESTED_ELSEWHERE.values()
    )
    typed = {command for b in every if b.kind == "console" for command, _ in commands(b.text)}
    assert typed >= NOT_RUN


def test_what_could_be_run_is_not_merely_shown() -> None:
    read_elsewhere = {where for where, _ in set().union(*TESTED_ELSEWHERE.values())}
    total = lines([document for document in DOCUMENTS if document not in read_elsewhere])
    assert total.run > 5 * total.shown
    shown = [b for document in DOCUMENTS for b in blocks(document) if b.kind == "text"]
    assert not [block for block in shown if re.search(r"^\$ ", block.text, re.MULTILINE)]


def test_a_worker_is_at_most_ten_lines() -> None:
    [worker] = [block for block in blocks("README.md") if "@linebus.service" in block.text]
    code = [line for line in worker.text.splitlines() if line and not line.startswith("#")]
    assert len(code) <= 10

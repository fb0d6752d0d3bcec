"""Runs the examples of the documents as a reader would: in order, against a server and workers.

A python block is a script; its lines `#> …` are what it prints. A block whose first line is a
comment with a file's name is also saved under that name. In a console block `$ …` is a command and
what follows is its output; a worker's command runs on in the background once it has printed that.
The usual ports stand for free ones. A text block is not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import pytest

from tests.support import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    "docs/python.md",
    "docs/services.md",
    "docs/errors.md",
    "docs/howto/testing.md",
]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Not run, because they install into the checkout, or run the tests that would run them.
NOT_RUN = {"make up", "make test", "pip install . && linebus up"}
# Runs on until the end of the document, once it has printed what follows it.
IN_BACKGROUND = {"linebus work shop:price --procs 2"}
PORTS_STATED = ("5555", "5556", "5557", "5558", "6555", "6556", "6557", "6558")


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    line: int
    kind: str
    text: str


def blocks(document: str) -> list[Block]:
    content = (ROOT / document).read_text("utf-8")
    return [
        Block(document, content[: found.start()].count("\n") + 1, found[1], found[2])
        for found in FENCE.finditer(content)
    ]


class Place:
    """A folder of its own with the four programs, free ports, and processes that all end."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self.folder = folder
        self._processes = processes
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
        """Return a text of a document with the ports of this place."""
        return re.sub(r"\b[56]55[5-8]\b", lambda found: self._ports[found[0]], text)

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout

    def start(self, *words: str) -> IO[str]:
        """Start what runs on until the end of the test; return its output."""
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.callback(end, process)
        assert process.stdout is not None, "asked for above"
        return process.stdout


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
        read_until(worker, "in session")
        yield place


def read_until(output: IO[str], word: str) -> None:
    for line in output:
        if word in line:
            return
    pytest.fail(f"it ended before it said: {word}")


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


def run_console(place: Place, text: str) -> None:
    for command, expected in commands(text):
        if command in NOT_RUN:
            continue
        words = ["bash", "-c", place.here(command)]
        wanted = [place.here(line) for line in expected]
        if command in IN_BACKGROUND:
            assert wanted, "what is started has to say when it is ready"
            output = place.start("bash", "-c", f"exec {place.here(command)}")
            assert [output.readline().rstrip("\n") for _ in wanted] == wanted
        else:
            assert place.run(*words).splitlines() == wanted, command


def run_python(place: Place, text: str, name: str) -> None:
    found = re.match(r"# (\w+\.py)\n", text)
    script = place.folder / (found[1] if found else name)
    script.write_text(place.here(text), "utf-8")
    wanted = re.findall(r"^ *#> (.*)$", place.here(text), re.MULTILINE)
    assert place.run(sys.executable, str(script)).splitlines() == wanted


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_examples_of_a_document_do_what_it_says(place: Place, document: str) -> None:
    for block in blocks(document):
        if block.kind == "console":
            run_console(place, block.text)
        elif block.kind == "python":
            run_python(place, block.text, f"line_{block.line}.py")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_says_what_it_is(document: str) -> None:
    found = blocks(document)
    assert {block.kind for block in found} <= {"console", "python", "text"}
    assert 2 * len(found) == (ROOT / document).read_text("utf-8").count("```")


def test_the_commands_that_are_treated_apart_are_still_there() -> None:
    typed = {
        command
        for document in DOCUMENTS
        for block in blocks(document)
        if block.kind == "console"
        for command, _ in commands(block.text)
    }
    assert typed >= NOT_RUN | IN_BACKGROUND

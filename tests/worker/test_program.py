"""A program's words, and one process of it; what it says and how it ends is in test_dialogue.py."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from linebus import limits
from linebus.errors import ServiceNotLoaded
from linebus.worker.position import Position
from linebus.worker.program import Program, ProgramEnded, ProgramSpec
from tests.worker.programs import UPPER, python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def position() -> Iterator[Position]:
    position = Position.create()
    yield position
    position.close()


def read(program: Program) -> bytes:
    """What it writes next."""
    while not (data := program.read(1.0)):
        pass
    return data


def end_of(program: Program) -> ProgramEnded:
    with pytest.raises(ProgramEnded) as ended:
        while True:
            program.read(1.0)
    return ended.value


def test_what_is_offered_tells_the_command() -> None:
    spec = ProgramSpec("upper", (b"/usr/bin/awk", b"{ print\xff }"))
    offer = spec.offer()
    assert (offer.name, offer.usage, offer.signature) == ("upper", "upper ...", "text -> text")
    assert offer.doc == "/usr/bin/awk '{ print\\udcff }'"
    assert spec.program == "awk"
    assert len(ProgramSpec("x", (b"y" * 5000,)).offer().doc) == limits.DESCRIPTION_CHARS_MAX


def test_a_spec_goes_through_a_pipe_as_it_is() -> None:
    spec = ProgramSpec("x", (b"\xff",), whole_line=True, time_limit_s=1.5, memory_limit=10)
    encoded = msgspec.msgpack.encode(spec)
    assert msgspec.msgpack.decode(encoded, type=ProgramSpec) == spec


@pytest.mark.parametrize(
    ("whole_line", "expected"), [(False, b"a b\n\n"), (True, b"upper a b\nupper\n")]
)
def test_a_program_is_given_the_arguments_or_the_whole_line(
    whole_line: bool, expected: bytes
) -> None:
    spec = ProgramSpec("upper", (b"x",), whole_line=whole_line)
    assert spec.input_of(["a b", ""]) == expected


def test_it_reads_and_writes(position: Position) -> None:
    program = Program(python(UPPER), position)
    assert position.program_group() == program.pid
    program.write(b"a\n")
    assert read(program) == b"A\n"
    program.write(b"b\n", closes=True)
    assert read(program) == b"B\n"
    ended = end_of(program)
    assert (ended.code, str(ended)) == (0, "ended with exit code 0")
    assert position.program_group() == 0


def test_what_was_written_is_read_even_after_its_end(position: Position) -> None:
    program = Program(python("say('x' * 60_000)\nsys.exit('so')"), position)
    said = b""
    with pytest.raises(ProgramEnded, match="exit code 1; it said: so"):
        while True:
            said += program.read(1.0)
    assert said == b"x" * 60_000 + b"\n"
    with pytest.raises(ProgramEnded, match="exit code 1; it said: so"):
        program.read(0)
    program.write(b"too late\n")


def test_where_the_system_has_no_descriptor_of_a_process_its_end_is_noticed_too(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.pidfd_open", raising=False)
    program = Program(python("say(next(lines()))\nsys.exit(3)"), position)
    program.write(b"a\n")
    assert read(program) == b"a\n"
    assert end_of(program).code == 3


def test_it_begins_with_the_usual_signals(position: Position) -> None:
    code = "say(str(signal.getsignal(signal.SIGINT) is signal.default_int_handler))"
    program = Program(python(code), position)
    assert read(program) == b"True\n"
    program.kill()
    program.kill()
    program.end()


def start_file(path: Path, position: Position) -> None:
    Program(ProgramSpec("x", (bytes(path),)), position)


def test_what_cannot_be_started_is_told_with_what_to_do(position: Position, tmp_path: Path) -> None:
    missing, plain, script = (tmp_path / name for name in ("missing", "plain", "script"))
    plain.touch(0o600)
    script.write_text("echo no interpreter is named\n")
    script.chmod(0o700)
    for path, why in [
        (missing, "cannot start missing: there is no such program here"),
        (plain, "cannot start plain: it is not executable; chmod"),
        (script, "cannot start script: it is no program; the first line of a script"),
    ]:
        with pytest.raises(ServiceNotLoaded, match=why):
            start_file(path, position)
    assert position.program_group() == 0
    with pytest.raises(ServiceNotLoaded, match=r"cannot start python\S*: .*too long"):
        Program(ProgramSpec("x", (sys.executable.encode(), b"x" * 10_000_000)), position)

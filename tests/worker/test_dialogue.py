"""Lines to a long-lived program and back: good ones in bulk, and programs of all bad habits."""

from __future__ import annotations

import logging
import os
import select
import sys
from typing import TYPE_CHECKING

import pytest

from linebus import limits, process
from linebus.errors import ServiceNotLoaded
from linebus.worker import dialogue
from linebus.worker.dialogue import Dialogue
from linebus.worker.position import Position
from linebus.worker.program import ProgramEnded, ProgramSpec
from tests.support import PATIENCE_S
from tests.worker.programs import UPPER, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Start = Callable[..., "Talk"]

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="Linux tells what a process waits for"
)


class Talk:
    """A dialogue and the loop that an executor has."""

    def __init__(self, spec: ProgramSpec) -> None:
        self.position = Position.create()
        self.dialogue = Dialogue(spec, self.position)
        self.parts: list[int] = []

    def ask(self, *lines: str, first: int = 1) -> list[str]:
        """The replies; those that failed with a mark before them."""
        said: list[str] = []
        while len(said) < len(lines):
            batch = lines[len(said) : len(said) + self.dialogue.prepare()]
            for texts, failed, _ in self.dialogue.replies(list(batch), first + len(said)):
                self.parts.append(len(texts))
                said += [("!" * (offset in failed)) + text for offset, text in enumerate(texts)]
        return said

    def ask_all_at_once(self, lines: Sequence[str], first: int = 1) -> list[str]:
        """The replies to a first batch of so many lines, and to what it leaves."""
        self.dialogue._is_new = False
        self.dialogue._line_cost_s = limits.PROGRAM_BATCH_S / len(lines)
        return self.ask(*lines, first=first)

    @property
    def pid(self) -> int:
        return self.dialogue._program.pid

    def wait_for_output(self) -> None:
        """Wait until the program has written something that nobody has read."""
        program = self.dialogue._program
        assert program._poll.poll(1000 * PATIENCE_S)


@pytest.fixture
def talk() -> Iterator[Start]:
    talks: list[Talk] = []

    def start(code: str, **given: object) -> Talk:
        talks.append(Talk(python(code, **given)))
        return talks[-1]

    yield start
    for each in talks:
        each.dialogue.kill()
        assert each.position.program_group() == 0
        each.position.close()


def test_each_line_has_its_reply(talk: Start) -> None:
    upper = talk(UPPER)
    assert upper.ask("a", "", "bä c") == ["A", "", "BÄ C"]
    assert upper.position.cell[0] == 0


def test_with_the_whole_line_the_name_comes_first(talk: Start) -> None:
    upper = talk("for line in lines(): say(line)", whole_line=True)
    assert upper.ask("a", "", "b c") == ["upper a", "upper", "upper b c"]


def test_line_ends_of_another_system_are_taken_off(talk: Start) -> None:
    upper = talk("for line in lines(): say(line, '\\r\\n')")
    assert upper.ask("a", "b\rc") == ["a", "b\rc"]


def test_what_is_no_utf_8_is_shown(talk: Start) -> None:
    junk = talk("for line in lines(): os.write(1, b'\\xff\\x00\\x80 x\\n')")
    assert junk.ask("a") == ["\\xff\x00\\x80 x"]


def test_a_line_with_a_line_end_is_refused_and_its_neighbours_are_not(talk: Start) -> None:
    upper = talk(UPPER)
    replies = upper.ask_all_at_once(["a", "b\nc", "d"])
    assert replies == ["A", "!a line for a program cannot hold a line end", "D"]


def test_cheap_lines_travel_in_bulk(talk: Start) -> None:
    upper = talk(UPPER)
    lines = [f"line {number}" for number in range(5_000)]
    assert upper.ask(*lines) == [line.upper() for line in lines]
    assert max(upper.parts) > 1


def test_more_than_the_pipes_hold_passes_a_program_that_reads_it_slowly(talk: Start) -> None:
    slow = talk(
        "said = b''\n"
        "while byte := os.read(0, 1000):\n"
        "    said += byte\n"
        "    *whole, said = said.split(b'\\n')\n"
        "    for line in whole: say(line.decode())\n"
    )
    lines = [f"{number:0100}" for number in range(10_000)]
    assert slow.ask_all_at_once(lines) == lines


@on_linux
def test_a_reply_waits_for_its_batch_but_not_while_the_program_computes_for_long(
    talk: Start,
) -> None:
    upper = talk("for line in lines():\n    while line == 'stop': pass\n    say(line)")
    upper.ask("a")
    replies = upper.dialogue.replies(["a", "stop", "b"], 1)
    assert next(replies).texts == ["a"]
    assert upper.position.cell[0] == 2


def test_what_was_left_off_in_the_middle_does_not_answer_later_lines(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = talk("for line in lines(): say(line)")
    before = upper.pid
    monkeypatch.setattr(limits, "PROGRAM_HOLD_S", -1.0)
    monkeypatch.setattr(dialogue, "is_computing", lambda _: True)
    left = upper.dialogue.replies(["a", "b" * 1000, *(["c"] * 100_000)], 1)
    assert next(left).texts[0] == "a"
    del left
    assert upper.ask("d") == ["d"]
    assert upper.pid != before


# -- death -------------------------------------------------------------------------------------


def test_the_line_at_hand_is_known_when_a_program_dies(talk: Start) -> None:
    shaky = talk("for line in lines():\n    if line == 'die': sys.exit('no more')\n    say(line)\n")
    shaky.ask("a")
    got: list[str] = []
    with pytest.raises(ProgramEnded, match=r"^ended with exit code 1; it said: no more$"):
        for part in shaky.dialogue.replies(["a", "b", "die", "c"], 41):
            got += part.texts
    assert got == ["a", "b"]
    assert shaky.position.cell[0] == 43


def test_a_program_killed_by_a_signal_is_said_to_be(talk: Start) -> None:
    shaky = talk("for line in lines(): os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ProgramEnded, match=r"^killed by SIGKILL$"):
        shaky.ask("a")
    assert shaky.position.cell[0] == 1


def test_a_program_that_ends_after_a_reply_costs_no_line(talk: Start) -> None:
    short = talk("say(next(lines()))")
    assert short.ask("a") == ["a"]
    with pytest.raises(ProgramEnded, match="exit code 0"):
        while True:
            short.dialogue.look()
    assert short.position.cell[0] == 0


@on_linux
def test_what_it_starts_ends_with_it(talk: Start) -> None:
    parent = talk(
        "if child := os.fork():\n"
        "    for line in lines(): say(str(child)); sys.exit()\n"
        "else:\n"
        "    signal.pause()\n"
    )
    [child] = map(int, parent.ask("a"))
    end = os.pidfd_open(child)
    with pytest.raises(ProgramEnded):
        while True:
            parent.dialogue.look()
    assert select.select([end], [], [], PATIENCE_S)[0]
    os.close(end)


def test_a_program_that_closes_its_output_is_given_up(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_END_S", 0.01)
    mute = talk("os.close(1)\nsignal.pause()")
    with pytest.raises(ProgramEnded, match=r"^closed its output$"):
        mute.ask("a")


def test_a_program_that_closes_its_input_is_given_up(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_END_S", 0.01)
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.01)
    deaf = talk("line = next(lines())\nos.close(0)\nsay(line)\nsignal.pause()")
    assert deaf.ask("a") == ["a"]
    with pytest.raises(ProgramEnded, match=r"^closed its input$"):
        deaf.ask("b")


def test_one_that_ignores_signals_is_killed_in_the_end(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_END_S", 0.01)
    stubborn = talk(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for line in lines(): say(line)\n"
        "while True: signal.pause()\n"
    )
    stubborn.ask("a")
    group = stubborn.pid
    stubborn.dialogue.end()
    assert process.group_members(group) == []


def test_one_that_ends_with_its_input_may_do_so_by_itself(talk: Start, tmp_path: object) -> None:
    tidy = talk(f"for line in lines(): say(line)\nopen('{tmp_path}/done', 'w').close()")
    tidy.ask("a")
    tidy.dialogue.end()
    assert (tmp_path / "done").exists()  # type: ignore[operator]  # a Path


# -- silence -----------------------------------------------------------------------------------


@on_linux
def test_a_program_that_buffers_is_told_how_not_to(
    talk: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.02)
    buffering = talk("out = open(1, 'w')\nfor line in lines(): out.write(line + '\\n')")
    before = buffering.pid
    [text] = buffering.ask("a")
    assert text.startswith("!python")
    assert "read the line and wrote nothing; it seems to keep its replies in a buffer" in text
    assert "print(..., flush=True)" in text
    assert text.split(" ", 1)[1] in caplog.text
    buffering.dialogue.prepare()
    assert buffering.pid != before, "what is in its buffer must not answer another line"


@on_linux
def test_a_program_that_leaves_a_line_out_fails_that_line(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.02)
    choosy = talk("for line in lines():\n    if line != 'b': say(line)")
    choosy.ask("a")
    a, b, c = choosy.ask_all_at_once(["a", "b", "c"])
    assert (a, c) == ("a", "c")
    assert b.endswith("wrote nothing; each line needs one line back, be it empty")


def test_a_program_that_computes_is_left_alone(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.001)
    busy = talk(
        "import time\n"
        "for line in lines():\n"
        "    until = time.process_time() + 0.1\n"
        "    while time.process_time() < until: pass\n"
        "    say(line)\n"
    )
    assert busy.ask("a", "b") == ["a", "b"]


def test_a_program_that_waits_for_something_else_is_left_alone_with_a_hint(
    talk: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.02)
    slow = talk(
        "import select\nfor line in lines():\n    select.select([], [], [], 0.5)\n    say(line)\n"
    )
    assert slow.ask("a") == ["a"]
    assert "has not answered its first line yet" in caplog.text


# -- too much ----------------------------------------------------------------------------------


def test_two_lines_for_one_fail_the_line(talk: Start) -> None:
    double = talk("for line in lines(): say(line + '\\n' + line)")
    before = double.pid
    [text] = double.ask("a")
    assert text.endswith("wrote more than one line for one line: 'a\\na'")
    double.dialogue.prepare()
    assert double.pid != before


def test_two_lines_for_one_in_the_middle_of_a_batch_shift_no_reply(
    talk: Start, caplog: pytest.LogCaptureFixture
) -> None:
    double = talk("for line in lines(): say(line if line != 'c' else 'c\\nC')")
    double.ask("a")
    a, b, c, d = double.ask_all_at_once(["a", "b", "c", "d"])
    assert (a, b, d) == ("a", "b", "d")
    assert c.startswith("!python")
    assert "wrote more than one line for a line, among 4 lines; it gets one line" in caplog.text
    double.parts.clear()
    assert double.ask("a", "b") == ["a", "b"]
    assert double.parts == [1, 1]


def test_a_beginning_of_another_line_is_too_much_as_well(talk: Start) -> None:
    ragged = talk("for line in lines(): say(line + '\\nand', '')")
    [text] = ragged.ask("a")
    assert text.endswith("wrote more than one line for one line: 'a\\nand'")


def test_noise_without_a_line_has_the_program_replaced(
    talk: Start, caplog: pytest.LogCaptureFixture
) -> None:
    noisy = talk(UPPER)
    before = noisy.ask("a"), noisy.pid
    noisy.dialogue._program.write(b"not asked\n")
    noisy.wait_for_output()
    noisy.dialogue.look()
    noisy.dialogue.look()
    assert caplog.text.count("upper wrote 'NOT ASKED' although it had no line") == 1
    assert (noisy.ask("a"), noisy.pid != before[1]) == (before[0], True)


@on_linux
def test_a_greeting_at_the_start_is_refused(talk: Start) -> None:
    greeting = talk("say('Welcome')\nfor line in lines(): say(line)")
    with pytest.raises(ServiceNotLoaded, match=r"wrote 'Welcome' before it was asked anything"):
        greeting.dialogue.wait_for_start()


@on_linux
def test_a_program_that_ends_at_once_is_refused(talk: Start) -> None:
    wrong = talk("sys.exit('usage: none')")
    with pytest.raises(
        ServiceNotLoaded, match=r"cannot offer 'upper': python\S* ended with .* usage: none"
    ):
        wrong.dialogue.wait_for_start()


@on_linux
def test_a_shell_is_no_more_ready_than_what_it_starts() -> None:
    position = Position.create()
    shell = Dialogue(ProgramSpec("upper", (b"sh", b"-c", b"yes; exit")), position)
    with pytest.raises(ServiceNotLoaded, match=r"sh wrote 'y\\ny\\n.*' before it was asked"):
        shell.wait_for_start()
    assert position.program_group() == 0
    position.close()


def test_a_program_that_waits_for_its_first_line_is_ready(talk: Start) -> None:
    upper = talk(UPPER)
    upper.dialogue.wait_for_start()
    assert upper.ask("a") == ["A"]


def test_a_reply_that_is_too_long_fails_its_line_alone(talk: Start) -> None:
    long = talk("for line in lines(): say('x' * int(line))")
    most = limits.TEXT_BYTES_MAX
    assert long.ask("2", "10000000", "3") == [
        "xx",
        f"!the reply is too long: 10000000 bytes; at most {most}",
        "xxx",
    ]


@on_linux
def test_ten_megabytes_without_a_line_end_fail(
    talk: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PROGRAM_SILENCE_S", 0.02)
    endless = talk("for line in lines(): say('x' * 10_000_000, '')")
    [text] = endless.ask("a")
    assert text.endswith("wrote 10000000 bytes without a line end, and waits for more input")


def test_what_it_says_on_stderr_is_logged_line_by_line(
    talk: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    chatty = talk(
        "for line in lines():\n"
        "    os.write(2, b'one\\n\\n\\x1b[2Jtwo\\n' + b'x' * 5000)\n"
        "    say(line)\n"
        "    sys.exit()\n"
    )
    chatty.ask("a")
    with pytest.raises(ProgramEnded):
        while True:
            chatty.dialogue.look()
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == ["upper: one", "upper: \x1b[2Jtwo"]
    assert all(len(each) <= len("upper: ") + limits.PROGRAM_SAID_BYTES_MAX for each in said)

"""A program that runs once for each line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.worker.once import Once
from linebus.worker.position import Position
from linebus.worker.program import ProgramSpec
from tests.worker.programs import python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[..., str]


@pytest.fixture
def position() -> Iterator[Position]:
    position = Position.create()
    yield position
    assert position.program_group() == 0
    position.close()


@pytest.fixture
def ask(position: Position) -> Ask:
    """A function that asks a program, in Python, for a line; `!` marks what failed."""

    def asking(code: str, line: str = "a", **given: Any) -> str:  # noqa: ANN401  of the spec
        once = Once(python(code, once=True, **given), position)
        once.wait_for_start()
        once.look()
        assert once.prepare() == 1
        [replies] = once.replies([line], 7)
        once.end()
        assert position.cell[0] == 0
        [text] = replies.texts
        return "!" * len(replies.failed) + text

    return asking


def test_the_line_is_all_there_is_to_read(ask: Ask) -> None:
    assert ask("say(repr(sys.stdin.read()))", "bä c") == "'bä c\\n'"
    assert ask("say(repr(sys.stdin.read()))", "b", whole_line=True) == "'upper b\\n'"


@pytest.mark.parametrize(
    ("written", "text"),
    [("a", "a"), ("a\\n", "a"), ("a\\r\\n", "a"), ("", ""), ("\\n", ""), ("\\xff", "ÿ")],
)
def test_what_it_writes_is_the_reply_without_the_line_end(
    ask: Ask, written: str, text: str
) -> None:
    assert ask(f"say('{written}', '')") == text


def test_several_lines_fail(ask: Ask) -> None:
    assert ask("say('a\\nb')").endswith("wrote 2 lines; a reply is one line")


def test_a_program_that_reads_nothing_answers_too(ask: Ask) -> None:
    assert ask("os.close(0)\nsay('so')", "x" * 200_000) == "so"


def test_an_exit_code_is_a_failure_with_stderr_as_the_reason(ask: Ask) -> None:
    assert ask("sys.exit('no\\nsuch fruit')") == "!such fruit"
    assert ask("say('half')\nsys.exit(3)").endswith(" ended with exit code 3")
    assert ask("os.kill(os.getpid(), signal.SIGKILL)").endswith(" killed by SIGKILL")


def test_what_it_says_besides_is_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert ask("os.write(2, b'careful\\n')\nsay('so')") == "so"
    assert caplog.messages == ["upper: careful"]


def test_a_reply_that_is_too_long_fails(ask: Ask) -> None:
    most = limits.TEXT_BYTES_MAX
    assert ask(f"say('x' * {most})") == "x" * most
    assert ask("say('x' * 10_000_000)") == (
        f"!the reply is too long: 10000001 bytes; at most {most}"
    )


def test_one_that_takes_longer_than_its_limit_is_killed(ask: Ask) -> None:
    assert ask("signal.pause()", time_limit_s=0.05).endswith(" took longer than 0.05 s")


def test_what_it_leaves_behind_does_not_delay_the_reply(ask: Ask) -> None:
    assert ask("if os.fork(): say('so')\nelse: signal.pause()") == "so"


def test_one_that_cannot_be_started_fails_its_line(position: Position) -> None:
    once = Once(ProgramSpec("x", (b"/nowhere/x",), once=True), position)
    [replies] = once.replies(["a"], 0)
    assert (replies.failed, replies.texts) == (
        [0],
        ["cannot start x: there is no such program here"],
    )


def test_the_line_at_hand_is_in_the_position(position: Position) -> None:
    seen = []
    once = Once(python("say(next(lines()))", once=True), position)
    run = once._run
    once._run = lambda line: (seen.append(position.cell[0]), run(line))[1]  # type: ignore[func-returns-value, method-assign]
    assert [each.texts for each in once.replies(["a", "b"], 7)] == [["a"], ["b"]]
    assert seen == [7, 8]

"""An executor with a program: what it answers, and what it tells its guardian."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.wire import messages as m
from linebus.worker import pipes
from linebus.worker.children import Child
from linebus.worker.dialogue import Dialogue
from linebus.worker.once import Once
from linebus.worker.position import Position
from linebus.worker.program import ProgramEnded, ProgramSpec
from linebus.worker.program_executor import ProgramExecutor
from linebus.worker.session import Slice
from linebus.worker.watch import Bounds
from tests.support import PATIENCE_S
from tests.worker.programs import UPPER, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRAGILE = "for line in lines():\n    if line == 'die': sys.exit('no more')\n    say(line.upper())"


class Bench:
    """An executor without a server."""

    def __init__(self, spec: ProgramSpec) -> None:
        control, self._control_end = os.pipe()
        report_end, report = os.pipe()
        self.reports = PipeReader(report_end, pipes.ToGuardian)
        self.position = Position.create()
        self.dialogue = (Once if spec.once else Dialogue)(spec, self.position)
        self.executor = ProgramExecutor(
            self.dialogue,
            pipes.Start([], b"k" * limits.KEY_BYTES, None, spec),
            PipeReader(control, pipes.ToExecutor),
            PipeWriter(report),
            self.position,
        )
        self._descriptors = [control, self._control_end, report_end, report]

    def work(self, first: int, *lines: str, values: bool = False) -> list[tuple[str, bool]]:
        """Have lines worked on; return the texts, and which of them failed."""
        self.executor._work(Slice(first, "upper", list(lines), values=values))
        said: list[tuple[str, bool]] = []
        for answers in self.executor._session.messages(0.0):
            assert isinstance(answers, m.Answers)
            assert answers.first == first + len(said)
            said += [(text, at in answers.failed) for at, text in enumerate(answers.texts)]
        return said

    def close(self) -> None:
        if isinstance(self.dialogue, Dialogue):
            self.dialogue.kill()
        self.executor._context.destroy(linger=0)
        self.position.close()
        for descriptor in self._descriptors:
            os.close(descriptor)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def start(code: str, **given: Any) -> Bench:  # noqa: ANN401  whatever a spec has
        benches.append(Bench(python(code, **given)))
        return benches[-1]

    yield start
    for each in benches:
        each.close()


def test_the_lines_of_a_slice_are_answered(bench: Callable[..., Bench]) -> None:
    upper = bench(UPPER)
    lines = [f"line {number}" for number in range(2_000)]
    assert upper.work(5, *lines) == [(line.upper(), False) for line in lines]
    assert upper.position.cell[0] == 0


def test_values_are_the_texts_as_json(bench: Callable[..., Bench]) -> None:
    upper = bench("sys.exit(3) if (line := next(lines())) == 'no' else say(line)", once=True)
    said = upper.work(1, '4 "a" ä', "no", values=True)
    assert said[0] == ('"4 \\"a\\" ä"', False)
    assert said[1][1]
    assert said[1][0].endswith(" ended with exit code 3")


def test_a_death_leaves_the_position_and_sends_what_was_done(bench: Callable[..., Bench]) -> None:
    shaky = bench(FRAGILE)
    with pytest.raises(ProgramEnded):
        shaky.work(7, "a", "b", "die", "c")
    assert shaky.position.cell[0] == 9


def test_a_slice_that_nobody_wants_any_more_is_left(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = bench(UPPER)
    monkeypatch.setattr(upper.executor, "_is_to_end", lambda: True)
    assert upper.work(1, "a", "b", "c") == [("A", False)]
    assert upper.position.cell[0] == 0


def test_a_plain_line_is_answered_to_the_guardian(bench: Callable[..., Bench]) -> None:
    upper = bench(UPPER)
    upper.executor.obey(pipes.PlainLine(3, "upper", "a b"))
    assert upper.reports.read() == [pipes.PlainText(3, "A B", failed=False)]


def test_a_program_that_ends_while_it_is_idle_ends_the_executor(
    bench: Callable[..., Bench],
) -> None:
    short = bench("next(lines())\nsys.exit('so')")
    assert isinstance(short.dialogue, Dialogue)
    short.dialogue._program.write(b"a\n")
    short.executor.run()
    said = "lost its program (ended with exit code 1; it said: so)"
    assert short.reports.read() == [pipes.Ended(said)]


def test_a_program_that_is_replaced_is_listened_to(bench: Callable[..., Bench]) -> None:
    upper = bench("for line in lines(): say(line)\nsys.exit(4)")
    assert isinstance(upper.dialogue, Dialogue)
    former = upper._descriptors[1]
    upper.executor._poller.register(former)
    upper.executor._watched = frozenset({former})
    upper.dialogue._program.write(b"", closes=True)
    upper.executor.run()
    [ended] = upper.reports.read()
    assert "exit code 4" in ended.reason
    assert former not in upper.executor._watched


# -- as a process ------------------------------------------------------------------------------


@pytest.fixture
def start() -> Iterator[Callable[[ProgramSpec], Child]]:
    started: list[Child] = []

    def starting(spec: ProgramSpec) -> Child:
        started.append(Child([], None, 5.0, spec))
        return started[-1]

    yield starting
    for child in started:
        if child.process.returncode is None:
            child.bury()


def hear(child: Child) -> Any:  # noqa: ANN401  whichever message comes
    """Wait for the next message; None at the end of the pipe."""
    while select.select([child.report.descriptor], [], [], PATIENCE_S)[0]:
        if messages := child.report.read():
            assert len(messages) == 1
            return messages[0]
        if child.report.is_at_end:
            return None
    raise AssertionError("it says nothing")


@pytest.mark.parametrize("once", [False, True])
def test_a_process_offers_its_program_and_answers(
    start: Callable[[ProgramSpec], Child], once: bool
) -> None:
    spec = python(UPPER, once=once)
    child = start(spec)
    bounds = [Bounds(0.0, 0)]
    assert hear(child) == pipes.Ready([spec.offer()], bounds, is_recycled=False)
    child.control.write(pipes.PlainLine(1, "upper", "a"))
    assert hear(child) == pipes.PlainText(1, "A", failed=False)
    child.stop()
    assert hear(child) is None
    assert child.bury().reason == "ended with exit code 0"


def test_a_process_says_how_its_program_ended(start: Callable[[ProgramSpec], Child]) -> None:
    child = start(python(FRAGILE))
    hear(child)
    child.control.write(pipes.PlainLine(1, "upper", "die"))
    ended = hear(child)
    assert ended == pipes.Ended("lost its program (ended with exit code 1; it said: no more)")
    assert hear(child) is None
    child.ended = ended.reason
    lost = child.bury()
    assert (lost.position, lost.reason) == (0, ended.reason)


def test_a_program_that_cannot_be_offered_is_told(start: Callable[[ProgramSpec], Child]) -> None:
    child = start(ProgramSpec("x", (b"/nowhere/x",)))
    assert hear(child) == pipes.Unloadable("cannot start x: there is no such program here")
    assert hear(child) is None


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="asks Linux about a process")
def test_a_killed_executor_takes_its_program_along_and_all_that_it_started(
    start: Callable[[ProgramSpec], Child],
) -> None:
    child = start(
        python("for _ in lines():\n    if child := os.fork(): say(f'{os.getpid()} {child}')\n")
    )
    hear(child)
    child.control.write(pipes.PlainLine(1, "upper", ""))
    pids = [int(word) for word in hear(child).text.split()]
    ends = [os.pidfd_open(pid) for pid in pids]
    child.kill()
    assert hear(child) is None
    child.bury()
    for end in ends:
        assert select.select([end], [], [], PATIENCE_S)[0]
        os.close(end)

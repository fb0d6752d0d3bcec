"""An executor in this process: its one loop over lines, and what it says about failures."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import pytest

import linebus
from linebus import limits
from linebus.wire import messages as m
from linebus.worker import pipes
from linebus.worker.executor import Executor
from linebus.worker.position import Position
from linebus.worker.session import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEN: list[int] = []


@linebus.service
def echo(text: Annotated[str, linebus.Rest]) -> str:
    return f"echoed {text}"


@linebus.service
def half(number: int) -> int:
    if number % 2:
        raise linebus.Refused(f"{number} is odd")
    return number // 2


@linebus.service
def broken(how: str) -> str:
    raise {"type": TypeError, "key": KeyError, "none": RuntimeError}[how](*["so"] * (how != "none"))


@linebus.service
def surrogate() -> str:
    return "half \udcff"


class Bench:
    """An executor without a server, whose clock the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.step_s = 0.0
        control, self._control_end = os.pipe()
        self.report_end, report = os.pipe()
        os.set_blocking(self.report_end, False)
        self.reports = pipes.PipeReader(self.report_end, pipes.ToGuardian)
        self.position = Position.create()
        self.executor = Executor(
            [echo, half, broken, surrogate, self.watching()],
            pipes.Start([], b"k" * limits.KEY_BYTES, None),
            pipes.PipeReader(control, pipes.ToExecutor),
            pipes.PipeWriter(report),
            self.position,
        )
        self.executor._sent_at = self.now
        self._descriptors = [control, self._control_end, self.report_end, report]
        monkeypatch.setattr(time, "monotonic", self._clock)

    def watching(self) -> Any:  # noqa: ANN401  a service
        @linebus.service
        def watch() -> str:
            return str(self.position.cell[0])

        return watch

    def _clock(self) -> float:
        self.now += self.step_s
        return self.now

    def work(self, first: int, service: str, *lines: str) -> list[m.Answers]:
        """Have lines worked on; return what would be sent."""
        self.executor._work(Slice(first, service, list(lines), values=False))
        answers = self.executor._session.messages(self.now)
        assert all(isinstance(each, m.Answers) for each in answers)
        return [each for each in answers if isinstance(each, m.Answers)]

    def close(self) -> None:
        self.executor._context.destroy(linger=0)
        self.position.close()
        for descriptor in self._descriptors:
            os.close(descriptor)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.close()


def test_the_lines_of_a_slice_are_answered_in_one_message(bench: Bench) -> None:
    [answers] = bench.work(5, "echo", "a", "b b", "c")
    assert (answers.first, answers.failed) == (5, [])
    assert answers.texts == ["echoed a", "echoed b b", "echoed c"]


def test_a_round_takes_a_bounded_number_of_messages(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 3)
    received: list[int] = []

    class Flood:
        def receive(self) -> tuple[bytes, bytes]:
            received.append(1)
            return b"x" * limits.TOKEN_BYTES, b""

    with monkeypatch.context() as patch:
        patch.setattr(bench.executor, "_dealer", Flood())
        bench.executor._receive(bench.now)
    assert len(received) == 3


def test_a_line_that_is_refused_fails_with_its_reason_and_its_neighbours_do_not(
    bench: Bench,
) -> None:
    [answers] = bench.work(1, "half", "4", "3", "x", "6")
    assert [answers.texts[0], answers.texts[1], answers.texts[3]] == ["2", "3 is odd", "3"]
    assert "usage" in answers.texts[2]
    assert answers.failed == [1, 2]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("type", "broken failed: TypeError: so"),
        ("key", "broken failed: KeyError: 'so'"),
        ("none", "broken failed: RuntimeError"),
    ],
)
def test_whatever_a_service_raises_is_its_answer_and_is_logged_in_full(
    bench: Bench, caplog: pytest.LogCaptureFixture, how: str, said: str
) -> None:
    with caplog.at_level(logging.ERROR):
        [answers] = bench.work(1, "broken", how)
    assert answers.texts == [said]
    assert answers.failed == [0]
    assert caplog.records[0].exc_info


def test_a_service_that_is_not_offered_here_fails(bench: Bench) -> None:
    [answers] = bench.work(1, "nothing", "x")
    assert answers.failed == [0]
    assert answers.texts == ["this worker does not offer the service"]


def test_the_line_at_hand_is_in_the_position_and_none_afterwards(bench: Bench) -> None:
    [answers] = bench.work(41, "watch", "", "", "")
    assert answers.texts == ["41", "42", "43"]
    assert bench.position.cell[0] == 0


def test_what_is_done_is_sent_after_half_a_millisecond(bench: Bench) -> None:
    sent: list[m.Message] = []
    bench.executor._send = lambda: sent.extend(  # type: ignore[method-assign]
        bench.executor._session.messages(bench.now)
    )
    bench.step_s = limits.FLUSH_S / 3
    last = bench.work(1, "echo", *map(str, range(10)))
    parts = [*sent, *last]
    assert len(parts) > 2
    texts: list[str] = []
    for part in parts:
        assert isinstance(part, m.Answers)
        assert part.first == len(texts) + 1
        texts += part.texts
    assert texts == [f"echoed {n}" for n in range(10)]


def test_failures_are_counted_from_the_start_of_each_part(bench: Bench) -> None:
    sent: list[m.Message] = []
    bench.executor._send = lambda: sent.extend(  # type: ignore[method-assign]
        bench.executor._session.messages(bench.now)
    )
    bench.step_s = 2 * limits.FLUSH_S  # every line is a part of its own
    sent += bench.work(1, "half", "1", "2", "3")
    assert [(part.first, part.failed) for part in sent if isinstance(part, m.Answers)] == [
        (1, [0]),
        (2, []),
        (3, [0]),
    ]


def test_the_rest_of_a_slice_is_left_when_nobody_waits_for_it_any_more(bench: Bench) -> None:
    def restart() -> None:
        bench.executor._session.generation += 1

    bench.executor._send = restart  # type: ignore[method-assign]
    bench.step_s = 2 * limits.FLUSH_S
    [answers] = bench.work(1, "echo", "a", "b", "c")
    assert answers.texts == ["echoed a"]
    assert bench.position.cell[0] == 0


def test_a_plain_line_is_answered_to_the_guardian(bench: Bench) -> None:
    for number, (service, arguments) in enumerate([("echo", "x"), ("half", "3"), ("none", "")]):
        bench.executor.obey(pipes.PlainLine(number, service, arguments))
    assert bench.reports.read() == [
        pipes.PlainText(0, "echoed x", failed=False),
        pipes.PlainText(1, "3 is odd", failed=True),
        pipes.PlainText(2, "this worker does not offer the service", failed=True),
    ]


def test_an_exception_in_a_plain_line_is_its_text(bench: Bench) -> None:
    bench.executor.obey(pipes.PlainLine(1, "broken", "type"))
    assert bench.reports.read() == [pipes.PlainText(1, "broken failed: TypeError: so", failed=True)]


def test_a_plain_text_that_is_no_unicode_does_not_end_the_executor(bench: Bench) -> None:
    bench.executor.obey(pipes.PlainLine(1, "surrogate", ""))
    assert bench.reports.read() == [pipes.PlainText(1, r"half \udcff", failed=False)]


def test_a_new_address_starts_a_new_session_and_the_same_one_does_not(bench: Bench) -> None:
    executor = bench.executor
    executor.obey(pipes.Connect("tcp://127.0.0.1:1"))
    dealer, session = executor._dealer, executor._session
    executor.obey(pipes.Connect("tcp://127.0.0.1:1"))
    assert (executor._dealer, executor._session) == (dealer, session)
    executor.obey(pipes.Connect("tcp://127.0.0.1:2"))
    assert executor._dealer is not dealer
    assert executor._session.ident != session.ident


def test_an_executor_without_a_guardian_does_not_start() -> None:
    command = [sys.executable, "-m", "linebus.worker.executor", "1073741824", "0", "0"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1


def test_an_executor_whose_guardian_says_nothing_ends() -> None:
    position = Position.create()
    report_end, report = os.pipe()
    numbers = map(str, (os.getpid(), report, position.descriptor))
    done = subprocess.run(
        [sys.executable, "-m", "linebus.worker.executor", *numbers],
        stdin=subprocess.DEVNULL,
        pass_fds=(report, position.descriptor),
        check=False,
    )
    assert done.returncode == 1
    position.close()
    os.close(report_end)
    os.close(report)


@pytest.mark.parametrize(
    "words",
    [
        "executor.failure('gcd', ValueError(said))",
        "executor.log.error('an executor ends: %s', said)",
    ],
)
def test_whatever_it_reports_cannot_act_on_a_terminal(words: str) -> None:
    program = (
        "from linebus.worker import executor\n"
        "said = 'so\\x1b[2J\\u202e'\n"
        f"executor._log()\n{words}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.startswith("linebus.worker: ")
    assert r"so\x1b[2J\u202e" in done.stderr
    assert all(line.isprintable() for line in done.stderr.splitlines())

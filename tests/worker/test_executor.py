"""An executor in this process: its one loop over lines, and what it says about failures."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import pytest

import linebus
from linebus import limits
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.wire import messages as m
from linebus.worker import executor as executor_module
from linebus.worker import pipes
from linebus.worker import position as page
from linebus.worker.executor import Executor
from linebus.worker.position import Position
from linebus.worker.session import Slice
from linebus.worker.watch import Bounds
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        self.reports = PipeReader(self.report_end, pipes.ToGuardian)
        self.position = Position.create()
        self.executor = Executor(
            [echo, half, broken, surrogate, self.watching()],
            pipes.Start([], b"k" * limits.KEY_BYTES, None),
            PipeReader(control, pipes.ToExecutor),
            PipeWriter(report),
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
    bench.step_s = 0.0005 / 3  # no limit of ours: what is kept waits behind a line that is long
    last = bench.work(1, "echo", *map(str, range(10)))
    parts = [*sent, *last]
    assert len(parts) > 2
    texts: list[str] = []
    for part in parts:
        assert isinstance(part, m.Answers)
        assert part.first == len(texts) + 1
        texts += part.texts
    assert texts == [f"echoed {n}" for n in range(10)]


def test_cheap_lines_of_a_slice_are_sent_after_five_milliseconds(bench: Bench) -> None:
    sent: list[m.Message] = []
    bench.executor._send = lambda: sent.extend(  # type: ignore[method-assign]
        bench.executor._session.messages(bench.now)
    )
    bench.step_s = limits.CHEAP_LINE_S / 2
    count = int(2.5 * limits.FLUSH_CHEAP_S / bench.step_s)
    sent += bench.work(1, "echo", *map(str, range(count)))
    assert len([part for part in sent if isinstance(part, m.Answers)]) == 3
    bench.now += 1.0
    sent.clear()
    bench.step_s = 1.1 * limits.CHEAP_LINE_S
    sent += bench.work(count + 1, "echo", *map(str, range(count)))
    took_s = count * bench.step_s
    assert len([part for part in sent if isinstance(part, m.Answers)]) > took_s / 2 / limits.FLUSH_S


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


# ---- pausing, many at once, replacement ------------------------------------------------------


class Session:
    """What an executor's session was told, in order, without a server."""

    def __init__(self, executor: Executor) -> None:
        self._session = executor._session
        executor._send = lambda: None  # type: ignore[method-assign]

    def said(self) -> list[m.Message]:
        return self._session.messages(0.0)

    def texts(self) -> list[tuple[int, list[str]]]:
        """Hand out what would be sent as texts."""
        return [(each.first, each.texts) for each in self.said() if isinstance(each, m.Answers)]


def bounded(name: str, answer: Callable[[str], str], **bounds: Any) -> Any:  # noqa: ANN401
    """Return a service of text with these bounds."""

    def run(text: Annotated[str, linebus.Rest]) -> str:
        return answer(text)

    return linebus.service(name=name, **bounds)(run)


def a_slice(first: int, service: str, *lines: str, values: bool = False) -> Slice:
    return Slice(first, service, list(lines), values)


def offering(bench: Bench, *services: Any) -> Executor:  # noqa: ANN401
    """Return an executor like the bench's that offers these services."""
    executor = Executor(
        services,
        pipes.Start([], b"k" * limits.KEY_BYTES, None),
        bench.executor._control,
        bench.executor._report,
        bench.position,
    )
    executor._sent_at = bench.now
    return executor


def test_what_has_not_begun_of_a_slice_is_skipped_when_its_guardian_asks_for_that(
    bench: Bench,
) -> None:
    begun = []

    def long_at_two(text: str) -> str:
        begun.append(text)
        if text == "2":
            bench.position.cell[page.PAUSE] = 1
        return text

    executor = offering(bench, bounded("slow", long_at_two))
    session = Session(executor)
    executor._take_up(a_slice(1, "slow", "1", "2", "3", "4"))
    answers, skipped = session.said()
    assert isinstance(answers, m.Answers)
    assert (answers.first, answers.texts) == (1, ["1", "2"])
    assert skipped == m.Skipped(3, 2 + limits.CREDIT_LINES_MAX)
    assert begun == ["1", "2"]
    assert (bench.position.cell[page.NUMBER], bench.position.cell[page.PAUSE]) == (0, 0)
    assert executor._session.next_slice() is None, "until the server has taken back the rest"
    executor._context.destroy(linger=0)


def test_where_the_long_line_was_the_last_of_its_slice_what_comes_next_is_skipped(
    bench: Bench,
) -> None:
    def always_long(text: str) -> str:
        bench.position.cell[page.PAUSE] = 1
        return text

    executor = offering(bench, bounded("slow", always_long))
    session = Session(executor)
    executor._session._received = 1
    executor._take_up(a_slice(1, "slow", "1"))
    assert session.said()[1:] == [m.Skipped(2, 1 + limits.CREDIT_LINES_MAX)]
    executor._context.destroy(linger=0)


def test_who_is_asked_before_it_begins_skips_the_line_too(bench: Bench) -> None:
    session = Session(bench.executor)
    bench.position.cell[page.PAUSE] = 1
    bench.executor._take_up(a_slice(5, "echo", "a", "b"))
    assert session.said() == [m.Skipped(5, limits.CREDIT_LINES_MAX)]
    assert bench.position.cell[page.NUMBER] == 0


def test_a_guardian_that_rests_is_woken_once(bench: Bench) -> None:
    Session(bench.executor)
    for number in (1, 2):
        bench.executor._take_up(a_slice(number, "echo", "x"))
    assert bench.reports.read() == [pipes.Awake()]
    bench.position.cell[page.IS_WATCHED] = 0
    bench.executor._take_up(a_slice(3, "echo", "x"))
    assert bench.reports.read() == [pipes.Awake()]


def test_the_position_says_of_which_service_the_line_is(bench: Bench) -> None:
    Session(bench.executor)
    for service, index in (("half", 1), ("echo", 0), ("nothing", -1)):
        bench.executor._take_up(a_slice(1, service, "2"))
        assert bench.position.cell[page.SERVICE] == index


def test_the_position_counts_slices(bench: Bench) -> None:
    Session(bench.executor)
    for count in (1, 2):
        bench.executor._take_up(a_slice(1, "echo", "x", "y"))
        assert bench.position.cell[page.SLICES] == count


def test_after_as_many_lines_as_it_should_do_an_executor_begins_no_other(bench: Bench) -> None:
    executor = offering(bench, bounded("leaky", str.upper, recycle_after=3), echo)
    session = Session(executor)
    executor._take_up(a_slice(1, "echo", "x", "x", "x", "x"))
    assert not executor._is_to_end(), "of the other service there is no such bound"
    executor._take_up(a_slice(5, "leaky", "a", "b"))
    assert not executor._is_to_end()
    executor._take_up(a_slice(7, "leaky", "c", "d", "e"))
    assert executor._is_to_end()
    assert session.texts()[1:] == [(5, ["A", "B"]), (7, ["C"])]
    bench.reports.read()
    executor._leave()
    assert bench.reports.read() == [pipes.Leaving()]


def test_all_lines_that_it_should_do_are_done_however_long_they_take(bench: Bench) -> None:
    executor = offering(bench, bounded("leaky", str.upper, recycle_after=3))
    session = Session(executor)
    bench.step_s = 2 * limits.FLUSH_S  # what is done is sent after every line
    executor._take_up(a_slice(1, "leaky", "a", "b", "c", "d"))
    assert [text for _, texts in session.texts() for text in texts] == ["A", "B", "C"]
    assert executor._is_to_end()
    executor._context.destroy(linger=0)


def test_one_that_is_not_spent_leaves_without_a_word_to_its_guardian(bench: Bench) -> None:
    offering(bench, echo)._leave()
    assert bench.reports.read() == []


# ---- async services --------------------------------------------------------------------------


@linebus.service(at_once=7)
async def later(number: int) -> int:
    if number == 13:
        raise linebus.Refused("not thirteen")
    await asyncio.Event().wait() if number == 0 else None
    return 2 * number


def collect(executor: Executor, session: Session, count: int) -> dict[int, str]:
    """Wait for the texts of so many async lines."""
    texts: dict[int, str] = {}
    assert executor._at_once is not None
    while len(texts) < count:
        assert select.select([executor._at_once], [], [], PATIENCE_S)[0]
        executor._collect(executor._at_once)
        texts |= {first: text for first, [text] in session.texts()}
    return texts


@pytest.fixture
def async_executor(bench: Bench) -> Iterator[Executor]:
    executor = offering(bench, later)
    yield executor
    executor._drop_at_once()
    executor._context.destroy(linger=0)


def test_async_lines_are_begun_together_and_answered_as_they_end(
    bench: Bench, async_executor: Executor
) -> None:
    session = Session(async_executor)
    async_executor._take_up(a_slice(1, "later", "0"))
    async_executor._take_up(a_slice(2, "later", "5", "13"))
    async_executor._take_up(a_slice(4, "later", "6", values=True))
    assert bench.position.cell[page.AT_ONCE] == 4
    assert bench.position.cell[page.NUMBER] == 0
    assert bench.position.cell[page.SLICES] == 3
    texts = collect(async_executor, session, 3)
    assert texts == {2: "10", 3: "not thirteen", 4: "12"}
    assert bench.position.cell[page.AT_ONCE] == 1


def test_an_async_line_that_nobody_waits_for_is_given_up(
    bench: Bench, async_executor: Executor
) -> None:
    async_executor.obey(pipes.Unwanted(1, 9))
    session = Session(async_executor)
    async_executor._take_up(a_slice(1, "later", "0"))
    async_executor.obey(pipes.Unwanted(1, 1))
    assert collect(async_executor, session, 1) == {1: "nobody waited for it any more"}
    assert bench.position.cell[page.AT_ONCE] == 0


def test_async_lines_of_a_stream_that_has_ended_are_dropped(
    bench: Bench, async_executor: Executor
) -> None:
    Session(async_executor)
    async_executor._take_up(a_slice(1, "later", "0"))
    async_executor.obey(pipes.Connect("tcp://127.0.0.1:1"))
    assert async_executor._at_once is not None, "there was no connection before"
    async_executor.obey(pipes.Connect("tcp://127.0.0.1:2"))
    assert async_executor._at_once is None
    assert bench.position.cell[page.AT_ONCE] == 0


def test_a_plain_line_of_an_async_service_is_waited_for(
    bench: Bench, async_executor: Executor
) -> None:
    async_executor.obey(pipes.PlainLine(1, "later", "21"))
    assert bench.reports.read() == [pipes.PlainText(1, "42", failed=False)]


# ---- setting up ------------------------------------------------------------------------------


SET_UP = """
import linebus

def model():
    raise RuntimeError("no model here")

def fine():
    yield 5
    raise RuntimeError("cannot end")

@linebus.service(setup=model)
def broken(model: object) -> str:
    return "never"

@linebus.service(setup=fine, time_limit_s=2, memory_limit=10**9, recycle_after=9)
def good(model: int) -> int:
    return model
"""


@pytest.fixture
def loaded(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """A function that loads services as an executor does; what it reports, and what it has."""
    (tmp_path / "sets_up.py").write_text(SET_UP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "sets_up", raising=False)
    reader, writer = os.pipe()
    reports = PipeReader(reader, pipes.ToGuardian)

    def load(reference: str, *, tells_files: bool = False) -> tuple[Any, Any]:
        start = pipes.Start([reference], b"", None, tells_files=tells_files)
        services = executor_module._load(start, PipeWriter(writer))
        *files, message = reports.read()
        assert [type(each) for each in files] == [pipes.Files] * tells_files
        assert all(str(tmp_path / "sets_up.py") in each.names for each in files)
        return message, services

    yield load
    os.close(reader)
    os.close(writer)


def test_a_setup_that_raises_is_told_as_what_cannot_be_loaded(
    loaded: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        message, services = loaded("sets_up:broken")
    assert services is None
    said = "the setup of service 'broken' raised RuntimeError: no model here; correct it there"
    assert message == pipes.Unloadable(said)
    assert caplog.records[0].exc_info


def test_what_is_set_up_is_there_before_the_first_line_and_its_bounds_are_told(
    loaded: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    message, services = loaded("sets_up:good")
    assert [offer.name for offer in message.offers] == ["good"]
    assert message.bounds == [Bounds(2.0, 10**9)]
    assert message.is_recycled
    [service] = services
    assert service.prepared._made == [5]
    with caplog.at_level(logging.ERROR):
        executor_module._end_setup(service)
    assert caplog.messages == ["the end of the setup of good raised an exception"]


def test_where_that_is_wanted_the_files_are_told_before_how_it_went(
    loaded: Any,  # noqa: ANN401
) -> None:
    assert isinstance(loaded("sets_up:good", tells_files=True)[0], pipes.Ready)
    assert isinstance(loaded("sets_up:broken", tells_files=True)[0], pipes.Unloadable)

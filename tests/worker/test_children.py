"""An executor's process in its guardian's hands."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.process import core_numbers
from linebus.worker import pipes
from linebus.worker.children import Child
from tests.support import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def start(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Child]]:  # noqa: ANN401
    """A function that starts a child with services from a module in its current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import os, signal, linebus\n"
        "from typing import Annotated\n"
        "@linebus.service\n"
        "def echo(text: Annotated[str, linebus.Rest]) -> str:\n"
        "    return 'echoed ' + text\n"
        "@linebus.service\n"
        "def die(how: int) -> str:\n"
        "    os.kill(os.getpid(), how)\n"
        "@linebus.service\n"
        "def leave(code: int) -> str:\n"
        "    os._exit(code)\n"
        "@linebus.service\n"
        "def hang() -> str:\n"
        "    signal.pause()\n"
        "@linebus.service\n"
        "def reads() -> str:\n"
        "    return repr(os.read(0, 10))\n"
        "@linebus.service\n"
        "def blocked() -> str:\n"
        "    return repr(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "everything = [echo, die, leave, hang, reads, blocked]\n"
    )
    started: list[Child] = []

    def starting(*references: str, address: str | None = None) -> Child:
        started.append(Child(references or ("mine:everything",), address, now=5.0))
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
    raise AssertionError("nothing has come from the executor")


def ended(child: Child) -> tuple[int, str]:
    """Bury a child; return the line that is charged, and how the child ended."""
    lost = child.bury()
    assert (lost.executor, lost.failed) == (child.key_hash, False)
    return lost.position, lost.reason


def ask(child: Child, number: int, service: str, arguments: str) -> Any:  # noqa: ANN401
    child.control.write(pipes.PlainLine(number, service, arguments))
    return hear(child)


def test_a_child_says_what_it_offers_and_works_on_plain_lines(start: Callable[..., Child]) -> None:
    child = start()
    assert child.started_at == 5.0
    ready = hear(child)
    assert [offer.name for offer in ready.offers] == [
        *("echo", "die", "leave", "hang", "reads", "blocked")
    ]
    assert ask(child, 1, "echo", "a b") == pipes.PlainText(1, "echoed a b", failed=False)
    assert ask(child, 2, "hang", "x").failed
    assert ask(child, 3, "nothing", "x").failed


def test_ctrl_c_does_not_reach_a_child_that_is_starting(start: Callable[..., Child]) -> None:
    child = start()
    child.process.send_signal(signal.SIGINT)
    assert isinstance(hear(child), pipes.Ready)
    child.process.send_signal(signal.SIGINT)
    assert ask(child, 1, "echo", "a").text == "echoed a"


def test_what_a_service_starts_may_be_interrupted(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    assert ask(child, 1, "blocked", "").text == "set()"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_child_that_cannot_load_says_why_and_ends(start: Callable[..., Child]) -> None:
    child = start("no_such_service")
    unloadable = hear(child)
    assert "no built-in service is called 'no_such_service'" in unloadable.reason
    assert hear(child) is None
    assert child.process.wait(PATIENCE_S) == 1
    assert ended(child) == (0, "ended with exit code 1")


def test_what_a_service_reads_from_standard_input_is_empty(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    assert ask(child, 1, "reads", "").text == "b''"


def test_a_line_that_is_no_unicode_is_answered(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    assert ask(child, 1, "echo", "ü 𝄞").text == "echoed ü 𝄞"


@pytest.mark.parametrize(
    ("service", "arguments", "how"),
    [
        ("die", str(int(signal.SIGKILL)), "killed by SIGKILL"),
        ("die", str(int(signal.SIGSEGV)), "killed by SIGSEGV"),
        ("leave", "7", "ended with exit code 7"),
    ],
)
def test_how_a_child_ended_is_told(
    start: Callable[..., Child], service: str, arguments: str, how: str
) -> None:
    child = start()
    hear(child)
    assert ask(child, 1, service, arguments) is None
    child.process.wait(PATIENCE_S)
    assert ended(child) == (0, how)


def test_the_line_at_hand_is_told_with_the_death(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    child.position.cell[0] = 41
    child.kill()
    assert hear(child) is None
    assert ended(child) == (41, "killed by SIGKILL")


def test_a_child_asked_to_stop_ends_with_success(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    ask(child, 1, "echo", "x")  # it is in its loop
    child.stop()
    assert hear(child) is None
    assert child.process.wait(PATIENCE_S) == 0


def test_a_child_that_gives_way_computes_at_a_lower_priority(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    child.give_way()
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, child.process.pid) == ours + limits.EXECUTOR_NICENESS


@pytest.mark.skipif(len(core_numbers()) < 2, reason="there is no core to leave")
def test_a_child_leaves_a_core_and_takes_it_back(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    for _ in range(2):
        assert not child.leaves_core
        child.leave_core()
        assert child.leaves_core
        assert len(os.sched_getaffinity(child.process.pid)) == len(core_numbers()) - 1
        child.take_core_back()
        assert os.sched_getaffinity(child.process.pid) == core_numbers()


def test_a_child_ends_when_its_guardian_closes_the_pipe(start: Callable[..., Child]) -> None:
    child = start()
    hear(child)
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert hear(child) is None
    assert child.process.wait(PATIENCE_S) == 0


def test_burying_ends_a_child_that_hangs_and_gives_everything_back(
    start: Callable[..., Child],
) -> None:
    child = start()
    hear(child)
    child.control.write(pipes.PlainLine(1, "hang", ""))
    descriptors = [child.report.descriptor, child.position.descriptor, child.control.descriptor]
    assert ended(child) == (0, "killed by SIGKILL")
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)

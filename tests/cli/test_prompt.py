"""The prompt of `linebus up`: what is typed is answered, completed, and interrupted by news."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from linebus import limits
from linebus.cli.prompt import Prompt
from linebus.client.client import Client
from linebus.core.admin import SERVICES, ServiceInfo, ServicesPage
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, free_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prompt_toolkit.input import PipeInput

    from linebus.cli.household import Household
    from linebus.client.reply import Reply


class Echo(FakeServer):
    """Answers everything, and tells of two services."""

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        if ask.service != SERVICES:
            self.reply(route, ask)
            return
        page = ServicesPage([ServiceInfo("echo", "echo TEXT", executors=1), ServiceInfo("price")])
        text = msgspec.json.encode(page).decode()
        said = m.Replies(ask.service, ask.first, [text], [], 0, 1, 0.0, 0.0)
        self.send(route, self.token, said)


class Serving:
    """Stands in for a household."""

    is_serving = True
    trouble: str | None = None


class Gone(Serving):
    """Its server has ended."""

    is_serving = False
    trouble = "the server is gone; start another"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def bus() -> Iterator[Client]:
    with (
        Echo(free_address()) as server,
        Client(server.address, connect_timeout_s=PATIENCE_S) as bus,
    ):
        yield bus


def typed(*lines: str | BaseException) -> Callable[[], str]:
    """Stands in for reading: the lines one after the other, then the end of the input."""
    left = list(lines)

    def read() -> str:
        line = left.pop(0) if left else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line

    return read


def converse(
    bus: Client,
    *lines: str | BaseException,
    household: type[Serving] = Serving,
    as_json: bool = False,
) -> int:
    prompt = Prompt(bus, ["echo"], as_json=as_json)
    prompt._read = typed(*lines)
    stand_in: Household = household()  # type: ignore[assignment]  # all that is asked of one
    return prompt.converse(stand_in)


@pytest.mark.parametrize("word", ["quit", " exit "])
def test_the_usual_words_leave(bus: Client, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert converse(bus, "echo 1", word, "echo 2") == 0
    assert capsys.readouterr().out == "echo did 1\n"


def test_what_is_typed_is_answered_until_the_end_of_the_input(
    bus: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(bus, "echo 1", "", "  ", " echo 2 ") == 0
    assert capsys.readouterr().out == "echo did 1\necho did 2\n"


def test_ctrl_c_at_the_prompt_leaves(bus: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert converse(bus, "echo 1", KeyboardInterrupt(), "echo 2") == 0
    assert capsys.readouterr().out == "echo did 1\n"


def test_ctrl_c_while_a_reply_is_waited_for_gives_up_the_waiting_only(
    bus: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = bus.ask

    def interrupted(line: str) -> Reply:
        if line == "echo long":
            raise KeyboardInterrupt
        return ask(line)

    monkeypatch.setattr(bus, "ask", interrupted)
    assert converse(bus, "echo long", "echo 2") == 0
    said = capsys.readouterr()
    assert said.out == "echo did 2\n"
    assert "not waited for" in said.err


@pytest.mark.parametrize(
    ("terminal", "as_json", "said"),
    [
        (True, False, "linebus: no reply yet; Ctrl-C gives up waiting\n"),
        (False, False, ""),
        (True, True, ""),
    ],
)
def test_a_person_is_told_that_a_reply_is_waited_for(
    bus: Client,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    as_json: bool,
    said: str,
) -> None:
    monkeypatch.setattr(limits, "PROMPT_NOTICE_S", 0.0)
    monkeypatch.setenv("TERM", "dumb")
    told = threading.Event()
    tell_waiting, ask = Prompt._tell_waiting, bus.ask

    def tell(prompt: Prompt) -> None:
        tell_waiting(prompt)
        told.set()

    def ask_slowly(line: str) -> Reply:
        assert told.wait(PATIENCE_S)
        return ask(line)

    monkeypatch.setattr(Prompt, "_tell_waiting", tell)
    monkeypatch.setattr(bus, "ask", ask_slowly)
    with standard_streams(monkeypatch, "", terminal=terminal):
        converse(bus, "echo 1", as_json=as_json)
    assert capsys.readouterr().err == said


def test_help_shows_the_services_with_their_usage(
    bus: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    converse(bus, "help")
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [["echo", "echo TEXT"], ["price", ""]]


def test_with_json_replies_and_services_are_objects(
    bus: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    converse(bus, "echo 1", "help", as_json=True)
    reply, echo, price = map(json.loads, capsys.readouterr().out.splitlines())
    assert (reply["text"], echo["name"], price["name"]) == ("echo did 1", "echo", "price")


def test_without_a_server_nothing_is_asked(bus: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert converse(bus, "", "echo 1", household=Gone) == 3
    assert capsys.readouterr() == ("", "linebus: the server is gone; start another\n")


# -- a terminal that can do little -----------------------------------------------------------


@contextmanager
def standard_streams(
    monkeypatch: pytest.MonkeyPatch, lines: str, *, terminal: bool
) -> Iterator[io.StringIO]:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    out = Stream()
    descriptor, write = os.pipe()
    os.write(write, lines.encode())
    with os.fdopen(descriptor) as typed, os.fdopen(write, "w"), monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", typed)
        patch.setattr(sys, "stdout", out)
        yield out


def test_a_terminal_without_escapes_gets_a_simple_prompt(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with standard_streams(monkeypatch, "echo 1\n", terminal=True) as out:
        assert Prompt(bus, [], as_json=False)._read() == "echo 1"
    assert out.getvalue() == "> "


def test_where_the_output_goes_elsewhere_the_prompt_does_not(
    bus: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with standard_streams(monkeypatch, "echo 1\n", terminal=False) as out:
        assert Prompt(bus, [], as_json=False)._read() == "echo 1"
    assert (out.getvalue(), capsys.readouterr().err) == ("", "> ")


def test_ctrl_c_just_after_a_simple_prompt_is_shown_is_not_missed(
    bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    ctrl_c = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
    with standard_streams(monkeypatch, "", terminal=True) as out:
        monkeypatch.setattr(out, "flush", ctrl_c.start)
        with pytest.raises(KeyboardInterrupt):
            Prompt(bus, [], as_json=False)._read()
    ctrl_c.join()


def test_news_begin_on_a_line_of_their_own(
    bus: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    prompt = Prompt(bus, [], as_json=False)
    prompt.warn("no one reads")

    def read(*_: str) -> str:
        prompt.warn("one reads")
        return ""

    monkeypatch.setattr("builtins.input", read)
    with standard_streams(monkeypatch, "\n", terminal=False):
        prompt._read()
    assert capsys.readouterr().err.endswith("linebus: no one reads\n> \nlinebus: one reads\n")


# -- a terminal that can do more -------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    monkeypatch.setenv("TERM", "xterm")
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@pytest.fixture
def prompt(bus: Client, keys: PipeInput, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    with standard_streams(monkeypatch, "", terminal=True):
        yield Prompt(bus, ["gcd"], as_json=False)


def test_a_line_can_be_typed_again_from_the_history(prompt: Prompt, keys: PipeInput) -> None:
    keys.send_text("gcd 12 18\r")
    assert prompt._read() == "gcd 12 18"
    keys.send_text("\x1b[A\r")  # the line before
    assert prompt._read() == "gcd 12 18"


def test_a_line_of_the_run_before_can_be_typed_again(
    prompt: Prompt, bus: Client, keys: PipeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.send_text("gcd 12 18\r")
    prompt._read()
    with standard_streams(monkeypatch, "", terminal=True):
        another = Prompt(bus, ["gcd"], as_json=False)
    keys.send_text("\x1b[A\r")
    assert another._read() == "gcd 12 18"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("pr", ["price "]),
        ("", ["echo ", "price ", "help"]),
        ("h", ["help"]),
        ("x", []),
        ("echo p", []),
    ],
)
def test_a_name_is_completed_with_the_blank_behind_it_and_arguments_are_not(
    bus: Client, typed: str, completed: list[str]
) -> None:
    completer = Prompt(bus, ["gcd"], as_json=False)._completer()
    found = completer.get_completions(Document(typed), CompleteEvent())
    assert [each.text for each in found] == completed


def test_names_are_completed_although_the_bus_does_not_tell() -> None:
    with Client(free_address(), connect_timeout_s=0.0) as bus:
        assert Prompt(bus, ["gcd"], as_json=False)._words() == ["gcd ", "help"]

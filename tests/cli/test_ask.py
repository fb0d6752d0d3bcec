"""`linebus ask` in this process, against a server that the test drives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from linebus.cli import ask
from linebus.cli.main import main
from linebus.cli.output import json_line
from linebus.client.reply import Reply
from linebus.core.lifecycle import Outcome
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, free_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = ["--wait", str(PATIENCE_S)]


class Moody(FakeServer):
    """Answers `echo`, fails `fail`, says nothing to `wait`, knows nothing else."""

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        count = len(ask.lines)
        if ask.service == "echo":
            self.reply(route, ask)
        elif ask.service == "fail":
            said = m.Replies("fail", ask.first, ["no\n\x1b[2J"] * count, [0], 7, 1, 0.5, 0.25)
            self.send(route, self.token, said)
        elif ask.service != "wait":
            said_so = m.Ended(ask.service, ask.first, count, "no_service", "did you mean 'echo'?")
            self.send(route, self.token, said_so)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with Moody(free_address()) as server:
        yield server


def asked(
    server: FakeServer, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    code = main(["ask", *words, "--bus", server.address, *WAIT])
    return code, *capsys.readouterr()


def test_a_line_is_answered_on_stdout(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(server, capsys, "echo a b") == (0, "echo did a b\n", "")


def test_words_that_forgot_their_quotes_get_a_hint(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = asked(server, capsys, "echo", "12", "18")
    assert err == 'linebus: hint: a line is one argument, in quotes: linebus ask "echo 12 18"\n'


def test_several_lines_are_answered_in_order(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["echo 1", "gdc 2", "echo 3"]
    expected = "echo did 1\ndid you mean 'echo'?\necho did 3\n"
    assert asked(server, capsys, *words) == (1, expected, "")


def test_a_reply_stays_on_its_line_and_acts_on_no_terminal(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(server, capsys, "fail x") == (1, "no\\n\\x1b[2J\n", "")


def test_json_has_everything_that_is_known(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = asked(server, capsys, "--json", "echo ü", "fail x", "gdc 1")
    assert code == 1
    first, second, third = map(json.loads, out.splitlines())
    assert first == {
        "outcome": "answered",
        "text": "echo did ü",
        "worker": 7,
        "attempt": 1,
        "queued_s": 0.0,
        "ran_s": 0.0,
    }
    assert (second["outcome"], second["text"]) == ("failed", "no\n\x1b[2J")
    assert (third["outcome"], third["worker"]) == ("no_service", 0)


def give_stdin(monkeypatch: pytest.MonkeyPatch, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    monkeypatch.setattr("sys.stdin", path.open(encoding="utf-8"))


@pytest.mark.parametrize(
    ("data", "code", "out"),
    [
        (b"", 0, ""),
        (b"echo 1\necho 2\n", 0, "echo did 1\necho did 2\n"),
        (b"echo 1\r\necho 2", 0, "echo did 1\necho did 2\n"),
    ],
)
def test_a_dash_means_the_lines_on_stdin(
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    data: bytes,
    code: int,
    out: str,
) -> None:
    give_stdin(monkeypatch, tmp_path / "lines.txt", data)
    assert asked(server, capsys, "-") == (code, out, "")


def test_every_line_on_stdin_has_its_reply_even_an_empty_one_and_one_that_is_no_text(
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    give_stdin(monkeypatch, tmp_path / "lines.txt", b"echo 1\n\necho \xff\necho 4\n")
    code, out, _ = asked(server, capsys, "-")
    assert code == 1
    lines = out.splitlines()
    assert (len(lines), lines[0], lines[3]) == (4, "echo did 1", "echo did 4")


def test_ten_thousand_lines_on_stdin_come_in_order(
    server: FakeServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    data = "".join(f"echo {n}\n" for n in range(10_000)).encode()
    give_stdin(monkeypatch, tmp_path / "lines.txt", data)
    expected = "".join(f"echo did {n}\n" for n in range(10_000))
    assert asked(server, capsys, "-") == (0, expected, "")


def test_a_reply_that_takes_too_long_is_a_deadline(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = asked(server, capsys, "wait x", "--timeout", "0.1")
    assert (code, out) == (4, "")
    assert err.startswith("linebus: ")
    assert "0.1 s" in err


def test_a_reply_in_time_is_a_reply(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["echo 1", "echo 2", "--timeout", str(PATIENCE_S)]
    assert asked(server, capsys, *words) == (0, "echo did 1\necho did 2\n", "")


def test_nobody_there_is_said_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    address = free_address()
    assert main(["ask", "gcd 12 18", "--bus", address, "--wait", "0.1"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"linebus: nobody listens at {address}; start a server with: linebus up")


def test_the_server_may_be_named_by_the_environment(
    server: FakeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEBUS_URL", server.address)
    assert main(["ask", "echo 1", *WAIT]) == 0
    assert capsys.readouterr().out == "echo did 1\n"
    assert main(["ask", "echo 1", "--bus", free_address(), "--wait", "0.1"]) == 3


def test_what_is_no_address_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "gcd 12 18", "--bus", "localhost:5555"]) == 2
    assert "one looks like tcp://127.0.0.1:5555" in capsys.readouterr().err


def test_replies_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []

    def replies() -> Iterator[list[Reply]]:
        for number in range(3):
            yield [Reply(Outcome.ANSWERED, f"{number}a"), Reply(Outcome.ANSWERED, f"{number}b")]
            shown.append(capsys.readouterr().out)

    assert ask.print_replies(replies(), ask.bare) == 0
    assert shown == ["0a\n0b\n", "1a\n1b\n", "2a\n2b\n"]


def test_on_a_terminal_an_outcome_other_than_answered_is_named() -> None:
    assert ask.annotated(Reply(Outcome.ANSWERED, "97 is prime")) == "97 is prime"
    assert ask.annotated(Reply(Outcome.NO_SERVICE, "what?")) == "no_service: what?"
    assert ask.bare(Reply(Outcome.NO_SERVICE, "what?")) == "what?"
    assert ask.coloured(Reply(Outcome.NO_SERVICE, "what?")) == "\x1b[1;31mno_service:\x1b[0m what?"
    assert ask.coloured(Reply(Outcome.ANSWERED, "97 is prime")) == "97 is prime"
    assert ask.annotated(Reply(Outcome.FAILED, "a\x1b")) == r"failed: a\x1b"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm"}, ask.coloured),
        ({"TERM": "xterm", "NO_COLOR": ""}, ask.coloured),
        ({"TERM": "xterm", "NO_COLOR": "1"}, ask.annotated),
        ({"TERM": "dumb"}, ask.annotated),
    ],
)
def test_a_terminal_gets_annotated_replies_and_a_pipe_bare_ones(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: object
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    primary, secondary = os.openpty()
    with os.fdopen(secondary, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        assert ask.shape(as_json=False) is expected
        assert ask.shape(as_json=True) is json_line
    os.close(primary)
    with open(os.devnull, "w", encoding="utf-8") as pipe:  # noqa: PTH123
        monkeypatch.setattr("sys.stdout", pipe)
        assert ask.shape(as_json=False) is ask.bare


def test_nobody_is_waited_for_where_that_is_not_wanted(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "echo 1", "--bus", server.address, "--wait", "0"]) == 0
    assert capsys.readouterr().out == "echo did 1\n"
    assert main(["ask", "echo 1", "--bus", free_address(), "--wait", "0"]) == 3


def test_with_json_a_hint_and_an_error_are_objects_too(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, err = asked(server, capsys, "--json", "echo", "12")
    assert json.loads(err) == {
        "event": "notice",
        "text": 'hint: a line is one argument, in quotes: linebus ask "echo 12"',
    }
    code, _, err = asked(server, capsys, "--json", "wait x", "--timeout", "0.1")
    assert (code, json.loads(err)["error"]) == (4, "deadline")


@pytest.mark.parametrize("line", ["echo 1\n2", "echo 1\r2"])
def test_a_line_end_inside_a_line_is_wrong_usage(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["ask", line, "--bus", free_address(), "--wait", "0"])
    assert "a line holds no line ends" in capsys.readouterr().err


def test_a_line_end_behind_a_line_is_nothing(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(server, capsys, "echo 1\n")[:2] == (0, "echo did 1\n")

"""`linebus services`: who offers what, for a person, for a pipe, for a program."""

from __future__ import annotations

import io
import json
import sys

import msgspec
import pytest

from linebus.cli import services
from linebus.cli.main import main
from linebus.core.admin import ServiceInfo, ServicesPage, WorkerInfo
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, address_of, free_address, serving

GCD = ServiceInfo(
    "gcd",
    "gcd A B",
    "Give the greatest common divisor.",
    "a: int, b: int -> int",
    "gcd 12 18",
    (WorkerInfo(4, "linebus.worker", (5, 6)), WorkerInfo(7, "my\tworker", (8,))),
    3,
    5,
)
BOTH = ServiceInfo("isprime", "isprime N", executors=0, is_plain=True)
PLAIN = ServiceInfo("strange", is_plain=True)
BAD = ServiceInfo("x", "x \x1b[2J", "\u202etxet\nmore")


class Telling(FakeServer):
    """Tells of some services."""

    def __init__(self, *found: ServiceInfo) -> None:
        super().__init__(free_address())
        self.page = msgspec.json.encode(ServicesPage(list(found))).decode()

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        assert ask.service == "linebus.services"
        said = m.Replies(ask.service, ask.first, [self.page], [], 0, 1, 0.0, 0.0)
        self.send(route, self.token, said)


def told(
    capsys: pytest.CaptureFixture[str], found: list[ServiceInfo], *words: str
) -> tuple[int, str, str]:
    with Telling(*found) as server:
        code = main(["services", *words, "--bus", server.address, "--wait", str(PATIENCE_S)])
    return code, *capsys.readouterr()


def test_in_a_pipe_there_is_a_row_for_each_and_a_tab_between_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = told(capsys, [GCD, BOTH, PLAIN, BAD])
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        ["gcd", "gcd A B", "a: int, b: int -> int", "3", "5", "native"],
        ["isprime", "isprime N", "", "0", "0", "both"],
        ["strange", "", "", "0", "0", "plain"],
        ["x", r"x \x1b[2J", "", "0", "0", "native"],
    ]


def test_all_that_is_known_of_one_is_told_field_by_field(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = told(capsys, [GCD, PLAIN], "gcd")
    assert (code, err) == (0, "")
    assert [line.split("\t") for line in out.splitlines()] == [
        ["name", "gcd"],
        ["usage", "gcd A B"],
        ["types", "a: int, b: int -> int"],
        ["doc", "Give the greatest common divisor."],
        ["example", "gcd 12 18"],
        ["executors", "3"],
        ["waiting", "5"],
        ["dialect", "native"],
        ["worker", "4", "linebus.worker", "5 6"],
        ["worker", "7", r"my\tworker", "8"],
    ]


def test_with_json_there_is_an_object_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, [GCD, PLAIN], "--json")
    first, second = map(json.loads, out.splitlines())
    assert (code, first["name"], second["name"]) == (0, "gcd", "strange")
    assert first["workers"][0] == {"worker": 4, "program": "linebus.worker", "executors": [5, 6]}
    _, out, _ = told(capsys, [GCD, PLAIN], "--json", "strange")
    assert json.loads(out) == json.loads(msgspec.json.encode(PLAIN))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gdc", "did you mean 'gcd'?"),
        ("isprim", "did you mean 'isprime'?"),
        ("zzz", "see: linebus services"),
        ("x\x1b", "did you mean 'x'?"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_ones(
    capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    code, out, err = told(capsys, [GCD, BOTH, BAD], name)
    assert (code, out) == (1, "")
    assert err.startswith("linebus: nobody has offered '")
    assert err.endswith(f"; {hint}\n")
    assert "\x1b" not in err
    code, _, err = told(capsys, [GCD, BOTH, BAD], name, "--json")
    assert (code, json.loads(err)["error"]) == (1, "no_service")


def test_an_empty_bus_tells_how_to_start_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        code = main(["services", "--bus", address])
        out, err = capsys.readouterr()
        assert (code, out) == (0, "")
        cure = f"start one with: linebus work isprime gcd --bus {address}"
        assert err == f"linebus: no worker has offered anything yet; {cure}\n"
        main(["services", "--json", "--bus", address])
        out, err = capsys.readouterr()
        assert (out, json.loads(err)["event"]) == ("", "notice")


def test_nobody_there_is_said_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["services", "--bus", free_address(), "--wait", "0"]) == 3
    assert "start a server with: linebus up" in capsys.readouterr().err


# -- on a terminal ---------------------------------------------------------------------------


def shown(monkeypatch: pytest.MonkeyPatch, *found: ServiceInfo, one: bool = False) -> str:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "100")
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        if one:
            services._print_one(found[0])
        else:
            services.print_services(found)
    return terminal.getvalue()


def test_a_person_gets_headings_and_is_told_who_is_only_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, GCD, PLAIN, BAD).splitlines()
    assert lines[0].split() == ["NAME", "USAGE", "TYPES", "EXECUTORS", "WAITING"]
    assert " ".join(lines[1].split()) == "gcd gcd A B a: int, b: int -> int 3 5"
    assert "(only plain workers; ask with client.py)" in lines[2]
    assert r"x \x1b[2J" in lines[3]


def test_a_person_gets_one_service_without_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(monkeypatch, GCD, one=True)
    assert "4: linebus.worker, executors 5 6" in text
    assert r"7: my\tworker, executors 8" in text
    assert "example" not in shown(monkeypatch, PLAIN, one=True)
    assert r"\u202etxet\nmore" in shown(monkeypatch, BAD, one=True)

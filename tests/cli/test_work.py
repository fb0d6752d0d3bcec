"""`linebus work`: what it hands to the guardian, and what it says."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from linebus import process
from linebus.cli import work
from linebus.cli.main import main
from linebus.text import LogFormatter
from linebus.worker import guardian
from linebus.worker.guardian import WorkerConfig
from linebus.worker.news import InSession, NoServerYet, ServerFull, WrongPorts
from linebus.worker.program import ProgramSpec
from tests.support import free_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from linebus.worker.news import News


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[WorkerConfig]:
    """What workers were started with; none runs."""
    started: list[WorkerConfig] = []

    def stand_in(config: WorkerConfig, on_news: Callable[[News], None]) -> None:
        started.append(config)
        on_news(InSession("tcp://there:1"))

    monkeypatch.setattr(guardian, "work", stand_in)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.delenv("LINEBUS_URL", raising=False)
    return started


def test_services_are_offered_to_the_usual_server(
    configs: list[WorkerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work", "gcd", "shop:price", "--procs", "3"]) == 0
    assert configs == [WorkerConfig(("gcd", "shop:price"), 3, "tcp://127.0.0.1:5555")]
    assert capsys.readouterr().out == "linebus: in session with tcp://there:1\n"


def test_there_is_an_executor_for_each_core(
    configs: list[WorkerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "cores", lambda: 5)
    main(["work", "gcd"])
    assert configs[0].executors == 5


def test_the_server_is_named_by_the_option_or_else_by_the_environment(
    configs: list[WorkerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEBUS_URL", "tcp://192.0.2.7:1")
    main(["work", "gcd"])
    main(["work", "gcd", "--bus", "tcp://192.0.2.8:2"])
    assert [config.address for config in configs] == ["tcp://192.0.2.7:1", "tcp://192.0.2.8:2"]


def test_with_ports_it_joins_the_exercise_instead(
    configs: list[WorkerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEBUS_URL", "tcp://192.0.2.7:1")
    main(["work", "gcd", "--procs", "1", "--ports", "7", "8", "--host", "192.0.2.9"])
    assert configs == [WorkerConfig(("gcd",), 1, None, (7, 8), "192.0.2.9")]


def test_changes_are_taken_over_where_that_is_wanted(configs: list[WorkerConfig]) -> None:
    main(["work", "gcd", "--procs", "1", "--reload"])
    main(["work", "gcd", "--procs", "1"])
    assert [config.reloads for config in configs] == [True, False]


def test_what_would_be_offered_is_either_told_or_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["work", "gcd", "--check", "--reload"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_with_a_parent_it_ends_with_it(
    configs: list[WorkerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: list[int] = []
    monkeypatch.setattr(process, "end_with_parent", parents.append)
    main(["work", "gcd", "--parent", "41"])
    main(["work", "gcd"])
    assert parents == [41]


def test_a_service_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "gdc", "--procs", "1", "--bus", free_address()]) == 2
    assert "no built-in service is called 'gdc'; did you mean 'gcd'?" in capsys.readouterr().err


def test_an_address_that_makes_no_sense_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "gcd", "--bus", "nonsense"]) == 2
    assert "one looks like tcp://127.0.0.1:5555" in capsys.readouterr().err


def test_with_json_the_news_are_objects(
    configs: list[WorkerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work", "gcd", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"event": "in_session", "address": "tcp://there:1"}


def test_news_cannot_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    work._tell(InSession("tcp://\x1b[2J:1"))
    assert capsys.readouterr() == ("linebus: in session with tcp://\\x1b[2J:1\n", "")


@pytest.mark.parametrize(
    "trouble",
    [NoServerYet("tcp://there:1"), ServerFull("tcp://there:1", "full"), WrongPorts("", "a", "b")],
)
def test_troubles_are_said_on_stderr(trouble: News, capsys: pytest.CaptureFixture[str]) -> None:
    work._tell(trouble)
    assert capsys.readouterr() == ("", f"linebus: {trouble}\n")
    work._tell_as_json(trouble)
    assert json.loads(capsys.readouterr().out)["event"]


def test_the_log_cannot_either(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[logging.Handler] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **given: used.extend(given["handlers"]))
    work._log(as_json=False)
    assert isinstance(used[0].formatter, LogFormatter)


def test_with_json_the_log_is_objects_too() -> None:
    record = logging.LogRecord(
        "linebus.worker", logging.WARNING, "", 0, "an executor %s", ("killed\n",), None
    )
    assert json.loads(work._JsonFormatter().format(record)) == {
        "event": "log",
        "level": "warning",
        "text": "an executor killed\n",
    }


def test_a_module_without_its_object_is_told_with_the_objects_in_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("shop.py").write_text("@linebus.service\ndef price(): ...\n")
    assert main(["work", "shop", "--procs", "1", "--bus", free_address()]) == 2
    assert capsys.readouterr().err == (
        "linebus: no built-in service is called 'shop', but there is shop.py; "
        "say which object: shop:price\n"
    )


# -- programs ----------------------------------------------------------------------------------


def test_what_follows_two_dashes_is_a_program(configs: list[WorkerConfig]) -> None:
    options = ["--procs", "2", "--whole-line", "--time-limit", "1.5", "--memory", "1M"]
    main(["work", "upper", *options, "--", sys.executable, "--once", "--", "\udcff"])
    words = (sys.executable.encode(), b"--once", b"--", b"\xff")
    spec = ProgramSpec("upper", words, True, False, 1.5, 1 << 20)
    assert configs == [WorkerConfig((), 2, "tcp://127.0.0.1:5555", program=spec)]


def test_a_name_of_a_built_in_service_is_as_good_as_any(configs: list[WorkerConfig]) -> None:
    main(["work", "gcd", "--once", "--", sys.executable])
    assert configs[0].program == ProgramSpec("gcd", (sys.executable.encode(),), once=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gcd --once", "--once is for a program: linebus work NAME --once … -- PROGRAM"),
        ("gcd --whole-line", "--whole-line is for a program"),
        ("gcd --time-limit 3", "--time-limit is for a program"),
        ("gcd --memory 3M", "--memory is for a program"),
        ("upper --reload -- sh", "--reload is for services in Python"),
        ("upper --", "there is no program behind --"),
        ("-- sh", "the following arguments are required: SERVICE"),
        ("upper lower -- sh", "a program is one service; got 2 names before --"),
        ("upper -- /nowhere/x", "the program '/nowhere/x' is not there"),
        ("upper -- ./plain", "the program './plain' is not executable"),
    ],
)
def test_wrong_words_for_a_program_are_told(
    words: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").touch(0o600)
    with pytest.raises(SystemExit) as caught:
        main(["work", *words.split()])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a:b", "linebus.mine", "1", "x" * 65])
def test_a_program_takes_no_name_that_no_service_may_have(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work", name, "--", sys.executable]) == 2
    assert "cannot be the name of a service" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when it is ready")
def test_a_program_that_ends_at_once_ends_the_worker_with_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = [sys.executable, "-c", "raise SystemExit('so it ends')"]
    assert main(["work", "x", "--procs", "1", "--bus", free_address(), "--", *program]) == 2
    said = capsys.readouterr().err
    assert "linebus: cannot offer 'x': " in said
    assert "ended with exit code 1; it said: so it ends" in said

"""Options that commands share: what they take, and the sentence for what they do not."""

from __future__ import annotations

import argparse

import pytest

from linebus import limits, process
from linebus.cli import options


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog="test")


def error_of(
    capsys: pytest.CaptureFixture[str], parser: argparse.ArgumentParser, *words: str
) -> str:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_a_command_shows_its_summary_and_its_examples(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = parser.add_subparsers()
    options.add_command(commands, "greet", "say hello", "examples:\n  test greet   says hello\n")
    with pytest.raises(SystemExit):
        parser.parse_args(["greet", "--help"])
    shown = capsys.readouterr().out
    assert "say hello" in shown
    assert "\n  test greet   says hello\n" in shown
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "say hello" in capsys.readouterr().out


def test_no_port_means_those_of_the_exercise(parser: argparse.ArgumentParser) -> None:
    options.add_four_ports(parser)
    assert options.four_ports(parser, parser.parse_args([])) == (5555, 5556, 5557, 5558)


def test_four_ports_are_taken_in_order(parser: argparse.ArgumentParser) -> None:
    options.add_four_ports(parser)
    given = parser.parse_args(["4", "3", "2", "1"])
    assert options.four_ports(parser, given) == (4, 3, 2, 1)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_another_number_of_ports_is_counted(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    options.add_four_ports(parser)
    given = parser.parse_args(["7"] * count)
    with pytest.raises(SystemExit) as caught:
        options.four_ports(parser, given)
    assert caught.value.code == 2
    assert f"give all four ports or none; got {count}" in capsys.readouterr().err


def test_a_port_is_a_number(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    options.add_four_ports(parser)
    assert "'http'" in error_of(capsys, parser, "1", "2", "3", "http")


def test_the_bus_is_any_address_and_none_by_default(parser: argparse.ArgumentParser) -> None:
    options.add_bus(parser)
    assert parser.parse_args([]).bus is None
    assert parser.parse_args(["--bus", "tcp://192.0.2.7:1"]).bus == "tcp://192.0.2.7:1"
    assert limits.ADDRESS in parser.format_help()
    assert "LINEBUS_URL" in parser.format_help()


def test_there_is_an_executor_for_each_core_by_default(
    parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "cores", lambda: 7)
    options.add_procs(parser)
    assert parser.parse_args([]).procs == 7
    assert parser.parse_args(["--procs", "1"]).procs == 1
    most = limits.PROCS_MAX
    assert parser.parse_args(["--procs", str(most)]).procs == most


@pytest.mark.parametrize(
    "count", ["0", "257", "-1", "1.5", "two", "", "1_0", "\u0662", "9" * 5_000]
)
def test_a_number_of_executors_that_none_is_gets_the_bounds(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    options.add_procs(parser)
    said = error_of(capsys, parser, f"--procs={count}")
    assert "--procs" in said
    if len(count) < 10:
        assert f"'{count}' is not a number from 1 to {limits.PROCS_MAX}" in said


def test_the_parent_is_a_pid(parser: argparse.ArgumentParser) -> None:
    options.add_parent(parser)
    assert parser.parse_args([]).parent is None
    assert parser.parse_args(["--parent", "41"]).parent == 41


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1.5", 1.5), ("1e3", 1000.0)])
def test_a_duration_is_a_number_of_seconds(text: str, value: float) -> None:
    assert options.seconds(text) == value


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "-inf", "soon", "", "5s"])
def test_any_other_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a number of seconds"):
        options.seconds(text)


def test_the_wait_for_a_server_is_the_clients_unless_told(parser: argparse.ArgumentParser) -> None:
    options.add_wait(parser)
    assert parser.parse_args([]).wait == limits.CONNECT_S
    assert parser.parse_args(["--wait", "0"]).wait == 0
    assert "default: 5)" in parser.format_help()


def test_json_is_a_wish(parser: argparse.ArgumentParser) -> None:
    options.add_json(parser)
    assert parser.parse_args(["--json"]).json
    assert not parser.parse_args([]).json


def test_an_argument_knows_how_it_is_completed(parser: argparse.ArgumentParser) -> None:
    action = parser.add_argument("word")
    options.complete_with(action, lambda **_: ["one"])
    assert getattr(action, "completer")() == ["one"]  # noqa: B009  argparse knows of none


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("500M", 500 << 20), ("2g", 2 << 30), ("1KiB", 1024), ("1tb", 1 << 40)],
)
def test_a_size_is_a_number_of_bytes(text: str, value: int) -> None:
    assert options.size(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5G", "M", "12X", "9" * 13])
def test_any_other_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size such as 500M or 2G"):
        options.size(text)

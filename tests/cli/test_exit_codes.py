"""The exit codes are a promise to scripts, told in --help."""

from __future__ import annotations

import re

import pytest

from linebus import errors
from linebus.cli import main
from linebus.cli.exit_codes import ExitCode


def test_the_codes_are_these() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "ALL_ANSWERED": 0,
        "OTHERWISE": 1,
        "USAGE": 2,
        "NOBODY_LISTENS": 3,
        "DEADLINE": 4,
        "INTERRUPTED": 130,
        "CLOSED_PIPE": 141,
    }


def test_the_help_tells_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["--help"])
    told = capsys.readouterr().out.split("exit codes:")[1].split("LINEBUS_URL")[0]
    assert [int(code) for code in re.findall(r"\b\d+\b", told)] == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, ExitCode.USAGE),
        (errors.SetupError, ExitCode.USAGE),
        (errors.AddressTaken, ExitCode.USAGE),
        (errors.ServiceNotLoaded, ExitCode.USAGE),
        (errors.VersionMismatch, ExitCode.USAGE),
        (errors.SessionRefused, ExitCode.USAGE),
        (errors.NobodyListens, ExitCode.NOBODY_LISTENS),
        (errors.NotLinebus, ExitCode.NOBODY_LISTENS),
        (errors.DeadlineExceeded, ExitCode.DEADLINE),
        (errors.NoService, ExitCode.OTHERWISE),
        (errors.Overloaded, ExitCode.OTHERWISE),
    ],
)
def test_each_error_has_its_code(error: type[errors.LinebusError], code: ExitCode) -> None:
    assert main._exit_code(error("so")) is code

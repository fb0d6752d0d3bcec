"""`linebus bench`: what it shows. How fast anything is here proves nothing."""

from __future__ import annotations

import json
import os
import sys

import pytest

from linebus.cli import bench
from linebus.cli.bench import Measure
from linebus.cli.main import main
from tests.support import address_of, first_line, free_address, linebus, running, serving

SHORT = ["bench", "--seconds", "0.001"]
FOUND = [
    Measure("isprime, pipelined", "per_s", 1_234_567.8, 1_000.2, 1_234.321),
    Measure("isprime, one at a time", "p99_us", 200.0, None, None),
]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", lambda _: FOUND)


def test_a_server_of_its_own_is_measured_beside_the_proxy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*SHORT, "--procs", "1", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["measure"], row["unit"]) for row in rows] == [
        ("isprime, one at a time", "per_s"),
        ("isprime, one at a time", "p50_us"),
        ("isprime, one at a time", "p99_us"),
        ("isprime, pipelined", "per_s"),
        ("echo, pipelined", "per_s"),
    ]
    assert all(row["linebus"] > 0 and row["proxy"] > 0 and row["ratio"] > 0 for row in rows)


def test_another_server_is_measured_without_a_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(grace_s=30) as config:
        address = address_of(config.client_inputs)
        with running(*linebus("work", "isprime", "--procs", "1", "--bus", address)) as worker:
            first_line(worker)
            assert main([*SHORT, "--bus", address]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [
        ["isprime, one at a time", "per_s"],
        ["isprime, one at a time", "p50_us"],
        ["isprime, one at a time", "p99_us"],
        ["isprime, pipelined", "per_s"],
    ]
    assert all(float(row[2]) > 0 and row[3:] == ["", ""] for row in rows)


def test_a_server_without_workers_is_no_measure(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as config:
        assert main([*SHORT, "--bus", address_of(config.client_inputs)]) == 1
    assert capsys.readouterr().err.endswith("were wrong or missing; nothing was measured\n")


def test_nobody_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--bus", free_address(), "--wait", "0"]) == 3
    assert "nobody listens" in capsys.readouterr().err


@pytest.mark.usefixtures("found")
def test_in_a_pipe_there_are_bare_columns(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench"])
    assert capsys.readouterr().out == (
        "isprime, pipelined\tper_s\t1234568\t1000\t1234.32\n"
        "isprime, one at a time\tp99_us\t200\t\t\n"
    )


@pytest.mark.usefixtures("found")
def test_a_person_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    primary, secondary = os.openpty()
    with os.fdopen(secondary, "w") as terminal:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            main(["bench"])
        came = b""
        while came.count(b"\n") < 3:
            came += os.read(primary, 10_000)
    os.close(primary)
    assert b"MEASURE" in came
    assert b"1,234,568" in came

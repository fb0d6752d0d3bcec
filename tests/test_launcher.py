"""The four launchers, in a checkout of which only they and launcher.py exist."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from linebus import limits

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = Path("src/linebus/launcher.py")
NAMES = ("server", "client", "primer", "gcd")
PORTS = {
    "server": ["5555", "5556", "5557", "5558"],
    "client": ["5555", "5556"],
    "primer": ["5557", "5558"],
    "gcd": ["5557", "5558"],
}
GUARD = "LINEBUS_LAUNCHER_EXECUTED"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, elsewhere, that holds the launchers and nothing they could start."""
    root = tmp_path / "a checkout"
    (root / LAUNCHER).parent.mkdir(parents=True)
    shutil.copy(ROOT / LAUNCHER, root / LAUNCHER)
    for name in NAMES:
        shutil.copy(ROOT / f"{name}.py", root)
    return root


def start(
    script: Path,
    *arguments: str,
    flags: tuple[str, ...] = ("-I", "-S"),
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a launcher from another directory, on a Python that has nothing installed."""
    return subprocess.run(
        [sys.executable, *flags, str(script), *arguments],
        cwd=script.parent.parent,
        env={"PATH": os.environ["PATH"], **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def add_environment(checkout: Path) -> Path:
    """A .venv whose Python prints the guard and its arguments."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "guard=${GUARD}" "$@"\n')
    python.chmod(0o755)
    return python


def add_command_line(checkout: Path) -> Path:
    """A command line that prints what it is given, and a place that has what linebus needs."""
    package = checkout / "src" / "linebus"
    (package / "cli").mkdir()
    (package / "__init__.py").touch()
    (package / "cli" / "__init__.py").touch()
    (package / "cli" / "main.py").write_text(
        f"import os\n\ndef main(argv):\n    print(argv, os.environ.get({GUARD!r}))\n    return 7\n"
    )
    needed = checkout / "needed"
    needed.mkdir()
    (needed / "zmq.py").touch()
    (needed / "msgspec.py").touch()
    return needed


@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_installed_one_sentence_says_what_to_type(name: str, checkout: Path) -> None:
    ended = start(checkout / f"{name}.py", *PORTS[name])
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "`make up`" in ended.stderr
    assert "`python3 -m venv .venv && .venv/bin/pip install .`" in ended.stderr
    assert str(checkout) in ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_of_the_checkout_takes_over(name: str, checkout: Path) -> None:
    add_environment(checkout)
    script = checkout / f"{name}.py"
    ended = start(script, *PORTS[name], "--echo")
    expected = ["guard=1", "-I", "-S", str(script), *PORTS[name], "--echo"]
    assert ended.stdout.splitlines() == expected
    assert ended.returncode == 0


def test_an_environment_takes_over_only_once(checkout: Path) -> None:
    add_environment(checkout)
    ended = start(checkout / "gcd.py", *PORTS["gcd"], variables={GUARD: "1"})
    assert ended.returncode == 2
    assert "not installed" in ended.stderr


def test_the_running_environment_is_not_entered_again(checkout: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True
    )
    python = checkout / ".venv" / "bin" / "python"
    needed = add_command_line(checkout)
    ended = subprocess.run(
        [str(python), str(checkout / "client.py"), *PORTS["client"]],
        env={"PYTHONPATH": str(needed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout == "['client', '5555', '5556'] None\n"


def test_an_environment_that_cannot_be_executed_is_passed_over(checkout: Path) -> None:
    add_environment(checkout).chmod(0o644)
    ended = start(checkout / "gcd.py", *PORTS["gcd"])
    assert "not installed" in ended.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("server", PORTS["server"], ["serve", *PORTS["server"]]),
        ("server", [], ["serve", *PORTS["server"]]),
        ("server", ["--echo"], ["serve", *PORTS["server"], "--echo"]),
        ("client", PORTS["client"], ["client", *PORTS["client"]]),
        ("primer", PORTS["primer"], ["work", "isprime", "--ports", *PORTS["primer"]]),
        (
            "gcd",
            [*PORTS["gcd"], "--procs", "2"],
            ["work", "gcd", "--ports", *PORTS["gcd"], "--procs", "2"],
        ),
    ],
)
def test_each_launcher_stands_for_a_command(
    name: str, arguments: list[str], expected: list[str], checkout: Path
) -> None:
    needed = add_command_line(checkout)
    script = checkout / f"{name}.py"
    ended = start(script, *arguments, flags=("-S",), variables={"PYTHONPATH": str(needed)})
    assert ended.stderr == ""
    assert ended.stdout == f"{expected} None\n"
    assert ended.returncode == 7


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("server", ["5555"]),
        ("server", [*PORTS["server"], "5559"]),
        ("client", []),
        ("client", ["5555", "http"]),
        ("primer", ["5557"]),
        ("primer", ["5557", "65536"]),
        ("gcd", ["0", "5558"]),
        ("gcd", ["--procs", "2"]),
    ],
)
def test_wrong_ports_get_the_usage(name: str, arguments: list[str], checkout: Path) -> None:
    add_environment(checkout)
    ended = start(checkout / f"{name}.py", *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"usage: python3 {name}.py ")
    assert ended.stderr.count("\n") == 1


def test_help_is_the_usage(checkout: Path) -> None:
    ended = start(checkout / "primer.py", "--help")
    assert ended.returncode == 0
    assert ended.stdout == (
        "usage: python3 primer.py WORKER_INPUTS WORKER_OUTPUTS"
        "   for example: python3 primer.py 5557 5558\n"
    )


def test_an_old_python_is_told_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> None:
    launcher = runpy.run_path(str(checkout / LAUNCHER))
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    sentence = launcher["what_is_missing"](checkout)
    assert sentence.startswith("linebus needs Python 3.11 or newer and this is 3.8: ")


def test_the_range_of_ports_is_that_of_linebus() -> None:
    assert runpy.run_path(str(ROOT / LAUNCHER))["PORT_MAX"] == limits.PORT_MAX

"""The habits that a linter cannot check: sizes, words, a test file for every module, and more."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import linebus
import linebus.testing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "linebus"

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 700
PUBLIC_NAMES_MAX = 30

# Modules (as paths below src/linebus) that have no test file of their own, and why.
WITHOUT_TEST_FILE: dict[str, str] = {}

# The numbers outside limits.py that bound nothing, or that may not stand there, and why.
NUMBERS_ELSEWHERE = {
    "server/intake.py _MADE_ROUTE_BYTES": "what libzmq makes",
    "launcher.py EXIT_USAGE": "it runs before linebus can be imported; an exit code",
    "launcher.py PORT_MAX": "it runs before linebus can be imported",
    "net/dealer.py _FRAMES": "how many frames a message has",
    "net/probe.py _COMMAND": "a byte of ZMTP",
    "server/door.py _SO_ATTACH_FILTER": "a number of Linux's",
    "server/door.py _SO_DETACH_FILTER": "a number of Linux's",
    "server/intake.py _SHORT_BYTES_MAX": "up to which ZMTP has a frame's length in one byte",
    "server/loop.py _ROUTE_AND_TWO": "how many frames a message has",
    "services/divisibility.py GCD_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/divisibility.py LCM_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/factoring.py FACTOR_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/factoring.py SIEVES_MAX": "a service's own bound stands in its one file",
    "services/factoring.py SIEVE_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/factoring.py _TRIAL_PRIMES": "the primes below 65,536 that FLINT divides by",
    "services/factoring.py _WORD": "where FLINT changes its method",
    "services/modular.py FIBONACCI_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/modular.py INVERSE_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/modular.py POWMOD_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/primes.py ISPRIME_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/primes.py NEIGHBOUR_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/primes.py PROOF_BITS_MAX": "a service's own bound stands in its one file",
    "services/primes.py PROVE_DIGITS_MAX": "a service's own bound stands in its one file",
    "services/primes.py _CHUNK": "how many candidates are sieved at a time",
    "services/primes.py _SIGNED_WORD": "where FLINT changes its method",
    "services/primes.py _SMALL_MAX": "up to which primes candidates are sieved",
    "services/primes.py _THIRTEEN_BASES": "where FLINT changes its method",
    "services/primes.py _WORD": "where FLINT changes its method",
    "wire/packing.py _BYTES_PER_CHAR_MAX": "a fact of UTF-8",
    "worker/position.py AT_ONCE": "where a number stands in shared memory",
    "worker/position.py IS_WATCHED": "where a number stands in shared memory",
    "worker/position.py PROGRAM": "where a number stands in shared memory",
    "worker/position.py SLICES": "where a number stands in shared memory",
    "worker/position.py CELLS": "how many of them there are",
    "worker/position.py PAUSE": "where a number stands in shared memory",
    "worker/position.py _STREAM_AT": "where a number stands in shared memory",
}

# The words that the glossary replaces, as far as they cannot mean something else. "queue", "result"
# or "timeout" have other uses of their own; these have none here.
WORDS_AVOIDED = {
    "producer": "client",
    "consumer": "worker",
    "hub": "broker",
    "daemon": "server",
    "tube": "service",
    "topic": "service",
    "payload": "line",
    "job": "request",
    "jobs": "requests",
    "task": "request",
    "tasks": "requests",
    "prefetch": "credit",
    "visibility": "lease",
    "deadletter": "quarantined",
    "buried": "quarantined",
    "quiet": "drain",
    "backend": "engine",
    "endpoint": "address",
}


@cache
def files() -> tuple[Path, ...]:
    """What is in git, or would be with the next commit."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for path in files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders
    ]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, node: ast.AST | None = None) -> str:
    line = getattr(node, "lineno", None)
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


def test_no_function_is_too_long() -> None:
    too_long = [
        f"{place(path, node)} {node.name} has {lines} lines"
        for path in python_files("src", "tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert too_long == []


def test_no_file_is_too_long() -> None:
    too_long = [
        f"{place(path)} has {lines} lines"
        for path in python_files("src", "tests")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]
    assert too_long == []


def modules_with_a_test_file() -> Iterator[Path]:
    for path in python_files("src"):
        below = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else PACKAGE.parent)
        if below.name not in {"__init__.py", "__main__.py"}:
            yield below


def test_every_module_has_its_test_file() -> None:
    missing = [
        f"{module}: tests/{test}"
        for module in modules_with_a_test_file()
        if not (ROOT / "tests" / (test := module.with_name(f"test_{module.name}"))).exists()
        and module.as_posix() not in WITHOUT_TEST_FILE
    ]
    assert missing == [], "a module: the test file that it needs"


def test_every_exception_is_still_needed() -> None:
    modules = {module.as_posix() for module in modules_with_a_test_file()}
    assert set(WITHOUT_TEST_FILE) <= modules


def number_of(node: ast.AST | None) -> float:
    """The number that an expression of nothing but numbers makes; 0 where it has anything else."""
    allowed = ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop
    if node is None or not all(
        isinstance(each, allowed)
        or (isinstance(each, ast.Constant) and type(each.value) in {int, float})
        for each in ast.walk(node)
    ):
        return 0
    return float(eval(ast.unparse(node), {}))  # noqa: S307  it holds nothing but numbers


@pytest.mark.parametrize(
    ("text", "expected"), [("2_500", 2500), ("64 * 2**10", 65536), ("-3.5", -3.5), ("4 * X", 0)]
)
def test_expressions_of_numbers_are_recognized(text: str, expected: float) -> None:
    assert number_of(ast.parse(text, mode="eval").body) == expected


def numbers_elsewhere() -> Iterator[str]:
    # What a simulated storm is made of bounds nothing.
    spared = (PACKAGE / "limits.py", *(PACKAGE / "testing" / "simulator").iterdir())
    for path in python_files("src"):
        if path.is_relative_to(PACKAGE) and path not in spared:
            for node in tree(path).body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and number_of(node.value) > 1:
                    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                    yield f"{path.relative_to(PACKAGE).as_posix()} {ast.unparse(target)}"


def test_bounds_stand_in_limits_only() -> None:
    found = set(numbers_elsewhere())
    assert found - set(NUMBERS_ELSEWHERE) == set(), "bounds belong into limits.py"
    assert set(NUMBERS_ELSEWHERE) - found == set(), "these exceptions are needed no more"


def test_the_public_names_fit_on_a_screen() -> None:
    assert len(linebus.__all__) <= PUBLIC_NAMES_MAX
    assert len(set(linebus.__all__)) == len(linebus.__all__)


def test_every_public_name_is_in_the_docs() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    words = set(re.findall(r"\w+", "\n".join(page.read_text(encoding="utf-8") for page in pages)))
    missing = sorted({*linebus.__all__, *linebus.testing.__all__} - words)
    assert missing == [], "say in docs/python.md or docs/howto/ what these are"


def names_given(module: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """The identifiers that a module chooses itself; what it uses of others is theirs to name."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node, node.name
            case ast.arg():
                yield node, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node, node.id
            case ast.Attribute(ctx=ast.Store(), value=ast.Name(id="self")):
                yield node, node.attr
            case ast.alias(asname=str(name)):
                yield node, name


def parts(identifier: str) -> list[str]:
    """The words of an identifier: `deadLetter_max` has dead, letter and max."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier)
    return [word.lower() for word in words]


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("lease_duration_s", ["lease", "duration", "s"]),
        ("HTTPServer", ["http", "server"]),
        ("deadLetter2", ["dead", "letter", "2"]),
        ("JOBS_MAX", ["jobs", "max"]),
    ],
)
def test_identifiers_are_split_into_words(identifier: str, expected: list[str]) -> None:
    assert parts(identifier) == expected


def test_identifiers_use_the_words_of_the_glossary() -> None:
    wrong = [
        f"{place(path, node)} {name}: say {WORDS_AVOIDED[word]}"
        for path in python_files("src")
        for node, name in [*names_given(tree(path)), (tree(path), path.stem)]
        for word in parts(name)
        if word in WORDS_AVOIDED
    ]
    assert wrong == []


def test_no_test_sleeps() -> None:
    sleeping = [
        place(path, node)
        for path in python_files("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and (
            getattr(node.func, "attr", None) == "sleep" or getattr(node.func, "id", None) == "sleep"
        )
    ]
    assert sleeping == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    # Put together here so that this file does not hold what it looks for.
    machine_path = re.compile(
        rb"(?<![\w./~-])/(?:" + b"|".join([b"work", b"root"]) + rb")(?![\w-])"
    )
    naming = [
        f"{place(path)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if machine_path.search(line)
    ]
    assert naming == []

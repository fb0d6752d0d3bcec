"""What `import linebus` gives to its users; a change here is a change for all of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import linebus
import linebus.testing
from linebus import errors

if TYPE_CHECKING:
    from types import ModuleType

TESTING = [
    "Bus",
    "Client",
    "Clock",
    "Fault",
    "Figures",
    "Scenario",
    "SimulationFailed",
    "Worker",
    "simulate",
]
PUBLIC = [
    "Argument",
    "AsyncClient",
    "Cancelled",
    "Client",
    "ConnectError",
    "DeadlineExceeded",
    "Expired",
    "Failed",
    "Integer",
    "LinebusError",
    "NoService",
    "NoWorker",
    "NobodyListens",
    "NotAnswered",
    "NotLinebus",
    "Outcome",
    "Overloaded",
    "ProtocolError",
    "Quarantined",
    "Refused",
    "Reply",
    "Rest",
    "ServiceInfo",
    "SessionRefused",
    "UsageError",
    "VersionMismatch",
    "service",
]


def test_the_public_names_are_these() -> None:
    assert sorted(linebus.__all__) == PUBLIC


def test_the_public_names_for_tests_are_these() -> None:
    assert sorted(linebus.testing.__all__) == TESTING


@pytest.mark.parametrize("package", [linebus, linebus.testing])
def test_every_public_thing_is_there_and_says_what_it_is(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name).__doc__


# Raised by commands only: they cannot start.
ERRORS_OF_COMMANDS = {"SetupError", "AddressTaken", "ServiceNotLoaded"}


def test_every_error_that_the_python_interface_raises_is_public() -> None:
    all_errors = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.LinebusError)
    }
    public = all_errors & set(linebus.__all__)
    assert all_errors - ERRORS_OF_COMMANDS == public, "linebus/__init__.py imports and lists them"


def test_the_version_is_the_installed_one() -> None:
    from importlib.metadata import version  # noqa: PLC0415  only this test needs it

    assert linebus.__version__ == version("linebus")


def test_importing_linebus_imports_nothing_heavy() -> None:
    heavy = ["flint", "gmpy2", "prompt_toolkit", "platformdirs", "argparse", "linebus.testing"]
    program = f"import sys, linebus; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

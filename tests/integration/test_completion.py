"""Tab in real shells: bash, and zsh and fish where they are installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from tests.integration.native_processes import MODULE, Home
from tests.integration.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

ARGUMENTS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
SETUP = {
    "bash": 'eval "$(linebus completion bash)"',
    "zsh": 'autoload -U compinit && compinit -u; eval "$(linebus completion zsh)"',
    "fish": "linebus completion fish | source",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        scripts = str(Path(sys.executable).parent)
        home.env |= {
            "HOME": str(tmp_path),
            "LINEBUS_URL": home.address,
            "PATH": os.pathsep.join([scripts, home.env["PATH"]]),
            "TERM": "xterm",
        }
        yield home


@pytest.fixture(params=ARGUMENTS)
def shell(request: pytest.FixtureRequest, home: Home) -> Iterator[Any]:
    """A shell in a terminal, in which completion is set up."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    spawn: Any = pexpect.spawn(
        name,
        ARGUMENTS[name],
        env=home.env,
        timeout=PATIENCE_S,
        encoding="utf-8",
        dimensions=(40, 200),
    )
    spawn.sendline(f"{SETUP[name]}; echo it is rea''dy")
    spawn.expect_exact("it is ready")
    yield spawn
    spawn.close(force=True)


@pytest.mark.parametrize(
    ("typed", "added"),
    [("linebus compl", "etion"), ("linebus doctor --js", "on"), ("linebus work isp", "rime")],
)
def test_tab_completes_commands_options_and_what_is_built_in(
    shell: Any,  # noqa: ANN401  pexpect ships no types
    typed: str,
    added: str,
) -> None:
    shell.send(typed)
    shell.expect_exact(typed[-2:])
    shell.send("\t")
    shell.expect_exact(added)


def test_tab_completes_the_services_on_the_bus(home: Home, shell: Any) -> None:  # noqa: ANN401
    home.serve()
    home.write_module(MODULE)
    home.work("mine:whoami", procs=1)
    shell.send("linebus ask who")
    shell.expect_exact("ho")
    shell.send("\t")
    shell.expect_exact("ami")

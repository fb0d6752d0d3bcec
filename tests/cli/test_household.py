"""The server and the worker under `linebus up`, and that nothing of them stays behind."""

from __future__ import annotations

import os
import select
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from linebus.cli.household import Household
from linebus.client.client import Client
from linebus.errors import SetupError
from tests.support import PATIENCE_S, address_of, config_on_free_ports, first_line, running, serving

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from linebus.server.config import ServerConfig


@pytest.fixture(autouse=True)
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def config() -> ServerConfig:
    return config_on_free_ports()


def processes(household: Household) -> list[subprocess.Popen[bytes]]:
    assert household._server is not None
    assert household._worker is not None
    return [household._server._process, household._worker._process]


def test_it_serves_and_leaves_nothing_behind(config: ServerConfig, log_folder: Path) -> None:
    with Household(config, ["gcd"], 1) as household:
        household.wait_for_server()
        address = address_of(config.client_inputs)
        with Client(address, connect_timeout_s=PATIENCE_S) as bus:
            assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        household.wait_for_worker()
        both = processes(household)
        assert f"linebus: serving {address}" in household.log_path.read_text()
    assert [child.returncode for child in both] == [0, 0]
    assert list(log_folder.rglob("*.log")) == []


def test_after_an_error_the_log_stays(config: ServerConfig, log_folder: Path) -> None:
    with pytest.raises(SetupError), Household(config, ["gcd"], 1):
        raise SetupError("something went wrong")
    assert len(list(log_folder.rglob("*.log"))) == 1


def test_they_are_out_of_reach_of_ctrl_c(config: ServerConfig) -> None:
    with Household(config, ["gcd"], 1) as household:
        household.wait_for_server()
        for child in processes(household):
            assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_port_that_is_taken_is_told_in_the_servers_words() -> None:
    with (
        serving() as config,
        Household(config, ["gcd"], 1) as household,
        pytest.raises(SetupError, match=rf"port {config.client_inputs} \(client_inputs\)"),
    ):
        household.wait_for_server()


def test_both_end_whatever_happens(config: ServerConfig) -> None:
    with pytest.raises(RuntimeError), Household(config, ["gcd"], 1) as household:
        household.wait_for_server()
        both = processes(household)
        raise RuntimeError
    assert all(child.returncode is not None for child in both)


def test_one_that_does_not_end_is_killed(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linebus.limits.DRAIN_S", 0.05)
    with Household(config, ["gcd"], 1) as household:
        household.wait_for_server()
        server, _ = processes(household)
        server.send_signal(signal.SIGSTOP)
    assert server.returncode == -signal.SIGKILL


KEEPER = """
    import signal, sys
    from linebus.cli.household import Household
        with Household(ServerConfig(*map(int, sys.argv[1:])), ["gcd"], 1) as household:
        household.wait_for_server()
        household.wait_for_worker()
        print(household._server._process.pid, household._worker._process.pid, flush=True)
        signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_both_end_when_their_keeper_is_killed(config: ServerConfig) -> None:
    ports = [str(port) for port in config.ports().values()]
    with running(sys.executable, "-c", textwrap.dedent(KEEPER), *ports) as keeper:
        pids = [int(word) for word in first_line(keeper).split()]
        descriptors = [os.pidfd_open(pid) for pid in pids]
        keeper.send_signal(signal.SIGKILL)
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], PATIENCE_S)[0], "it goes on"
            os.close(descriptor)

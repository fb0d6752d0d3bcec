"""The server and the worker under `linebus up`, and that nothing of them stays behind."""

from __future__ import annotations

import os
import queue
import select
import signal
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING

import pytest

from linebus.cli.household import Household, _Process
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
    return [each._process for each in household._processes]


def logs_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.log"))


def test_it_serves_and_leaves_nothing_behind(config: ServerConfig, log_folder: Path) -> None:
    with Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        assert household.is_serving
        address = address_of(config.client_inputs)
        with Client(address, connect_timeout_s=PATIENCE_S) as bus:
            assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        both = processes(household)
        assert f"linebus: serving {address}" in household.log_path.read_text()
        assert household.trouble is None
    assert [child.returncode for child in both] == [0, 0]
    assert logs_in(log_folder) == []


def test_after_an_error_the_log_stays(config: ServerConfig, log_folder: Path) -> None:
    with pytest.raises(SetupError), Household(config, ["gcd"], 1):
        raise SetupError("something went wrong")
    assert len(logs_in(log_folder)) == 1


@pytest.mark.parametrize("choice", [KeyboardInterrupt, BrokenPipeError])
def test_after_what_the_user_chose_it_does_not(
    config: ServerConfig, log_folder: Path, choice: type[BaseException]
) -> None:
    with pytest.raises(choice), Household(config, ["gcd"], 1):
        raise choice
    assert logs_in(log_folder) == []


def test_they_are_out_of_reach_of_ctrl_c(config: ServerConfig) -> None:
    with Household(config, ["gcd"], 1) as household:
        for child in processes(household):
            assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_port_that_is_taken_is_told_in_the_servers_words_on_one_line() -> None:
    with serving() as config, Household(config, ["gcd"], 1) as household:
        with pytest.raises(SetupError) as caught:
            household.wait_until_up()
        said = str(caught.value)
        assert said.startswith(f"port {config.client_inputs} (client_inputs) is taken")
        assert said.endswith(f"; log: {household.log_path}")
        assert "\n" not in said


def test_a_worker_that_cannot_start_is_told_in_its_words(config: ServerConfig) -> None:
    with (
        Household(config, ["gdc"], 1) as household,
        pytest.raises(SetupError, match=r"^no built-in service is called 'gdc'.*; log: /"),
    ):
        household.wait_until_up()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_ends_during_the_start_is_not_waited_for(
    config: ServerConfig, number: signal.Signals
) -> None:
    with Household(config, ["gcd"], 1) as household:
        server, _ = processes(household)
        server.send_signal(number)
        with pytest.raises(SetupError, match=r"the server ended before it was ready \(.*; log: /"):
            household.wait_until_up()


def test_a_server_that_ends_later_is_told_with_the_cure_and_the_log(
    config: ServerConfig, log_folder: Path
) -> None:
    told: queue.Queue[str] = queue.Queue()
    with Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        household.watch(told.put)
        processes(household)[0].kill()
        said = told.get(timeout=PATIENCE_S)
        assert said.startswith("the server under linebus up is gone (killed by SIGKILL); ")
        assert "leave and start again with: linebus up" in said
        assert said.endswith(f"; log: {household.log_path}")
        assert household.trouble == said
        assert not household.is_serving
    assert len(logs_in(log_folder)) == 1


def is_replaced(household: Household, dead: _Process) -> bool:
    return dead not in household._processes and household._processes[-1].is_up


def test_a_worker_that_ends_is_told_and_started_again(
    config: ServerConfig, log_folder: Path
) -> None:
    told: queue.Queue[str] = queue.Queue()
    with (
        Household(config, ["gcd"], 1) as household,
        Client(household.address, connect_timeout_s=PATIENCE_S) as bus,
    ):
        household.wait_until_up()
        household.watch(told.put)
        for _ in range(2):
            dead = household._processes[1]
            dead._process.kill()
            said = told.get(timeout=PATIENCE_S)
            assert said.startswith("the worker under linebus up is gone (killed by SIGKILL); ")
            assert said.endswith(f"another one is started; log: {household.log_path}")
            with household._news:
                assert household._news.wait_for(
                    partial(is_replaced, household, dead),
                    PATIENCE_S,
                )
            assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        assert household.trouble is None
        last = household._processes[1]._process
    assert last.returncode == 0, "it was told to end, not killed"
    [log] = logs_in(log_folder)
    assert log.read_text().count("is gone (killed by SIGKILL); another one is started\n") == 2


def test_workers_that_never_get_ready_are_told_once_in_a_row_and_tried_ever_less_often(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linebus.limits.RESTART_S_MAX", 0.01)
    told: queue.Queue[str] = queue.Queue()
    with Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        monkeypatch.setattr(household, "_services", ["gdc"])  # which there is not
        household.watch(told.put)
        household._processes[1]._process.kill()
        assert "killed by SIGKILL" in told.get(timeout=PATIENCE_S)
        assert "exit code 2" in told.get(timeout=PATIENCE_S)
        while household.log_path.read_text().count("exit code 2") < 3:
            with household._news:
                household._news.wait(PATIENCE_S)
    assert told.empty()


def test_one_that_has_ended_before_anyone_watched_is_told_too(config: ServerConfig) -> None:
    told: queue.Queue[str] = queue.Queue()
    with Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        _, worker = processes(household)
        worker.kill()
        with household._news:
            assert household._news.wait_for(lambda: household._gone() is not None, PATIENCE_S)
        household.watch(told.put)
        assert told.get(timeout=PATIENCE_S).startswith("the worker under linebus up is gone")
    assert told.empty()


def test_both_end_whatever_happens(config: ServerConfig) -> None:
    with pytest.raises(RuntimeError), Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        both = processes(household)
        raise RuntimeError
    assert all(child.returncode is not None for child in both)


def test_one_that_does_not_end_is_killed(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linebus.limits.DRAIN_S", 0.05)
    with Household(config, ["gcd"], 1) as household:
        household.wait_until_up()
        server, _ = processes(household)
        server.send_signal(signal.SIGSTOP)
    assert server.returncode == -signal.SIGKILL


KEEPER = """
    import signal, sys
    from linebus.cli.household import Household, _Process
    from linebus.server.config import ServerConfig
    with Household(ServerConfig(*map(int, sys.argv[1:])), ["gcd"], 1) as household:
        household.wait_until_up()
        print(*(each._process.pid for each in household._processes), flush=True)
        signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_both_end_when_their_keeper_is_killed(config: ServerConfig) -> None:
    ports = [str(port) for port in config.ports().values()]
    with running(sys.executable, "-c", textwrap.dedent(KEEPER), *ports) as keeper:
        pids = [int(word) for word in first_line(keeper).split()]
        assert len(pids) == 2
        descriptors = [os.pidfd_open(pid) for pid in pids]
        keeper.send_signal(signal.SIGKILL)
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], PATIENCE_S)[0], "it goes on"
            os.close(descriptor)

"""`linebus serve`: what it hands to the server, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from linebus import process
from linebus.cli.main import main
from linebus.server import loop
from tests.support import free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.server.config import ServerConfig


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[ServerConfig]:
    """What servers were started with; none runs."""
    started: list[ServerConfig] = []

    def stand_in(config: ServerConfig, on_start: Callable[[], None]) -> None:
        started.append(config)
        on_start()

    monkeypatch.setattr(loop, "serve", stand_in)
    return started


def test_by_default_the_ports_of_the_exercise_are_served(
    configs: list[ServerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 0
    [config] = configs
    assert list(config.ports().values()) == [5555, 5556, 5557, 5558]
    assert not config.echo
    assert capsys.readouterr().out == (
        "linebus: serving tcp://127.0.0.1:5555 (ports 5555 5556 5557 5558); Ctrl-C ends it\n"
    )


def test_ports_host_and_echo_are_passed_on(configs: list[ServerConfig]) -> None:
    words = ["4", "3", "2", "1", "--echo", "--host", "127.0.0.2"]
    assert main(["serve", *words]) == 0
    [config] = configs
    assert (list(config.ports().values()), config.host, config.echo) == (
        [4, 3, 2, 1],
        "127.0.0.2",
        True,
    )


def test_a_host_that_others_reach_needs_consent(
    configs: list[ServerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", "192.0.2.7"]) == 2
    assert "--insecure" in capsys.readouterr().err
    assert configs == []
    assert main(["serve", "--host", "192.0.2.7", "--insecure"]) == 0
    assert configs[0].host == "192.0.2.7"


def test_ports_that_repeat_are_wrong_usage(
    configs: list[ServerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "1", "2", "3", "3"]) == 2
    assert capsys.readouterr().err == "linebus: the four ports must differ; got [1, 2, 3, 3]\n"
    assert configs == []


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "1_0"])
def test_a_port_that_none_is_is_wrong_usage(
    configs: list[ServerConfig], capsys: pytest.CaptureFixture[str], port: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", port, "2", "3", "4"])
    assert caught.value.code == 2
    assert port in capsys.readouterr().err
    assert configs == []


def test_a_port_that_is_taken_is_named_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as config:
        _, *others = free_ports()
        assert main(["serve", str(config.client_inputs), *map(str, others)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"port {config.client_inputs} (client_inputs) is taken" in err
    assert "stop it, or give four other ports, such as " in err


def test_with_a_parent_it_ends_with_it(
    configs: list[ServerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: list[int] = []
    monkeypatch.setattr(process, "end_with_parent", parents.append)
    assert main(["serve", "--parent", "41"]) == 0
    assert parents == [41]
    assert main(["serve"]) == 0
    assert parents == [41]


def test_with_json_the_news_are_an_object(
    configs: list[ServerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "4", "3", "2", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "event": "serving",
        "address": "tcp://127.0.0.1:4",
        "ports": {
            "client_inputs": 4,
            "client_outputs": 3,
            "worker_inputs": 2,
            "worker_outputs": 1,
        },
    }


def test_with_json_an_error_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "1", "2", "3", "3", "--json"]) == 2
    out, err = capsys.readouterr()
    assert (out, json.loads(err)["error"]) == ("", "usage")

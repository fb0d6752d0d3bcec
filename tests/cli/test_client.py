from __future__ import annotations

import argparse

import pytest

from linebus.cli import client


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    client.add_parser(parser.add_subparsers())
    return parser.parse_args(["client", *words])


def test_it_takes_two_ports_and_a_host() -> None:
    options = parsed("5555", "5556", "--host", "::1")
    assert (options.client_inputs, options.client_outputs) == (5555, 5556)
    assert client._address(options.host, options.client_inputs) == "tcp://[::1]:5555"
    assert options.run is client.run


def test_the_host_is_this_machine_unless_told() -> None:
    assert client._address(parsed("1", "65535").host, 1) == "tcp://127.0.0.1:1"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "", "٣", "5555.0"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parsed("5555", port)
    assert caught.value.code == 2
    assert "CLIENT" in capsys.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    assert "\n  linebus client 5555 5556\n" in capsys.readouterr().out

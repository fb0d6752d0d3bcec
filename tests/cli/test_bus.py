"""A command's way to a server: how long it waits, whom it tells, what it reads."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from linebus import limits
from linebus.cli import bus as module
from linebus.cli.bus import listens_within, open_bus, server_of
from linebus.client.client import Client
from linebus.core.admin import ServiceInfo, ServicesPage
from linebus.errors import NobodyListens, NotLinebus, Overloaded, UsageError, VersionMismatch
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, address_of, free_address, free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Callable


def options(address: str | None, wait: float, *, json: bool = False) -> argparse.Namespace:
    return argparse.Namespace(bus=address, wait=wait, json=json)


def test_a_server_that_is_there_is_used_whatever_the_wait() -> None:
    with FakeServer(free_address()) as server, open_bus(options(server.address, 0)) as bus:
        assert bus.ask("echo 1").text == "echo did 1"


def test_without_a_wait_nobody_is_waited_for() -> None:
    with open_bus(options(free_address(), 0)) as bus, pytest.raises(NobodyListens):
        bus.ask("echo 1")


def test_a_server_that_comes_in_time_is_found() -> None:
    [port] = free_ports(1)
    listeners: list[socket.socket] = []

    def listen() -> None:
        listeners.append(socket.create_server(("127.0.0.1", port)))

    starts = threading.Timer(0.05, listen)
    starts.start()
    assert listens_within(address_of(port), PATIENCE_S)
    starts.join()
    listeners[0].close()


def test_the_address_is_that_of_the_environment_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeServer(free_address()) as server:
        monkeypatch.setenv("LINEBUS_URL", server.address)
        with open_bus(options(None, 0)) as bus:
            assert bus.ask("echo 1").text == "echo did 1"


def test_what_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(UsageError), open_bus(options("nowhere", PATIENCE_S)):
        pass


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody need wait for a second to see what is said after one."""
    monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.01)
    monkeypatch.setattr(limits, "GREETING_S", 0.3)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_person_is_told_that_nobody_listens_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    address = free_address()
    with open_bus(options(address, 1.0, json=as_json)) as bus, pytest.raises(NobodyListens):
        bus.ask("echo 1")
    said = capsys.readouterr().err
    sentence = f"nobody listens at {address} yet; waiting up to 1 s"
    assert said == (
        f'{{"event":"notice","text":"{sentence}"}}\n' if as_json else f"linebus: {sentence}\n"
    )


@pytest.mark.usefixtures("soon")
def test_a_program_is_told_nothing_but_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with open_bus(options(free_address(), 0.5)) as bus, pytest.raises(NobodyListens):
        bus.ask("echo 1")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("soon")
def test_a_server_that_takes_its_time_is_not_called_absent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with FakeServer(free_address()) as server:
        module._tell_absence(server.address, options(server.address, 5.0))
    assert capsys.readouterr().err == ""


# -- what a server tells ---------------------------------------------------------------------


class Telling(FakeServer):
    """Answers whatever is asked by what a test says."""

    def __init__(self, answer: Callable[[str, str], m.Replies | m.Ended]) -> None:
        super().__init__(free_address())
        self.answer = answer

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        said = self.answer(ask.service, ask.lines[0])
        said.first = ask.first
        self.send(route, self.token, said)


def text(service: str, said: str) -> m.Replies:
    return m.Replies(service, 1, [said], [], 0, 1, 0.0, 0.0)


def ended(service: str, outcome: str) -> m.Ended:
    return m.Ended(service, 1, 1, outcome, "so it goes")


def test_pages_are_put_together() -> None:
    pages = {
        "": ServicesPage([ServiceInfo("a"), ServiceInfo("b")], "c"),
        "c": ServicesPage([ServiceInfo("c")]),
    }

    def answer(service: str, start: str) -> m.Replies:
        return text(service, msgspec.json.encode(pages[start]).decode())

    with Telling(answer) as server, Client(server.address) as bus:
        assert [each.name for each in bus.services()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda service, _: ended(service, "overloaded"), Overloaded),
        (lambda service, _: ended(service, "no_service"), VersionMismatch),
        (lambda service, _: text(service, "not JSON"), VersionMismatch),
        (lambda service, _: text(service, '{"version": 3}'), VersionMismatch),
    ],
)
def test_a_server_that_does_not_tell_is_an_error(
    answer: Callable[[str, str], m.Replies | m.Ended], error: type[Exception]
) -> None:
    with Telling(answer) as server, Client(server.address) as bus:
        with pytest.raises(error):
            server_of(bus)
        with pytest.raises(error):
            bus.services()


def test_our_server_tells() -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        with Client(address, connect_timeout_s=PATIENCE_S) as bus:
            assert bus.services() == []
            assert server_of(bus).clients == 1


def test_what_does_not_greet_is_no_linebus() -> None:
    class Deaf(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            pass

    with (
        Deaf(free_address()) as server,
        Client(server.address, connect_timeout_s=0.2) as bus,
        pytest.raises(NotLinebus),
    ):
        server_of(bus)

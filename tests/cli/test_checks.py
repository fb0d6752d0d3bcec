"""What `linebus doctor` finds: each problem with its cure, on what is really there."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq

from linebus import limits
from linebus.cli import checks, logs
from linebus.core.admin import SERVICES, ServerInfo, ServiceInfo, ServicesPage
from linebus.version import __version__
from linebus.wire import messages as m
from tests.support import PATIENCE_S, FakeServer, address_of, free_address, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from linebus.cli.checks import Check


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("LINEBUS_URL", raising=False)


def found(address: str | None, wait_s: float = 0.0) -> dict[str, Check]:
    return {check.check: check for check in checks.examine(address, wait_s)}


def problem(address: str | None) -> Check:
    """The last thing that is looked at, since the way ends there."""
    *before, last = checks.examine(address, 0.0)
    assert all(check.ok for check in before)
    assert not last.ok
    assert last.text
    assert last.cure
    return last


def info(**changes: object) -> ServerInfo:
    known = {"held_bytes_max": 1000.0, "clients_max": 100.0, "services_max": 10.0}
    usual = ServerInfo(__version__, "linebus/1", time.time(), 0.0, 1, 1, 2, 1, 0, known)
    return msgspec.structs.replace(usual, **changes)


# -- this machine ----------------------------------------------------------------------------


def test_the_versions_are_told() -> None:
    assert f"linebus {__version__}, Python 3." in checks._versions().text
    assert f"libzmq {zmq.zmq_version()}" in checks._versions().text


def test_the_logs_are_where_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert checks._logs(folder).text == f"linebus up logs to {folder}; 0 logs there"
    folder.mkdir(parents=True)
    (folder / "up-1.log").write_text("")
    assert checks._logs(folder).text.endswith("; 1 log there")
    assert checks._logs(folder).ok


def test_logs_that_cannot_be_written_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = checks._logs(tmp_path / "file" / "log")
    assert (check.ok, check.cure) == (False, logs.CURE)


@pytest.mark.parametrize(
    ("soft", "hard", "ok"),
    [
        (256, 4096, True),
        (256, resource.RLIM_INFINITY, True),
        (256, limits.DESCRIPTORS_MIN, True),
        (256, limits.DESCRIPTORS_MIN - 1, False),
    ],
)
def test_too_few_descriptors_for_a_server_are_a_problem(soft: int, hard: int, *, ok: bool) -> None:
    check = checks._descriptors(soft, hard)
    assert check.ok is ok
    assert ("ulimit" in check.cure) is not ok


# -- the way to the server -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "variable", "said"),
    [
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "tcp://127.0.0.1:1, from --bus"),
        (None, "tcp://127.0.0.1:2", "tcp://127.0.0.1:2, from LINEBUS_URL"),
        (None, "", "tcp://127.0.0.1:5555, the default"),
    ],
)
def test_the_address_is_told_with_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str, said: str
) -> None:
    monkeypatch.setenv("LINEBUS_URL", variable)
    assert found(option)["address"].text == said


def test_what_is_no_address_is_a_problem() -> None:
    check = problem("localhost:5555")
    assert (check.check, check.is_absence) == ("address", False)
    assert "one looks like tcp://127.0.0.1:5555" in check.cure


def test_a_host_that_nobody_knows_is_a_problem() -> None:
    check = problem("tcp://a..b:5555")
    assert (check.check, check.is_absence) == ("host", True)
    assert "a..b" in check.text


def test_nobody_listening_is_a_problem() -> None:
    check = problem(free_address())
    assert (check.check, check.is_absence) == ("listener", True)
    assert "linebus up" in check.cure


@contextmanager
def bound(kind: int) -> Iterator[str]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sock = context.socket(kind)
    port = sock.bind_to_random_port("tcp://127.0.0.1")
    try:
        yield address_of(port)
        assert not sock.poll(0), "something was asked"
    finally:
        context.destroy(linger=0)


def test_a_server_of_the_exercise_is_known_and_asked_nothing() -> None:
    with bound(zmq.REP) as address:
        check = problem(address)
    assert (check.check, check.is_absence) == ("socket", True)
    assert "a server of the exercise" in check.text
    assert "client.py" in check.cure


@pytest.mark.parametrize("name", ["client_outputs", "worker_inputs", "worker_outputs"])
def test_another_port_of_a_server_is_known(name: str) -> None:
    with serving() as config:
        check = problem(address_of(config.ports()[name]))
    assert f"this is {name} " in check.text
    assert "client_inputs" in check.cure


def test_another_socket_is_named() -> None:
    with bound(zmq.PULL) as address:
        assert problem(address).text == "it is a PULL socket"


def test_what_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GREETING_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        check = problem(address_of(listener.getsockname()[1]))
    assert "does not speak ZeroMQ, or it hangs" in check.text


# -- the server ------------------------------------------------------------------------------


def test_a_server_without_workers_lacks_only_those() -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        every = found(address, PATIENCE_S)
    assert [check.check for check in every.values() if not check.ok] == ["workers"]
    assert "linebus work isprime gcd" in every["workers"].cure
    assert "and speaks linebus/1, as here" in every["version"].text
    assert every["request"].text.startswith("linebus.server was answered in ")
    assert every["clients"].text == "1 of at most 16,384 clients"


class Telling(FakeServer):
    """A server that tells of itself what a test says."""

    def __init__(self, told: ServerInfo, *services: ServiceInfo) -> None:
        super().__init__(free_address())
        self.told = told
        self.page = ServicesPage(list(services))

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        told = self.page if ask.service == SERVICES else self.told
        texts = [msgspec.json.encode(told).decode()] * len(ask.lines)
        said = m.Replies(ask.service, ask.first, texts, [], 0, 1, 0.0, 0.0)
        self.send(route, self.token, said)


def told_by(server: ServerInfo, *services: ServiceInfo) -> dict[str, Check]:
    with Telling(server, *services) as telling:
        return found(telling.address)


OFFERED = ServiceInfo("gcd", "gcd A B", executors=2)


def test_another_version_that_speaks_the_same_is_told() -> None:
    check = told_by(info(version="9.9"), OFFERED)["version"]
    assert check.ok
    assert f"linebus 9.9, here is {__version__}; both speak linebus/1" in check.text


@pytest.mark.parametrize(
    ("ahead_s", "said"),
    [(3600.0, "3600.0 s ahead of this one"), (-3600.0, "3600.0 s behind this one")],
)
def test_clocks_that_differ_are_a_problem(ahead_s: float, said: str) -> None:
    check = told_by(info(started_at=time.time() + ahead_s), OFFERED)["clock"]
    assert not check.ok
    # However slow this machine is: seconds go by between the two clocks, not hours.
    assert said.partition(" s ")[2] in check.text
    assert "date" in check.cure


def test_half_of_the_way_is_no_difference_of_clocks() -> None:
    check = checks._clock(checks._Answer(info(), 0.5, -0.25))
    assert (check.ok, check.text) == (True, "the server's clock and this one differ by 0.250 s")


def test_who_answers_is_told_by_name() -> None:
    many = [ServiceInfo(f"s{number}", "s", executors=1) for number in range(10)]
    check = told_by(info(), *many, ServiceInfo("old", is_plain=True))["workers"]
    assert check.ok
    assert check.text.startswith("1 worker, 2 executors: s0, s1, ")
    assert check.text.endswith("s7 and 2 more; plain workers: old")


def test_plain_workers_alone_answer_no_one_here() -> None:
    check = told_by(info(workers=0), ServiceInfo("old", is_plain=True))["workers"]
    assert not check.ok
    assert check.text.endswith("; plain workers: old")


def test_lines_that_wait_for_nobody_are_a_problem() -> None:
    lost = ServiceInfo("price", "price X", waiting=5)
    every = told_by(info(), OFFERED, lost)
    assert every["waiting"].text == "5 lines for price and nobody offers that"
    assert "waiting" not in told_by(info(), OFFERED)


@pytest.mark.parametrize(
    ("changes", "check"),
    [({"clients": 81}, "clients"), ({"services": 9}, "services"), ({"held_bytes": 801}, "memory")],
)
def test_a_bound_that_is_nearly_reached_is_a_problem(changes: dict[str, int], check: str) -> None:
    every = told_by(info(**changes), OFFERED)
    assert [each.check for each in every.values() if not each.ok] == [check]
    assert every[check].cure


def test_a_bound_that_the_server_does_not_tell_is_none() -> None:
    assert all(check.ok for check in told_by(info(limits={}), OFFERED).values())


def test_a_router_that_does_not_greet_is_no_linebus(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            pass

    monkeypatch.setattr(limits, "GREETING_S", 0.2)
    with Deaf(free_address()) as server:
        [check] = checks._server(server.address)
    assert (check.check, check.is_absence) == ("request", True)
    assert "does not answer a linebus greeting" in check.text


def test_a_server_that_greets_and_does_not_answer_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(FakeServer):
        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            pass

    monkeypatch.setattr(limits, "GREETING_S", 0.5)
    with Silent(free_address()) as server:
        [check] = checks._server(server.address)
    assert (check.check, check.is_absence) == ("request", False)
    assert "no reply within 1 s" in check.text


def test_a_server_that_speaks_another_version_is_a_problem() -> None:
    class Newer(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            text = "it speaks linebus/2, not linebus/1; install the same version on both sides"
            self.send(route, b"linebus/1", m.Refusal("version", text))

    with Newer(free_address()) as server:
        check = problem(server.address)
    assert (check.check, check.is_absence) == ("request", False)
    assert "install the same version" in check.cure

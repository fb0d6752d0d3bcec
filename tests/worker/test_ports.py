"""What is found at two ports, whoever listens there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.worker import ports
from linebus.worker.news import NoServerYet, WrongPorts
from tests.support import address_of, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Bind = Callable[[int], int]


@pytest.fixture
def bind() -> Iterator[Bind]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    sockets: list[zmq.Socket[bytes]] = []

    def bound(kind: int) -> int:
        [port] = free_ports(1)
        sockets.append(context.socket(kind))
        sockets[-1].bind(address_of(port))
        return port

    yield bound
    context.destroy(linger=0)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOK_S", 30.0)


def wrong(*found: int) -> WrongPorts:
    news = ports.look(limits.HOST, found)
    assert isinstance(news, WrongPorts)
    return news


@pytest.mark.parametrize("inputs", [zmq.PUB, zmq.XPUB])
@pytest.mark.parametrize("outputs", [zmq.SUB, zmq.XSUB])
def test_what_fits_is_not_worth_a_word(bind: Bind, inputs: int, outputs: int) -> None:
    assert ports.look(limits.HOST, (bind(inputs), bind(outputs))) is None


def test_where_nobody_listens_there_is_no_server() -> None:
    inputs, outputs = free_ports(2)
    assert ports.look(limits.HOST, (inputs, outputs)) == NoServerYet(address_of(inputs))


def test_swapped_ports_are_told_with_the_right_order(bind: Bind) -> None:
    inputs, outputs = bind(zmq.SUB), bind(zmq.XPUB)
    news = wrong(inputs, outputs)
    has = f"port {inputs} has a socket of type SUB"
    assert news.worker_inputs == f"{has}; it should be worker_inputs (PUB)"
    assert news.worker_outputs.startswith(f"port {outputs} has a socket of type XPUB")
    assert news.cure == f"the ports are swapped: give {outputs} {inputs}"


def test_the_ports_for_clients_are_told(bind: Bind) -> None:
    news = wrong(bind(zmq.REP), bind(zmq.PUB))
    assert "of type REP" in news.worker_inputs
    assert "third and the fourth port" in news.cure


def test_one_port_of_two_can_be_wrong(bind: Bind) -> None:
    [nobody] = free_ports(1)
    news = wrong(bind(zmq.PUB), nobody)
    assert news.worker_inputs == ""
    assert news.worker_outputs.startswith(f"nobody listens at port {nobody}")


def test_what_is_no_zeromq_is_told(bind: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOOK_S", 0.01)
    with socket.create_server((limits.HOST, 0)) as silent:
        port = silent.getsockname()[1]
        news = wrong(port, bind(zmq.SUB))
    assert news.worker_inputs.startswith(f"what listens at port {port} tells no ZeroMQ socket")

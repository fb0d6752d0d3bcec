"""A worker's two sockets of the exercise, facing a server's PUB and SUB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
from linebus.worker.plain_link import PlainLink
from tests.support import PATIENCE_MS, address_of, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator


class ForeignServer:
    """worker_inputs as XPUB, so that a test can wait for a subscription, and worker_outputs."""

    def __init__(self, ports: list[int]) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.inputs = self.context.socket(zmq.XPUB)
        self.outputs = self.context.socket(zmq.SUB)
        self.outputs.setsockopt(zmq.SUBSCRIBE, b"")
        for socket, port in zip((self.inputs, self.outputs), ports, strict=True):
            socket.bind(address_of(port))

    def wait_for(self, subscription: bytes) -> None:
        while True:
            assert self.inputs.poll(PATIENCE_MS), f"{subscription!r} has not come"
            if self.inputs.recv() == subscription:
                return


@pytest.fixture
def ports() -> list[int]:
    return free_ports(2)


@pytest.fixture
def server(ports: list[int]) -> Iterator[ForeignServer]:
    server = ForeignServer(ports)
    yield server
    server.context.destroy(linger=0)


@pytest.fixture
def link(server: ForeignServer, ports: list[int]) -> Iterator[PlainLink]:
    context = new_context()
    link = PlainLink(context, *map(address_of, ports))
    yield link
    link.close()
    context.destroy(linger=0)


def lines(link: PlainLink) -> list[str]:
    assert link.inputs.poll(PATIENCE_MS), "no line has come"
    return list(link.lines())


def test_the_welcome_line_is_asked_for_at_once(server: ForeignServer, link: PlainLink) -> None:
    server.wait_for(b"\x01linebus/")
    server.inputs.send(b"isprime 97")
    server.inputs.send(b"linebus/1 5555")
    assert lines(link) == ["linebus/1 5555"]


def test_lines_come_only_for_what_is_subscribed_to_now(
    server: ForeignServer, link: PlainLink
) -> None:
    link.subscribe({"gcd", "isprime"})
    server.wait_for(b"\x01linebus/")
    for _ in range(2):  # in any order
        assert server.inputs.poll(PATIENCE_MS)
        assert server.inputs.recv() in (b"\x01gcd", b"\x01isprime")
    link.subscribe({"gcd"})
    server.wait_for(b"\x00isprime")
    for line in (b"isprime 97", b"gcd 12 18", b"linebus/1 1"):
        server.inputs.send(line)
    got: list[str] = []
    while len(got) < 2:
        got += lines(link)
    assert got == ["gcd 12 18", "linebus/1 1"]
    link.subscribe(())
    server.wait_for(b"\x00gcd")


def test_subscribing_to_the_same_again_says_nothing(server: ForeignServer, link: PlainLink) -> None:
    link.subscribe(["gcd"])
    server.wait_for(b"\x01gcd")
    link.subscribe(["gcd"])
    link.subscribe(["gcd", "other"])
    assert server.inputs.poll(PATIENCE_MS)
    assert server.inputs.recv() == b"\x01other"


def test_what_is_no_text_is_dropped(server: ForeignServer, link: PlainLink) -> None:
    link.subscribe(["gcd"])
    server.wait_for(b"\x01gcd")
    server.inputs.send(b"gcd \xff")
    server.inputs.send(b"gcd " + b"1" * limits.LINE_BYTES_MAX)
    server.inputs.send("gcd ü".encode())
    got: list[str] = []
    while not got:
        got = lines(link)
    assert got == ["gcd ü"]


def test_a_round_takes_a_bounded_number_of_lines(
    server: ForeignServer, link: PlainLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_MESSAGES_MAX", 3)
    link.subscribe(["gcd"])
    server.wait_for(b"\x01gcd")
    for number in range(7):
        server.inputs.send(b"gcd %d" % number)
    got: list[str] = []
    while len(got) < 7:
        batch = lines(link)
        assert len(batch) <= 3
        got += batch
    assert got == [f"gcd {number}" for number in range(7)]


def test_a_result_is_one_utf_8_frame_even_where_it_is_no_unicode(
    server: ForeignServer, link: PlainLink
) -> None:
    while not server.outputs.poll(10):
        link.publish("97 is prime ü \udcff")
    assert server.outputs.recv_multipart() == [b"97 is prime \xc3\xbc \\udcff"]


def test_without_a_server_nothing_blocks() -> None:
    context = new_context()
    link = PlainLink(context, *map(address_of, free_ports(2)))
    link.subscribe(["gcd"])
    for _ in range(1_000):
        link.publish("to nobody")
    assert list(link.lines()) == []
    link.close()
    context.destroy(linger=0)


def test_it_is_accepted_once_both_sockets_have_met_what_they_fit(ports: list[int]) -> None:
    context = new_context()
    link = PlainLink(context, *map(address_of, ports))
    poller = zmq.Poller()
    link.register(poller)
    server = ForeignServer(ports)
    while not link.is_accepted:
        assert poller.poll(PATIENCE_MS)
        link.read_news()
    server.context.destroy(linger=0)
    while link.is_accepted:
        assert poller.poll(PATIENCE_MS)
        link.read_news()
    link.close()
    context.destroy(linger=0)


def test_with_swapped_ports_it_is_not_accepted(server: ForeignServer, ports: list[int]) -> None:
    context = new_context()
    link = PlainLink(context, *map(address_of, reversed(ports)))
    monitor = link._monitors[link.inputs]
    assert monitor.poll(PATIENCE_MS), "it is cut off again and again"
    link.read_news()
    assert link._accepted == set()
    link.close()
    context.destroy(linger=0)

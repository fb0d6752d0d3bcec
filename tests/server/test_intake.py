"""Receiving from anyone: what is counted, and who is cut."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net import frames
from linebus.net.dealer import new_context
from linebus.server.door import Door
from linebus.server.intake import Intake
from linebus.server.kernel import Kernel
from tests.support import PATIENCE_MS, free_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    Pair = tuple[zmq.Socket[bytes], zmq.Socket[bytes]]


class Cutting(Kernel):
    """Notes what would be cut."""

    def __init__(self) -> None:
        self.was_cut: list[int] = []
        self.cut_lately = deque()

    def cut(self, descriptor: int, received: int = 0) -> None:
        self.was_cut.append(descriptor)
        self.received = received


@pytest.fixture
def pair() -> Iterator[Pair]:
    context, address = new_context(), free_address()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    router.bind(address)
    dealer.connect(address)
    yield router, dealer
    context.destroy(linger=0)


def test_what_came_by_a_connection_is_counted_without_the_sockets_own_frames(pair: Pair) -> None:
    router, dealer = pair
    intake = Intake(Cutting(), Door())
    for _ in range(2):
        dealer.send_multipart([b"four", bytes(300)])
        assert router.poll(PATIENCE_MS)
        [received] = intake.drain(router, 1)
        assert [frame.bytes for frame in received[1:]] == [b"four", bytes(300)]
    assert list(intake.arrived.values()) == [2 * (2 + 4 + 9 + 300)]


def test_a_message_of_too_many_frames_is_passed_over_and_its_connection_cut(pair: Pair) -> None:
    router, dealer = pair
    kernel, door = Cutting(), Door()
    intake = Intake(kernel, door)
    dealer.send_multipart([b"x"] * limits.CHEAP_FRAMES)
    assert router.poll(PATIENCE_MS)
    assert list(intake.drain(router, 1)) == []
    assert kernel.was_cut == list(intake.arrived)
    assert (kernel.received, list(intake.arrived.values())) == (3_000, [3_000])
    assert not door.is_shut, "it took no time"
    dealer.send_multipart([b""] * (limits.FRAMES_MAX - 1))
    assert router.poll(PATIENCE_MS)
    assert len(list(intake.drain(router, 1))) == 1
    assert len(kernel.was_cut) == 1


@pytest.mark.skipif(not Kernel.can_tell, reason="where nobody guards the door stays open")
def test_who_sends_very_many_frames_is_cut_before_they_are_passed_over_and_kept_out_for_a_while(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, dealer = pair
    kernel, door = Cutting(), Door()
    intake = Intake(kernel, door)
    now = 100.0

    def skip(socket: zmq.Socket[bytes], last: zmq.Frame, *count_max: float) -> object:
        nonlocal now
        if not count_max:
            assert (len(kernel.was_cut), door.is_shut) == (1, True)
            now += 2.0
        return true_skip(socket, last, *count_max)

    true_skip = frames.skip
    monkeypatch.setattr(frames, "skip", skip)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    dealer.send_multipart([b"x"] * 20 * limits.CHEAP_FRAMES)
    assert router.poll(PATIENCE_MS)
    assert list(intake.drain(router, 1)) == []
    assert kernel.received == 3 * (limits.FRAMES_MAX + limits.CHEAP_FRAMES)
    assert list(intake.arrived.values()) == [60 * limits.CHEAP_FRAMES]
    now += 2.0 * limits.DOOR_PER_COST - 0.1
    door.open_when_over()
    assert door.is_shut
    now += 0.2
    door.open_when_over()
    assert not door.is_shut


def receive_one(intake: Intake, router: zmq.Socket[bytes]) -> list[zmq.Frame]:
    """Receive one message, and leave what else has come."""
    assert router.poll(PATIENCE_MS)
    return next(intake.drain(router, 1))


def descriptor_of(received: list[zmq.Frame]) -> int:
    descriptor = frames.descriptor_of(received[0])
    assert descriptor is not None
    return descriptor


def test_what_a_connection_that_was_cut_has_left_is_dropped_and_others_are_heard(
    pair: Pair,
) -> None:
    router, hostile = pair
    kernel = Cutting()
    intake = Intake(kernel, Door())
    for number in range(4):
        hostile.send_multipart([b"hostile", b"%d" % number])
    first = receive_one(intake, router)
    assert first[2].bytes == b"0"
    kernel.cut_lately.append(descriptor_of(first))
    honest = hostile.context.socket(zmq.DEALER)
    honest.connect(router.last_endpoint)
    honest.send_multipart([b"honest", b""])
    heard: list[bytes] = []
    while not heard:
        assert router.poll(PATIENCE_MS)
        heard += [received[1].bytes for received in intake.drain(router, 1)]
    assert heard == [b"honest"]
    assert not router.poll(0), "the others have been received"


def test_what_a_connection_that_was_cut_has_left_is_passed_over_to_its_end(pair: Pair) -> None:
    router, hostile = pair
    kernel = Cutting()
    intake = Intake(kernel, Door())
    hostile.send_multipart([b"x", b""])
    kernel.cut_lately.append(descriptor_of(receive_one(intake, router)))
    hostile.send_multipart([b"x"] * (limits.FRAMES_MAX - 1) + [b"a route", b"linebus/1", b"hello"])
    assert router.poll(PATIENCE_MS)
    assert list(intake.drain(router, 1)) == []
    assert kernel.was_cut == [], "its descriptor may be another one's"


def test_a_route_that_its_peer_has_chosen_is_heard_after_a_cut(pair: Pair) -> None:
    router, _ = pair
    kernel = Cutting()
    intake = Intake(kernel, Door())
    with router.context.socket(zmq.DEALER) as named:
        named.setsockopt(zmq.ROUTING_ID, b"alice")
        named.connect(router.last_endpoint)
        for _ in range(2):
            named.send_multipart([b"x", b""])
            received = receive_one(intake, router)
            assert received[0].bytes == b"alice"
            kernel.cut_lately.append(descriptor_of(received))


def test_a_descriptor_that_is_used_again_is_of_another_connection(pair: Pair) -> None:
    router, dealer = pair
    kernel = Cutting()
    intake = Intake(kernel, Door())
    dealer.send_multipart([b"x", b""])
    descriptor = descriptor_of(receive_one(intake, router))
    former, later, last = (b"\0 %03d" % number for number in range(3))
    for route in (former, later):
        assert not intake._is_of_a_cut(descriptor, route)
        kernel.cut_lately.append(descriptor)
    assert intake._is_of_a_cut(descriptor, former)
    assert intake._is_of_a_cut(descriptor, later)
    assert not intake._is_of_a_cut(descriptor, last)


def test_of_very_many_that_were_cut_the_first_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CUT_ROUTES_MAX", 2)
    kernel = Cutting()
    intake = Intake(kernel, Door())
    routes = [b"\0 %03d" % number for number in range(4)]
    for descriptor, route in enumerate(routes[:3]):
        assert not intake._is_of_a_cut(descriptor, route)
        kernel.cut_lately.append(descriptor)
    assert not intake._is_of_a_cut(9, routes[3])
    assert [intake._is_of_a_cut(5, route) for route in routes[:3]] == [False, True, True]

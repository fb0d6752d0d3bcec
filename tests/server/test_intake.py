"""Receiving from anyone: what is counted, and who is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.net.dealer import new_context
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
    intake = Intake(Cutting())
    for _ in range(2):
        dealer.send_multipart([b"four", b"six---"])
        assert router.poll(PATIENCE_MS)
        [frames] = intake.drain(router, 1)
        assert [frame.bytes for frame in frames[1:]] == [b"four", b"six---"]
    assert list(intake.arrived.values()) == [20]


def test_a_message_of_too_many_frames_is_passed_over_and_its_connection_cut(pair: Pair) -> None:
    router, dealer = pair
    kernel = Cutting()
    intake = Intake(kernel)
    dealer.send_multipart([b"x"] * 1_000)
    assert router.poll(PATIENCE_MS)
    assert list(intake.drain(router, 1)) == []
    assert kernel.was_cut == list(intake.arrived)
    assert (kernel.received, list(intake.arrived.values())) == (1_000, [1_000])
    dealer.send_multipart([b""] * (limits.FRAMES_MAX - 1))
    assert router.poll(PATIENCE_MS)
    assert len(list(intake.drain(router, 1))) == 1
    assert len(kernel.was_cut) == 1

"""The guard cuts who uses up memory with what is no message, and nobody else."""

from __future__ import annotations

from collections import Counter
from math import inf

import pytest

from linebus import limits
from linebus.server.guard import Guard
from linebus.server.kernel import Connection, Kernel

MUCH = limits.GUARD_MEMORY_BYTES
LITTLE = limits.GUARD_UNFINISHED_BYTES


class FakeKernel(Kernel):
    """A kernel whose answers the test gives; what is cut gives its memory back."""

    can_tell = True

    def __init__(self) -> None:
        self.size = 50_000_000
        self.sent: dict[int, int] = {}
        self.trims = 0
        self.was_cut: list[int] = []

    def memory(self) -> int:
        return self.size

    def trim(self) -> None:
        self.trims += 1

    def connections(self, ports: set[int]):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return (Connection(descriptor, size) for descriptor, size in self.sent.items())

    def cut(self, descriptor: int) -> None:
        self.was_cut.append(descriptor)
        self.size -= self.sent.pop(descriptor)

    def send(self, descriptor: int, size: int) -> None:
        self.sent[descriptor] = self.sent.get(descriptor, 0) + size
        self.size += size


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def guard(kernel: FakeKernel) -> Guard:
    return Guard(kernel, {5555}, 0.0)


def test_it_wants_to_look_again_and_again(guard: Guard) -> None:
    assert guard.look_at == limits.GUARD_S
    guard.look(7.0, 0, {})
    assert guard.look_at == 7.0 + limits.GUARD_S


def test_nobody_is_looked_at_while_memory_is_in_order(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, MUCH)
    guard.look(1.0, 0, {})
    assert (kernel.was_cut, kernel.trims) == ([], 0)


def test_whoever_has_sent_most_that_is_no_message_is_cut(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, 1_000)
    kernel.send(8, MUCH)
    kernel.send(9, 2 * LITTLE)
    guard.look(1.0, 0, Counter({7: 1_000}))
    assert kernel.was_cut == [8, 9]
    assert kernel.trims == 2


def test_whoever_sends_much_in_whole_messages_is_left_alone(
    guard: Guard, kernel: FakeKernel
) -> None:
    kernel.send(7, 10 * MUCH)
    kernel.send(8, 2 * LITTLE)
    guard.look(1.0, 0, Counter({7: 10 * MUCH - 1_000}))
    assert kernel.was_cut == [8]


def test_what_the_broker_holds_is_no_reason(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, 2 * MUCH)
    guard.look(1.0, MUCH, {})
    assert kernel.was_cut == []


def test_memory_that_trimming_gives_back_is_no_reason(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, 2 * MUCH)

    def trim() -> None:
        kernel.size = 60_000_000

    kernel.trim = trim  # type: ignore[method-assign]
    guard.look(1.0, 0, {})
    assert kernel.was_cut == []


def test_what_an_earlier_connection_of_a_descriptor_sent_does_not_count(
    guard: Guard, kernel: FakeKernel
) -> None:
    kernel.send(7, MUCH + LITTLE)
    guard.look(1.0, 0, Counter({7: 50 * MUCH}))
    assert kernel.was_cut == [7]


def test_where_the_kernel_tells_nothing_it_never_looks(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeKernel, "can_tell", False)
    assert Guard(kernel, {5555}, 0.0).look_at == inf

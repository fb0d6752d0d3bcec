"""The guard cuts who uses up memory with what is no message, and nobody else."""

from __future__ import annotations

import errno
import threading
from collections import Counter

import pytest

from linebus import limits
from linebus.server.door import Door
from linebus.server.guard import Guard
from linebus.server.kernel import Connection, Kernel
from tests.support import PATIENCE_S

MUCH = limits.GUARD_MEMORY_BYTES
LITTLE = limits.GUARD_UNFINISHED_BYTES
INPUTS, LINES = 5555, 5557


class FakeKernel(Kernel):
    """A kernel whose answers the test gives; what is cut gives its memory back."""

    can_tell = True

    def __init__(self) -> None:
        self.size = 50_000_000
        self.sent: dict[int, int] = {}
        self.subscribed: dict[int, int] = {}
        self.trims = 0
        self.was_cut: list[int] = []

    def memory(self) -> int:
        return self.size

    def trim(self) -> None:
        self.trims += 1

    def connections(self, ports: set[int]):  # type: ignore[no-untyped-def]  # noqa: ANN201
        found = self.subscribed | (self.sent if INPUTS in ports else {})
        return [Connection(descriptor, size) for descriptor, size in found.items()]

    def cut(self, descriptor: int, received: int = 0) -> None:
        self.was_cut.append(descriptor)
        self.size -= self.sent.pop(descriptor, 0) + self.subscribed.pop(descriptor, 0)

    def send(self, descriptor: int, size: int) -> None:
        self.sent[descriptor] = self.sent.get(descriptor, 0) + size
        self.size += size

    def subscribe(self, descriptor: int, size: int) -> None:
        self.subscribed[descriptor] = self.subscribed.get(descriptor, 0) + size
        self.size += size


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(Kernel, "can_tell", True)
    return Door()


@pytest.fixture
def held() -> list[int]:
    """What the broker holds."""
    return [0]


@pytest.fixture
def arrived() -> Counter[int]:
    """What has arrived in messages, by descriptor."""
    return Counter()


@pytest.fixture
def guard(kernel: FakeKernel, door: Door, held: list[int], arrived: Counter[int]) -> Guard:
    return Guard(kernel, door, {INPUTS, LINES}, {LINES}, lambda: held[0], arrived)


def test_nobody_is_looked_at_while_memory_is_in_order(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, MUCH)
    guard.look()
    assert (kernel.was_cut, kernel.trims) == ([], 0)


def test_whoever_has_sent_most_that_is_no_message_is_cut(
    guard: Guard, kernel: FakeKernel, arrived: Counter[int]
) -> None:
    kernel.send(7, 1_000)
    kernel.send(8, MUCH)
    kernel.send(9, 2 * LITTLE)
    arrived[7] = 1_000
    guard.look()
    assert kernel.was_cut == [8, 9]
    assert kernel.trims == 2


def test_nobody_is_let_in_once_memory_is_short(
    guard: Guard, door: Door, kernel: FakeKernel
) -> None:
    kernel.send(7, MUCH)
    guard.look()
    assert not door.is_shut
    kernel.send(8, MUCH)
    guard.look()
    assert (kernel.was_cut, door.is_shut) == ([8, 7], True)


def test_the_door_is_opened_when_it_is_time(guard: Guard, door: Door) -> None:
    door.shut(PATIENCE_S)
    guard.look()
    assert door.is_shut
    door._shut_until = 0.0
    guard.look()
    assert not door.is_shut


def test_while_nobody_is_let_in_memory_counts_only_if_it_grows(
    guard: Guard, door: Door, kernel: FakeKernel
) -> None:
    door.shut(PATIENCE_S)
    kernel.size += 2 * MUCH
    guard.look()  # waits in whole messages of who is gone
    kernel.send(7, LITTLE)
    kernel.size -= LITTLE
    guard.look()
    assert kernel.was_cut == []
    kernel.size += 1
    guard.look()
    assert kernel.was_cut == [7]


def test_the_more_memory_is_taken_the_less_is_left_to_who_sends(
    guard: Guard, kernel: FakeKernel
) -> None:
    kernel.send(7, LITTLE // 2)
    kernel.send(8, 1_000)
    kernel.size += MUCH
    guard.look()
    assert kernel.was_cut == []
    kernel.size += 2 * MUCH
    guard.look()
    assert kernel.was_cut == [7]


def test_whoever_sends_much_in_whole_messages_is_left_alone(
    guard: Guard, kernel: FakeKernel, arrived: Counter[int]
) -> None:
    kernel.send(7, 5 * MUCH)
    kernel.send(8, 2 * LITTLE)
    arrived[7] = 5 * MUCH - 1_000
    guard.look()
    assert kernel.was_cut == [8]


def test_whoever_subscribes_to_more_than_anyone_needs_is_cut_at_once(
    guard: Guard, kernel: FakeKernel
) -> None:
    kernel.subscribe(7, limits.SUBSCRIPTIONS_BYTES_MAX)
    kernel.subscribe(8, limits.GUARD_GROWTH_BYTES)
    kernel.send(9, limits.GUARD_GROWTH_BYTES)
    guard.look()
    assert kernel.was_cut == [8]


def test_subscribers_are_not_looked_at_while_memory_does_not_grow(
    guard: Guard, kernel: FakeKernel
) -> None:
    kernel.subscribe(7, limits.GUARD_GROWTH_BYTES)
    guard.look()
    assert kernel.was_cut == []


def test_what_the_broker_holds_is_no_reason(
    guard: Guard, kernel: FakeKernel, held: list[int]
) -> None:
    kernel.send(7, 2 * MUCH)
    held[0] = MUCH
    guard.look()
    assert kernel.was_cut == []


def test_memory_that_trimming_gives_back_is_no_reason(guard: Guard, kernel: FakeKernel) -> None:
    kernel.send(7, 2 * MUCH)

    def trim() -> None:
        kernel.size = 60_000_000

    kernel.trim = trim  # type: ignore[method-assign]
    guard.look()
    assert kernel.was_cut == []


def test_what_an_earlier_connection_of_a_descriptor_sent_does_not_count(
    guard: Guard, kernel: FakeKernel, arrived: Counter[int]
) -> None:
    kernel.send(7, MUCH + LITTLE)
    arrived[7] = 50 * MUCH
    guard.look()
    assert kernel.was_cut == [7]


def test_within_its_block_it_looks_by_itself(
    guard: Guard, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_cut = threading.Event()
    monkeypatch.setattr(limits, "GUARD_S", 0.001)
    monkeypatch.setattr(kernel, "cut", lambda _: was_cut.set())
    kernel.subscribe(8, 2 * limits.GUARD_GROWTH_BYTES)
    with guard:
        assert was_cut.wait(PATIENCE_S)


def test_it_looks_less_often_while_the_memory_stays_the_same_and_the_door_is_open(
    guard: Guard, kernel: FakeKernel, door: Door
) -> None:
    waited: list[float] = []

    def grow() -> None:
        kernel.size += 1

    meanwhile = [None, None, grow, None, lambda: door.shut(limits.WAIT_S_MAX), None]

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append(timeout)
            if len(waited) > len(meanwhile):
                return True
            happens = meanwhile[len(waited) - 1]
            if happens is not None:
                happens()
            return False

    guard._stop = Stop()
    guard._run()
    often, calm = limits.GUARD_S, limits.GUARD_CALM_S
    assert waited == [often, often, calm, often, calm, often, often]


def test_a_look_that_fails_makes_nobody_calm(
    guard: Guard, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ports: set[int]) -> list[Connection]:
        raise OSError(errno.EMFILE, "no descriptors")

    guard.look()
    guard.look()
    assert guard._is_calm
    kernel.send(7, 2 * MUCH)
    monkeypatch.setattr(kernel, "connections", fail)
    with pytest.raises(OSError, match="no descriptors"):
        guard.look()
    assert not guard._is_calm


def test_where_the_kernel_tells_nothing_it_never_looks(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeKernel, "can_tell", False)
    threads = threading.active_count()
    with Guard(kernel, Door(), {INPUTS}, set(), lambda: 0, Counter()):
        assert threading.active_count() == threads


def test_memory_that_many_honest_peers_take_is_looked_into_once(
    guard: Guard, kernel: FakeKernel, arrived: Counter[int]
) -> None:
    looked = []
    usual = kernel.connections
    kernel.connections = lambda ports: looked.append(ports) or usual(ports)  # type: ignore[func-returns-value, method-assign]
    for descriptor in range(100):
        kernel.send(descriptor, MUCH // 50)
        arrived[descriptor] = MUCH // 50
    guard.look()
    looks = len(looked)
    guard.look()
    guard.look()
    assert (kernel.was_cut, len(looked)) == ([], looks)
    kernel.send(500, 2 * MUCH)
    guard.look()
    assert kernel.was_cut == [500]

"""What a guardian makes of an executor's position: long lines, broken limits, whom to charge."""

from __future__ import annotations

from math import inf

import pytest

from linebus import limits
from linebus.wire.messages import Lost
from linebus.worker import position as page
from linebus.worker.watch import Bounds, Broken, Long, Stuck, Verdict, Watch

KEY = b"h" * 32
# A little longer, since sums of durations are not exact.
LONG_S = 1.01 * limits.LONG_LINE_S
SOON_S = 1.01 * limits.HAND_BACK_S


class FakePage:
    """A position without shared memory."""

    def __init__(self) -> None:
        self.cell = [0] * page.CELLS
        self.stream = b"stream"


class Scene:
    """An executor with two services, one of them bounded, as its guardian sees it."""

    def __init__(self, *, time_limit_s: float = 0.0, memory_limit: int = 0) -> None:
        self.page = FakePage()
        self.memory = 0
        self.looks = 0
        self.watch = Watch(self.page, self._measure)
        self.watch.names = ["free", "bounded"]
        self.watch.bounds = [Bounds(0.0, 0), Bounds(time_limit_s, memory_limit)]
        self.now = 100.0

    def _measure(self) -> int:
        self.looks += 1
        return self.memory

    def at(self, number: int, service: int = 1) -> Verdict | None:
        """Let the executor be at this line; return what follows at once."""
        self.page.cell[page.NUMBER] = number
        self.page.cell[page.SERVICE] = service
        return self.look()

    def look(self, after_s: float = 0.0) -> Verdict | None:
        self.now += after_s
        return self.watch.look(self.now)

    @property
    def is_asked_to_pause(self) -> bool:
        return bool(self.page.cell[page.PAUSE])


# -- long lines ----------------------------------------------------------------------------------


def test_nothing_follows_from_idleness_or_from_short_lines() -> None:
    scene = Scene(time_limit_s=1.0)
    assert scene.at(0) is None
    assert scene.look(after_s=1_000.0) is None
    for number in range(1, 5):
        scene.now += 0.9 * limits.LONG_LINE_S
        assert scene.at(number) is None
    assert not scene.is_asked_to_pause


def test_at_a_long_line_it_is_asked_to_pause_and_a_moment_later_that_is_told_once() -> None:
    scene = Scene()
    scene.at(7)
    assert scene.look(after_s=LONG_S) is None
    assert scene.is_asked_to_pause
    assert scene.watch.is_pausing
    assert scene.look(after_s=limits.HAND_BACK_S / 2) is None
    assert scene.look(after_s=SOON_S) == Long(7)
    assert not scene.watch.is_pausing
    assert scene.look(after_s=1.0) is None


def test_whoever_has_come_to_another_line_meanwhile_is_not_told_to_be_long_at_it() -> None:
    scene = Scene()
    scene.at(7)
    scene.look(after_s=LONG_S)
    assert scene.watch.is_pausing
    scene.now += SOON_S
    assert scene.at(8) is None
    assert not scene.watch.is_pausing
    assert scene.look(after_s=LONG_S) is None
    assert scene.look(after_s=SOON_S) == Long(8)


def test_the_same_number_of_another_stream_is_another_line() -> None:
    scene = Scene(time_limit_s=1.0)
    scene.at(7)
    scene.now += 0.9
    scene.page.stream = b"another"
    assert scene.look() is None
    assert scene.look(after_s=0.9) is None
    assert isinstance(scene.look(after_s=0.2), Broken)


# -- long ones and quick ones --------------------------------------------------------------------


def test_whoever_is_at_a_line_for_a_tenth_of_a_second_is_long_until_the_next_line() -> None:
    scene = Scene()
    scene.at(7)
    scene.look(after_s=0.9 * limits.LEAVE_ROOM_S)
    assert not scene.watch.is_long
    scene.look(after_s=0.2 * limits.LEAVE_ROOM_S)
    assert scene.watch.is_long
    scene.at(8)
    assert not scene.watch.is_long
    scene.look(after_s=2 * limits.LEAVE_ROOM_S)
    scene.at(0)
    assert not scene.watch.is_long


def test_whoever_is_done_with_a_slice_between_two_looks_was_quick() -> None:
    scene = Scene()
    scene.look()
    assert not scene.watch.was_quick
    scene.page.cell[page.SLICES] = 3
    scene.look()
    assert scene.watch.was_quick
    scene.look()
    assert not scene.watch.was_quick


def test_whoever_is_done_with_a_long_line_was_not_quick() -> None:
    scene = Scene()
    scene.at(7)
    scene.look(after_s=LONG_S)
    scene.page.cell[page.SLICES] = 1
    scene.at(0)
    assert not scene.watch.was_quick


# -- limits --------------------------------------------------------------------------------------


def test_a_line_that_takes_longer_than_its_service_may_is_broken() -> None:
    scene = Scene(time_limit_s=0.5)
    scene.at(3)
    scene.look(after_s=0.499)
    verdict = scene.look(after_s=0.002)
    assert isinstance(verdict, Broken)
    assert verdict == Broken(3, "bounded took longer than 0.5 s, its time limit", verdict.ran_s)
    assert verdict.ran_s == pytest.approx(0.501)


def test_the_time_of_the_line_before_does_not_count() -> None:
    scene = Scene(time_limit_s=0.5)
    for number in range(1, 9):
        scene.now += 0.4
        assert not isinstance(scene.at(number), Broken)


def test_a_line_during_which_there_is_too_much_memory_is_broken() -> None:
    scene = Scene(memory_limit=1_000)
    scene.memory = 1_000
    assert scene.at(3) is None, "that is its limit"
    scene.memory = 1_001
    assert scene.look() == Broken(3, "bounded used 1001 bytes of memory; its limit is 1000", 0.0)


@pytest.mark.parametrize("service", [0, -1, 2], ids=["without bounds", "unknown", "not offered"])
def test_other_services_have_no_limit(service: int) -> None:
    scene = Scene(time_limit_s=0.5, memory_limit=1)
    scene.memory = 1_000_000
    scene.at(3, service)
    assert not isinstance(scene.look(after_s=1_000.0), Broken)
    assert scene.looks == 0, "memory is looked at only where there is a limit"


# -- what nobody waits for -----------------------------------------------------------------------


def test_whoever_stays_at_a_line_that_nobody_waits_for_is_stuck() -> None:
    scene = Scene()
    scene.at(3)
    scene.watch.unwanted.add(3, 5, scene.now)
    assert scene.look() is None
    assert scene.look(after_s=1.01 * limits.STOP_PATIENCE_S) == Stuck()


def test_whoever_goes_on_is_not_stuck() -> None:
    scene = Scene()
    scene.at(3)
    scene.watch.unwanted.add(3, 3, scene.now)
    scene.now += limits.STOP_PATIENCE_S
    assert scene.at(4) is None


# -- whether it works ----------------------------------------------------------------------------


def test_it_is_at_work_at_a_line_or_at_several_async_ones() -> None:
    scene = Scene()
    assert not scene.watch.is_at_work
    scene.page.cell[page.AT_ONCE] = 3
    assert scene.watch.is_at_work
    scene.page.cell[page.AT_ONCE] = 0
    scene.at(1)
    assert scene.watch.is_at_work


# -- what its end means --------------------------------------------------------------------------


def test_a_death_is_charged_to_the_line_at_hand() -> None:
    scene = Scene()
    scene.at(9)
    assert scene.watch.lost(KEY, "killed by SIGSEGV") == Lost(
        KEY, 9, "killed by SIGSEGV", b"stream"
    )


def test_a_death_while_it_was_at_several_is_charged_to_all_of_them() -> None:
    scene = Scene()
    scene.page.cell[page.AT_ONCE] = 2
    assert scene.watch.lost(KEY, "killed by SIGSEGV") == Lost(
        KEY, 0, "killed by SIGSEGV", b"stream", all_at_once=True
    )


def test_a_line_that_broke_a_limit_fails_for_that_reason() -> None:
    scene = Scene()
    scene.at(9)
    scene.page.cell[page.AT_ONCE] = 2
    scene.watch.sentence = Broken(9, "too long", 1.5)
    assert scene.watch.lost(KEY, "killed by SIGKILL") == Lost(
        KEY, 9, "too long", b"stream", failed=True, ran_s=1.5
    ), "and the async ones beside it are not charged"


@pytest.mark.parametrize("number", [0, 10], ids=["idle", "at the next line"])
def test_a_line_that_ended_before_the_signal_came_charges_nobody(number: int) -> None:
    scene = Scene()
    scene.at(number)
    scene.watch.sentence = Broken(9, "too long", 1.5)
    assert scene.watch.lost(KEY, "killed by SIGKILL") == Lost(KEY, 0, "too long", b"stream")


def test_a_stuck_executor_charges_nobody() -> None:
    scene = Scene()
    scene.at(9)
    scene.watch.sentence = Stuck()
    lost = scene.watch.lost(KEY, "killed by SIGKILL")
    assert (lost.position, lost.failed, lost.all_at_once) == (0, False, False)
    assert lost.reason == "stopped, since nobody waits for its line any more"


def test_at_first_nothing_is_known() -> None:
    watch = Scene().watch
    assert watch.sentence is None
    assert watch.unwanted.is_empty
    assert watch._paused_at == inf

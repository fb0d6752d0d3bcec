"""Who of a worker's executors leaves a core to the others, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from linebus import limits
from linebus.worker import position as page
from linebus.worker.room import Room
from tests.worker.fake_children import FakeChild

if TYPE_CHECKING:
    from collections.abc import Sequence

# More than it takes for whoever is quick all the time to be seen so, or not any more.
A_WHILE_S = 4 * limits.QUICK_MEAN_S


class Scene:
    """Executors of a worker, of which the first is at a long line, as their guardian sees them."""

    def __init__(self, executors: int = 2) -> None:
        self.room = Room()
        self.children: list[Any] = [
            FakeChild((), None, 0.0, None, tells_files=False) for _ in range(executors)
        ]
        self.long, *self.others = self.children
        self.now = 100.0
        self.long.position.cell[page.NUMBER] = 7
        self.look()
        self.pass_time(2 * limits.LEAVE_ROOM_S)

    def look(self) -> None:
        for child in self.children:
            child.watch.look(self.now)
        self.room.look(self.children, self.now)

    def pass_time(
        self, duration_s: float, quick: Sequence[FakeChild] = (), *, every: int = 1
    ) -> None:
        """Look regularly; between every so many looks these have done a slice."""
        for number in range(int(duration_s / limits.WATCH_S)):
            self.now += 1.01 * limits.WATCH_S
            if not number % every:
                self.do_slices(quick)
            self.look()

    def do_slices(self, quick: Sequence[FakeChild]) -> None:
        for child in quick:
            child.position.cell[page.SLICES] += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_long_line_has_all_cores_while_nobody_else_is_at_work(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S)
    assert not scene.long.leaves_core


def test_a_long_line_leaves_a_core_while_another_executor_is_quick(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, scene.others)
    assert [child.leaves_core for child in scene.children] == [True, False]
    scene.pass_time(A_WHILE_S)
    assert not scene.long.leaves_core


def test_the_core_is_taken_back_when_the_line_is_over(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, scene.others)
    scene.long.position.cell[page.NUMBER] = 8
    scene.pass_time(limits.WATCH_S, scene.others)
    assert not scene.long.leaves_core


def test_a_line_now_and_then_takes_no_core_from_long_ones(scene: Scene) -> None:
    scene.pass_time(10 * A_WHILE_S, scene.others, every=4)
    assert not scene.long.leaves_core


def test_whoever_leaves_a_core_does_so_until_the_others_are_clearly_less_quick(
    scene: Scene,
) -> None:
    scene.pass_time(A_WHILE_S, scene.others)
    scene.pass_time(A_WHILE_S, scene.others, every=3)
    assert scene.long.leaves_core
    scene.pass_time(A_WHILE_S, scene.others, every=6)
    assert not scene.long.leaves_core


def test_having_been_quick_before_the_line_is_no_reason_to_leave_a_core() -> None:
    scene = Scene(executors=1)
    scene.long.position.cell[page.NUMBER] = 0
    scene.pass_time(A_WHILE_S, scene.children)
    scene.long.position.cell[page.NUMBER] = 8
    scene.look()
    for _ in range(int(A_WHILE_S / limits.WATCH_S)):
        scene.pass_time(limits.WATCH_S)
        assert not scene.long.leaves_core


def test_many_executors_that_are_quick_in_turn_are_none_that_is_quick_all_the_time() -> None:
    scene = Scene(executors=9)
    for turn in range(10 * round(A_WHILE_S / limits.WATCH_S)):
        scene.pass_time(limits.WATCH_S, [scene.others[turn % 8]])
    assert not scene.long.leaves_core


def test_looking_more_often_than_usual_makes_nobody_less_quick(scene: Scene) -> None:
    for _ in range(round(A_WHILE_S / limits.WATCH_S)):
        scene.do_slices(scene.others)
        for _ in range(10):
            scene.now += 0.11 * limits.WATCH_S
            scene.look()
    assert scene.long.leaves_core


def test_whoever_has_ended_was_not_quick_enough(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, scene.others)
    del scene.children[1]
    scene.pass_time(2 * limits.WATCH_S)
    assert not scene.long.leaves_core

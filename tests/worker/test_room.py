"""Who of a worker's executors leaves a core to the others, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from linebus import limits, process
from linebus.worker import position as page
from linebus.worker.room import Room
from tests.worker.fake_children import FakeChild

ALL, FEWER = {0, 1, 2, 5}, {0, 1, 2}
# More than it takes for whoever is quick all the time to be seen so, or not any more.
A_WHILE_S = 2 * limits.QUICK_MEAN_S


class MovingChild(FakeChild):
    """An executor that is moved from core to core."""

    def __init__(self) -> None:
        super().__init__((), None, 0.0, None, tells_files=False)
        self.cores = ALL

    def move(self, former: set[int], numbers: set[int]) -> None:
        assert self.cores == former
        self.cores = numbers

    def do_slice(self) -> None:
        self.position.cell[page.SLICES] += 1


class Scene:
    """Executors of a worker on a machine of four cores, and what their guardian sees."""

    def __init__(self) -> None:
        self.room = Room()
        self.long, self.other = MovingChild(), MovingChild()
        self.children: list[Any] = [self.long, self.other]
        self.now = 100.0
        self.long.position.cell[page.NUMBER] = 7
        self.look()
        self.pass_time(2 * limits.LEAVE_ROOM_S)

    def look(self) -> None:
        for child in self.children:
            child.watch.look(self.now)
        self.room.look(self.children, self.now)

    def pass_time(self, duration_s: float, *, quick: bool = False, every: int = 1) -> None:
        """Look regularly; at every so many looks the other one has been quick."""
        for number in range(int(duration_s / limits.WATCH_S)):
            self.now += 1.01 * limits.WATCH_S
            if quick and not number % every:
                self.other.do_slice()
            self.look()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(process, "core_numbers", lambda: ALL)
    return Scene()


def test_a_long_line_has_all_cores_while_nobody_else_is_at_work(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S)
    assert scene.long.cores == ALL


def test_a_long_line_leaves_the_last_core_while_others_are_done_with_lines(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, quick=True)
    assert scene.long.cores == FEWER
    assert scene.other.cores == ALL
    scene.pass_time(A_WHILE_S)
    assert scene.long.cores == ALL


def test_the_core_is_taken_back_when_the_line_is_over(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, quick=True)
    scene.long.position.cell[page.NUMBER] = 8
    scene.pass_time(limits.WATCH_S, quick=True)
    assert scene.long.cores == ALL


def test_a_line_now_and_then_takes_no_core_from_long_ones(scene: Scene) -> None:
    scene.pass_time(10 * A_WHILE_S, quick=True, every=4)
    assert scene.long.cores == ALL


def test_looking_more_often_than_usual_makes_nobody_less_quick(scene: Scene) -> None:
    for _ in range(round(A_WHILE_S / limits.WATCH_S)):
        scene.other.do_slice()
        for _ in range(10):
            scene.now += 0.11 * limits.WATCH_S
            scene.look()
    assert scene.long.cores == FEWER


def test_whoever_has_ended_is_not_moved_back(scene: Scene) -> None:
    scene.pass_time(A_WHILE_S, quick=True)
    scene.children.remove(scene.long)
    scene.pass_time(A_WHILE_S)
    assert scene.long.cores == FEWER


@pytest.mark.parametrize("numbers", [set[int](), {3}])
def test_where_there_is_no_core_to_leave_nobody_moves(
    numbers: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "core_numbers", lambda: numbers)
    scene = Scene()
    scene.pass_time(A_WHILE_S, quick=True)
    assert scene.long.cores == ALL

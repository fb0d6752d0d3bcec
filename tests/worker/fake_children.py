"""A guardian whose executors are no processes: what it says of them, and to them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from linebus.wire import messages as m
from linebus.worker import guardian as module
from linebus.worker import pipes
from linebus.worker import position as page
from linebus.worker.guardian import Guardian, WorkerConfig
from linebus.worker.watch import Bounds, Watch

if TYPE_CHECKING:
    import pytest

    from linebus.worker.news import News

_numbers = count(100_000)
UNBOUNDED = [Bounds(0.0, 0)]
BOUNDED = [Bounds(2.0, 0)]


class FakePage:
    """What an executor and its guardian share."""

    def __init__(self) -> None:
        self.cell = [0] * page.CELLS
        self.stream = b"stream"


class FakePipe:
    """Both pipes of an executor: what it says next, and what it was told."""

    def __init__(self) -> None:
        self.descriptor = next(_numbers)
        self.is_at_end = False
        self.is_waiting = False
        self.to_say: list[Any] = []
        self.told: list[Any] = []

    def read(self) -> list[Any]:
        said, self.to_say = self.to_say, []
        return said

    def write(self, message: object) -> None:
        self.told.append(message)


class FakeChild:
    """An executor that is said to be in some state."""

    def __init__(
        self,
        _references: object,
        address: str | None,
        now: float,
        _program: object,
        *,
        tells_files: bool,
    ) -> None:
        self.started_at = now
        self.started_at_wall = now
        self.tells_files = tells_files
        self.link: object = None
        self.address = address
        self.is_ready = self.is_spare = self.is_leaving = self.gives_way = False
        self.leaves_core = False
        self.working_on: int | None = None
        self.report = self.control = FakePipe()
        self.key_hash = b"%032d" % self.report.descriptor
        self.position = FakePage()
        self.watch = Watch(self.position, lambda: 0)
        self.is_killed = self.is_stopped = False
        self.ended = ""

    def leave_core(self) -> None:
        assert not self.leaves_core
        self.leaves_core = True

    def take_core_back(self) -> None:
        assert self.leaves_core
        self.leaves_core = False

    def give_way(self) -> None:
        self.gives_way = True

    def stop(self) -> None:
        self.is_stopped = True

    def kill(self) -> None:
        self.is_killed = True

    def bury(self) -> m.Lost:
        return self.watch.lost(self.key_hash, "killed by SIGKILL")


class Household:
    """A guardian and its fake children, at moments that the test chooses."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, executors: int = 1, *, reloads: bool = False
    ) -> None:
        monkeypatch.setattr(module, "Child", FakeChild)
        config = WorkerConfig(("gcd",), executors, "tcp://127.0.0.1:1", reloads=reloads)
        self.news: list[News] = []
        self.guardian = Guardian(config, self.news.append)
        self.vouched: list[bytes] = []
        self.vouched_as_spare: list[bytes] = []
        self.lost: list[m.Lost] = []
        self.handed_back: list[tuple[bytes, bytes, int]] = []
        session = self.guardian._session
        monkeypatch.setattr(session, "vouch", self._vouch)
        monkeypatch.setattr(session, "lost", self.lost.append)
        monkeypatch.setattr(session, "hand_back", lambda *told: self.handed_back.append(told))
        self.guardian._restart_at = [0.0] * executors
        self.guardian._start_children(0.0)

    def _vouch(self, key_hash: bytes, *, is_spare: bool = False) -> None:
        (self.vouched_as_spare if is_spare else self.vouched).append(key_hash)

    @property
    def children(self) -> list[Any]:
        return list(self.guardian._children.values())

    @property
    def regular(self) -> list[Any]:
        """All but the spare one."""
        return [child for child in self.children if not child.is_spare]

    @property
    def spares(self) -> list[Any]:
        return [child for child in self.children if child.is_spare]

    def hear(self, child: Any, *messages: object, now: float = 1.0) -> None:  # noqa: ANN401
        child.report.to_say = list(messages)
        self.guardian._hear_child(child, now)

    def ready(
        self,
        child: Any,  # noqa: ANN401
        bounds: list[Bounds],
        *,
        is_recycled: bool = False,
        name: str = "gcd",
    ) -> None:
        offers = [m.Offer(name, "", "")]
        self.hear(child, pipes.Ready(offers, bounds, is_recycled))

    def end(self, child: Any, now: float = 10.0) -> None:  # noqa: ANN401
        child.report.is_at_end = True
        self.guardian._hear_child(child, now)

    def close(self) -> None:
        self.guardian._children.clear()
        self.guardian._leave()

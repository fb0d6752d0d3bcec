"""Simulated workers: guardians' and executors' processes around their real sessions."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple, cast

from linebus import limits
from linebus.testing.peers import ExecutorPeer, GuardianPeer
from linebus.worker import position as page
from linebus.worker.answering import answer_of
from linebus.worker.watch import Bounds, Broken, Long, Stuck, Watch

if TYPE_CHECKING:
    from linebus.testing.simulator.scenario import Troupe
    from linebus.testing.simulator.simulation import Simulation
    from linebus.testing.simulator.wires import Wire
    from linebus.wire.messages import Lost
    from linebus.worker.session import Slice


class _UnderWay(NamedTuple):
    """A line of a service that works on several at once."""

    number: int
    line: str
    begun_at: float
    finish_at: float
    work: Slice


class Executor(ExecutorPeer):
    """An executor's process: one thread that hears nothing while it works on a line.

    It hands over what is done at the end of what it holds, and in between as the real one does.
    """

    link: Wire

    def __init__(self, simulation: Simulation, guardian: Guardian, number: int) -> None:
        """Start without a connection."""
        super().__init__(simulation, guardian, number)
        self._simulation = simulation
        self.link.process.turn = self._turn
        self.started_at = simulation.now
        self._begun_at = 0.0
        self._finish_at: float | None = None
        self._done: list[tuple[int, str, bool, float]] = []
        self._sent_at = 0.0
        self.watch = Watch(self.page, lambda: 0)
        self.watch.names = list(guardian.services)
        self.watch.bounds = [Bounds(guardian.time_limit_s(each), 0) for each in guardian.services]
        self._under_way: list[_UnderWay] = []
        self.is_last_line = False  # it ends when it has finished the line at hand

    def hand_in(self, work: Slice, text: str, took_s: float, *, failed: bool) -> None:
        """Hold texts back until it is time to send; then go on with the rest of the slice."""
        self.position = 0
        if self._generation != self.session.generation:
            self._slice = None
            self._done.clear()
            return
        self._done.append((work.first, text, failed, took_s))
        lines = work.lines[1:]
        self._slice = work._replace(first=work.first + 1, lines=lines) if lines else None
        if not lines or self.is_last_line or self._is_time_to_send():
            self._answer_done()

    def _answer_done(self) -> None:
        if self._done:
            first = self._done[0][0]
            texts = [text for _, text, _, _ in self._done]
            failures = [at for at, (_, _, failed, _) in enumerate(self._done) if failed]
            self.session.answer(first, texts, failures, sum(s for _, _, _, s in self._done))
            self._done.clear()

    def pause(self) -> None:
        """Hand in what is done, and say what has not been begun."""
        self._answer_done()
        super().pause()
        self._exchange()

    def die(self, reason: str, *, silently: bool = False) -> None:
        """End the process; its guardian notices when it comes to it."""
        self.is_alive = False
        self.guardian.executors.remove(self)
        lost = self.watch.lost(self.key_hash, reason)
        self._simulation.note_death(self, lost, [each.line for each in self._under_way])
        self._simulation.note(self.link.process.name, f"ends at {self.line or 'no line'}: {reason}")
        self.link.close(silently=silently)
        cast("Guardian", self.guardian).has_lost(self, lost)

    def leave(self) -> None:
        """Finish the line at hand and say goodbye, as at SIGTERM."""
        self.is_last_line = True
        self.link.process.wake()

    # ----------------------------------------------------------------------------------------

    def _is_time_to_send(self) -> bool:
        return self._simulation.now >= self._sent_at + limits.FLUSH_S

    def _turn(self) -> None:
        world = self._simulation
        if self._finish_at is not None:
            if world.now < self._finish_at:
                self.link.process.wake(self._finish_at - world.now)
                return
            cost_s, self._finish_at = world.now - self._begun_at, None
            world.fate_of(self.line).runs += 1
            self.finish(cost_s)
        if not self.is_alive:
            return
        self._collect()
        if self.is_last_line:
            self._leave_now()
            return
        if self._slice is None or self._is_time_to_send():
            self._exchange()
        while self.begin() and self._is_one_of_several():
            self._begin_beside()
        if self._under_way:
            finish_at = min(each.finish_at for each in self._under_way)
            self.link.process.wake(finish_at - world.now)
        if self.position:
            assert self._slice is not None, "it has begun"
            self._begun_at = world.now
            self.page.cell[page.SERVICE] = self.watch.names.index(self._slice.service)
            self._finish_at = world.now + world.draw_cost_s(self._slice.service)
            self.link.process.wake(self._finish_at - world.now)
            self._be_watched()
        else:
            self.link.process.wake_at(self.session.next_deadline())

    def _be_watched(self) -> None:
        """Have the guardian look when it would find that this line is long."""
        for_s = self._finish_at - self._begun_at if self._finish_at is not None else 0.0
        guardian = cast("Guardian", self.guardian)
        self.watch.look(guardian.link.now)
        if for_s > limits.LONG_LINE_S:
            guardian.link.process.wake(limits.LONG_LINE_S)

    # -- services that work on several lines at once -----------------------------------------

    def _is_one_of_several(self) -> bool:
        assert self._slice is not None, "it has begun"
        return self.guardian.services[self._slice.service].offer.at_once > 0

    def _begin_beside(self) -> None:
        """Begin a line beside others; it takes its own time."""
        world, work = self._simulation, self._slice
        assert work is not None, "it has begun"
        finish_at = world.now + world.draw_cost_s(work.service)
        begun = _UnderWay(work.first, self.line, world.now, finish_at, work)
        self._under_way.append(begun)
        self.position, self._slice = 0, None
        self.page.cell[page.AT_ONCE] = len(self._under_way)

    def _collect(self) -> None:
        """Answer those of the lines at once that have ended."""
        world = self._simulation
        done = [each for each in self._under_way if each.finish_at <= world.now]
        self._under_way = [each for each in self._under_way if each.finish_at > world.now]
        for each in done:
            world.fate_of(each.line).runs += 1
            run = self.guardian.function_for(each.work)
            text, failed = answer_of(run, each.work.service, each.work.lines[0])
            took_s = world.now - each.begun_at
            self.session.answer(each.number, [text], [0] if failed else [], took_s)
        self.page.cell[page.AT_ONCE] = len(self._under_way)

    def _exchange(self) -> None:
        self.link.put_out()
        self.link.take_in()
        self.link.put_out()
        if self._generation != self.session.generation:
            self._under_way.clear()  # the numbers are those of another stream
        self._sent_at = self._simulation.now
        self._simulation.audit_executor(self)

    def _leave_now(self) -> None:
        if self._under_way:
            finish_at = min(each.finish_at for each in self._under_way)
            self.link.process.wake(finish_at - self._simulation.now)
            self._exchange()
            return
        self.link.put_out()
        self.link.to_server.extend(self.session.last_words())
        self.link.put_out()
        self.is_alive = False
        self.guardian.executors.remove(self)
        self._simulation.note(self.link.process.name, "has finished its line and leaves")
        self.link.end_after_sending()
        lost = self.watch.lost(self.key_hash, "ended with exit code 0")
        cast("Guardian", self.guardian).has_lost(self, lost)


class Guardian(GuardianPeer):
    """A guardian's process: speaks for its executors and starts new ones."""

    link: Wire

    def __init__(self, simulation: Simulation, number: int, troupe: Troupe) -> None:
        """Start it with its executors, and have all of them look for a server."""
        self.number = number
        self.troupe = troupe
        self.is_alive = True
        self.is_leaving = False
        self._simulation = simulation
        self._deaths: list[tuple[Lost, bool]] = []
        self._restart_at: list[float] = []
        self._spare_at = inf
        self._restart_s = 0.0
        super().__init__(simulation, number, troupe.offered, troupe.procs)
        self.link.process.turn = self._turn
        self.link.connect()

    @property
    def all(self) -> list[Executor]:
        """Its executors that live."""
        return cast("list[Executor]", list(self.executors))

    @property
    def wires(self) -> list[Wire]:
        """The ways to the server of itself and of its executors."""
        return [self.link, *[executor.link for executor in self.all]]

    def kill_executor(
        self, executor: ExecutorPeer, *, reason: str = "killed by SIGKILL", replace: bool = True
    ) -> None:
        """End an executor, which the guardian notices later."""
        cast("Executor", executor).die(reason)

    def time_limit_s(self, service: str) -> float:
        """Return how long a line of a service may take, 0 for any time."""
        return self.troupe.time_limits_s.get(service, 0.0)

    def has_lost(self, executor: Executor, lost: Lost) -> None:
        """Note that an executor's pipe has come to its end."""
        self._deaths.append((lost, executor.is_spare))
        if (
            executor.watch.sentence is not None
            or self._simulation.now - executor.started_at >= limits.SHORT_LIFE_S
        ):
            self._restart_s = 0.0
        if self.is_alive:
            self.link.process.wake(self._simulation.draw_delay_s())

    def die(self, *, silently: bool = False, orphans: bool = False) -> None:
        """End the process, and its executors with it (or at the end of their lines)."""
        self._end()
        for executor in self.all:
            if orphans:
                executor.leave()
            else:
                executor.die("its guardian has ended", silently=silently)
        self.link.close(silently=silently)

    def leave(self) -> None:
        """Let every executor finish the line at hand, then end, as at SIGTERM."""
        self.is_leaving = True
        for executor in self.all:
            executor.leave()
        self.link.process.wake()

    # ----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        now = self.link.now
        for stop in self.session.take_stops():
            for executor in self.all:
                if executor.key_hash == stop.executor:
                    executor.watch.unwanted.add(stop.first, stop.last, now)
        for executor in self.all:
            match executor.watch.look(now):
                case Long(number=number):
                    self.session.hand_back(executor.key_hash, executor.page.stream, number)
                case Stuck() as stuck:
                    executor.watch.sentence = stuck
                    executor.die("stopped")
                case Broken(reason=reason) as broken:
                    executor.watch.sentence = broken
                    executor.die(reason)
        if any(executor.watch.is_pausing for executor in self.all):
            self.link.process.wake(limits.HAND_BACK_S)
        elif any(each.position or not each.watch.unwanted.is_empty for each in self.all):
            self.link.process.wake(limits.LONG_LINE_S)

    def _replace(self, now: float, *, was_spare: bool) -> None:
        if was_spare:
            self._spare_at = now + self._restart_s
        elif self.spare is None:
            self._restart_at.append(now + self._restart_s)
        else:
            self.promote_spare()
            self._spare_at = now

    def _end(self) -> None:
        self.is_alive = False
        self._simulation.guardians.remove(self)

    def _turn(self) -> None:
        world, link = self._simulation, self.link
        deaths, self._deaths = self._deaths, []
        for lost, was_spare in deaths:
            self.session.lost(lost)
            if not self.is_leaving:
                self._replace(world.now, was_spare=was_spare)
                longer_s = max(limits.RESTART_S, 2 * self._restart_s)
                self._restart_s = min(longer_s, limits.RESTART_S_MAX)
        for _ in [at for at in self._restart_at if at <= world.now]:
            self.start_executor()
        self._restart_at = [at for at in self._restart_at if at > world.now]
        if self._spare_at <= world.now:
            self._spare_at = inf
            self.start_executor(is_spare=True)
        link.take_in()
        if self.session.is_silent(link.now):
            world.note(link.process.name, "leaves a silent server")
            link.start_anew()
        self._watch()
        link.put_out()
        if self.is_leaving and not self.executors:
            link.to_server.extend(self.session.last_words())
            link.put_out()
            self._end()
            link.end_after_sending()
            return
        link.process.wake_at(self.session.next_deadline())
        if (at := min([*self._restart_at, self._spare_at])) < inf:
            link.process.wake(at - world.now)

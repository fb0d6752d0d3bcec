"""Simulated workers: guardians' and executors' processes around their real sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from linebus import limits
from linebus.testing.peers import ExecutorPeer, GuardianPeer
from linebus.worker.unwanted import Unwanted

if TYPE_CHECKING:
    from linebus.testing.simulator.scenario import Troupe
    from linebus.testing.simulator.simulation import Simulation
    from linebus.testing.simulator.wires import Wire
    from linebus.worker.session import Slice


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
        self.unwanted = Unwanted()
        self.is_stopped = False  # killed, since nobody waited for its line
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
            first = self._done[0][0]
            texts = [text for _, text, _, _ in self._done]
            failures = [at for at, (_, _, failed, _) in enumerate(self._done) if failed]
            self.session.answer(first, texts, failures, sum(s for _, _, _, s in self._done))
            self._done.clear()

    def die(self, reason: str, *, silently: bool = False) -> None:
        """End the process; its guardian notices when it comes to it."""
        self.is_alive = False
        self.guardian.executors.remove(self)
        if self.position and not self.is_stopped:
            self._simulation.note_death(self)
        self._simulation.note(self.link.process.name, f"ends at {self.line or 'no line'}: {reason}")
        self.link.close(silently=silently)
        cast("Guardian", self.guardian).has_lost(self, reason)

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
        if self.is_last_line:
            self._leave_now()
            return
        if self._slice is None or self._is_time_to_send():
            self._exchange()
        if self.begin():
            assert self._slice is not None, "it has begun"
            self._begun_at = world.now
            self._finish_at = world.now + world.draw_cost_s(self._slice.service)
            self.link.process.wake(self._finish_at - world.now)
        else:
            self.link.process.wake_at(self.session.next_deadline())

    def _exchange(self) -> None:
        self.link.put_out()
        self.link.take_in()
        self.link.put_out()
        self._sent_at = self._simulation.now
        self._simulation.audit_executor(self)

    def _leave_now(self) -> None:
        self.link.put_out()
        self.link.to_server.extend(self.session.last_words())
        self.link.put_out()
        self.is_alive = False
        self.guardian.executors.remove(self)
        self._simulation.note(self.link.process.name, "has finished its line and leaves")
        self.link.end_after_sending()
        cast("Guardian", self.guardian).has_lost(self, "ended with exit code 0")


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
        self._deaths: list[tuple[bytes, int, str]] = []
        self._restart_at: list[float] = []
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

    def has_lost(self, executor: Executor, reason: str) -> None:
        """Note that an executor's pipe has come to its end."""
        position = 0 if executor.is_stopped else executor.position
        self._deaths.append((executor.key_hash, position, reason))
        if executor.is_stopped or self._simulation.now - executor.started_at >= limits.SHORT_LIFE_S:
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

    def _stop_unwanted(self) -> None:
        now = self.link.now
        for stop in self.session.take_stops():
            for executor in self.all:
                if executor.key_hash == stop.executor:
                    executor.unwanted.add(stop.first, stop.last, now)
        for executor in self.all:
            if executor.unwanted.is_stuck(executor.position, now):
                executor.is_stopped = True
                executor.die("stopped")
        if any(not executor.unwanted.is_empty for executor in self.all):
            self.link.process.wake(limits.STOP_PATIENCE_S)

    def _end(self) -> None:
        self.is_alive = False
        self._simulation.guardians.remove(self)

    def _turn(self) -> None:
        world, link = self._simulation, self.link
        deaths, self._deaths = self._deaths, []
        for key_hash, position, reason in deaths:
            self.session.lost(key_hash, position, reason)
            if not self.is_leaving:
                self._restart_at.append(world.now + self._restart_s)
                longer_s = max(limits.RESTART_S, 2 * self._restart_s)
                self._restart_s = min(longer_s, limits.RESTART_S_MAX)
        for _ in [at for at in self._restart_at if at <= world.now]:
            self.start_executor()
        self._restart_at = [at for at in self._restart_at if at > world.now]
        link.take_in()
        if self.session.is_silent(link.now):
            world.note(link.process.name, "leaves a silent server")
            link.start_anew()
        self._stop_unwanted()
        link.put_out()
        if self.is_leaving and not self.executors:
            link.to_server.extend(self.session.last_words())
            link.put_out()
            self._end()
            link.end_after_sending()
            return
        link.process.wake_at(self.session.next_deadline())
        for at in self._restart_at:
            link.process.wake(at - world.now)

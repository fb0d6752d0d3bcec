"""A worker of an in-process bus, as tests hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus.errors import UsageError

if TYPE_CHECKING:
    from linebus.testing.peers import GuardianPeer
    from linebus.testing.world import World


class Worker:
    """One worker: a guardian and its executors. `bus.worker` makes one."""

    def __init__(self, world: World, guardian: GuardianPeer) -> None:
        """Hold a worker that is there."""
        self._world = world
        self._guardian = guardian

    @property
    def is_alive(self) -> bool:
        """Whether it has not been killed; one that is stopped is alive."""
        return self._guardian in self._world.guardians

    def kill(self) -> None:
        """End the worker and all its executors at once, as by SIGKILL.

        Its connections are cut. What it held is dispatched to others half a second later.
        """
        self._living("killed")
        self._world.kill_guardian(self._guardian)

    def stop(self) -> None:
        """Stop the worker and its executors, as by SIGSTOP: connected, and silent.

        After three seconds the server takes it for lost and dispatches what it held to others.
        """
        self._living("stopped")
        self._world.stop_guardian(self._guardian)

    def resume(self) -> None:
        """Let a worker that was stopped, or whose host had vanished, go on."""
        self._living("resumed")
        self._world.resume_guardian(self._guardian)

    def _living(self, what: str) -> None:
        if not self.is_alive:
            raise UsageError(f"this worker has ended and cannot be {what}; start another one")

"""`linebus.testing.Bus`: a server with workers and clients in one thread, for tests of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from linebus import limits
from linebus.errors import UsageError
from linebus.services.declare import Service
from linebus.testing.client import Client
from linebus.testing.clock import Clock
from linebus.testing.faults import Faults
from linebus.testing.peers import of_service
from linebus.testing.worker import Worker
from linebus.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from linebus.client.reply import Reply
    from linebus.core.admin import ServiceInfo
    from linebus.services.catalog import AnyService


class Bus:
    """A server in this process, with a client of its own and a worker for what is given.

    >>> with Bus(gcd) as bus:
    ...     bus.ask("gcd 12 18").text
    'gcd for 12 18 is 6'

    The broker, the sessions and the services are the real ones. There are no sockets, processes
    or threads, and nothing waits: `clock` moves when a reply needs time, or when it is told to.
    """

    clock: Clock
    """The clock of everything on this bus."""

    def __init__(self, *services: AnyService, procs: int = 1) -> None:
        """Start a server, and a worker with `procs` executors for services, if any are given."""
        # The server has been there for a while, else an unknown name would wait at first.
        self._world = World(-limits.START_GRACE_S, line_cost_s=0.0)
        self._world.pass_time(limits.START_GRACE_S)
        self._faults = self._world.mishaps = Faults(self._world)
        self._clients: list[Client] = []
        self._is_closed = False
        self.clock = Clock(self._world)
        self._client = self.client()
        if services:
            self.worker(*services, procs=procs)

    # -- as a client -------------------------------------------------------------------------

    def ask(
        self, line: str, *, timeout_s: float | None = None, deadline_s: float | None = None
    ) -> Reply:
        """Ask one line and return its reply, whatever the outcome."""
        return self._client.ask(line, timeout_s=timeout_s, deadline_s=deadline_s)

    def call(
        self,
        service: str,
        *arguments: object,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Any:  # noqa: ANN401  what the service gives
        """Call a service with Python values; return its result, or raise any other outcome."""
        patience = {"timeout_s": timeout_s, "deadline_s": deadline_s}
        return self._client.call(service, *arguments, **patience)

    def submit(self, line: str, *, deadline_s: float | None = None) -> Future[Reply]:
        """Ask one line and return a future, which is done as soon as the bus has run."""
        return self._client.submit(line, deadline_s=deadline_s)

    def map(
        self,
        lines: Iterable[str],
        *,
        timeout_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Iterator[Reply]:
        """Ask many lines and yield their replies in the lines' order."""
        return self._client.map(lines, timeout_s=timeout_s, deadline_s=deadline_s)

    def services(self, *, timeout_s: float | None = None) -> list[ServiceInfo]:
        """Return who offers what, in the order of names."""
        return self._client.services(timeout_s=timeout_s)

    # -- who else is there -------------------------------------------------------------------

    def client(self) -> Client:
        """Open another client's session."""
        self._check_open()
        client = Client(self._world)
        self._clients.append(client)
        return client

    def worker(self, *services: AnyService, procs: int = 1) -> Worker:
        """Start a worker that offers services with `procs` executors."""
        self._check_open()
        _check_services(services)
        if not 1 <= procs <= limits.EXECUTORS_PER_WORKER_MAX:
            most = limits.EXECUTORS_PER_WORKER_MAX
            raise UsageError(f"a worker has 1 to {most} executors; got procs={procs!r}")
        guardian = self._world.worker([of_service(service) for service in services], procs)
        self._world.pump()  # so that a line that is asked next finds it
        return Worker(self._world, guardian)

    # -- what happens ------------------------------------------------------------------------

    def run(self) -> None:
        """Let all happen that can happen at this moment; the clock stands still."""
        self._check_open()
        self._world.work()

    def fault(self, name: str, *, at: str, times: int = 1) -> None:
        """Let a fault strike the next `times` times that the line `at` comes by.

        `name` is a `Fault` or its word, such as "executor_dies". Faults at one line strike in the
        order in which they were named. `close` raises UsageError where one has never struck.
        """
        self._check_open()
        self._faults.arm(name, at, times)

    def restart_server(self) -> None:
        """Restart the server: it knows nothing of before. Its peers come back by themselves."""
        self._check_open()
        self._world.restart_server()

    def cut(self, client: Client | None = None) -> None:
        """Cut a client's connection, by default the bus's own; it comes back by itself."""
        self._check_open()
        (client or self._client).cut()

    def close(self) -> None:
        """End everything; replies that are still owed are given up.

        Raises UsageError for a fault that has never struck.
        """
        if self._is_closed:
            return
        self._is_closed = True
        for client in self._clients:
            client.close()
        self._faults.check()

    def __enter__(self) -> Self:
        """Return the bus itself."""
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Close the bus; an error on its way out says more than a fault that never struck."""
        try:
            self.close()
        except UsageError:
            if error is None:
                raise

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("this bus is closed; make another one")


def _check_services(services: Sequence[object]) -> None:
    names: set[str] = set()
    for service in services:
        if not isinstance(service, Service):
            name = getattr(service, "__name__", repr(service))
            raise UsageError(f"{name} is no service; put @linebus.service above the function")
        if service.name in names:
            raise UsageError(f"service {service.name!r} is given twice to one worker")
        names.add(service.name)
    if not 1 <= len(names) <= limits.SERVICES_PER_WORKER_MAX:
        most = limits.SERVICES_PER_WORKER_MAX
        raise UsageError(f"a worker offers 1 to {most} services; got {len(names)}")

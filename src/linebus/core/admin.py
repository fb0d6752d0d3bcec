"""What the broker answers itself: who offers what, and how the server fares, as JSON.

They are services like any other, `linebus.services` and `linebus.server`, so whatever shows them
is only a client. Their replies are kept and acknowledged as all others are.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from linebus import limits
from linebus.errors import Refused
from linebus.version import __version__
from linebus.wire.messages import RESERVED, Offer
from linebus.wire.native import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.core.directory import Directory
    from linebus.core.workers import Worker

SERVICES = f"{RESERVED}services"
SERVER = f"{RESERVED}server"

OFFERS = (
    Offer(SERVICES, f"{SERVICES} [FROM]", "Say who offers what, from the name FROM on."),
    Offer(SERVER, SERVER, "Say how the server fares: its version, limits, and who is there."),
)

_encode = msgspec.json.Encoder().encode


class WorkerInfo(Struct, frozen=True):
    """A worker: its public number, what it says it is, and the public numbers of its executors.

    One of the latter stands in each reply as its `worker`.
    """

    worker: int
    program: str
    executors: tuple[int, ...]


class ServiceInfo(Struct, frozen=True):
    """What is known of one service.

    `signature` names the types of the arguments and of the value, `example` is a line to try.
    `workers` are those that offer it now, at most SERVICE_WORKERS_SHOWN_MAX of them, `executors`
    the number of all their processes, `waiting` the lines that are queued. Where only `is_plain`
    is true, workers of the exercise subscribe to its lines, of which nothing else is known.
    """

    name: str
    usage: str = ""
    doc: str = ""
    signature: str = ""
    example: str = ""
    workers: tuple[WorkerInfo, ...] = ()
    executors: int = 0
    waiting: int = 0
    is_plain: bool = False


class ServicesPage(Struct, frozen=True):
    """Services in the order of their names, and the name to go on from, if there are more."""

    services: list[ServiceInfo]
    next: str | None = None


class ServerInfo(Struct, frozen=True):
    """How a server fares.

    `started_at` is the moment of its start by its machine's clock, in seconds since 1970, and
    `uptime_s` how long that is ago; `held_bytes` is what is queued, leased and kept.
    """

    version: str
    protocol: str
    started_at: float
    uptime_s: float
    clients: int
    workers: int
    executors: int
    services: int
    held_bytes: int
    limits: dict[str, float]


class Counts(Struct, frozen=True):
    """What only the broker can count."""

    clients: int
    workers: int
    executors: int
    held_bytes: int


_LIMITS_TOLD = (
    "LINE_BYTES_MAX",
    "TEXT_BYTES_MAX",
    "HELD_BYTES_MAX",
    "WINDOW_LINES",
    "CLIENTS_MAX",
    "WORKERS_MAX",
    "SERVICES_MAX",
    "STRIKES_MAX",
    "CLIENT_ABSENCE_S_MAX",
    "NO_WORKER_GRACE_S",
)


class Admin:
    """Answers the lines for the broker's own services."""

    def __init__(
        self,
        directory: Directory,
        counts: Callable[[], Counts],
        plain_names: Callable[[], set[str]],
        now: float,
        started_at: float,
    ) -> None:
        """Start at `now`, which the machine's clock calls `started_at`."""
        self._directory = directory
        self._counts = counts
        self._plain_names = plain_names
        self._up_since = now
        self._started_at = started_at

    def answer(self, service: str, arguments: str, now: float) -> str:
        """Return the text for a line. Raises Refused where the arguments make no sense."""
        if service == SERVICES:
            return _encode(self._page(arguments)).decode()
        if arguments:
            raise Refused(f"expected 0 arguments, got {len(arguments.split())}; usage: {SERVER}")
        return _encode(self._server(now)).decode()

    def _page(self, start: str) -> ServicesPage:
        offered = self._directory.offered_names()
        plain = self._plain_names()
        names = sorted({*offered, *plain}) if plain else offered
        page: list[ServiceInfo] = []
        size = 0
        for name in names[bisect_left(names, start) :]:
            if size > limits.ADMIN_PAGE_BYTES or len(page) >= limits.ADMIN_PAGE_SERVICES_MAX:
                return ServicesPage(page, name)
            info = self._service(name, is_plain=name in plain)
            size += len(_encode(info))
            page.append(info)
        return ServicesPage(page)

    def _service(self, name: str, *, is_plain: bool) -> ServiceInfo:
        service = self._directory.get(name)
        if service is None or service.offer is None:
            return ServiceInfo(name, is_plain=is_plain)
        workers = [worker for pool in service.pools for worker in pool.workers]
        return ServiceInfo(
            name,
            service.offer.usage,
            service.offer.doc,
            service.offer.signature,
            service.offer.example,
            tuple(map(_worker, _first(workers))),
            sum(worker.executors_at_work for worker in workers),
            service.waiting,
            is_plain,
        )

    def _server(self, now: float) -> ServerInfo:
        counts = self._counts()
        return ServerInfo(
            __version__,
            VERSION.decode(),
            self._started_at,
            now - self._up_since,
            counts.clients,
            counts.workers,
            counts.executors,
            len(self._directory.offered_names()),
            counts.held_bytes,
            {name.lower(): getattr(limits, name) for name in _LIMITS_TOLD},
        )


def _first(workers: list[Worker]) -> list[Worker]:
    by_number = sorted(workers, key=lambda worker: worker.number)
    return by_number[: limits.SERVICE_WORKERS_SHOWN_MAX]


def _worker(worker: Worker) -> WorkerInfo:
    return WorkerInfo(worker.number, worker.program, _executors(worker))


def _executors(worker: Worker) -> tuple[int, ...]:
    return tuple(sorted(each.number for each in worker.vouched.values() if each is not None))

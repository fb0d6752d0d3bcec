"""Who offers what: services by name, the pools that offer them, and what to say of an absence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits
from linebus.core.dispatch import Pool, Service
from linebus.core.lifecycle import Outcome
from linebus.core.suggestions import Suggestions
from linebus.wire import plain
from linebus.wire.messages import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linebus.core.workers import Worker
    from linebus.wire.messages import Offer


class Directory:
    """All services that are known, and those that were only asked for while the broker started."""

    def __init__(self) -> None:
        """Start with no service."""
        self._services: dict[str, Service] = {}
        self._pools: dict[tuple[str, ...], Pool] = {}
        self._suggestions = Suggestions()
        self._offered: list[str] | None = None  # sorted, while it is known

    def add_own(self, offer: Offer, now: float) -> None:
        """Add a service that the broker answers itself."""
        service = self._services[offer.name] = Service(offer.name, now)
        service.offer = offer
        service.is_own = True

    def get(self, name: str) -> Service | None:
        """Return the service of this name that was offered or asked for, if any."""
        return self._services.get(name)

    def never_offered(self) -> Iterator[Service]:
        """Yield the services that were asked for and that no worker has ever offered."""
        return (service for service in self._services.values() if service.offer is None)

    def expect(self, name: str, now: float) -> Service | None:
        """Return the service of this name as one that may still be offered; None: no room."""
        service = self._services.get(name)
        if service is None and len(self._services) < limits.PROVISIONAL_SERVICES_MAX:
            service = self._services[name] = Service(name, now)
        return service

    def has_room_for(self, offers: Sequence[Offer]) -> bool:
        """Return whether the names of these offers fit."""
        new = {offer.name for offer in offers} - self._services.keys()
        return len(self._services) + len(new) <= limits.SERVICES_MAX

    def join(self, worker: Worker, offers: Sequence[Offer], now: float) -> None:
        """Put a worker into the pool of those that offer the same services."""
        self._offered = None
        for offer in offers:
            service = self._services.setdefault(offer.name, Service(offer.name, now))
            service.offer = offer
        names = tuple(sorted({offer.name for offer in offers}))
        pool = self._pools.get(names)
        if pool is None:
            pool = self._pools[names] = Pool([self._services[name] for name in names])
            for service in pool.services:
                service.pools.append(pool)
        pool.workers.add(worker)
        worker.pool = pool
        self._suggestions.forget()

    def leave(self, worker: Worker, now: float) -> list[Service]:
        """Take a worker out of its pool; return the services that have no worker now."""
        pool = worker.pool
        assert pool is not None, "a worker joins its pool when it is greeted"
        pool.workers.discard(worker)
        if pool.workers:
            return []
        del self._pools[tuple(sorted(service.name for service in pool.services))]
        for service in pool.services:
            service.pools.remove(pool)
            service.absent_at = now
        return [service for service in pool.services if not service.pools]

    def offered_names(self) -> list[str]:
        """Return the names that workers have offered, sorted."""
        if self._offered is None:
            names = (name for name, service in self._services.items() if service.offer is not None)
            self._offered = sorted(name for name in names if not name.startswith(RESERVED))
        return self._offered

    def absence(self, name: str, now: float) -> tuple[Outcome, str]:
        """Return how a request for a service without workers ends, and why."""
        shown = plain.shorten(name)
        service = self._services.get(name)
        if service is not None and service.is_own:
            return Outcome.NO_WORKER, f"'{shown}' is not for plain clients; ask it with linebus ask"
        known_here = name in plain.EXERCISE
        cure = f"start one with: linebus work {shown if known_here else 'MODULE:OBJECT'}"
        if service is not None and service.offer is not None:
            return Outcome.NO_WORKER, f"no worker offers '{shown}' now; {cure}"
        if known_here:
            return Outcome.NO_SERVICE, f"no worker has offered '{shown}' yet; {cure}"
        nearest = self._suggestions.nearest(name, self.offered_names, now)
        hint = f"did you mean '{nearest}'?" if nearest else "no worker has offered it"
        return Outcome.NO_SERVICE, f"unknown service '{shown}'; {hint}"

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
    from collections.abc import Sequence

    from linebus.core.workers import Worker
    from linebus.wire.messages import Offer


class Directory:
    """All services that were offered, and those that were only asked for while the broker started.

    Where there is no room for a new name, names go that nobody would miss: no worker offers them
    and no client has books for them. Of those that were offered the longest absent go first.
    """

    def __init__(self) -> None:
        """Start with no service."""
        self._services: dict[str, Service] = {}
        self._expected: dict[str, Service] = {}
        self._pools: dict[tuple[tuple[str, int], ...], Pool] = {}
        self.stirred: dict[Pool, None] = {}  # where something may be leased
        self._suggestions = Suggestions()
        self._offered: list[str] | None = None  # sorted, while it is known

    def add_own(self, offer: Offer, now: float) -> None:
        """Add a service that the broker answers itself."""
        service = self._services[offer.name] = Service(offer.name, now)
        service.offer = offer
        service.is_own = True

    def get(self, name: str) -> Service | None:
        """Return the service of this name that was offered or asked for, if any."""
        return self._services.get(name) or self._expected.get(name)

    def never_offered(self) -> list[Service]:
        """Return the services that were asked for and that no worker has ever offered."""
        return list(self._expected.values())

    def expect(self, name: str, now: float) -> Service | None:
        """Return the service of this name as one that may still be offered; None: no room."""
        service = self.get(name)
        if service is None:
            if len(self._expected) >= limits.EXPECTED_SERVICES_MAX:
                self.forget_never_offered()
            if len(self._expected) >= limits.EXPECTED_SERVICES_MAX:
                return None
            service = self._expected[name] = Service(name, now)
        return service

    def forget_never_offered(self) -> None:
        """Forget the names that were only asked for, as far as nobody would miss them."""
        for service in self.never_offered():
            if service.is_idle:
                del self._expected[service.name]

    def make_room_for(self, offers: Sequence[Offer]) -> bool:
        """Return whether the names of these offers fit, others having gone where need be."""
        names = {offer.name for offer in offers}
        surplus = len(self._services.keys() | names) - limits.SERVICES_MAX
        if surplus > 0:
            idle = [
                service
                for name, service in self._services.items()
                if service.is_idle and name not in names
            ]
            if len(idle) < surplus:
                return False
            for service in sorted(idle, key=lambda each: each.absent_at)[:surplus]:
                del self._services[service.name]
        return True

    def join(self, worker: Worker, offers: Sequence[Offer], now: float) -> None:
        """Put a worker into the pool of those that offer the same services."""
        self._offered = None
        for offer in offers:
            service = self.get(offer.name) or Service(offer.name, now)
            service.offer = offer
            self._services[offer.name] = service
            self._expected.pop(offer.name, None)
        key = tuple(sorted({offer.name: offer.at_once for offer in offers}.items()))
        pool = self._pools.get(key)
        if pool is None:
            pool = Pool({self._services[name]: at_once for name, at_once in key}, self.stirred)
            self._pools[key] = pool
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
        del self._pools[tuple(sorted((each.name, n) for each, n in pool.at_once.items()))]
        for service in pool.services:
            service.pools.remove(pool)
            service.absent_at = now
        return [service for service in pool.services if not service.pools]

    def offered_names(self) -> list[str]:
        """Return the names that workers have offered, sorted."""
        if self._offered is None:
            self._offered = sorted(name for name in self._services if not name.startswith(RESERVED))
        return self._offered

    def absence(self, name: str, now: float) -> tuple[Outcome, str]:
        """Return how a request for a service without workers ends, and why."""
        shown = plain.shorten(name)
        service = self.get(name)
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

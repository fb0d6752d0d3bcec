"""When a worker says that nobody takes it in: after a while without a server, and once.

At the two ports of the exercise it looks what is there first, ever less often: a server may come.
"""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING

from linebus import limits
from linebus.worker import ports
from linebus.worker.news import NoServerYet

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.worker.news import News


class Absence:
    """Watches whether a worker is met; tells `on_news` where it is not."""

    def __init__(
        self,
        address: str | None,
        host: str,
        two_ports: tuple[int, int] | None,
        on_news: Callable[[News], None],
    ) -> None:
        """Tell nothing before `begin`. There is an address, or the exercise's two ports."""
        self.tell_at = inf
        self._address = address
        self._host = host
        self._ports = two_ports
        self._on_news = on_news
        self._was_met = False
        self._has_ended = False
        self._look: threading.Thread | None = None
        self._look_s = limits.ABSENCE_NOTICE_S
        self._found: News | None = None

    def begin(self, now: float) -> None:
        """Have patience from now on: the worker has something to offer."""
        self.tell_at = now + limits.ABSENCE_NOTICE_S

    def end(self) -> None:
        """Tell nothing more: the worker is told to stop."""
        self._has_ended = True
        self.tell_at = inf

    def note(self, now: float, *, is_met: bool) -> None:
        """Take whether somebody takes the worker in; tell it where nobody has for a while."""
        if self._has_ended:
            return
        if is_met:
            self.tell_at = inf
            self._look_s, self._found = limits.ABSENCE_NOTICE_S, None
        elif self._was_met:
            self.tell_at = now + limits.ABSENCE_NOTICE_S
        elif now >= self.tell_at:
            self._tell(now)
        self._was_met = is_met

    def _tell(self, now: float) -> None:
        if self._address:
            self.tell_at = inf
            self._on_news(NoServerYet(self._address))
            return
        self.tell_at = now + self._look_s
        self._look_s = min(2 * self._look_s, limits.PORTS_LOOK_S_MAX)
        if self._look is None or not self._look.is_alive():
            self._look = threading.Thread(target=self._look_at_ports, daemon=True)
            self._look.start()  # it may take a moment to find out

    def _look_at_ports(self) -> None:
        assert self._ports, "there is an address otherwise"
        found = ports.look(self._host, self._ports)
        if not self._was_met and not self._has_ended and found not in (None, self._found):
            self._found = found
            self._on_news(found)

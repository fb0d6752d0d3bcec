"""What a guardian tells whoever started it: facts for a program, a sentence for people."""

from __future__ import annotations

from msgspec import Struct


class Offering(Struct, frozen=True, tag="offering", tag_field="event"):
    """The services are loaded; executors wait for lines."""

    services: list[str]
    executors: int

    def __str__(self) -> str:
        plural = "s" * (self.executors > 1)
        return f"offering {', '.join(self.services)} with {self.executors} executor{plural}"


class Reloaded(Struct, frozen=True, tag="reloaded", tag_field="event"):
    """Source files have changed; what they offer now takes the place of what was offered."""

    services: list[str]
    changed: list[str]

    def __str__(self) -> str:
        cause = f" after a change of {', '.join(self.changed)}" if self.changed else ""
        return f"reloaded{cause}; offering {', '.join(self.services)}"


class InSession(Struct, frozen=True, tag="in_session", tag_field="event"):
    """A server has greeted."""

    address: str

    def __str__(self) -> str:
        return f"in session with {self.address}"


class NoServerYet(Struct, frozen=True, tag="no_server", tag_field="event"):
    """Nobody has greeted for a while; the guardian goes on trying."""

    address: str

    def __str__(self) -> str:
        return f"no server at {self.address} yet; waiting for one"


class ServerFull(Struct, frozen=True, tag="server_full", tag_field="event"):
    """A server has no room for this worker at the moment; the guardian goes on trying."""

    address: str
    reason: str

    def __str__(self) -> str:
        return f"{self.address} takes no more workers now: {self.reason}; waiting for room"


class WrongPorts(Struct, frozen=True, tag="wrong_ports", tag_field="event"):
    """What is at the exercise's two ports is no server's; the guardian goes on trying."""

    worker_inputs: str
    worker_outputs: str
    cure: str

    def __str__(self) -> str:
        found = [each for each in (self.worker_inputs, self.worker_outputs) if each]
        return "; ".join([*found, self.cure, "trying on"])


News = Offering | Reloaded | InSession | NoServerYet | ServerFull | WrongPorts
# What goes well is said on stdout, what does not on stderr.
TROUBLES = NoServerYet | ServerFull | WrongPorts

"""What the broker asks its shell to do, collected until the shell comes for it.

Messages to native peers stand in their sessions; here is what goes to no session: texts for all
plain clients, lines for all plain workers, and words to peers that have no session yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linebus.core.sessions import Route
    from linebus.wire.messages import Message


@dataclass
class Effects:
    """Everything to be sent outside of sessions, in order."""

    published: list[str] = field(default_factory=list)
    broadcast: list[str] = field(default_factory=list)
    notes: dict[Route, Message] = field(default_factory=dict)

    def publish(self, text: str) -> None:
        """Publish a text on client_outputs."""
        self.published.append(text)

    def take_published(self) -> list[str]:
        """Hand out the texts for client_outputs."""
        taken, self.published = self.published, []
        return taken

    def take_broadcast(self) -> list[str]:
        """Hand out the lines for worker_inputs."""
        taken, self.broadcast = self.broadcast, []
        return taken

    def take_notes(self) -> dict[Route, Message]:
        """Hand out the words to peers without a session, at most one for each."""
        taken, self.notes = self.notes, {}
        return taken

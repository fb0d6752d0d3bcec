"""What the broker asks its shell to do, collected until the shell comes for it.

Messages to native peers stand in their sessions; here is what goes to no session: texts for all
plain clients, lines for all plain workers, and words to peers that have no session yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linebus import limits
from linebus.wire import plain

if TYPE_CHECKING:
    from linebus.core.sessions import Route
    from linebus.wire.messages import Message


_CHARS_SAFE = limits.PLAIN_TEXT_BYTES_MAX // 6  # half a surrogate pair becomes six bytes


@dataclass
class Effects:
    """Everything to be sent outside of sessions, in order."""

    published: list[str] = field(default_factory=list)
    broadcast: list[str] = field(default_factory=list)
    notes: dict[Route, Message] = field(default_factory=dict)
    cut: list[Route] = field(default_factory=list)  # connections that a session has left

    def publish(self, text: str) -> None:
        """Publish a text on client_outputs; one that is too long for the exercise as an error."""
        if len(text) > _CHARS_SAFE:
            size = len(text.encode("utf-8", "backslashreplace"))
            if size > limits.PLAIN_TEXT_BYTES_MAX:
                text = plain.error(plain.too_long(size))
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

    def take_cut(self) -> list[Route]:
        """Hand out the routes whose connections are to be cut."""
        taken, self.cut = self.cut, []
        return taken

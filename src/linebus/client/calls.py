"""A call: Python values in, a Python value or an exception out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from linebus.core.admin import SERVICES, ServiceInfo, ServicesPage
from linebus.core.lifecycle import Outcome
from linebus.errors import NoService, NotAnswered, ProtocolError, UsageError, VersionMismatch
from linebus.wire import plain, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.client.reply import Reply

T = TypeVar("T")

# An error's code is the word of its outcome.
_RAISED = {Outcome(error.code): error for error in NotAnswered.__subclasses__()}

assert _RAISED.keys() | {Outcome.ANSWERED} == set(Outcome), (
    "errors.py needs a subclass of NotAnswered for each outcome but answered"
)


def line_of(service: str, arguments: tuple[object, ...]) -> str:
    """Return the line that a call sends.

    Raises UsageError for a name that no service can have, and for an argument without a form on a
    line.
    """
    if plain.NAME.fullmatch(service) is None:
        raise UsageError(f"{service[:64]!r} cannot be the name of a service")
    return " ".join([service, *map(values.argument, arguments)])


def value_of(service: str, reply: Reply) -> object:
    """Return the value in a reply that was asked for as one.

    Raises the subclass of NotAnswered for any other outcome than answered, and ProtocolError where
    a worker, which must be written in another language, has answered with a sentence.
    """
    _raise_unless_answered(reply)
    try:
        return values.decode(reply.text)
    except ProtocolError as error:
        raise ProtocolError(
            f"'{service}' gives no value, only a text: {reply.text[:40]!r}; use ask"
        ) from error


def told(reply: Reply, kind: type[T]) -> T:
    """Return what the server has told of itself.

    Raises VersionMismatch where it does not know the question, or answers it in another way, and
    the subclass of NotAnswered for another outcome.
    """
    try:
        _raise_unless_answered(reply)
        return msgspec.json.decode(reply.text, type=kind)
    except (NoService, msgspec.MsgspecError) as error:
        raise VersionMismatch(
            f"the server does not tell of itself ({reply.text[:60]}); "
            "install the same version of linebus on both sides"
        ) from error


class Listing:
    """Who offers what, page by page. `line` asks for the next page; None: there is none."""

    def __init__(self) -> None:
        """Start before the first page."""
        self.services: list[ServiceInfo] = []
        self.line: str | None = f"{SERVICES} "

    def take(self, reply: Reply) -> None:
        """Take the page that was asked for. Raises what `told` raises."""
        page = told(reply, ServicesPage)
        self.services += page.services
        self.line = None if page.next is None else f"{SERVICES} {page.next}"


def services_told(ask: Callable[[str], Reply]) -> list[ServiceInfo]:
    """Return who offers what, asking page by page. Raises what `told` and `ask` raise."""
    listing = Listing()
    while listing.line is not None:
        listing.take(ask(listing.line))
    return listing.services


def _raise_unless_answered(reply: Reply) -> None:
    if not reply.is_answered:
        raise _RAISED[reply.outcome](reply.text, reply.worker, reply.attempt)

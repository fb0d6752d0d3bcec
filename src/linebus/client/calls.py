"""A call: Python values in, a Python value or an exception out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import errors
from linebus.core.lifecycle import Outcome
from linebus.errors import NotAnswered, ProtocolError, UsageError
from linebus.wire import plain, values

if TYPE_CHECKING:
    from linebus.client.reply import Reply

_RAISED: dict[Outcome, type[NotAnswered]] = {
    Outcome.FAILED: errors.Failed,
    Outcome.NO_SERVICE: errors.NoService,
    Outcome.NO_WORKER: errors.NoWorker,
    Outcome.OVERLOADED: errors.Overloaded,
    Outcome.QUARANTINED: errors.Quarantined,
}

assert _RAISED.keys() | {Outcome.ANSWERED} == set(Outcome), "every other outcome is raised"


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
    if not reply.is_answered:
        raise _RAISED[reply.outcome](reply.text, reply.worker, reply.attempt)
    try:
        return values.decode(reply.text)
    except ProtocolError as error:
        raise ProtocolError(
            f"'{service}' gives no value, only a text: {reply.text[:40]!r}; use ask"
        ) from error

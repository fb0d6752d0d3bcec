"""How a line ends where it is worked on: with the service's text, or a sentence about why not.

The executor's hot loop has `answer_of` written out once more, for speed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from linebus import limits
from linebus.errors import Refused
from linebus.wire.messages import Offer

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.services.catalog import AnyService

log = logging.getLogger("linebus.worker")


def answer_of(run: Callable[[str], str], service: str, arguments: str) -> tuple[str, bool]:
    """Run a service on one line's arguments; return the text, and whether the line failed."""
    try:
        return run(arguments), False
    except Refused as error:
        return str(error), True
    except Exception as error:  # noqa: BLE001  whatever a service raises is its answer
        return failure(service, error), True


def not_offered(_arguments: str) -> str:
    """Stand in for a service that is not offered here."""
    raise Refused("this worker does not offer the service")


def failure(service: str, error: Exception) -> str:
    """Return the client's sentence about an exception; the worker's log gets it in full."""
    log.error("%s raised an exception", service, exc_info=error)
    try:
        said = str(error)
    except Exception:  # noqa: BLE001  an exception's own text may be what is broken
        said = ""
    return f"{service} failed: {type(error).__name__}" + (f": {said}" if said else "")


def offer_of(service: AnyService) -> Offer:
    """Return what a worker tells of a service."""
    told = (service.usage, service.doc, service.signature, service.example)
    usage, doc, signature, example = (text[: limits.DESCRIPTION_CHARS_MAX] for text in told)
    return Offer(service.name, usage, doc, signature, example, service.bounds.at_once)

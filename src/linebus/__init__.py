"""linebus: a service bus over ZeroMQ. One line of text in, exactly one reply back.

The clients are loaded when they are first used: servers and workers, which start anew where one has
died, have no use for them, and asyncio alone is half of what there is to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from linebus.client.reply import Reply
from linebus.core.admin import ServiceInfo
from linebus.core.lifecycle import Outcome
from linebus.errors import (
    Cancelled,
    ConnectError,
    DeadlineExceeded,
    Expired,
    Failed,
    LinebusError,
    NobodyListens,
    NoService,
    NotAnswered,
    NotLinebus,
    NoWorker,
    Overloaded,
    ProtocolError,
    Quarantined,
    Refused,
    SessionRefused,
    UsageError,
    VersionMismatch,
)
from linebus.services.arguments import Argument, Integer, Rest
from linebus.services.declare import service
from linebus.version import __version__ as __version__

if TYPE_CHECKING:
    from linebus.client.aio import AsyncClient
    from linebus.client.client import Client

_CLIENTS = {"AsyncClient": "linebus.client.aio", "Client": "linebus.client.client"}

__all__ = [
    "Argument",
    "AsyncClient",
    "Cancelled",
    "Client",
    "ConnectError",
    "DeadlineExceeded",
    "Expired",
    "Failed",
    "Integer",
    "LinebusError",
    "NoService",
    "NoWorker",
    "NobodyListens",
    "NotAnswered",
    "NotLinebus",
    "Outcome",
    "Overloaded",
    "ProtocolError",
    "Quarantined",
    "Refused",
    "Reply",
    "Rest",
    "ServiceInfo",
    "SessionRefused",
    "UsageError",
    "VersionMismatch",
    "service",
]


def __getattr__(name: str) -> object:
    """Load a client (PEP 562)."""
    if name not in _CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_CLIENTS[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

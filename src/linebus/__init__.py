"""linebus: a service bus over ZeroMQ. One line of text in, exactly one reply back."""

from linebus.client.aio import AsyncClient
from linebus.client.client import Client
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

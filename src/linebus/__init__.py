"""linebus: a service bus over ZeroMQ. One line of text in, exactly one reply back."""

from linebus.client.client import Client
from linebus.client.reply import Reply
from linebus.core.lifecycle import Outcome
from linebus.errors import (
    AddressTaken,
    ConnectError,
    DeadlineExceeded,
    LinebusError,
    NobodyListens,
    NotLinebus,
    ProtocolError,
    Refused,
    ServiceNotLoaded,
    SessionRefused,
    SetupError,
    UsageError,
    VersionMismatch,
)
from linebus.services.declare import Argument, Integer, Rest, service

__version__ = "0.1.0"

__all__ = [
    "AddressTaken",
    "Argument",
    "Client",
    "ConnectError",
    "DeadlineExceeded",
    "Integer",
    "LinebusError",
    "NobodyListens",
    "NotLinebus",
    "Outcome",
    "ProtocolError",
    "Refused",
    "Reply",
    "Rest",
    "ServiceNotLoaded",
    "SessionRefused",
    "SetupError",
    "UsageError",
    "VersionMismatch",
    "service",
]

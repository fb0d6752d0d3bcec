"""How a socket of the server is set up against strangers, and bound to a port that listens."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import zmq

from linebus import limits
from linebus.net.dealer import new_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    Option = tuple[int, int]

_OF_ALL = (
    (zmq.HANDSHAKE_IVL, limits.HANDSHAKE_MS),
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, limits.KEEPALIVE_IDLE_S),
    (zmq.TCP_KEEPALIVE_INTVL, limits.KEEPALIVE_INTERVAL_S),
    (zmq.TCP_KEEPALIVE_CNT, limits.KEEPALIVE_PROBES),
)


def server_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return a context for as many connections as may be."""
    context = new_context()
    with contextlib.suppress(zmq.ZMQError):
        context.setsockopt(zmq.MAX_SOCKETS, limits.SOCKETS_MAX)
    return context


def new_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, options: Iterable[Option]
) -> zmq.Socket[bytes]:
    """Return a socket with these options and those of all."""
    made = context.socket(kind)
    for option, value in (*options, *_OF_ALL):
        made.setsockopt(option, value)
    return made


def bind(made: zmq.Socket[bytes], listening: socket.socket) -> None:
    """Have a socket accept what connects to a port; libzmq closes the descriptor in the end."""
    made.setsockopt(zmq.USE_FD, listening.detach())
    made.bind(f"tcp://{limits.HOST}:*")  # which is not looked at beside a descriptor

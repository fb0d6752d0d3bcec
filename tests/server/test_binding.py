"""A socket of the server's, bound to a port that listens already."""

from __future__ import annotations

import socket

import zmq

from linebus import limits
from linebus.server.binding import bind, new_socket, server_context
from tests.support import PATIENCE_MS


def test_whoever_connected_before_it_was_bound_is_heard() -> None:
    listening = socket.create_server((limits.HOST, 0))
    listening.settimeout(0)
    port = listening.getsockname()[1]
    context = server_context()
    push = context.socket(zmq.PUSH)
    push.connect(f"tcp://{limits.HOST}:{port}")
    push.send(b"early")
    made = new_socket(context, zmq.PULL, [(zmq.RCVHWM, 7)])
    bind(made, listening)
    assert made.poll(PATIENCE_MS)
    assert made.recv() == b"early"
    assert made.getsockopt(zmq.RCVHWM) == 7
    assert made.getsockopt(zmq.HANDSHAKE_IVL) == limits.HANDSHAKE_MS
    context.destroy(linger=0)


def test_closing_it_frees_the_port() -> None:
    listening = socket.create_server((limits.HOST, 0))
    address = listening.getsockname()
    context = server_context()
    bind(new_socket(context, zmq.PULL, ()), listening)
    context.destroy(linger=0)
    socket.create_server(address).close()

"""Frames in and out of a socket without waiting, as cheaply as pyzmq allows.

Its own `recv_multipart` and `send_multipart` ask for a socket option, or check a type, once per
frame; leaving that out saves a tenth of a lone request's time. Receiving in vain takes 5 µs, for
the exception. Asking first takes 3, since each look at a socket is two system calls. So whoever
knows from a poller that something has arrived receives at once, then asks whether there is more.
"""

from __future__ import annotations

from math import inf

import zmq

from linebus import limits

_ARRIVED = int(zmq.POLLIN)
_NOW = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK) | int(zmq.SNDMORE)


# What pyzmq's socket does below its checks of arguments that are never given here. To ask for the
# option EVENTS takes a microsecond more than to poll: pyzmq looks each option up in an enum.
_send = zmq.backend.Socket.send
_poll = zmq.backend.zmq_poll


def has_arrived(socket: zmq.Socket[bytes]) -> bool:
    """Return whether a message has arrived."""
    return bool(_poll([(socket, _ARRIVED)], 0))


def receive(socket: zmq.Socket[bytes]) -> list[zmq.Frame] | None:
    """Return the frames of the next message, or None where none has arrived.

    Of a message of more than FRAMES_MAX frames the first FRAMES_MAX + 1 are returned; `skip` has to
    pass over the rest before anything else is received.
    """
    try:
        frame = socket.recv(_NOW, copy=False)
    except zmq.Again:
        return None
    frames = [frame]
    while frame.more and len(frames) <= limits.FRAMES_MAX:
        frame = socket.recv(_NOW, copy=False)
        frames.append(frame)
    return frames


def skip(
    socket: zmq.Socket[bytes], last: zmq.Frame, count_max: float = inf
) -> tuple[int, zmq.Frame]:
    """Pass over what comes after a frame in its message, `count_max` frames at most.

    Returns how many bytes came at least, each frame having two before it or more, and the frame
    that was the last now.
    """
    size = count = 0
    while last.more and count < count_max:
        last = socket.recv(_NOW, copy=False)
        size += 2 + len(last)
        count += 1
    return size, last


def descriptor_of(frame: zmq.Frame) -> int | None:
    """Return the descriptor of the connection that a frame came by.

    None for a peer that speaks ZMTP 2.0 or older, of whose messages libzmq keeps nothing.
    """
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return None


def send(socket: zmq.Socket[bytes], *frames: bytes) -> None:
    """Send a message without waiting.

    Raises zmq.Again where there is no room now and zmq.ZMQError where a ROUTER has no such route;
    nothing is sent then.
    """
    for frame in frames[:-1]:
        _send(socket, frame, _MORE)
    _send(socket, frames[-1], _NOW)

"""What a hostile peer may do to each of the four sockets, one small step at a time.

Each attack is a generator: it opens its connections, and yields after each step how many bytes and
messages that was. Where the server cuts it off it begins anew, so it never ends by itself.
"""

from __future__ import annotations

import hashlib
import os
import random
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from itertools import count
from typing import NamedTuple

from linebus import limits
from linebus.errors import ProtocolError
from linebus.wire import messages as m
from linebus.wire import native
from tests.hostile.zmtp import Closed, Wire, frame, message


class Sent(NamedTuple):
    """How much a step has sent."""

    bytes: int
    messages: int


class Ports(NamedTuple):
    """The server's ports, by name."""

    client_inputs: int
    client_outputs: int
    worker_inputs: int
    worker_outputs: int


Steps = Iterator[Sent]
Attack = Callable[[Ports], Steps]

_KINDS = {
    "client_inputs": b"DEALER",
    "client_outputs": b"SUB",
    "worker_inputs": b"SUB",
    "worker_outputs": b"PUB",
}
_BATCH = 65_536


def _again(once: Attack) -> Attack:
    """Begin an attack anew whenever it was cut off."""

    @wraps(once)
    def attack(ports: Ports) -> Steps:
        while True:
            try:
                yield from once(ports)
            except OSError:
                yield Sent(0, 0)

    return attack


def _hello(wire: Wire, hello: m.Hello) -> m.FromServer:
    """Say hello; return what is answered to it."""
    wire.send(message(native.VERSION, native.encode([hello])[0]), reading=False)
    while True:
        data = wire.receive(1)
        # The answer's second frame is the last thing that comes.
        start = data.find(b"\x91")
        while start >= 0:
            try:
                return native.decode_from_server(data[start:])[0]
            except ProtocolError:
                start = data.find(b"\x91", start + 1)


def _client(wire: Wire, session: bytes = b"") -> bytes:
    """Open a client's session; return its token."""
    ident = session or os.urandom(limits.SESSION_BYTES)
    greeting = _hello(wire, m.ClientHello(1, ident, "hostile"))
    if not isinstance(greeting, m.ClientGreeting):
        raise Closed("not greeted")
    return greeting.token


# -- bytes, frames and messages without end ------------------------------------------------------


def endless(name: str, size: int) -> Attack:
    """A message that never ends, in frames of this size."""

    def once(ports: Ports) -> Steps:
        piece = frame(bytes(size), more=True)
        times = max(1, _BATCH // len(piece))
        with Wire.shaken(getattr(ports, name), _KINDS[name]) as wire:
            while True:
                yield Sent(wire.send(piece * times), 0)

    return _again(once)


def very_many_frames(name: str, frames: int) -> Attack:
    """Whole messages of very many empty frames."""

    def once(ports: Ports) -> Steps:
        data = frame(more=True) * frames + frame()
        with Wire.shaken(getattr(ports, name), _KINDS[name]) as wire:
            while True:
                yield Sent(wire.send(data), 1)

    return _again(once)


def whole(name: str, size: int) -> Attack:
    """Messages of two frames of this size, each of them in order."""

    def once(ports: Ports) -> Steps:
        piece = message(bytes(size), bytes(size))
        times = max(1, _BATCH // len(piece))
        with Wire.shaken(getattr(ports, name), _KINDS[name]) as wire:
            while True:
                yield Sent(wire.send(piece * times), times)

    return _again(once)


def noise(name: str) -> Attack:
    """Random bytes: instead of a handshake, in it, and after it."""
    chance = random.Random(name)

    def once(ports: Ports) -> Steps:
        port = getattr(ports, name)
        with Wire(port) as wire:
            yield Sent(wire.send(chance.randbytes(chance.choice((1, 20, 200, 5_000)))), 0)
        with Wire(port) as wire:
            yield Sent(wire.send(b"\xff" + bytes(8) + b"\x7f" + chance.randbytes(54)), 0)
        with Wire.shaken(port, _KINDS[name]) as wire:
            yield Sent(wire.send(chance.randbytes(chance.choice((1, 20, 200, 5_000)))), 0)

    return _again(once)


def half_handshakes(name: str) -> Attack:
    """Connections that stop in the middle of the handshake, and many of them."""

    def once(ports: Ports) -> Steps:
        with ExitStack() as stack:
            for number in range(200):
                wire = stack.enter_context(Wire(getattr(ports, name)))
                greeting = (b"\xff" + bytes(8) + b"\x7f\x03")[: number % 12]
                yield Sent(wire.send(greeting) if greeting else 0, 0)

    return _again(once)


def idle_connections(name: str) -> Attack:
    """Connections that shake hands and say nothing more, and many of them."""

    def once(ports: Ports) -> Steps:
        with ExitStack() as stack:
            for _ in range(400):
                stack.enter_context(Wire.shaken(getattr(ports, name), _KINDS[name]))
                yield Sent(110, 0)

    return _again(once)


def wrong_frames(name: str) -> Attack:
    """Well-formed ZMTP whose frames make no sense, or no sense in this number."""
    chance = random.Random(name)
    token, version = b"t" * limits.TOKEN_BYTES, native.VERSION
    some = [
        *([b""], [b"", b""], [b"", b"", b""], [b"x"], [version], [token], [version, b""]),
        *([b"", token, b""], [token, b"", b""], [version, b"\xc1"], [b"linebus/9", b"\x90"]),
        *([token, b"\x91" * 50_000], [version, token, b"\x90"], [b"x"] * 300, [b""] * 300),
        *([b"\x01"], [b"\x00"], [b"\x02what"], [b"\x01linebus/"], [b"\xff\xfe", b"\xed\xa0\x80"]),
        [bytes(limits.MESSAGE_BYTES_MAX)],
        [bytes(limits.MESSAGE_BYTES_MAX + 1)],
        [bytes(limits.MESSAGE_BYTES_MAX), b"", b"isprime 7"],
    ]

    def once(ports: Ports) -> Steps:
        with Wire.shaken(getattr(ports, name), _KINDS[name]) as wire:
            while True:
                frames = chance.choice(some)
                if chance.random() < 0.5:
                    sizes = chance.choices((0, 1, 9, 16, 40), k=chance.randint(1, 5))
                    frames = [chance.randbytes(size) for size in sizes]
                yield Sent(wire.send(message(*frames)), 1)

    return _again(once)


# -- the native dialect --------------------------------------------------------------------------


def _bodies(chance: random.Random) -> Iterator[bytes]:
    """Bodies that claim much, nest deeply, or hold what no message holds."""
    huge = b"\xff\xff\xff\xff"
    yield from (b"\xdd" + huge, b"\xdf" + huge, b"\xc6" + huge, b"\xdb" + huge, b"\xc9" + huge)
    yield from (b"\x91" * 100_000, b"\x91\xdd" + huge, b"\x91\x95\xa3ask\xdb" + huge)
    yield b"\x91\x94\xa3ask\xa3gcd\xcf" + b"\xff" * 8 + b"\x91\xa1x"
    yield b"\x91\x94\xa3ask\xa3gcd\x01\x91\xa2\xff\xfe"
    yield native.encode([m.Ask("gcd", 2**53 - 1, ["1 1"] * 4_096)])[0]
    yield native.encode([m.Answers(1, ["x"], [], 0.0, 1)])[0]
    yield native.encode([m.Ack("gcd", [(1, 2**53 - 1)] * 4_096)])[0]
    yield chance.randbytes(chance.choice((0, 1, 100, 10_000)))


def strange_bodies(ports: Ports) -> Steps:
    """Bodies that make no sense, within a session and as a hello."""
    chance = random.Random(1)

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
            token = _client(wire)
            for body in _bodies(chance):
                yield Sent(wire.send(message(native.VERSION, body)), 1)
                yield Sent(wire.send(message(token, body)), 1)

    return _again(once)(ports)


def guessed_tokens(ports: Ports) -> Steps:
    """Messages under tokens that were guessed, and hellos of sessions that were."""
    ask = native.encode([m.Ask("gcd", 1, ["1 1"])])[0]

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
            while True:
                guesses = [message(os.urandom(limits.TOKEN_BYTES), ask) for _ in range(100)]
                yield Sent(wire.send(b"".join(guesses)), 100)
                key = os.urandom(limits.KEY_BYTES)
                hello = m.ExecutorHello(1, os.urandom(16), key, b"", 0, 0, 1_000)
                yield Sent(wire.send(message(native.VERSION, native.encode([hello])[0])), 1)

    return _again(once)(ports)


def stolen_token(ports: Ports) -> Steps:
    """Another session's token on a connection of one's own."""
    ask = native.encode([m.Ask("gcd", 1, ["1 1"])])[0]

    def once(ports: Ports) -> Steps:
        with (
            Wire.shaken(ports.client_inputs, b"DEALER") as owner,
            Wire.shaken(ports.client_inputs, b"DEALER") as thief,
        ):
            token = _client(owner)
            while True:
                yield Sent(thief.send(message(token, ask) * 100), 100)

    return _again(once)(ports)


def sessions(ports: Ports) -> Steps:
    """A new client's session with each message, all on one connection; or one, greeted at once."""

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
            for number in count():
                hellos = [m.ClientHello(1, os.urandom(16), "x" * 1_000) for _ in range(50)]
                bodies = [native.encode([hello])[0] for hello in hellos]
                data = b"".join(message(native.VERSION, body) for body in bodies)
                yield Sent(wire.send(data), 50)
                if number % 10 == 0:
                    with Wire.shaken(ports.client_inputs, b"DEALER") as hasty:
                        hasty.send(message(native.VERSION, bodies[0]))
                        hasty.leave()

    return _again(once)(ports)


def sessions_that_hold_a_line(ports: Ports) -> Steps:
    """Sessions that leave while they are owed a reply, so that their books stay."""

    def once(ports: Ports) -> Steps:
        while True:
            with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
                token = _client(wire)
                body = native.encode([m.Ask("gcd", 1, [f"{1 << 4_000} 3"])])[0]
                yield Sent(wire.send(message(token, body)), 1)

    return _again(once)(ports)


def unknown_names(ports: Ports) -> Steps:
    """Names by the million, whose errors are not read."""

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"DEALER", receive_buffer=4_096) as wire:
            token = _client(wire)
            for number in count():
                asks = [m.Ask(f"isprime{number}_{n}", 1, ["x"]) for n in range(500)]
                data = message(token, native.encode(asks)[0])
                yield Sent(wire.send(data, reading=False), 500)

    return _again(once)(ports)


def unread_replies(ports: Ports) -> Steps:
    """Lines whose replies are never read, and acknowledged all the same."""

    def once(ports: Ports) -> Steps:
        line = f"{7**1_900} {7**1_900}"
        with Wire.shaken(ports.client_inputs, b"DEALER", receive_buffer=4_096) as wire:
            token = _client(wire)
            for first in count(1, 256):
                ask = m.Ask("gcd", first, [line] * 256)
                acks = m.Ack(
                    "gcd", [(number, number) for number in range(max(1, first - 512), first)]
                )
                data = message(token, native.encode([ask, acks])[0])
                yield Sent(wire.send(data, reading=False), 1)

    return _again(once)(ports)


def hello_again_and_again(ports: Ports) -> Steps:
    """The same hello, on this connection and on others, each answered with all that is kept."""

    def once(ports: Ports) -> Steps:
        session = os.urandom(limits.SESSION_BYTES)
        hello = native.encode([m.ClientHello(1, session, "hostile")])[0]
        with ExitStack() as stack:
            for _ in range(20):
                wire = Wire.shaken(ports.client_inputs, b"DEALER", receive_buffer=4_096)
                stack.enter_context(wire)
                token = _client(wire, session)
                lines = [f"{1 << 2_000} {number}" for number in range(500)]
                ask = native.encode([m.Ask("gcd", 1, lines)])[0]
                yield Sent(wire.send(message(token, ask), reading=False), 1)
                yield Sent(wire.send(message(native.VERSION, hello) * 20, reading=False), 20)

    return _again(once)(ports)


def gaps(ports: Ports) -> Steps:
    """Every second number, to many services."""

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
            token = _client(wire)
            for number in count(1, 100):
                asks = [
                    m.Ask(name, number + 2 * n, ["1 1"])
                    for n in range(50)
                    for name in ("gcd", "isprime")
                ]
                yield Sent(wire.send(message(token, native.encode(asks)[0])), 100)

    return _again(once)(ports)


def held_to_the_brim(ports: Ports) -> Steps:
    """Lines that nobody answers, until the server holds as much as it can."""

    def once(ports: Ports) -> Steps:
        name = f"never{os.getpid()}"
        with (
            Wire.shaken(ports.client_inputs, b"DEALER") as guardian,
            Wire.shaken(ports.client_inputs, b"DEALER") as wire,
        ):
            offer = [m.Offer(name, "", "")]
            _hello(guardian, m.WorkerHello(1, os.urandom(16), "", offer, [], False))
            token = _client(wire)
            for first in count(1, 4):
                ask = m.Ask(name, first, ["x" * 200_000] * 4)
                yield Sent(wire.send(message(token, native.encode([ask])[0])), 1)

    return _again(once)(ports)


def offered_names(ports: Ports) -> Steps:
    """Workers with names by the million, that come and go; keys by the million too."""

    def once(ports: Ports) -> Steps:
        for number in count():
            with Wire.shaken(ports.client_inputs, b"DEALER") as wire:
                tag = os.urandom(4).hex()
                offers = [m.Offer(f"v{tag}_{n}", "u" * 500, "d" * 500) for n in range(256)]
                keys = [hashlib.sha256(f"{tag}{n}".encode()).digest() for n in range(256)]
                hello = m.WorkerHello(1, os.urandom(16), "", offers, keys, bool(number % 2))
                body = native.encode([hello])[0]
                yield Sent(wire.send(message(native.VERSION, body)), 1)
                wire.receive(1)

    return _again(once)(ports)


def long_request_ids(ports: Ports) -> Steps:
    """A REQ client's envelope with an id as long as a frame may be, whose echo is not read."""

    def once(ports: Ports) -> Steps:
        data = message(bytes(limits.MESSAGE_BYTES_MAX), b"", b"isprime 7")
        with Wire.shaken(ports.client_inputs, b"DEALER", receive_buffer=4_096) as wire:
            while True:
                yield Sent(wire.send(data, reading=False), 1)

    return _again(once)(ports)


# -- the exercise --------------------------------------------------------------------------------


def subscriptions(name: str, size: int) -> Attack:
    """Subscriptions by the million, which are never taken back."""
    chance = random.Random(size)

    def once(ports: Ports) -> Steps:
        with Wire.shaken(getattr(ports, name), b"SUB") as wire:
            while True:
                frames = [frame(b"\x01" + chance.randbytes(size)) for _ in range(20_000 // size)]
                yield Sent(wire.send(b"".join(frames)), len(frames))

    return _again(once)


def unread_results(ports: Ports) -> Steps:
    """Subscribers that never read, and long results for them."""
    subscribe = frame(b"\x01")

    def once(ports: Ports) -> Steps:
        with ExitStack() as stack:
            source = stack.enter_context(Wire.shaken(ports.worker_outputs, b"PUB"))
            for _ in range(20):
                wire = Wire.shaken(ports.client_outputs, b"SUB", receive_buffer=4_096)
                stack.enter_context(wire).send(subscribe, reading=False)
                for _ in range(50):
                    text = os.urandom(limits.PLAIN_TEXT_BYTES_MAX // 2).hex().encode()
                    yield Sent(source.send(frame(text)), 1)

    return _again(once)(ports)


def unread_lines(ports: Ports) -> Steps:
    """Plain workers that never read the lines that they have subscribed to."""

    def once(ports: Ports) -> Steps:
        with ExitStack() as stack:
            source = stack.enter_context(Wire.shaken(ports.client_inputs, b"REQ"))
            for _ in range(20):
                wire = Wire.shaken(ports.worker_inputs, b"SUB", receive_buffer=4_096)
                stack.enter_context(wire).send(frame(b"\x01shout"), reading=False)
                for _ in range(50):
                    line = b"shout " + os.urandom(limits.PLAIN_TEXT_BYTES_MAX // 4).hex().encode()
                    yield Sent(source.send(message(b"", line)), 1)

    return _again(once)(ports)


def plain_lines(ports: Ports) -> Steps:
    """Plain lines of all kinds, whose confirmations are not read."""
    lines = [b"isprime 7", b"gcd 12 18", b"\xff\xfe", b"x" * 100_000, b"", b"\x1b[31m", b"nosuch x"]

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.client_inputs, b"REQ", receive_buffer=4_096) as wire:
            while True:
                yield Sent(wire.send(b"".join(message(b"", line) for line in lines)), len(lines))

    return _again(once)(ports)


def results(ports: Ports) -> Steps:
    """Results nobody has asked for: too long, no text, in several frames."""
    some = [
        [b"97 is prime"],
        [b"\xff\xfe"],
        [b"x" * 100_000],
        [b"a", b"b"],
        [b""],
        [b"\x1b]0;x\x07"],
    ]

    def once(ports: Ports) -> Steps:
        with Wire.shaken(ports.worker_outputs, b"PUB") as wire:
            while True:
                yield Sent(wire.send(b"".join(message(*each) for each in some)), len(some))

    return _again(once)(ports)


def churning_workers(ports: Ports) -> Steps:
    """Plain workers that come, subscribe and leave, without a pause."""

    def once(ports: Ports) -> Steps:
        while True:
            with Wire.shaken(ports.worker_inputs, b"SUB") as wire:
                frames = (frame(b"\x01gcd"), frame(b"\x01linebus/"), frame(b"\x00gcd"))
                yield Sent(wire.send(b"".join(frames)), 3)

    return _again(once)(ports)


def _on_each(make: Callable[[str], Attack], *names: str) -> dict[str, Attack]:
    return {f"{make.__name__} on {name}": make(name) for name in names or tuple(_KINDS)}


def _endless_tiny(name: str) -> Attack:
    return endless(name, 0)


def _endless_large(name: str) -> Attack:
    size = 4_000 if name in ("client_outputs", "worker_inputs") else 60_000
    return endless(name, size)


@_again
def heartbeats_of_who_has_gone(ports: Ports) -> Steps:
    """Heartbeats behind messages for which there was no room, of a peer that has gone meanwhile.

    libzmq 4.3.5 would answer them all the same and abort: `!_io_error` in stream_engine_base.cpp.
    """
    ping = frame(b"\x04PING\x00\x00", command=True)
    pairs = 200
    data = frame(more=True) * 100_000 + frame() + (message(b"x", b"y") + ping) * pairs
    with Wire.shaken(ports.client_inputs, _KINDS["client_inputs"]) as wire:
        sent = wire.send(data)
        select.select(
            [wire.socket], [], [], 0.05
        )  # the server's library reads what it has room for
        yield Sent(sent, 1 + pairs)


def _many_frames(name: str) -> Attack:
    return very_many_frames(name, 100_000)


def _short_messages(name: str) -> Attack:
    return whole(name, 1)


def _long_messages(name: str) -> Attack:
    return whole(name, 60_000)


def _short_subscriptions(name: str) -> Attack:
    return subscriptions(name, 3)


def _long_subscriptions(name: str) -> Attack:
    return subscriptions(name, 1_000)


_MESSAGES = ("client_inputs", "worker_outputs")
_SUBSCRIPTIONS = ("client_outputs", "worker_inputs")
ATTACKS: dict[str, Attack] = {
    **_on_each(_endless_tiny),
    **_on_each(_endless_large),
    **_on_each(_many_frames, *_MESSAGES, "worker_inputs"),
    **_on_each(_short_messages, *_MESSAGES),
    **_on_each(_long_messages, *_MESSAGES),
    **_on_each(noise),
    **_on_each(half_handshakes),
    **_on_each(idle_connections),
    **_on_each(wrong_frames),
    **_on_each(_short_subscriptions, *_SUBSCRIPTIONS),
    **_on_each(_long_subscriptions, *_SUBSCRIPTIONS),
    **{
        attack.__name__: attack
        for attack in (
            strange_bodies,
            guessed_tokens,
            stolen_token,
            sessions,
            sessions_that_hold_a_line,
            unknown_names,
            unread_replies,
            hello_again_and_again,
            gaps,
            held_to_the_brim,
            offered_names,
            long_request_ids,
            unread_results,
            unread_lines,
            plain_lines,
            results,
            churning_workers,
            heartbeats_of_who_has_gone,
        )
    },
}

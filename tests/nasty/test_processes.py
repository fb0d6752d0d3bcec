"""The cases that break other buses and that need real processes and sockets."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    HOST,
    Home,
    Proxy,
    check_all_answered,
    children,
    map_with_faults,
    some_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

LOCK_S = 10
SHUTDOWN_S = 5.0
HALF_A_HANDSHAKE = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03"
# A function of the C library that is called by PyDLL keeps the interpreter's lock while it waits.
MODULE = f"""\
import ctypes
import linebus

@linebus.service(usage="lock N", reply="{{n}} {{result}}")
def lock(n: int) -> str:
    if n == 1:
        ctypes.PyDLL(None).poll(None, 0, {LOCK_S * 1_000})
    return "is done"
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


class TearingProxy(Proxy):
    """Cuts a connection within what it carries, half of which has passed."""

    tears = 0
    torn = 0

    def _pass_on(self, source: object, pair: tuple[socket.socket, socket.socket]) -> None:
        here, there = pair if source is pair[0] else reversed(pair)
        size = len(here.recv(65_536, socket.MSG_PEEK)) if self.tears else 0
        if size < 1_000:  # a hello or a heartbeat
            super()._pass_on(source, pair)
            return
        self.tears -= 1
        self.torn += 1
        there.sendall(here.recv(size // 2))
        self._pairs.remove(pair)
        self._close(pair)


def test_connection_cut_in_mid_message(home: Home) -> None:
    home.serve()
    lines = some_lines(4_000)
    with TearingProxy(home.ports.client_inputs) as proxy:
        home.work("isprime", "gcd", at=proxy.address)

        def tear() -> None:
            proxy.tears += 1

        faults = dict.fromkeys((1, 100, 300, 600, 1_000), tear)
        check_all_answered(lines, map_with_faults(proxy.address, lines, faults))
        assert proxy.torn > 0


def test_a_computation_that_holds_the_interpreter_lock_for_10_s(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    home.work("mine:lock", procs=2)
    with linebus.Client(home.address) as bus:
        both: set[int] = set()
        while len(both) < 2:  # executors take turns while they are idle
            both.add(bus.ask("lock 0").worker)
        locked = bus.submit("lock 1")
        others = [bus.ask(f"lock {number}") for number in range(2, 50)]
        assert not locked.done()
        reply = locked.result(60)
    assert [each.text for each in others] == [f"{number} is done" for number in range(2, 50)]
    assert (reply.text, reply.attempt) == ("1 is done", 1)


def test_a_thousand_connections_that_never_finish_their_handshake_while_a_new_client_wants_in(
    home: Home,
) -> None:
    home.serve()
    home.work("gcd", procs=1)
    with ExitStack() as stack:
        for _ in range(1_000):
            raw = stack.enter_context(socket.create_connection((HOST, home.ports.client_inputs)))
            raw.sendall(HALF_A_HANDSHAKE)
        assert home.ask("gcd 12 18").out == ["gcd for 12 18 is 6"]


def test_shutting_down_with_unsent_replies_to_dead_peers_ends_within_5_s(home: Home) -> None:
    server = home.serve()
    home.work("gcd", procs=1)
    dead = home.start("ask", "-", "--bus", home.address)
    long = 10**800
    dead.write("\n".join(f"gcd {number * long} {number * long}" for number in range(1, 8_000)))
    dead.wait_for_lines(1)
    dead.signal(signal.SIGSTOP)
    with linebus.Client(home.address) as bus:
        assert bus.ask("gcd 12 18").is_answered
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - began < SHUTDOWN_S
    dead.signal(signal.SIGCONT)
    dead.kill()


def test_a_library_that_aborts_the_server_in_the_midst_of_many_lines(home: Home) -> None:
    server = home.serve()
    home.work("isprime", "gcd")
    lines = some_lines(4_000)
    abort = partial(os.kill, server.pid, signal.SIGABRT)
    check_all_answered(lines, map_with_faults(home.address, lines, {100: abort, 2_000: abort}))
    server.wait_for("linebus: serving", 3)
    assert children(server.pid) == [], "the exercise has not been used"

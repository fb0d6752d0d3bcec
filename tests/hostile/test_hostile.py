"""Hostile peers on each of the four sockets: no process ends, and honest peers are served.

The long form, at full speed, with the memory measured, is `make hostile`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus.server.kernel import Kernel
from tests.hostile.attacks import ATTACKS, Ports
from tests.hostile.honest import Asker, memory_of
from tests.support import first_line, free_ports, linebus, running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Kernel.can_tell, reason="elsewhere than on Linux nobody guards")

STEPS = 60
BYTES_MAX = 64 * 1024 * 1024
MEMORY_BYTES_MAX = 1024 * 1024 * 1024


class Bus:
    """A server and a worker, which have to outlive all that comes."""

    def __init__(
        self, ports: Ports, server: subprocess.Popen[str], worker: subprocess.Popen[str]
    ) -> None:
        self.ports = ports
        self.server = server
        self.worker = worker

    def check(self) -> None:
        assert self.server.poll() is None, "the server has ended"
        assert self.worker.poll() is None, "the worker has ended"
        assert memory_of(self.server.pid) < MEMORY_BYTES_MAX


@pytest.fixture(scope="module")
def bus() -> Iterator[Bus]:
    ports = Ports(*free_ports(4))
    address = f"tcp://127.0.0.1:{ports.client_inputs}"
    words = ["work", "gcd", "--procs", "1", "--bus", address]
    with (
        running(*linebus("serve", *map(str, ports))) as server,
        running(*linebus(*words)) as worker,
    ):
        assert first_line(server)
        assert first_line(worker)
        yield Bus(ports, server, worker)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_honest_client_is_answered_during_an_attack(bus: Bus, name: str) -> None:
    with Asker(bus.ports) as asker:
        sent = 0
        for number, step in enumerate(ATTACKS[name](bus.ports), 1):
            sent += step.bytes
            if number >= STEPS or sent >= BYTES_MAX:
                break
        asker.wait_for(5)
    bus.check()

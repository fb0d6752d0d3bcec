"""All attacks of tests/hostile at full speed against a real server, while honest peers use it.

    python bench/hostile.py [SECONDS] [PART OF AN ATTACK'S NAME]        (make hostile)

Attackers run in processes of their own, one attack after the other and then twelve at once; SECONDS
(60 by default) are shared among them. Meanwhile an honest client asks one line after the other, and
a plain client too. It prints what was sent, what was answered and how late, the most memory that
the server took, and what is left once the attackers have gone. It fails where a process has ended,
a reply was wrong, or the server took more memory than docs/limits.md says.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import linebus
from tests.hostile.attacks import ATTACKS, Ports
from tests.hostile.honest import Asker, memory_of
from tests.support import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.sharedctypes import Synchronized

ATTACKERS_TOGETHER = 12
REST_S = 8.0
MEMORY_BYTES_MAX = 1.5e9


@dataclass
class Bus:
    """The honest processes."""

    ports: Ports
    server: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]
    peak: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.stop.wait(0.02):
            self.peak = max(self.peak, memory_of(self.server.pid))

    def take_peak(self) -> int:
        peak, self.peak = self.peak, 0
        return peak


@contextmanager
def running_bus() -> Iterator[Bus]:
    ports = Ports(*free_ports(4))
    address = f"tcp://127.0.0.1:{ports.client_inputs}"
    command = [sys.executable, "-m", "linebus"]
    server = subprocess.Popen([*command, "serve", *map(str, ports)], stdout=subprocess.DEVNULL)
    work = ["work", "isprime", "gcd", "--procs", "1", "--bus", address]
    worker = subprocess.Popen([*command, *work], stdout=subprocess.DEVNULL)
    bus = Bus(ports, server, worker)
    watcher = threading.Thread(target=bus.watch)
    watcher.start()
    try:
        with linebus.Client(address, connect_timeout_s=20) as client:
            assert client.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        yield bus
        assert server.poll() is None, "the server has ended"
        assert worker.poll() is None, "the worker has ended"
    finally:
        bus.stop.set()
        watcher.join()
        for process in (worker, server):
            process.terminate()
            process.wait()


def attack(
    name: str, ports: Ports, seconds: float, sent: Synchronized[int], messages: Synchronized[int]
) -> None:
    until = time.monotonic() + seconds
    for step in ATTACKS[name](ports):
        with sent.get_lock():
            sent.value += step.bytes
            messages.value += step.messages
        if time.monotonic() > until:
            return


def run(names: list[str], bus: Bus, seconds: float) -> tuple[int, int]:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.hostile.attacks"])
    sent, messages = forks.Value("q", 0), forks.Value("q", 0)
    attackers = [
        forks.Process(target=attack, args=(name, bus.ports, seconds, sent, messages))
        for name in names
    ]
    for each in attackers:
        each.start()
    for each in attackers:
        each.join(seconds + 15)
        each.kill()
        each.join()
    return sent.value, messages.value


def report(label: str, asker: Asker, bus: Bus, sent: int, messages: int) -> None:
    answered, worst_s = asker.take()
    peak = bus.take_peak() / 1e6
    print(
        f"{label:<42} {sent / 1e6:>9.1f} {messages:>9} {answered:>8} {worst_s:>8.2f} {peak:>8.0f}",
        flush=True,
    )


def report_memory(bus: Bus, most: int) -> None:
    threading.Event().wait(REST_S)
    left = memory_of(bus.server.pid) / 1e6
    with linebus.Client(f"tcp://127.0.0.1:{bus.ports.client_inputs}") as client:
        held = json.loads(client.ask("linebus.server").text)["held_bytes"] / 1e6
    print(
        f"most memory {most / 1e6:.0f} MB; after {REST_S:.0f} s {left:.0f} MB, held {held:.0f}",
        flush=True,
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    names = [name for name in ATTACKS if wanted in name]
    if not names:
        sys.exit(f"no attack has {wanted!r} in its name; there are: {', '.join(ATTACKS)}")
    groups = [[name] for name in names]
    if not wanted:
        groups += [
            names[start : start + ATTACKERS_TOGETHER]
            for start in range(0, len(names), ATTACKERS_TOGETHER)
        ]
    share = seconds / sum(map(len, groups))
    with running_bus() as bus, Asker(bus.ports) as asker:
        print(f"{'':<42} {'MB':>9} {'messages':>9} {'answered':>8} {'worst s':>8} {'peak MB':>8}")
        most = 0
        for group in groups:
            sent, messages = run(group, bus, share * len(group))
            most = max(most, bus.peak)
            label = group[0] if len(group) == 1 else f"{len(group)} at once, from {group[0]}"
            report(label[:42], asker, bus, sent, messages)
        report_memory(bus, most)
        print(
            f"in all {asker.answered} answered, {len(asker.wrong)} wrong, "
            f"worst {asker.worst_s:.2f} s"
        )
        assert not asker.wrong
        assert most < MEMORY_BYTES_MAX, "the server's process took more than docs/limits.md says"


if __name__ == "__main__":
    main()

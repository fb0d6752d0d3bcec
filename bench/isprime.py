"""isprime of a 64-bit prime through linebus and through ZeroMQ's own C proxy, in one run.

    python bench/isprime.py [ROUNDS]        (make bench)

Both sides: one client process, one worker process that calls the same service function, TCP on
this machine. The proxy carries one request a message, 1,000 outstanding; linebus is asked through
`Client.map` and `Client.ask`. The two take turns; what counts is the median of the ratios, since
the machine's speed drifts. Nothing here is a test: no number makes it fail.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING

import zmq

import linebus
from linebus.services.primes import isprime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE = "isprime 18446744073709551557"
REPLY = "18446744073709551557 is prime"
PIPELINED = 200_000
PIPELINED_PROXY = 40_000
ALONE = 3_000
OUTSTANDING = 1_000


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


# -- the C proxy --------------------------------------------------------------------------------


def _unbounded(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    endpoint = context.socket(kind)
    endpoint.set_hwm(0)  # else the proxy's ROUTER drops replies without a word
    return endpoint


def run_proxy(front: int, back: int) -> None:
    context = zmq.Context()
    router, dealer = _unbounded(context, zmq.ROUTER), _unbounded(context, zmq.DEALER)
    router.bind(f"tcp://127.0.0.1:{front}")
    dealer.bind(f"tcp://127.0.0.1:{back}")
    zmq.proxy(router, dealer)


def run_proxy_worker(back: int) -> None:
    worker = _unbounded(zmq.Context(), zmq.DEALER)
    worker.connect(f"tcp://127.0.0.1:{back}")
    answer = isprime.answer
    while True:
        route, line = worker.recv_multipart()
        arguments = line.decode().partition(" ")[2]
        worker.send_multipart([route, answer(arguments).encode()])


@contextmanager
def proxy_client() -> Iterator[zmq.Socket[bytes]]:
    front, back = free_ports(2)
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=run_proxy, args=(front, back), daemon=True),
        spawn.Process(target=run_proxy_worker, args=(back,), daemon=True),
    ]
    for process in processes:
        process.start()
    client = _unbounded(zmq.Context.instance(), zmq.DEALER)
    client.connect(f"tcp://127.0.0.1:{front}")
    try:
        yield client
    finally:
        client.close(linger=0)
        for process in processes:
            process.kill()
            process.join()


def proxy_alone(client: zmq.Socket[bytes]) -> float:
    line = LINE.encode()
    started = time.perf_counter()
    for _ in range(ALONE):
        client.send(line)
        client.recv()
    return ALONE / (time.perf_counter() - started)


def proxy_pipelined(client: zmq.Socket[bytes]) -> float:
    line, sent, received = LINE.encode(), 0, 0
    started = time.perf_counter()
    while received < PIPELINED_PROXY:
        while sent - received < OUTSTANDING and sent < PIPELINED_PROXY:
            client.send(line)
            sent += 1
        client.recv()
        received += 1
    return PIPELINED_PROXY / (time.perf_counter() - started)


# -- linebus ------------------------------------------------------------------------------------


@contextmanager
def linebus_client(executors: int = 1) -> Iterator[linebus.Client]:
    ports = free_ports(4)
    address = f"tcp://127.0.0.1:{ports[0]}"
    commands = [
        ["serve", *map(str, ports)],
        ["work", "isprime", "gcd", "--procs", str(executors), "--bus", address],
    ]
    processes = [
        subprocess.Popen([sys.executable, "-m", "linebus", *command], stdout=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        with linebus.Client(address, connect_timeout_s=20) as bus:
            yield bus
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def linebus_alone(bus: linebus.Client) -> float:
    started = time.perf_counter()
    for _ in range(ALONE):
        bus.ask(LINE)
    return ALONE / (time.perf_counter() - started)


def linebus_pipelined(bus: linebus.Client) -> float:
    started = time.perf_counter()
    answered = sum(reply.text == REPLY for reply in bus.map(repeat(LINE, PIPELINED)))
    assert answered == PIPELINED, "every line is answered"
    return PIPELINED / (time.perf_counter() - started)


def compare(name: str, ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> None:
    pairs = [(ours(), floor()) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    mine, proxy = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{name:<10} {mine:>12,.0f} {proxy:>12,.0f} {ratio:>8.2f}", flush=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with linebus_client() as bus, proxy_client() as client:
        assert bus.ask(LINE).text == REPLY
        client.send(LINE.encode())
        assert client.recv() == REPLY.encode()
        print(f"{'isprime/s':<10} {'linebus':>12} {'C proxy':>12} {'ratio':>8}")
        compare(
            "pipelined", lambda: linebus_pipelined(bus), lambda: proxy_pipelined(client), rounds
        )
        compare("alone", lambda: linebus_alone(bus), lambda: proxy_alone(client), rounds)


if __name__ == "__main__":
    main()

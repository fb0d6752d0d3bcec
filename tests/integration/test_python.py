"""The Python interface against real processes: threads, futures, the event loop, and restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    check_all_answered,
    executors,
    some_lines,
)
from tests.integration.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("home")) as home:
        home.write_module(MODULE)
        yield home


def test_values_go_there_and_back(home: Home) -> None:
    home.serve()
    home.work("isprime", "gcd", "mine:everything")
    with linebus.Client(home.address) as bus:
        assert bus.call("gcd", 12, 18) == 6
        assert bus.call("gcd", 10**20_000, 6) == 2
        assert bus.call("isprime", 97) == "prime"
        assert isinstance(bus.call("whoami"), int)
        with pytest.raises(linebus.Failed, match="usage: gcd A B") as caught:
            bus.call("gcd", 12)
        assert caught.value.attempt == 1
        with pytest.raises(linebus.NoService):
            bus.call("isprme", 97)
        assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"


def test_the_bus_says_who_offers_what(home: Home) -> None:
    home.serve()
    worker = home.work("isprime", "gcd", procs=2)
    with linebus.Client(home.address) as bus:
        assert bus.ask("isprime 97").is_answered
        gcd, isprime = bus.services()
    assert (gcd.usage, gcd.signature, gcd.example) == (
        "gcd A B",
        "a: int, b: int -> int",
        "gcd 12 18",
    )
    assert isprime.doc == "Say whether an integer is prime."
    [of_gcd] = gcd.workers
    assert f"pid {worker.pid}" in of_gcd.program
    assert gcd.executors in {1, 2}, "one has answered; the other may be on its way"


def test_threads_share_a_client_while_executors_and_the_server_die(home: Home) -> None:
    server = home.serve()
    worker = home.work("isprime", "gcd")
    found: dict[int, list[linebus.Reply]] = {}

    with linebus.Client(home.address, connect_timeout_s=PATIENCE_S) as bus:

        def map_some(number: int) -> None:
            found[number] = list(bus.map(some_lines(20_000, number)))

        def ask_some(number: int) -> None:
            found[number] = [bus.ask(line) for line in some_lines(200, number)]

        def submit_some(number: int) -> None:
            futures = [bus.submit(line) for line in some_lines(2_000, number)]
            found[number] = [future.result(PATIENCE_S) for future in futures]

        doings = [map_some, ask_some, submit_some, map_some]
        threads = [
            threading.Thread(target=do, args=(number,)) for number, do in enumerate(doings, start=1)
        ]
        for thread in threads:
            thread.start()
        bus.ask("isprime 97")
        for pid in executors(worker):
            os.kill(pid, signal.SIGKILL)
        server.kill()
        home.serve()
        for thread in threads:
            thread.join(PATIENCE_S)
    counts = [20_000, 200, 2_000, 20_000]
    for number, count in enumerate(counts, start=1):
        check_all_answered(some_lines(count, number), found[number])


def test_a_client_at_rest_survives_a_restart_of_the_server(home: Home) -> None:
    server = home.serve()
    home.work("isprime")
    with linebus.Client(home.address, connect_timeout_s=PATIENCE_S) as bus:
        assert bus.ask("isprime 97").is_answered
        server.kill()
        home.serve().wait_for("serving")
        assert bus.ask("isprime 91").text == "91 is not prime"
        assert bus.submit("isprime 97").result(PATIENCE_S).text == "97 is prime"


def test_a_client_may_come_before_its_server(home: Home) -> None:
    with linebus.Client(home.address, connect_timeout_s=PATIENCE_S) as bus:
        futures = [bus.submit(line) for line in ("gcd 12 18", "isprime 97")]
        home.serve()
        home.work("isprime", "gcd")
        done, _ = wait(futures, PATIENCE_S)
        assert len(done) == len(futures)
        assert [future.result().text for future in futures] == ["gcd for 12 18 is 6", "97 is prime"]


def test_a_long_request_holds_up_nothing_else_of_its_client(home: Home) -> None:
    home.serve()
    home.work("isprime")
    home.work("mine:everything")
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        held = bus.submit(gate.line)
        gate.wait_for_arrival()
        assert bus.ask("isprime 97").is_answered
        assert [r.is_answered for r in bus.map(["isprime 91"] * 100)] == [True] * 100
        assert not held.done()
        gate.open()
        assert held.result(PATIENCE_S).is_answered


def test_the_event_loop_gets_all_replies_although_the_server_restarts(home: Home) -> None:
    server = home.serve()
    home.work("isprime", "gcd")
    lines = some_lines(30_000)

    async def source() -> AsyncIterator[str]:
        for number, line in enumerate(lines):
            if number == len(lines) // 2:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(home.serve)
            yield line

    async def story() -> list[linebus.Reply]:
        async with linebus.AsyncClient(home.address, connect_timeout_s=PATIENCE_S) as bus:
            assert await bus.call("gcd", 12, 18) == 6
            assert [service.name for service in await bus.services()] == ["gcd", "isprime"]
            return [reply async for reply in bus.map(source())]

    check_all_answered(lines, asyncio.run(story()))


def test_a_program_that_forgets_to_close_ends_all_the_same(home: Home) -> None:
    home.serve()
    home.work("isprime")
    program = home.start_python(
        "-c",
        "import linebus, sys; bus = linebus.Client(sys.argv[1]); "
        "print(bus.submit('isprime 97').result().text); bus.submit('isprime 91')",
        home.address,
    )
    assert program.wait() == 0
    assert program.out == ["97 is prime"]
    assert program.err == []

"""Faults under load, native dialect: whatever dies or is cut, each line is answered once, right."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    Program,
    Proxy,
    check_all_answered,
    executors,
    map_with_faults,
    some_lines,
    wait_until,
    wait_until_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

LINES = 6_000
# After so many replies; the last thousands come fast, when work on them is done long since.
OFTEN = (1, 100, 300, 600, 1_000, 1_500)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_executors_killed_again_and_again_lose_and_double_nothing(home: Home) -> None:
    home.serve()
    worker = home.work("isprime", "gcd")
    kills = count(1)

    def kill_the_oldest() -> None:
        wait_until(lambda: bool(executors(worker)), "an executor")
        kill(executors(worker)[0])
        worker.wait_for("an executor is replaced", next(kills))

    lines = some_lines(LINES)
    replies = map_with_faults(home.address, lines, dict.fromkeys(OFTEN, kill_the_oldest))
    check_all_answered(lines, replies)
    assert max(reply.attempt for reply in replies) > 1


def test_another_worker_takes_over_where_a_guardian_is_killed(home: Home) -> None:
    home.serve()
    first, second = home.work("isprime", "gcd"), home.work("isprime", "gcd", procs=1)
    orphans = executors(first)
    lines = some_lines(LINES)
    replies = map_with_faults(home.address, lines, {300: first.kill})
    check_all_answered(lines, replies)
    assert len(orphans) >= 2
    assert wait_until_gone(orphans) == []
    assert len(executors(second)) >= 1


def test_a_server_killed_and_started_again_is_found_by_worker_and_client(home: Home) -> None:
    server = home.serve()
    worker = home.work("isprime", "gcd")

    def restart() -> None:
        server.kill()
        home.serve()

    lines = some_lines(LINES)
    check_all_answered(lines, map_with_faults(home.address, lines, {300: restart}))
    worker.wait_for("in session", 2)


def test_a_server_that_is_restarted_twice_in_good_order_loses_nothing(home: Home) -> None:
    servers = [home.serve()]
    home.work("isprime", "gcd")

    def restart() -> None:
        servers[-1].signal(signal.SIGTERM)
        assert servers[-1].wait() == 0
        servers.append(home.serve())

    lines = some_lines(LINES)
    check_all_answered(lines, map_with_faults(home.address, lines, {100: restart, 600: restart}))


def test_a_client_killed_in_the_middle_disturbs_nobody(home: Home) -> None:
    home.serve()
    home.work("isprime", "gcd")
    victim = home.start("ask", "-", "--bus", home.address)
    victim.write("\n".join(some_lines(LINES, factor=7)) + "\n")
    victim.wait_for_lines(1)
    lines = some_lines(LINES)
    check_all_answered(lines, map_with_faults(home.address, lines, {100: victim.kill}))


def test_a_connection_cut_between_client_and_server_is_taken_up_again(home: Home) -> None:
    home.serve()
    home.work("isprime", "gcd")
    lines = some_lines(LINES)
    cuts = []
    with Proxy(home.ports.client_inputs) as proxy:

        def cut() -> None:
            cuts.append(proxy.cut())

        replies = map_with_faults(proxy.address, lines, dict.fromkeys(OFTEN, cut))
    check_all_answered(lines, replies)
    assert max(cuts) == 1


@pytest.mark.parametrize("spare", [0, 1], ids=["with its guardian’s", "alone"])
def test_a_connection_cut_between_executor_and_server_is_taken_up_again(
    home: Home, spare: int
) -> None:
    home.serve()
    lines = some_lines(LINES)
    cuts = []
    with Proxy(home.ports.client_inputs) as proxy:
        home.work("isprime", "gcd", at=proxy.address)

        def cut() -> None:
            cuts.append(proxy.cut(spare=spare))

        replies = map_with_faults(home.address, lines, dict.fromkeys(OFTEN, cut))
        check_all_answered(lines, replies)
    assert max(cuts) >= 2


def test_a_worker_that_starts_before_the_server_joins_it(home: Home) -> None:
    worker = home.start("work", "gcd", "--procs", 1, "--bus", home.address)
    worker.wait_for("yet; waiting for")
    home.serve()
    assert home.ask("gcd 12 18").out == ["gcd for 12 18 is 6"]


def test_a_worker_that_is_added_under_load_takes_part(home: Home) -> None:
    home.serve()
    home.work("gcd", procs=1)
    seen: set[int] = set()
    started: list[Program] = []

    def lines_until_both_take_part() -> Iterator[str]:
        for number in count(1):
            if len(seen) == 2:
                return
            yield f"gcd {number * 10**200} {number * 10**201}"

    with linebus.Client(home.address) as bus:
        for reply in bus.map(lines_until_both_take_part()):
            assert reply.is_answered
            seen.add(reply.worker)
            if not started:
                started.append(home.start("work", "gcd", "--procs", 1, "--bus", home.address))
    assert len(seen) == 2


def test_a_worker_asked_to_end_under_load_loses_nothing(home: Home) -> None:
    home.serve()
    leaving, _ = home.work("isprime", "gcd"), home.work("isprime", "gcd", procs=1)
    lines = some_lines(LINES)
    replies = map_with_faults(home.address, lines, {300: lambda: leaving.signal(signal.SIGTERM)})
    check_all_answered(lines, replies)
    assert leaving.wait() == 0


def test_a_worker_asked_to_end_finishes_the_line_at_hand(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:held", procs=1)
    with Gate(home.folder) as gate:
        asking = home.start("ask", gate.line, "--bus", home.address)
        gate.wait_for_arrival()
        worker.signal(signal.SIGTERM)
        gate.open()
        assert asking.wait_for_lines(1) == [gate.text]
    assert worker.wait() == 0


def test_a_line_that_is_cancelled_while_it_is_worked_on_makes_room_for_others(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:held", "gcd", procs=1)
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        held = bus.submit(gate.line)
        gate.wait_for_arrival()
        assert held.cancel()
        reply = bus.ask("gcd 12 18")
    assert reply.text == "gcd for 12 18 is 6"
    worker.wait_for("stopped, since nobody waits for its line any more")


def test_a_line_that_is_not_answered_by_its_deadline_expires_and_makes_room(home: Home) -> None:
    home.write_module(MODULE)
    home.serve()
    home.work("mine:held", "gcd", procs=1)

    async def ask_async(line: str) -> list[str]:
        async with linebus.AsyncClient(home.address) as bus:
            asked = await bus.ask(line, deadline_s=0.2)
            submitted = await bus.submit(line, deadline_s=0.2)
            mapped = [reply async for reply in bus.map([line], deadline_s=0.2)]
        return [reply.outcome for reply in (asked, submitted, *mapped)]

    with Gate(home.folder) as gate:
        with linebus.Client(home.address) as bus:
            replies = [
                bus.ask(gate.line, deadline_s=0.2),
                bus.submit(gate.line, deadline_s=0.2).result(60),
                *bus.map([gate.line, gate.line], deadline_s=0.2),
            ]
            with pytest.raises(linebus.Expired):
                bus.call("held", gate.line.split()[1], deadline_s=0.2)
            assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        assert [reply.outcome for reply in replies] == ["expired"] * 4
        assert asyncio.run(ask_async(gate.line)) == ["expired"] * 3
        asking = home.start("ask", gate.line, "--deadline", "0.2", "--bus", home.address)
        assert asking.wait() == 4


def test_a_server_asked_to_end_lets_lines_at_hand_end_and_the_next_one_does_the_others(
    home: Home,
) -> None:
    home.write_module(MODULE)
    server = home.serve()
    home.work("mine:held", "gcd", procs=1)
    with Gate(home.folder) as gate, linebus.Client(home.address, connect_timeout_s=60) as bus:
        held = bus.submit(gate.line)
        gate.wait_for_arrival()
        server.signal(signal.SIGTERM)
        later = bus.submit("gcd 12 18")
        gate.open()
        assert held.result(60).text == gate.text
        assert held.result().attempt == 1
        assert server.wait() == 0
        home.serve()
        assert later.result(60).text == "gcd for 12 18 is 6"


def test_a_line_that_kills_its_executors_is_quarantined_and_its_neighbours_are_answered(
    home: Home,
) -> None:
    home.write_module(MODULE)
    home.serve()
    home.work("mine:fragile")
    with linebus.Client(home.address) as bus:
        replies = list(bus.map(f"fragile {number}" for number in range(200)))
        again = bus.ask("fragile 14")
    quarantined = replies.pop(13)
    assert quarantined.outcome == "quarantined"
    assert "3 executors died" in quarantined.text
    assert "SIGKILL" in quarantined.text
    numbers = [number for number in range(200) if number != 13]
    assert [reply.text for reply in replies] == [f"{number} is fine" for number in numbers]
    assert {reply.outcome for reply in replies} == {"answered"}
    assert again.text == "14 is fine"


def test_an_exception_is_named_to_the_client_and_told_in_full_in_the_workers_log(
    home: Home,
) -> None:
    home.write_module(MODULE)
    home.serve()
    worker = home.work("mine:raises", procs=1)
    with linebus.Client(home.address) as bus:
        replies = list(bus.map(f"raises {number}" for number in range(12, 15)))
    assert [reply.outcome for reply in replies] == ["answered", "failed", "answered"]
    assert "ZeroDivisionError: thirteen" in replies[1].text
    worker.wait_for("Traceback (most recent call last)")
    worker.wait_for("raise ZeroDivisionError")
    assert len({reply.worker for reply in replies}) == 1


BREAKS = """
import linebus

def halve(number):
    return number + "s"

@linebus.service
def plain(number: int) -> str:
    return halve(number)

@linebus.service
async def awaited(number: int) -> str:
    return halve(number)

@linebus.service
def lengthy() -> str:
    raise ValueError("first\\nsecond")

every = [plain, awaited, lengthy]
"""


@pytest.mark.parametrize("name", ["plain", "awaited"])
def test_a_traceback_is_in_the_log_from_end_to_end_and_the_client_gets_its_last_line(
    home: Home, name: str
) -> None:
    home.write_module(BREAKS)
    home.serve()
    worker = home.work("mine:every", procs=1)
    why = "TypeError: unsupported operand type(s) for +: 'int' and 'str'"
    said = home.ask(f"{name} 1")
    assert (said.code, said.out, said.err) == (1, [f"{name} failed: {why}"], [])
    worker.wait_for(f"  {why}")
    log = "\n".join(worker.err)
    assert f"{name} raised an exception\n  Traceback (most recent call last):\n" in log
    assert f", in {name}\n      return halve(number)\n" in log
    assert ', in halve\n      return number + "s"\n' in log


def test_an_exception_of_several_lines_is_one_line_for_the_client(home: Home) -> None:
    home.write_module(BREAKS)
    home.serve()
    home.work("mine:every", procs=1)
    assert home.ask("lengthy").out == ["lengthy failed: ValueError: first\\nsecond"]


@pytest.mark.parametrize("who", ["guardian", "everyone"])
def test_a_worker_that_was_stopped_until_it_was_given_up_takes_part_again(
    home: Home, who: str
) -> None:
    home.serve()
    worker = home.work("gcd", procs=1)
    stopped = [worker.pid, *(executors(worker) if who == "everyone" else [])]
    with linebus.Client(home.address) as bus:
        assert bus.ask("gcd 12 18").is_answered
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        # Executors answer for as long as the server has patience with their guardian.
        while bus.ask("gcd 12 18").is_answered:
            pass
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        worker.wait_for("in session")
        wait_until(lambda: bus.ask("gcd 12 18", timeout_s=10).is_answered, "a worker")

"""What a service says of its lines, kept by real processes: limits, set-ups, many lines at once."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    executors,
    wait_until,
    wait_until_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

BOUNDED = (
    MODULE
    + """
import asyncio

def opened():
    with open("set-up", "a") as file:
        file.write(f"{os.getpid()}\\n")
    yield os.getpid()
    with open("ended", "a") as file:
        file.write(f"{os.getpid()}\\n")

@linebus.service(time_limit_s=1)
def stays(whether: str) -> int:
    if whether == "yes":
        signal.pause()
    return os.getpid()

@linebus.service(memory_limit=200_000_000)
def grows(by: int) -> int:
    held = b"x" * by
    if by > 1_000:
        signal.pause()
    return len(held)

@linebus.service(recycle_after=3)
def leaks(text: str) -> int:
    return os.getpid()

@linebus.service(setup=opened)
def prepared(pid: int, text: str) -> str:
    return f"{text} {pid == os.getpid()}"

@linebus.service(setup=opened)
def prepared_too(pid: int) -> bool:
    return pid == os.getpid()

here, all_here = [], asyncio.Event()

@linebus.service
async def meets(count: int) -> int:
    here.append(count)
    if len(here) == count:
        all_here.set()
    await all_here.wait()
    return len(here)

now, most, partners = 0, 0, []

@linebus.service(at_once=2)
async def pairs(number: int) -> int:
    global now, most
    now += 1
    most = max(most, now)
    if partners:
        partners.pop().set()
    else:
        partners.append(asyncio.Event())
        await partners[0].wait()
    now -= 1
    return most

@linebus.service(time_limit_s=1)
async def waits(whether: str) -> int:
    if whether == "yes":
        await asyncio.Event().wait()
    if whether == "blocks":
        signal.sigwait([signal.SIGUSR1])
    return os.getpid()

@linebus.service
async def leaves(text: str) -> str:
    raise SystemExit(3)

@linebus.service
async def follows(gate: str) -> str:
    os.close(os.open(gate + ".here", os.O_CREAT))
    os.close(await asyncio.to_thread(os.open, gate, os.O_RDONLY))
    return "there it is"
"""
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        home.write_module(BOUNDED)
        home.serve()
        yield home


def pids_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


# -- limits --------------------------------------------------------------------------------------


def test_a_line_that_takes_too_long_fails_and_the_next_one_is_answered(home: Home) -> None:
    worker = home.work("mine:stays", procs=1)
    [before] = executors(worker)[:1]
    with linebus.Client(home.address) as bus:
        replies = list(bus.map(["stays yes", "stays no", "stays no"]))
    assert replies[0].outcome == "failed"
    assert replies[0].text == "stays took longer than 1 s, its time limit"
    assert [reply.outcome for reply in replies[1:]] == ["answered"] * 2
    assert before not in {int(reply.text) for reply in replies[1:]}
    assert wait_until_gone([before]) == []


def test_each_line_that_takes_too_long_fails_and_no_line_is_quarantined(home: Home) -> None:
    home.work("mine:stays", procs=1)
    lines = ["stays yes", "stays no"] * 2
    with linebus.Client(home.address) as bus:
        outcomes = [reply.outcome for reply in bus.map(lines)]
    assert outcomes == ["failed", "answered"] * 2


def test_a_line_that_uses_too_much_memory_fails_and_the_next_one_is_answered(home: Home) -> None:
    home.work("mine:grows", procs=1)
    with linebus.Client(home.address) as bus:
        small, big, after = bus.map(["grows 7", f"grows {10**9 // 2}", "grows 8"])
    assert (small.text, after.text) == ("7", "8")
    assert big.outcome == "failed"
    assert big.text.endswith("bytes of memory; its limit is 200000000")
    assert int(big.text.split()[2]) > 200_000_000


def test_after_so_many_lines_another_process_goes_on_and_none_is_lost(home: Home) -> None:
    worker = home.work("mine:leaks", procs=1)
    with linebus.Client(home.address) as bus:
        replies = list(bus.map(["leaks x"] * 20))
    assert [reply.outcome for reply in replies] == ["answered"] * 20
    pids = [int(reply.text) for reply in replies]
    assert max(pids.count(pid) for pid in pids) <= 3
    assert not any("is replaced" in line for line in worker.err), "nobody has to be told of it"


# -- a long line ---------------------------------------------------------------------------------


def test_a_long_line_lets_those_behind_it_pass(home: Home) -> None:
    home.work("mine:held", "mine:whoami", procs=2)
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        long = bus.submit(gate.line)
        gate.wait_for_arrival()
        others = [bus.submit("whoami") for _ in range(200)]
        pids = {each.result().text for each in others}
        assert len(pids) == 1, "one of two executors is at the gate"
        assert not long.done()
        gate.open()
        assert long.result().text == gate.text


def test_lines_of_the_same_service_pass_one_that_stands_at_a_gate(home: Home) -> None:
    home.work("mine:held", procs=2)
    with Gate(home.folder) as shut, Gate(home.folder) as open_gate:
        open_gate.open()
        with linebus.Client(home.address) as bus:
            long, *others = [bus.submit(line) for line in [shut.line, *[open_gate.line] * 60]]
            assert {each.result().text for each in others} == {open_gate.text}
            assert not long.done()
            shut.open()
            assert long.result().text == shut.text


def test_long_lines_pass_each_other_however_many_there_are(home: Home) -> None:
    home.work("mine:held", "mine:whoami", procs=3)
    with (
        Gate(home.folder) as first,
        Gate(home.folder) as second,
        linebus.Client(home.address) as bus,
    ):
        long = [bus.submit(gate.line) for gate in (first, second)]
        first.wait_for_arrival()
        second.wait_for_arrival()
        assert len({bus.ask("whoami").text for _ in range(50)}) == 1
        second.open()
        assert long[1].result().text == second.text
        first.open()
        assert long[0].result().text == first.text


# -- many at once --------------------------------------------------------------------------------


def test_an_executor_works_on_many_async_lines_at_once(home: Home) -> None:
    home.work("mine:meets", procs=1)
    with linebus.Client(home.address) as bus:
        replies = list(bus.map(["meets 50"] * 50))
    assert {reply.text for reply in replies} == {"50"}, "each waited until all were there"


def test_an_executor_works_on_as_many_async_lines_as_the_service_says(home: Home) -> None:
    home.work("mine:pairs", procs=1)
    with linebus.Client(home.address) as bus:
        replies = list(bus.map([f"pairs {number}" for number in range(60)]))
    assert all(reply.is_answered for reply in replies)
    assert max(int(reply.text) for reply in replies) == 2


def test_an_async_line_that_takes_too_long_fails_and_its_executor_lives(home: Home) -> None:
    worker = home.work("mine:waits", procs=1)
    before = executors(worker)[0]
    with linebus.Client(home.address) as bus:
        late, fine = bus.map(["waits yes", "waits no"])
    assert (late.outcome, late.text) == (
        "failed",
        "waits took longer than 1 s, its time limit",
    )
    assert int(fine.text) == before


def test_an_async_line_that_blocks_its_event_loop_fails_and_its_executor_is_replaced(
    home: Home,
) -> None:
    worker = home.work("mine:waits", procs=1)
    before = executors(worker)[0]
    with linebus.Client(home.address) as bus:
        stuck, fine = bus.map(["waits blocks", "waits no"])
    assert stuck.outcome == "failed"
    assert stuck.text.endswith("could not be given up: something computes in the event loop")
    assert int(fine.text) != before


def test_async_lines_under_way_are_finished_when_a_worker_is_told_to_end(home: Home) -> None:
    worker = home.work("mine:follows", procs=1)
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        asked = bus.submit(f"follows {gate.path}")
        gate.wait_for_arrival()
        worker.signal(signal.SIGTERM)
        gate.open()
        assert asked.result().text == "there it is"
    assert worker.wait() == 0


def test_an_async_service_that_ends_its_process_is_given_up(home: Home) -> None:
    home.work("mine:leaves", "mine:whoami", procs=1)
    with linebus.Client(home.address) as bus:
        reply = bus.ask("leaves x")
        assert reply.outcome == "quarantined"
        assert (
            reply.text == "3 executors died while working on it; the last: ended with exit code 3"
        )
        assert bus.ask("whoami").is_answered


# -- what is made once ---------------------------------------------------------------------------


def test_each_executor_is_set_up_once_and_ends_that_at_sigterm(home: Home) -> None:
    worker = home.work("mine:prepared", "mine:prepared_too", procs=2)
    with linebus.Client(home.address) as bus:
        lines = ["prepared x", "prepared_too"] * 20
        assert {reply.text for reply in bus.map(lines)} == {"x True", "True"}
    wait_until(lambda: len(pids_in(home.folder / "set-up")) == 3, "both, and the spare one")
    pids = executors(worker)
    assert sorted(pids_in(home.folder / "set-up")) == pids
    assert pids_in(home.folder / "ended") == []
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert sorted(pids_in(home.folder / "ended")) == pids


def test_a_spare_executor_is_set_up_before_it_is_needed(home: Home) -> None:
    worker = home.work("mine:stays", "mine:prepared", procs=1)
    wait_until(lambda: len(pids_in(home.folder / "set-up")) == 2, "the spare one is set up")
    first, spare = pids_in(home.folder / "set-up")
    with linebus.Client(home.address) as bus:
        wait_until(lambda: bus.ask("stays no").text == str(first), "the first one at work")
        os.kill(first, signal.SIGKILL)
        worker.wait_for("an executor is replaced: killed by SIGKILL")
        assert int(bus.ask("stays no").text) == spare

"""`linebus work --reload`: services are changed while they are asked; no line pays for it."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import linebus
from tests.integration.native_processes import (
    MODULE,
    Gate,
    Home,
    Program,
    executors,
    wait_until,
    wait_until_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

VERSION = """\
import linebus

@linebus.service
def version() -> str:
    return "{}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        home.serve()
        yield home


def work(home: Home, *services: str, procs: int = 2) -> Program:
    worker = home.start("work", *services, "--procs", procs, "--bus", home.address, "--reload")
    worker.wait_for("in session")
    wanted = procs + (procs > 1)  # a spare one beside several
    with linebus.Client(home.address) as bus:
        wait_until(lambda: joined(bus) == wanted, "all executors have loaded what there is now")
    return worker


def joined(bus: linebus.Client) -> int:
    """Count the executors in session, spare ones too; 0 where the server is asked too often."""
    reply = bus.ask("linebus.services")
    services = json.loads(reply.text)["services"] if reply.is_answered else []
    return sum(len(worker["executors"]) for each in services[:1] for worker in each["workers"])


def wait_for_answer(bus: linebus.Client, line: str, text: str) -> None:
    wait_until(lambda: bus.ask(line).text == text, f"{line} is answered {text}")


def test_each_change_is_taken_over_and_no_line_is_lost_or_failed(home: Home) -> None:
    home.write_module(VERSION.format(0))
    worker = work(home, "mine:version")
    is_over = threading.Event()
    replies: list[linebus.Reply] = []

    def ask() -> None:
        with linebus.Client(home.address) as bus:
            while not is_over.is_set():
                replies.extend(bus.map(["version"] * 2_000))

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    try:
        before = executors(worker)
        for number in range(1, 6):
            home.write_module(VERSION.format(number))
            worker.wait_for("reloaded after a change of mine.py; offering version", number)
        with linebus.Client(home.address) as bus:
            wait_for_answer(bus, "version", "5")
        assert wait_until_gone(before) == []
        wait_until(lambda: len(executors(worker)) == 3, "two executors and a spare one")
    finally:
        is_over.set()
        for each in asking:
            each.join()
    assert {reply.outcome for reply in replies} == {"answered"}
    # Two executors and the spare one leave at each change, and a line may have been with each.
    assert {reply.attempt for reply in replies} <= {1, 2, 3, 4}
    assert {reply.text for reply in replies} <= set("012345")
    assert not [line for line in worker.err if "replaced" in line]


def test_a_file_that_is_saved_twice_at_once_counts_as_it_was_saved_last(home: Home) -> None:
    home.write_module(VERSION.format(0))
    worker = work(home, "mine:version", procs=1)
    with linebus.Client(home.address) as bus:
        for number in (1, 2, 3):  # as long as each other, and within the same second
            home.write_module(VERSION.format(number))
            wait_for_answer(bus, "version", str(number))
        home.write_module(VERSION.format(4))
        home.write_module(VERSION.format(5))
        wait_for_answer(bus, "version", "5")
    worker.wait_for("reloaded", 4)
    assert not (home.folder / "__pycache__").exists()


def test_what_cannot_be_loaded_is_said_in_a_line_and_the_old_goes_on(home: Home) -> None:
    home.write_module(VERSION.format(0))
    worker = work(home, "mine:version")
    before = executors(worker)
    home.write_module("def version(:\n")
    worker.wait_for("not reloaded: cannot load 'mine:version': importing mine raised SyntaxError")
    home.folder.joinpath("helper.py").write_text("NUMBER = 1 +\n")
    home.write_module("import helper\n" + VERSION.format(1))
    worker.wait_for("not reloaded: ", 2)
    assert set(executors(worker)) == set(before)
    with linebus.Client(home.address) as bus:
        assert bus.ask("version").text == "0"
        home.folder.joinpath("helper.py").write_text("NUMBER = 1\n")  # it was never loaded
        worker.wait_for("reloaded after a change of helper.py")
        wait_for_answer(bus, "version", "1")
    assert len([line for line in worker.err if "SyntaxError" in line]) == 2
    assert not any("Traceback" in line for line in worker.err)


def test_an_executor_that_dies_as_it_loads_is_said_too(home: Home) -> None:
    home.write_module(VERSION.format(0))
    worker = work(home, "mine:version", procs=1)
    home.write_module("import os\nos._exit(3)\n")
    worker.wait_for("not reloaded: the executor ended with exit code 3")
    with linebus.Client(home.address) as bus:
        assert bus.ask("version").text == "0"


def test_a_service_that_is_renamed_is_offered_by_its_new_name(home: Home) -> None:
    home.write_module(VERSION.format(0) + "every = [version]\n")
    worker = work(home, "mine:every")
    home.write_module(VERSION.format(1).replace("version", "edition") + "every = [edition]\n")
    worker.wait_for("offering edition")
    with linebus.Client(home.address) as bus:
        wait_for_answer(bus, "edition", "1")
        wait_until(lambda: bus.ask("version").outcome == "no_worker", "the old name is gone")
        assert {reply.text for reply in bus.map(["edition"] * 100)} == {"1"}


def test_a_line_at_work_is_finished_by_the_code_it_was_begun_with(home: Home) -> None:
    home.write_module(MODULE)
    worker = work(home, "mine:everything", procs=1)
    [before] = executors(worker)
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        held = bus.submit(gate.line)
        gate.wait_for_arrival()
        home.write_module(MODULE.replace('"open"', '"ajar"') + "\n# changed\n")
        worker.wait_for("reloaded")
        wait_until(lambda: int(bus.ask("whoami").text) != before, "the new executor works")
        assert not held.done()
        assert before in executors(worker)
        gate.open()
        reply = held.result()
        assert (reply.text, reply.attempt) == (gate.text, 1)
        assert wait_until_gone([before]) == []
        assert bus.ask(gate.line).text == gate.text.replace(" open", " ajar")


def test_lines_do_not_wait_for_async_ones_that_an_old_executor_finishes(home: Home) -> None:
    source = """\
import asyncio, os
import linebus

@linebus.service
async def linger(path: str) -> str:
    if path != "open":
        os.close(await asyncio.to_thread(os.open, path, os.O_RDONLY))
    return "VERSION"
"""
    home.write_module(source)
    worker = work(home, "mine:linger", procs=1)
    with Gate(home.folder) as gate, linebus.Client(home.address) as bus:
        assert bus.ask("linger open").text == "VERSION"
        first = bus.submit(f"linger {gate.path}")
        home.write_module(source.replace("VERSION", "CHANGED"))
        worker.wait_for("reloaded")
        for _ in range(20):
            assert all(reply.is_answered for reply in bus.map(["linger open"] * 500))
        assert not first.done()
        wait_for_answer(bus, "linger open", "CHANGED")
        gate.open()
        assert first.result().text in {"VERSION", "CHANGED"}


def test_what_is_imported_by_a_line_counts(home: Home) -> None:
    helper = home.folder / "helper.py"
    helper.write_text("NUMBER = 1\n")
    home.write_module(
        "import linebus\n@linebus.service\ndef version() -> int:\n"
        "    import helper\n    return helper.NUMBER\n"
    )
    work(home, "mine:version")
    with linebus.Client(home.address) as bus:
        wait_for_answer(bus, "version", "1")
        helper.write_text("NUMBER = 2\n")
        wait_for_answer(bus, "version", "2")


def test_a_spare_executor_is_renewed_too(home: Home) -> None:
    source = VERSION.replace("service\n", "service(recycle_after=1)\n")
    home.write_module(source.format(0))
    worker = home.start("work", "mine:version", "--procs", 1, "--bus", home.address, "--reload")
    worker.wait_for("in session")
    with linebus.Client(home.address) as bus:
        wait_for_answer(bus, "version", "0")
        home.write_module(source.format(1))
        worker.wait_for("reloaded")
        wait_for_answer(bus, "version", "1")
        assert {bus.ask("version").text for _ in range(5)} == {"1"}


def test_a_worker_without_a_server_takes_changes_over_too(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        home.write_module(VERSION.format(0))
        worker = home.start("work", "mine:version", "--procs", 1, "--bus", home.address, "--reload")
        worker.wait_for("no server at")
        before = executors(worker)
        home.write_module(VERSION.format(1))
        worker.wait_for("reloaded")
        assert wait_until_gone(before) == []
        home.serve()
        assert home.ask("version").out == ["1"]
        os.kill(worker.pid, 15)
        assert worker.wait() == 0

"""A short storm, the check that is made in it, and ends that a dead peer must not hold up."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.chaos import KINDS, Asker, Storm
from tests.integration.native_processes import PEERS, Home, some_lines, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path) as home:
        yield home


def test_every_line_is_answered_once_right_and_in_order_whatever_is_killed_stopped_or_cut(
    home: Home,
) -> None:
    with Storm(home, seed=4) as storm:
        for kind in KINDS:
            storm.hit(kind)
        storm.hit("server killed", "executor killed")
        storm.hit("cut in mid-frame", "server killed")
        storm.hit("client killed", "guardian killed")
        assert storm.finish() > 0
        storm.end()


# A client that treats the first replies that come together in its own way.
UNFAITHFUL = """\
import sys, linebus

how = sys.argv[2]
with linebus.Client(sys.argv[1], connect_timeout_s=60) as bus:
    for replies in bus.map_descriptor(0):
        texts = [reply.text for reply in replies]
        if len(texts) > 1:
            match how:
                case "lost": del texts[0]
                case "doubled": texts.insert(0, texts[0])
                case "wrong": texts[0] += "1"
                case "out of order": texts[:2] = texts[1], texts[0]
            how = ""
        print(*texts, sep="\\n", flush=True)
"""


@pytest.mark.parametrize("how", ["lost", "doubled", "wrong", "out of order"])
def test_the_storm_notices_a_reply_that_is(home: Home, how: str) -> None:
    home.serve()
    home.work("isprime", "gcd")
    asker = Asker(home, 0, sys.executable, "-c", UNFAITHFUL, home.address, how)
    try:
        wait_until(lambda: bool(asker.wrong), "a complaint")
        with pytest.raises(AssertionError):
            asker.finish()
    finally:
        asker.close()


def test_the_storm_finds_nothing_wrong_where_nothing_happens(home: Home) -> None:
    home.serve()
    home.work("isprime", "gcd")
    asker = Asker(home, 0, sys.executable, str(PEERS / "client_lines.py"), home.address)
    try:
        wait_until(lambda: asker.answered > 1_000, "replies")
        asker.finish()
    finally:
        asker.close()


@pytest.mark.parametrize("order", [("server", "worker"), ("worker", "server")])
def test_server_and_worker_end_under_load_while_a_stopped_client_is_owed_replies(
    home: Home, order: tuple[str, str]
) -> None:
    programs = {"server": home.serve(), "worker": home.work("isprime", "gcd")}
    load = Asker(home, 0, sys.executable, str(PEERS / "client_lines.py"), home.address)
    stopped = home.start("ask", "-", "--bus", home.address)
    try:
        stopped.write("\n".join(some_lines(30_000)) + "\n")
        stopped.wait_for_lines(1)
        os.kill(stopped.pid, signal.SIGSTOP)
        answered = load.answered
        wait_until(lambda: load.answered > answered + 1_000, "replies to the other client")
        for name in order:
            programs[name].signal(signal.SIGTERM)
            assert programs[name].wait() == 0
    finally:
        stopped.kill()
        load.close()

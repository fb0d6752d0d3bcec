"""A guardian in a thread of the test, with real executors, facing servers of several kinds."""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import zmq

from linebus import limits, process
from linebus.client.client import Client
from linebus.errors import ServiceNotLoaded, SessionRefused, VersionMismatch
from linebus.wire import messages as m
from linebus.wire import native
from linebus.worker import guardian as module
from linebus.worker.guardian import Guardian, WorkerConfig, work
from linebus.worker.news import News, Offering
from tests.support import (
    PATIENCE_MS,
    PATIENCE_S,
    StandInSignals,
    address_of,
    config_on_free_ports,
    free_address,
    free_ports,
    serving,
)
from tests.worker.programs import python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MINE = """
import os
import signal
import linebus

@linebus.service
def whoami() -> int:
    return os.getpid()

@linebus.service
def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)

everything = [whoami, die]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "ends.py").write_text("import os\nos._exit(3)\n")


class Working:
    """A guardian in a thread: what it says, and what it raised."""

    def __init__(self, config: WorkerConfig) -> None:
        self.signals = StandInSignals()
        self._news: queue.Queue[News] = queue.Queue()
        self.error: BaseException | None = None
        with mock.patch.object(process, "StopSignals", return_value=self.signals):
            self.guardian = Guardian(config, self._news.put)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.guardian.run()
        except Exception as error:  # noqa: BLE001  the test looks at it
            self.error = error

    def hear(self, start: str) -> str:
        """Wait for news that begin so; others are passed over."""
        while True:
            news = str(self._news.get(timeout=PATIENCE_S))
            if news.startswith(start):
                return news

    def join(self) -> None:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def patient(address: str) -> Client:
    return Client(address, connect_timeout_s=PATIENCE_S)


@contextmanager
def working(*references: str, executors: int = 1, **where: object) -> Iterator[Working]:
    config = WorkerConfig(references or ("mine:everything",), executors, **where)  # type: ignore[arg-type]
    worker = Working(config)
    worker.thread.start()
    try:
        yield worker
    finally:
        worker.signals.stop()
        worker.join()
    assert worker.guardian._children == {}


def raised(*references: str, address: str) -> BaseException | None:
    """What a guardian raises that ends by itself."""
    worker = Working(WorkerConfig(references or ("gcd",), 1, address))
    worker.thread.start()
    worker.join()
    return worker.error


def test_a_worker_whose_server_has_long_gone_waits_patiently() -> None:
    config = WorkerConfig(("gcd",), 1, ports=(free_ports(2)[0], free_ports(2)[1]))
    guardian = Guardian(config, lambda _: None)
    guardian._join_exercise()
    try:
        guardian._native_until = guardian._hint_until = 1.0
        assert guardian._patience_ms(1_000.0) is None
        guardian._hint_until = 1_000.5
        assert guardian._patience_ms(1_000.0) == 501
    finally:
        guardian._leave()


# ---- a linebus server ------------------------------------------------------------------------


def test_services_are_offered_and_lines_answered() -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        with working("gcd", "isprime", executors=2, address=address) as worker:
            assert worker.hear("offering") == "offering gcd, isprime with 2 executors"
            assert worker.hear("in session") == f"in session with {address}"
            with patient(address) as bus:
                assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"
        assert worker.error is None


def test_a_worker_may_come_before_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.01)
    config = config_on_free_ports()
    address = address_of(config.client_inputs)
    with working("gcd", address=address) as worker:
        assert worker.hear("no server") == f"no server at {address} yet; waiting for one"
        for _ in range(2):  # and the server may be restarted
            with serving(config):
                worker.hear("in session")
                with patient(address) as bus:
                    assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"


def test_nobody_is_said_to_be_absent_before_there_is_something_to_offer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.0)
    with working("gcd", address=free_address()) as worker:
        assert worker.hear("").startswith("offering")
        assert worker.hear("").startswith("no server")


def test_an_executor_that_is_killed_is_replaced() -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        with working(address=address) as worker, patient(address) as bus:
            worker.hear("in session")
            first = bus.ask("whoami").text
            os.kill(int(first), signal.SIGKILL)
            # Whether it was working is for the server's books; here, someone else takes over.
            assert bus.ask("whoami").text != first


def test_a_line_that_kills_its_executors_is_given_up() -> None:
    with serving() as config:
        address = address_of(config.client_inputs)
        with working(address=address) as worker, patient(address) as bus:
            worker.hear("in session")
            reply = bus.ask("die")
            assert reply.outcome == "quarantined"
            assert "killed by SIGKILL" in reply.text
            assert bus.ask("whoami").is_answered


# ---- what ends a worker ----------------------------------------------------------------------


def test_a_program_that_dies_at_a_line_is_replaced_and_the_line_given_up_with_its_words() -> None:
    spec = python(
        "for line in lines():\n    if line == 'die': sys.exit('no more')\n    say(line.upper())"
    )
    with (
        serving() as config,
        working(address=address_of(config.client_inputs), program=spec) as worker,
    ):
        worker.hear("offering upper with 1 executor")
        worker.hear("in session")
        with patient(address_of(config.client_inputs)) as bus:
            died = bus.ask("upper die")
            assert died.outcome == "quarantined"
            said = "lost its program (ended with exit code 1; it said: no more)"
            assert died.text == f"3 executors died while working on it; the last: {said}"
            assert bus.ask("upper a").text == "A"
            assert bus.call("upper", "b") == "B"


def test_a_program_that_hangs_is_killed_when_its_line_has_expired() -> None:
    spec = python(
        "for line in lines():\n    if line == 'hang': signal.pause()\n    say(str(os.getpid()))"
    )
    with (
        serving() as config,
        working(address=address_of(config.client_inputs), program=spec) as worker,
    ):
        worker.hear("offering upper with 1 executor")
        worker.hear("in session")
        with patient(address_of(config.client_inputs)) as bus:
            before = bus.ask("upper a").text
            assert bus.ask("upper hang", deadline_s=0.1).outcome == "expired"
            assert bus.ask("upper a").text != before


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("gdc", "did you mean 'gcd'"),
        ("mine:nothing", "no 'nothing'"),
        ("nowhere:at_all", "no module 'nowhere'"),
        ("ends:it", "executors end before they are ready; the last ended with exit code 3"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    reference: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RESTART_S", 0.001)
    error = raised(reference, address=free_address())
    assert isinstance(error, ServiceNotLoaded)
    assert said in str(error)


@contextmanager
def refusing(*frames: bytes) -> Iterator[str]:
    """A server that answers the guardian's first hello with these frames."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    address = free_address()
    router.bind(address)

    def answer() -> None:
        hello: m.Hello | None = None
        while not isinstance(hello, m.WorkerHello):  # its executor may be connected sooner
            assert router.poll(PATIENCE_MS)
            route, _, body = router.recv_multipart()
            hello = native.decode_hello(body)
        assert [offer.name for offer in hello.services] == ["gcd"]
        assert len(hello.executors) == 1
        router.send_multipart([route, *frames])

    thread = threading.Thread(target=answer)
    thread.start()
    yield address
    thread.join(PATIENCE_S)
    context.destroy(linger=0)


def test_another_version_ends_a_worker() -> None:
    with refusing(b"linebus/2", b"\x90") as address:
        assert isinstance(raised(address=address), VersionMismatch)


def test_a_refusal_ends_a_worker_with_its_reason() -> None:
    body = native.encode([m.Refusal("protocol", "what is this")])[0]
    with refusing(native.VERSION, body) as address:
        error = raised(address=address)
        assert isinstance(error, SessionRefused)
        assert "what is this" in str(error)


def test_a_worker_that_finds_the_server_full_waits_for_room_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FULL_RETRY_S", 0.001)
    monkeypatch.setattr(limits, "FULL_RETRY_S_MAX", 0.001)
    monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.0)
    with serving() as config, monkeypatch.context() as full:
        full.setattr(limits, "WORKERS_MAX", 0)
        address = address_of(config.client_inputs)
        with working("gcd", address=address) as worker:
            said = f"{address} takes no more workers now: the server has all the workers it takes"
            assert worker.hear("tcp") == f"{said}; waiting for room"
            full.undo()
            assert worker.hear("").startswith("in session")
            with patient(address) as bus:
                assert bus.ask("gcd 12 18").is_answered
        assert worker.error is None


def test_work_runs_a_guardian_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[WorkerConfig] = []

    class StandIn:
        def __init__(self, config: WorkerConfig, on_news: Callable[[News], None]) -> None:
            configs.append(config)
            on_news(Offering(["gcd"], 1))

        def run(self) -> None:
            configs.append(configs[0])

    monkeypatch.setattr(module, "Guardian", StandIn)
    news: list[News] = []
    config = WorkerConfig(("gcd",), 1)
    work(config, news.append)
    assert (configs, news) == ([config, config], [Offering(["gcd"], 1)])


# ---- the exercise ----------------------------------------------------------------------------


class ForeignServer:
    """Someone's server of the exercise: publishes lines, subscribes to results."""

    def __init__(self, ports: tuple[int, int]) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.inputs = self._context.socket(zmq.XPUB)
        self.outputs = self._context.socket(zmq.SUB)
        self.outputs.setsockopt(zmq.SUBSCRIBE, b"")
        for socket, port in zip((self.inputs, self.outputs), ports, strict=True):
            socket.bind(address_of(port))

    def wait_for(self, subscription: bytes) -> None:
        while True:
            assert self.inputs.poll(PATIENCE_MS), f"{subscription!r} has not come"
            if self.inputs.recv() == subscription:
                return

    def ask(self, line: str) -> str:
        """Publish a line until its result comes, since the way back may not stand yet."""
        self.inputs.send(line.encode())
        while not self.outputs.poll(500):
            self.inputs.send(line.encode())
        return self.outputs.recv().decode()

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def plain_ports() -> tuple[int, int]:
    inputs, outputs = free_ports(2)
    return inputs, outputs


@pytest.fixture
def foreign(plain_ports: tuple[int, int]) -> Iterator[ForeignServer]:
    server = ForeignServer(plain_ports)
    yield server
    server.close()


def test_a_worker_with_ports_serves_a_foreign_server(
    foreign: ForeignServer, plain_ports: tuple[int, int]
) -> None:
    with working("gcd", ports=plain_ports):
        foreign.wait_for(b"\x01linebus/")
        foreign.wait_for(b"\x01gcd")
        assert foreign.ask("gcd 12 18") == "gcd for 12 18 is 6"
        assert foreign.ask("gcd 12").startswith("error: gcd 12: ")


def test_a_plain_line_that_kills_executors_is_given_up_with_an_error_line(
    foreign: ForeignServer, plain_ports: tuple[int, int]
) -> None:
    with working(ports=plain_ports):
        foreign.wait_for(b"\x01die")
        first = foreign.ask("whoami")
        assert int(first)
        text = foreign.ask("die")
        assert text == "error: die: 3 executors died on it; the last: killed by SIGKILL"


def test_swapped_ports_are_told_and_another_server_may_come(
    monkeypatch: pytest.MonkeyPatch, plain_ports: tuple[int, int]
) -> None:
    monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.01)
    monkeypatch.setattr(limits, "PORTS_LOOK_S_MAX", 0.01)
    inputs, outputs = plain_ports
    with working("gcd", ports=plain_ports) as worker:
        assert worker.hear("no server") == (
            f"no server at {address_of(inputs)} yet; waiting for one"
        )
        swapped = ForeignServer((outputs, inputs))
        said = worker.hear("port")
        swapped.close()
        assert f"the ports are swapped: give {outputs} {inputs}" in said
        right = ForeignServer(plain_ports)
        right.wait_for(b"\x01gcd")
        assert right.ask("gcd 12 18") == "gcd for 12 18 is 6"
        right.close()


def test_where_all_is_well_nothing_is_told(
    foreign: ForeignServer, plain_ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with working("gcd", ports=plain_ports) as worker:
        worker.hear("offering")
        foreign.wait_for(b"\x01gcd")
        assert foreign.ask("gcd 12 18") == "gcd for 12 18 is 6"
        # The way back has been met too, so this looks at a worker that is taken in.
        monkeypatch.setattr(limits, "ABSENCE_NOTICE_S", 0.0)
        assert foreign.ask("gcd 12 18") == "gcd for 12 18 is 6"
        assert worker.guardian._absence.tell_at == inf
    assert worker._news.empty()


def test_a_hint_that_leads_nowhere_leaves_a_plain_worker_at_work(
    foreign: ForeignServer, plain_ports: tuple[int, int]
) -> None:
    with working("gcd", ports=plain_ports):
        foreign.wait_for(b"\x01gcd")
        for hint in (free_ports(1)[0], 0, 99999, plain_ports[0]):
            foreign.inputs.send(b"linebus/1 %d" % hint)
        assert foreign.ask("gcd 12 18") == "gcd for 12 18 is 6"


def test_a_hint_is_followed_to_the_native_server_and_plain_lines_are_left_to_it(
    foreign: ForeignServer, plain_ports: tuple[int, int]
) -> None:
    with serving() as config, working("gcd", ports=plain_ports) as worker:
        foreign.wait_for(b"\x01gcd")
        foreign.inputs.send(b"linebus/1 %d" % config.client_inputs)
        worker.hear("in session")
        foreign.wait_for(b"\x00gcd")
        with patient(address_of(config.client_inputs)) as bus:
            assert bus.ask("gcd 12 18").text == "gcd for 12 18 is 6"


def test_a_server_that_the_hint_leads_to_and_that_refuses_does_not_end_a_plain_worker(
    foreign: ForeignServer, plain_ports: tuple[int, int]
) -> None:
    with refusing(b"linebus/2", b"\x90") as address, working("gcd", ports=plain_ports) as worker:
        foreign.wait_for(b"\x01gcd")
        foreign.inputs.send(b"linebus/1 " + address.rpartition(":")[2].encode())
        assert foreign.ask("gcd 12 18") == "gcd for 12 18 is 6"
    assert worker.error is None

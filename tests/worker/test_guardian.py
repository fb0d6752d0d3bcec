"""A guardian in a thread of the test, with real executors, facing servers of several kinds."""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import zmq

from linebus import limits, process
from linebus.client.client import Client
from linebus.errors import ServiceNotLoaded, SessionRefused, VersionMismatch
from linebus.net.clock import milliseconds_until
from linebus.wire import messages as m
from linebus.wire import native
from linebus.worker import guardian as module
from linebus.worker import pipes
from linebus.worker import position as page
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
from tests.worker.fake_children import BOUNDED, UNBOUNDED, Household
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


# ---- a spare executor, and one that is watched -----------------------------------------------


@pytest.fixture
def household(monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    household = Household(monkeypatch)
    yield household
    household.close()


def test_where_executors_may_be_killed_or_recycled_one_more_is_loaded(
    household: Household,
) -> None:
    [child] = household.children
    assert household.vouched == [child.key_hash]
    household.ready(child, BOUNDED)
    [spare] = household.spares
    assert (spare.address, child.address) == (None, "tcp://127.0.0.1:1")
    assert household.vouched == [child.key_hash], "nobody is told of it"
    household.ready(spare, BOUNDED)
    assert len(household.children) == 2


def test_where_executors_are_recycled_one_more_is_loaded(household: Household) -> None:
    household.ready(household.children[0], UNBOUNDED, is_recycled=True)
    assert len(household.spares) == 1


def test_where_executors_live_as_long_as_they_like_there_is_no_spare(household: Household) -> None:
    household.ready(household.children[0], UNBOUNDED)
    assert household.spares == []


def test_the_spare_takes_the_place_of_one_that_dies_and_has_a_successor(
    household: Household,
) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.ready(spare, BOUNDED)
    household.end(child)
    assert not spare.is_spare
    assert household.vouched[-1] == spare.key_hash
    assert spare.control.told == [pipes.Connect("tcp://127.0.0.1:1")]
    assert [lost.executor for lost in household.lost] == [child.key_hash]
    [successor] = household.spares
    assert household.children == [spare, successor]
    assert household.guardian._restart_at == []


def test_a_spare_that_is_not_loaded_yet_is_not_waited_for(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.end(child, now=10.0)
    assert spare.is_spare
    assert household.guardian._restart_at == [10.0]


def test_a_spare_that_dies_is_replaced_and_nobody_is_told(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    [spare] = household.spares
    household.end(spare)
    assert household.lost == []
    [another] = household.spares
    assert household.children == [child, another]
    assert household.guardian._restart_at == []


def test_an_executor_that_leaves_is_replaced_at_once_and_once(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED, is_recycled=True)
    [spare] = household.spares
    household.ready(spare, UNBOUNDED, is_recycled=True)
    household.hear(child, pipes.Leaving())
    assert not spare.is_spare
    household.end(child)
    assert household.children == [spare, *household.spares]
    assert len(household.spares) == 1
    assert household.guardian._restart_at == []


def test_a_line_that_breaks_a_limit_ends_its_executor_and_fails(household: Household) -> None:
    [child] = household.children
    household.ready(child, BOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)
    child.position.cell[page.NUMBER] = 7
    household.guardian._watch_children(20.0)
    household.guardian._watch_children(21.9)
    assert not child.is_killed
    household.guardian._watch_children(22.1)
    assert child.is_killed
    household.guardian._restart_s = limits.RESTART_S_MAX
    household.end(child, now=22.2)
    [lost] = household.lost
    assert (lost.position, lost.failed) == (7, True)
    assert lost.reason == "gcd took longer than 2 s, its time limit"
    assert household.guardian._restart_at == [22.2], "its successor has nothing to wait for"


def test_what_is_behind_a_long_line_is_handed_back(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)
    child.position.cell[page.NUMBER] = 7
    household.guardian._watch_children(20.0)
    household.guardian._tell_absence_at = inf
    soon_ms = milliseconds_until(20.0 + limits.WATCH_S, 20.0)
    assert household.guardian._patience_ms(20.0) == soon_ms
    household.guardian._watch_children(20.1)
    very_soon_ms = milliseconds_until(20.1 + limits.HAND_BACK_S, 20.1)
    assert household.guardian._patience_ms(20.1) == very_soon_ms
    assert very_soon_ms != soon_ms
    household.guardian._watch_children(20.2)
    assert household.handed_back == [(child.key_hash, b"stream", 7)]
    household.guardian._watch_children(20.3)
    assert len(household.handed_back) == 1
    assert not child.is_killed


def test_a_guardian_looks_at_executors_only_while_they_work(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    guardian = household.guardian
    assert guardian._watched_until == 0.0
    child.position.cell[page.IS_WATCHED] = 1
    household.hear(child, pipes.Awake(), now=20.0)
    guardian._watch_children(20.0 + 0.9 * limits.WATCH_REST_S)
    assert child.position.cell[page.IS_WATCHED]
    child.position.cell[page.AT_ONCE] = 1
    guardian._watch_children(25.0)
    child.position.cell[page.AT_ONCE] = 0
    guardian._watch_children(25.0 + 0.9 * limits.WATCH_REST_S)
    assert guardian._watched_until
    guardian._watch_children(25.0 + 1.1 * limits.WATCH_REST_S)
    assert guardian._watched_until == 0.0
    assert not child.position.cell[page.IS_WATCHED], "so it says when it begins a line"


def test_a_line_that_begins_while_the_guardian_goes_to_rest_is_watched(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.hear(child, pipes.Awake(), now=20.0)

    class Racing(list[int]):
        """Its executor begins a line just before it is said that nobody looks."""

        def __setitem__(self, index: Any, value: Any) -> None:  # noqa: ANN401
            super().__setitem__(page.NUMBER, 3)
            super().__setitem__(index, value)

    monkeypatch.setattr(child.position, "cell", Racing(child.position.cell))
    household.guardian._watch_children(30.0)
    assert household.guardian._watched_until == 30.0 + limits.WATCH_REST_S


def test_what_nobody_waits_for_is_told_to_the_executor_that_has_it(household: Household) -> None:
    [child] = household.children
    household.ready(child, UNBOUNDED)
    household.guardian._session._stops += [
        m.Stop(child.key_hash, 3, 5),
        m.Stop(b"another's", 1, 1),
    ]
    household.guardian._watch_children(20.0)
    assert child.control.told == [pipes.Unwanted(3, 5)]
    child.position.cell[page.NUMBER] = 4
    household.guardian._watch_children(20.1)
    household.guardian._watch_children(20.2)
    assert child.is_killed
    household.end(child)
    assert (household.lost[0].position, household.lost[0].failed) == (0, False)


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
        assert worker.guardian._tell_absence_at == inf
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

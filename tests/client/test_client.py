"""linebus.Client against a server that the test drives, and against what is no such server."""

from __future__ import annotations

import os
import threading
import time
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from linebus import limits
from linebus.client import connection, patience, shared
from linebus.client.client import Client, default_address
from linebus.client.sources import LineReader
from linebus.core.admin import ServiceInfo
from linebus.core.lifecycle import Outcome
from linebus.errors import (
    ConnectError,
    DeadlineExceeded,
    Failed,
    NobodyListens,
    NotLinebus,
    ProtocolError,
    SessionRefused,
    UsageError,
    VersionMismatch,
)
from linebus.wire import messages as m
from linebus.wire import native
from tests.support import PATIENCE_S, FakeServer, Valued, free_address

if TYPE_CHECKING:
    from collections.abc import Iterator

# Long enough for any machine where a server is there, and a test waits for it only where none is.
WAIT_S = float(PATIENCE_S)
SOON_S = 0.2


@pytest.fixture
def address() -> str:
    return free_address()


@pytest.fixture
def server(address: str) -> Iterator[FakeServer]:
    with FakeServer(address) as server:
        yield server


@pytest.fixture
def bus(server: FakeServer) -> Iterator[Client]:
    with Client(server.address, connect_timeout_s=WAIT_S) as bus:
        yield bus


# ---- asking ----------------------------------------------------------------------------------


def test_a_line_gets_its_reply(bus: Client, server: FakeServer) -> None:
    reply = bus.ask("echo  hello there ")
    assert (reply.outcome, reply.text) == (Outcome.ANSWERED, "echo did hello there")
    assert (reply.worker, reply.attempt) == (7, 1)
    assert server.lines == [("echo", 1, "hello there")]


def test_lines_to_one_service_are_numbered_and_another_service_has_its_own_numbers(
    bus: Client, server: FakeServer
) -> None:
    for line in ("a 1", "b 1", "a 2"):
        bus.ask(line)
    assert server.lines == [("a", 1, "1"), ("b", 1, "1"), ("a", 2, "2")]


def test_many_lines_get_their_replies_in_order(bus: Client) -> None:
    lines = [f"{'abc'[n % 3]} {n}" for n in range(10_000)]
    texts = [reply.text for reply in bus.map(lines)]
    assert texts == [f"{'abc'[n % 3]} did {n}" for n in range(10_000)]


def test_mapping_nothing_needs_no_server(address: str) -> None:
    with Client(address, connect_timeout_s=SOON_S) as bus:
        assert list(bus.map([])) == []


@pytest.mark.parametrize(("line", "said"), [("", "empty"), ("  \t", "empty"), ("%$ 1", "'%$'")])
def test_a_line_without_a_service_is_answered_here(bus: Client, line: str, said: str) -> None:
    reply = bus.ask(line)
    assert reply.outcome is Outcome.NO_SERVICE
    assert said in reply.text


def test_a_line_that_cannot_be_sent_fails_alone(bus: Client, server: FakeServer) -> None:
    lines = ["echo 1", "echo \udcff", "echo " + "x" * (limits.LINE_BYTES_MAX + 1), "echo 4"]
    outcomes = [reply.outcome for reply in bus.map(lines)]
    assert outcomes == ["answered", "failed", "failed", "answered"]
    assert [line for _, _, line in server.lines] == ["1", "4"]


def test_replies_come_in_order_although_the_server_answers_backwards(address: str) -> None:
    class Backwards(FakeServer):
        """Keeps what is asked until the third service is, then answers the last first."""

        def __init__(self, address: str) -> None:
            super().__init__(address)
            self.kept: list[m.Ask] = []

        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            self.kept.append(ask)
            if len(self.kept) == 3:
                for each in reversed(self.kept):
                    self.reply(route, each)

    with Backwards(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        texts = [reply.text for reply in bus.map(["a 1", "b 2", "c 3"])]
        assert texts == ["a did 1", "b did 2", "c did 3"]


def test_a_reply_that_comes_twice_counts_once(address: str) -> None:
    class Twice(FakeServer):
        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            self.reply(route, ask)
            self.reply(route, ask)

    with Twice(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        assert [bus.ask(f"echo {n}").text for n in range(5)] == [f"echo did {n}" for n in range(5)]


def test_a_line_may_end_otherwise_than_answered(address: str) -> None:
    class Sorry(FakeServer):
        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            ended = m.Ended(ask.service, ask.first, len(ask.lines), "no_service", "unknown")
            self.send(route, self.token, ended)

    with Sorry(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        reply = bus.ask("gdc 12 18")
        assert (reply.outcome, reply.text) == (Outcome.NO_SERVICE, "unknown")


def test_what_is_read_from_a_descriptor_is_answered_as_it_comes(bus: Client) -> None:
    read_end, write_end = os.pipe()
    replies = bus.map_descriptor(read_end)
    os.write(write_end, b"echo 1\necho 2\nec")
    got = [reply.text for reply in next(replies)]
    while len(got) < 2:
        got += [reply.text for reply in next(replies)]
    assert got == ["echo did 1", "echo did 2"]
    # The rest of the third line, one that is no UTF-8, and a last one without its end.
    os.write(write_end, b"ho 3\necho \xff\necho 5")
    os.close(write_end)
    rest = [reply for some in replies for reply in some]
    assert [reply.outcome for reply in rest] == ["answered", "failed", "answered"]
    assert [reply.text for reply in rest][::2] == ["echo did 3", "echo did 5"]
    os.close(read_end)


# ---- the window ------------------------------------------------------------------------------


def test_map_reads_no_more_than_a_window_ahead(bus: Client) -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for number in count():
            read += 1
            yield f"echo {number}"

    most = 0
    for taken, _ in enumerate(islice(bus.map(lines()), 3 * limits.WINDOW_LINES)):
        most = max(most, read - taken)
    # What was read last comes on top, and so does the message whose replies are being taken.
    assert most <= limits.WINDOW_LINES + 2 * limits.LINES_PER_MESSAGE_MAX


def test_no_more_lines_are_in_flight_than_the_server_allows(address: str) -> None:
    class Narrow(FakeServer):
        """Answers only when nothing more comes although it owes replies."""

        def __init__(self, address: str) -> None:
            super().__init__(address)
            self.owed = self.most = 0

        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            self.owed += len(ask.lines)
            self.most = max(self.most, self.owed)
            self.reply(route, ask)
            self.owed -= len(ask.lines)

        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            self.greet(route, hello, window_lines=1)

    with Narrow(address) as server, Client(address, connect_timeout_s=WAIT_S) as bus:
        assert len(list(bus.map(f"echo {n}" for n in range(50)))) == 50
        # A part is never cut for the window, so one part may be on its way, but not two.
        assert server.most <= limits.LINES_PER_MESSAGE_MAX


# ---- generators, loops in loops --------------------------------------------------------------


def test_a_generator_that_raises_does_so_to_the_caller_and_the_client_goes_on(bus: Client) -> None:
    def lines() -> Iterator[str]:
        yield from (f"echo {n}" for n in range(5_000))
        raise RuntimeError("no more lines")

    with pytest.raises(RuntimeError, match="no more lines"):
        list(bus.map(lines()))
    assert bus.ask("echo again").text == "echo did again"
    assert [reply.text for reply in bus.map(["echo 1", "echo 2"])] == ["echo did 1", "echo did 2"]


def test_a_map_that_is_left_half_way_disturbs_nothing(bus: Client) -> None:
    replies = bus.map(f"echo {n}" for n in range(5_000))
    assert next(replies).text == "echo did 0"
    replies.close()  # type: ignore[attr-defined]  # it is a generator
    assert bus.ask("echo again").text == "echo did again"


def test_a_line_may_be_asked_inside_a_loop_over_map(bus: Client) -> None:
    texts = []
    for reply in bus.map(f"a {n}" for n in range(20)):
        texts += [reply.text, bus.ask(f"a {reply.text[-1]} more").text]
    outer = [f"a did {n}" for n in range(20)]
    assert texts[::2] == outer
    assert texts[1::2] == [f"a did {text[-1]} more" for text in outer]


def test_two_maps_may_take_turns(bus: Client) -> None:
    pairs = zip(
        bus.map(f"a {n}" for n in range(3_000)),
        bus.map(f"a {-n}" for n in range(3_000)),
        strict=True,
    )
    texts = [(one.text, other.text) for one, other in pairs]
    assert texts == [(f"a did {n}", f"a did {-n}") for n in range(3_000)]


# ---- time ------------------------------------------------------------------------------------


class Silent(FakeServer):
    """Greets and answers nothing until it is told to; then it answers late what was asked."""

    answers_now = False

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: list[tuple[bytes, m.Ask]] = []

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        with self.news:
            self.kept.append((route, ask))
            self.news.notify_all()
        if self.answers_now:
            for to_route, each in self.kept:
                self.reply(to_route, each)
            self.kept.clear()


def test_a_reply_is_waited_for_only_as_long_as_the_caller_wants(address: str) -> None:
    with Silent(address) as server, Client(address, connect_timeout_s=WAIT_S) as bus:
        with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
            bus.ask("echo late", timeout_s=0.1)
        server.answers_now = True
        # The late reply is not taken for the next line's.
        assert bus.ask("echo next", timeout_s=WAIT_S).text == "echo did next"
        assert [line for _, _, line in server.lines] == ["late", "next"]


def test_a_deadline_that_has_passed_raises_at_once(address: str) -> None:
    with Client(address, connect_timeout_s=WAIT_S) as bus, pytest.raises(DeadlineExceeded):
        bus.ask("echo 1", timeout_s=0)


class Clock:
    """What clients read the time from; it can be put forward."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (connection, patience, shared):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_source_of_lines_may_take_its_time(bus: Client, clock: Clock) -> None:
    def lines() -> Iterator[str]:
        for n in range(3):
            clock.ahead_s += 2 * WAIT_S
            yield f"echo {n}"

    texts = [reply.text for reply in bus.map(lines(), timeout_s=WAIT_S)]
    assert texts == ["echo did 0", "echo did 1", "echo did 2"]


def test_a_source_may_take_its_time_while_a_reply_is_owed(address: str, clock: Clock) -> None:
    def lines() -> Iterator[str]:
        yield "a 1"
        yield "b 2"
        for n in range(3):
            clock.ahead_s += 2 * WAIT_S
            yield f"a {n}"
        yield "c 3"

    with Halting(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        assert len(list(bus.map(lines(), timeout_s=WAIT_S))) == 6


def test_a_descriptor_may_take_its_time(
    bus: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_late(reader: LineReader) -> list[str]:
        clock.ahead_s = 2 * WAIT_S
        return read(reader)

    read = LineReader.read
    monkeypatch.setattr(LineReader, "read", read_late)
    read_end, write_end = os.pipe()
    os.write(write_end, b"echo 1\n")
    os.close(write_end)
    replies = [r.text for rs in bus.map_descriptor(read_end, timeout_s=WAIT_S) for r in rs]
    assert replies == ["echo did 1"]
    os.close(read_end)


class Halting(FakeServer):
    """Answers what service a is asked, and what b is only when c is."""

    def on_ask(self, route: bytes, ask: m.Ask) -> None:
        if ask.service == "a":
            self.reply(route, ask)
        elif ask.service == "c":
            self.reply(route, m.Ask("b", 1, ["2"]))
            self.reply(route, ask)


def test_whoever_takes_replies_may_take_their_time(address: str, clock: Clock) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"a 1\nb 2\n")
    with Halting(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        replies = bus.map_descriptor(read_end, timeout_s=WAIT_S)
        assert [reply.text for reply in next(replies)] == ["a did 1"]
        clock.ahead_s += 2 * WAIT_S
        os.write(write_end, b"c 3\n")
        os.close(write_end)
        rest = [reply.text for some in replies for reply in some]
        assert rest == ["b did 2", "c did 3"]
    os.close(read_end)


def test_a_server_is_waited_for_from_the_first_line_on(address: str, clock: Clock) -> None:
    def lines() -> Iterator[str]:
        clock.ahead_s += 2 * WAIT_S
        yield "echo 1"

    with FakeServer(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        replies = bus.map(lines())
        assert next(replies).text == "echo did 1"


# ---- connections -----------------------------------------------------------------------------


def test_hello_is_said_at_each_connection_and_what_is_unanswered_is_asked_again(
    address: str,
) -> None:
    with Client(address, connect_timeout_s=WAIT_S) as bus:
        with FakeServer(address) as first:
            assert bus.ask("echo 1").text == "echo did 1"
        with Silent(address) as second:
            wanted = bus.submit("echo 2")
            while not second.lines:
                with pytest.raises(DeadlineExceeded):
                    bus.ask("echo 3", timeout_s=0.1)
        with FakeServer(address) as third:
            assert wanted.result(WAIT_S).text == "echo did 2"
            assert bus.ask("echo 4").text == "echo did 4"
    sessions = {hello.session for server in (first, second, third) for hello in server.hellos}
    assert len(sessions) == 1
    nonces = [hello.nonce for server in (first, second, third) for hello in server.hellos]
    assert nonces == sorted(set(nonces))
    asked = [line for _, _, line in third.lines]
    assert "2" in asked
    assert not {"1", "3"} & set(asked), "what is answered, or given up, is not asked again"


def test_a_session_that_the_server_does_not_know_says_hello_again(address: str) -> None:
    class Forgetful(FakeServer):
        """Has forgotten the session when the first line comes."""

        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            if len(self.hellos) == 1:
                self.token = os.urandom(limits.TOKEN_BYTES)
                self.send(route, native.VERSION, m.HelloAgain(0))
            else:
                self.reply(route, ask)

    with Forgetful(address) as server, Client(address, connect_timeout_s=WAIT_S) as bus:
        assert bus.ask("echo 1").text == "echo did 1"
        assert len(server.hellos) == 2
        assert server.lines == [("echo", 1, "1")] * 2


def test_a_greeting_for_an_earlier_hello_is_not_taken(address: str) -> None:
    class Confused(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            wrong = m.ClientGreeting(hello.nonce + 1, b"w" * limits.TOKEN_BYTES, 1.0, 100, {})
            self.send(route, native.VERSION, wrong)
            self.greet(route, hello)

    with Confused(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        assert bus.ask("echo 1").text == "echo did 1"


def test_what_a_server_says_that_makes_no_sense_is_passed_over(address: str) -> None:
    class Babbling(FakeServer):
        def on_ask(self, route: bytes, ask: m.Ask) -> None:
            for frames in (
                [b""],
                [b"", b""],
                [self.token, b"\xc1"],
                [self.token, b"\x91\x91\xa7unknown"],
                [native.VERSION, b"\xff"],
                [self.token, b"\x90", b"surplus"],
            ):
                self._socket.send_multipart([route, *frames])
            self.send(route, self.token, m.Ended("strange", 9, 1, "failed", "who asked?"))
            self.send(route, self.token, m.Ended(ask.service, 99, 1, "failed", "not asked"))
            self.reply(route, ask)

    with Babbling(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        assert bus.ask("echo 1").text == "echo did 1"


def test_a_server_of_another_version_is_named_with_both_versions(address: str) -> None:
    class Newer(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            self.send(route, b"linebus/2", m.HelloAgain(0))

    with Newer(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        with pytest.raises(VersionMismatch, match=r"linebus/2, this program linebus/1") as caught:
            bus.ask("echo 1")
        assert isinstance(caught.value, ConnectError)


@pytest.mark.parametrize(
    ("code", "error"), [("version", VersionMismatch), ("too_many_clients", SessionRefused)]
)
def test_a_refusal_is_raised_with_its_reason(
    address: str, code: str, error: type[Exception]
) -> None:
    class Refusing(FakeServer):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            self.send(route, native.VERSION, m.Refusal(code, "not today"))

    with (
        Refusing(address),
        Client(address, connect_timeout_s=WAIT_S) as bus,
        pytest.raises(error, match="refuses this session: not today"),
    ):
        bus.ask("echo 1")


def test_leaving_says_goodbye(bus: Client, server: FakeServer) -> None:
    bus.ask("echo 1")
    bus.close()
    server.wait_for(lambda: m.Goodbye() in server.said)


def test_a_client_that_waits_is_heard_from(address: str) -> None:
    class Hasty(Silent):
        def on_hello(self, route: bytes, hello: m.ClientHello) -> None:
            self.greet(route, hello, heartbeat_s=0.02)

        def on_message(self, route: bytes, message: m.FromPeer) -> None:
            super().on_message(route, message)
            if isinstance(message, m.Heartbeat):
                self.send(route, self.token, m.Heartbeat(0.02))
                if sum(isinstance(said, m.Heartbeat) for said in self.said) == 3:
                    self.reply(*self.kept.pop())

    with Hasty(address), Client(address, connect_timeout_s=WAIT_S) as bus:
        assert bus.ask("echo 1").text == "echo did 1"


# ---- what is no server -----------------------------------------------------------------------


def test_nobody_there_is_said_with_the_cure(address: str) -> None:
    with Client(address, connect_timeout_s=SOON_S) as bus:
        with pytest.raises(NobodyListens) as caught:
            bus.ask("gcd 12 18")
        assert str(caught.value) == (
            f"nobody listens at {address}; start a server with: linebus up, "
            "or name another address with --bus or LINEBUS_URL"
        )
        with pytest.raises(NobodyListens):
            list(bus.map(["gcd 12 18"]))


def test_nobody_there_is_said_although_the_caller_only_pipes(address: str) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"gcd 12 18\n")
    with Client(address, connect_timeout_s=SOON_S) as bus, pytest.raises(NobodyListens):
        list(bus.map_descriptor(read_end))
    os.close(read_end)
    os.close(write_end)


def test_a_server_that_comes_in_time_is_waited_for(address: str) -> None:
    with Client(address, connect_timeout_s=WAIT_S) as bus:
        with pytest.raises(DeadlineExceeded):
            bus.ask("echo 1", timeout_s=0.05)
        with FakeServer(address):
            assert bus.ask("echo 2").text == "echo did 2"


@pytest.mark.parametrize("kind", [zmq.REP, zmq.PUB, zmq.XPUB, zmq.SUB])
def test_a_server_that_only_speaks_the_exercise_is_no_linebus_server(
    address: str, kind: int
) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(kind)
    socket.bind(address)
    try:
        with (
            Client(address, connect_timeout_s=2 * SOON_S) as bus,
            pytest.raises(NotLinebus, match=r"client\.py CLIENT_INPUTS CLIENT_OUTPUTS"),
        ):
            bus.ask("gcd 12 18")
    finally:
        context.destroy(linger=0)


# ---- mistakes of the caller ------------------------------------------------------------------


def test_a_closed_client_says_so(bus: Client) -> None:
    bus.ask("echo 1")
    half_way = bus.map(["echo 1"] * 5_000)
    next(half_way)
    bus.close()
    bus.close()  # once more does no harm
    for use in (lambda: bus.ask("echo 1"), lambda: list(bus.map(["echo 1"]))):
        with pytest.raises(UsageError, match="closed"):
            use()
    with pytest.raises(UsageError, match="closed"):
        list(half_way)


def test_threads_get_their_own_replies_whoever_drives(address: str) -> None:
    with Silent(address) as server, Client(address, connect_timeout_s=WAIT_S) as bus:
        texts: dict[str, str] = {}

        def ask(line: str) -> None:
            texts[line] = bus.ask(line).text

        lines = [f"echo {n}" for n in range(5)]
        threads = [threading.Thread(target=ask, args=(line,)) for line in lines]
        for thread in threads:
            thread.start()
        server.wait_for(lambda: len(server.kept) == len(lines))
        server.answers_now = True
        assert bus.ask("echo last").text == "echo did last"  # has the server answer everyone
        for thread in threads:
            thread.join(PATIENCE_S)
        assert texts == {line: f"echo did {line[-1]}" for line in lines}


def test_closing_ends_what_other_threads_wait_for(address: str) -> None:
    with Silent(address) as server, Client(address, connect_timeout_s=WAIT_S) as bus:
        said: list[str] = []

        def ask() -> None:
            with pytest.raises(UsageError) as caught:
                bus.ask("echo 1")
            said.append(str(caught.value))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.wait_for(lambda: len(server.kept) == len(threads))
        bus.close()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert said == ["this client was closed in another thread"] * 3


def test_threads_may_take_turns(bus: Client) -> None:
    texts: list[str] = []
    for number in range(3):
        thread = threading.Thread(target=lambda n=number: texts.append(bus.ask(f"echo {n}").text))
        thread.start()
        thread.join(PATIENCE_S)
    assert texts == ["echo did 0", "echo did 1", "echo did 2"]


def test_a_client_from_before_a_fork_says_so_and_still_serves_the_parent(bus: Client) -> None:
    bus.ask("echo 1")
    read_end, write_end = os.pipe()
    if not (pid := os.fork()):
        try:
            bus.ask("echo in the child")
        except UsageError as error:
            os.write(write_end, str(error).encode())
        bus.close()  # must not say goodbye for the parent
        os._exit(0)
    os.close(write_end)
    assert b"before a fork; open one in the child" in os.read(read_end, 1000)
    os.close(read_end)
    os.waitpid(pid, 0)
    assert bus.ask("echo 2").text == "echo did 2"


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:5555", "tcp://*:1", "tcp://\udcff:1"])
def test_an_address_that_makes_no_sense_is_said_at_once(address: str) -> None:
    with pytest.raises(UsageError, match=r"one looks like tcp://127\.0\.0\.1:5555"):
        Client(address)


def test_the_address_is_the_usual_one_or_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LINEBUS_URL", raising=False)
    assert default_address() == "tcp://127.0.0.1:5555"
    monkeypatch.setenv("LINEBUS_URL", "")
    assert default_address() == "tcp://127.0.0.1:5555"
    monkeypatch.setenv("LINEBUS_URL", "tcp://192.0.2.7:1")
    assert default_address() == "tcp://192.0.2.7:1"
    with Client() as bus:
        assert bus.address == "tcp://192.0.2.7:1"


# ---- values and services ---------------------------------------------------------------------


def test_a_call_gives_a_value_or_raises(address: str) -> None:
    with Valued(address), Client(address) as bus:
        assert bus.call("double", 4) == 8
        with pytest.raises(Failed, match="no"):
            bus.call("double", "x")
        with pytest.raises(UsageError):
            bus.call("double", None)


def test_services_are_told_page_by_page(address: str) -> None:
    with Valued(address), Client(address) as bus:
        assert bus.services() == [ServiceInfo("a"), ServiceInfo("b")]


def test_sentences_and_values_share_a_stream_and_keep_apart(
    bus: Client, server: FakeServer
) -> None:
    bus.ask("echo 1")
    with pytest.raises(ProtocolError, match="use ask"):
        bus.call("echo", 2)
    bus.ask("echo 3")
    asks = [message for message in server.said if isinstance(message, m.Ask)]
    assert [(ask.first, ask.values) for ask in asks] == [(1, False), (2, True), (3, False)]


@pytest.mark.parametrize("line", [None, 7, b"gcd 12 18", ["gcd 12 18"]])
def test_what_is_no_text_is_no_line(bus: Client, server: FakeServer, line: Any) -> None:  # noqa: ANN401  that is the mistake
    for use in (bus.ask, bus.submit, lambda wrong: list(bus.map(["echo 1", wrong]))):
        with pytest.raises(UsageError, match="a line is a str such as 'gcd 12 18', not"):
            use(line)
    assert bus.ask("echo 2").text == "echo did 2"
    assert [arguments for _, _, arguments in server.lines] == ["2"]


def test_a_lone_line_is_not_mapped_character_by_character(bus: Client) -> None:
    with pytest.raises(UsageError, match="ask takes one"):
        list(bus.map("gcd 12 18"))

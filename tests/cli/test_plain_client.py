from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
import zmq

from linebus import limits
from linebus.cli.plain_client import Requests, Results
from linebus.errors import NobodyListens, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Socket = zmq.Socket[bytes]
    Context = zmq.Context[Socket]

PATIENCE_MS = 20_000


@pytest.fixture
def context() -> Iterator[Context]:
    """A context of the client's, which has closed all its sockets at the end."""
    context: Context = zmq.Context()
    yield context
    context.term()


@pytest.fixture
def server() -> Iterator[Context]:
    """A context for a server's sockets."""
    context: Context = zmq.Context()
    yield context
    context.destroy(linger=0)


def bound(server: Context, kind: int) -> tuple[Socket, str]:
    socket = server.socket(kind)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    return socket, f"tcp://127.0.0.1:{port}"


def results_of(server: Context, context: Context) -> tuple[Socket, Results, SimpleQueue[str]]:
    outputs, address = bound(server, zmq.XPUB)
    shown: SimpleQueue[str] = SimpleQueue()

    def show(texts: list[str]) -> None:
        for text in texts:
            shown.put(text)

    results = Results(context, address, show)
    assert outputs.poll(PATIENCE_MS)
    assert outputs.recv() == b"\x01"
    return outputs, results, shown


def test_results_are_shown_whatever_their_bytes(server: Context, context: Context) -> None:
    outputs, _, shown = results_of(server, context)
    outputs.send(b"97 is prime")
    outputs.send(b"\xff")
    outputs.send_multipart([b"two", b"frames"])
    assert [shown.get(timeout=20) for _ in range(3)] == ["97 is prime", "\\xff", "two frames"]


def test_waiting_ends_once_every_line_has_its_result(server: Context, context: Context) -> None:
    outputs, results, _ = results_of(server, context)
    results.wait_until_connected()
    results.expect("isprime 7")
    results.expect("isprime 9")
    outputs.send(b"9 is not prime")
    outputs.send(b"7 is prime")
    results.wait_until_answered()
    assert not results._unanswered


def test_waiting_ends_where_nothing_comes(
    server: Context, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLAIN_PATIENCE_S", 0.01)
    monkeypatch.setattr(limits, "PLAIN_UNANSWERED_MAX", 2)
    _, results, _ = results_of(server, context)
    for number in range(5):
        results.expect(f"isprime {number}")
    assert 1 <= len(results._unanswered) <= 2
    results.wait_until_answered()


def test_lines_piped_in_are_given_up_after_so_many_attempts(
    server: Context, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLAIN_CONFIRMATION_MS", 1)
    _, address = bound(server, zmq.ROUTER)
    warnings: list[str] = []
    requests = Requests(context, address, warnings.append)
    with pytest.raises(NobodyListens, match="no server confirms"):
        requests.send("isprime 7", lambda: None, attempts_max=3)
    requests.close()
    assert len(warnings) == 1


def test_a_request_that_is_not_confirmed_is_sent_again_and_said_once(
    server: Context, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PLAIN_CONFIRMATION_MS", 50)
    inputs, address = bound(server, zmq.ROUTER)
    warnings: list[str] = []
    attempts: list[int] = []
    done = threading.Event()
    server_thread = threading.Thread(target=confirm_all, args=[inputs, done])

    def confirm_from_the_third_on() -> None:
        attempts.append(len(attempts) + 1)
        if attempts[-1] == 3:
            monkeypatch.setattr(limits, "PLAIN_CONFIRMATION_MS", PATIENCE_MS)
            server_thread.start()

    requests = Requests(context, address, warnings.append)
    requests.send("isprime 7", confirm_from_the_third_on)
    requests.close()
    done.set()
    server_thread.join()
    assert attempts == [1, 2, 3]
    assert len(warnings) == 1
    assert "is it running" in warnings[0]


def confirm_all(inputs: Socket, done: threading.Event) -> None:
    """Confirm every request; who has gone does not hear it."""
    while not done.is_set():
        if inputs.poll(10):
            route, _, _ = inputs.recv_multipart()
            inputs.send_multipart([route, b"", b"thanks"])


def test_an_address_that_makes_no_sense_is_the_users_mistake(context: Context) -> None:
    address = "tcp://foo bar:5555"
    with pytest.raises(UsageError, match="cannot connect"):
        Requests(context, address, print)
    with pytest.raises(UsageError, match="cannot connect"):
        Results(context, address, print)

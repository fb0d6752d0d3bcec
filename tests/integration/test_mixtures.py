"""Our programs of the exercise with ones written by others, every role in every mixture."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.native_processes import children
from tests.integration.processes import Door, Stage, free_ports

if TYPE_CHECKING:
    from tests.integration.processes import Bus, Program

SERVERS = ["ours", "server_simple", "server_chat", "server_talkative"]
WORKERS = [
    ("primer", "gcd"),
    ("primer_simple", "gcd_and"),
    ("primer_trailing_space", "gcd_fragile"),
    ("primer_everything", "gcd"),
    ("primer", "gcd", "primer_simple", "gcd_fragile"),
]
# Each client asks for primes of its own, since everyone's results are shown to everyone.
CLIENTS = {
    "ours": 97,
    "client_looks": 101,
    "client_one_per_enter": 103,
    "client_impatient": 107,
    "client_strict": 109,
}


def settle(bus: Bus) -> None:
    """Wait until both kinds of workers answer."""
    bus.settle("isprime 4", "4 is not prime")
    bus.settle("gcd 4 6", "gcd for 4", "6 is 2")


@pytest.mark.parametrize("workers", WORKERS, ids="+".join)
@pytest.mark.parametrize("server", SERVERS)
def test_every_client_gets_its_answers_from_every_server_and_workers(
    stage: Stage, server: str, workers: tuple[str, ...]
) -> None:
    stage.server(server)
    for worker in workers:
        # One executor is enough here; starting more would take most of the time.
        stage.worker(worker, "--procs", "1")
    settle(stage.bus())
    clients = {name: stage.client(name) for name in CLIENTS}
    for name, client in clients.items():
        if name == "ours":
            our_client_is_answered_the_first_time(client)
        elif name == "client_strict" and server == "server_talkative":
            client.write("isprime 109\n")
            client.expect_error("unexpected confirmation")
        else:
            their_client_is_answered(stage, client, name)
    assert all(not program.has_ended for program in stage.programs[: 1 + len(workers)])


def our_client_is_answered_the_first_time(client: Program) -> None:
    client.write("isprime 97\ngcd 97 194\n")
    client.end_input()
    assert client.wait() == 0
    assert client.has_said("97 is prime")
    assert client.has_said("194 is 97")


def their_client_is_answered(stage: Stage, client: Program, name: str) -> None:
    prime = CLIENTS[name]
    if name == "client_impatient":
        client = its_first_confirmation_came_in_time(stage, client)
    client.type_until(f"isprime {prime}", f"{prime} is prime")
    client.type_until(f"gcd {prime} {2 * prime}", f"{2 * prime} is {prime}")


def its_first_confirmation_came_in_time(stage: Stage, client: Program) -> Program:
    """Start the client that gives up after 100 ms again, where this machine was too slow for it."""
    for _ in range(20):
        client.write("isprime 107\n")
        client.wait_until(
            lambda c=client: c.has_said("server: ") or c.has_ended,  # type: ignore[misc]
            "confirmation",
        )
        if client.has_said("server: "):
            return client
        client = stage.client("client_impatient")
    raise AssertionError(f"never confirmed within 100 ms\n{client.story()}")


@pytest.mark.parametrize("server", ["ours", "server_chat"])
def test_our_workers_may_start_before_the_server(stage: Stage, server: str) -> None:
    doors = Door(stage.ports.worker_inputs), Door(stage.ports.worker_outputs)
    stage.worker("primer")
    for door in doors:
        door.wait_for_knock()
    stage.worker("gcd").expect("offering gcd")
    stage.server(server)
    settle(stage.bus())


@pytest.mark.parametrize(
    ("server", "workers"),
    [
        ("ours", ("primer", "gcd")),
        ("ours", ("primer_simple", "gcd_and")),
        ("ours", ("primer_everything", "gcd")),
        ("server_simple", ("primer", "gcd")),
    ],
)
def test_workers_and_our_client_outlive_a_restart_of_the_server(
    stage: Stage, server: str, workers: tuple[str, str]
) -> None:
    first = stage.server(server)
    for worker in workers:
        stage.worker(worker)
    client = stage.client()
    bus = stage.bus()
    settle(bus)
    client.write("isprime 97\n")
    client.expect("97 is prime")
    stage.stop(first)
    stage.server(server)
    settle(bus)
    client.write("isprime 101\n")
    client.expect("101 is prime")
    client.end_input()
    assert client.wait() == 0


def test_the_exercise_outlives_the_gateway_of_its_sockets(stage: Stage) -> None:
    server = stage.server("ours")
    for worker in ("primer_simple", "gcd"):
        stage.worker(worker)
    client = stage.client()
    bus = stage.bus()
    settle(bus)
    client.write("isprime 97\n")
    client.expect("97 is prime")
    [gateway] = children(server.process.pid)
    os.kill(gateway, signal.SIGKILL)
    settle(bus)
    client.write("isprime 101\n")
    client.expect("101 is prime")
    assert children(server.process.pid) not in ([], [gateway])
    client.end_input()
    assert client.wait() == 0


def test_a_foreign_server_takes_the_place_of_ours_and_ours_again(stage: Stage) -> None:
    primer, gcd = stage.worker("primer"), stage.worker("gcd")
    bus = stage.bus()
    for server in ("ours", "server_simple", "ours", "server_chat", "ours"):
        running = stage.server(server)
        settle(bus)
        stage.stop(running)
    assert not primer.has_ended
    assert not gcd.has_ended


@pytest.mark.parametrize("whose", ["nobody's", "client_inputs", "worker_outputs"])
def test_a_typed_hint_leads_our_workers_of_a_foreign_server_nowhere(
    stage: Stage, whose: str
) -> None:
    stage.server("server_simple")
    primer = stage.worker("primer")
    stage.worker("gcd")
    client = stage.client()
    settle(stage.bus())
    port = free_ports()[0] if whose == "nobody's" else getattr(stage.ports, whose)
    client.write(f"linebus/1 {port}\n")
    # Typed again: a REP socket that someone says hello to has its server wait for a next request.
    client.type_until("isprime 97", "97 is prime")
    client.type_until("gcd 12 18", "gcd for 12 18 is 6")
    assert not primer.has_ended


def test_a_hint_to_a_true_server_of_ours_makes_no_worker_silent_for_long(stage: Stage) -> None:
    """The worker goes over to the other server; it comes back when that one has gone."""
    stage.server("server_simple")
    primer = stage.worker("primer")
    bus = stage.bus()
    bus.settle("isprime 4", "4 is not prime")
    elsewhere = Stage()
    try:
        elsewhere.our_server()
        bus.ask(f"linebus/1 {elsewhere.ports.client_inputs}")
        primer.expect("in session with")
        elsewhere.bus().settle("isprime 97", "97 is prime")
    finally:
        elsewhere.close()
    bus.settle("isprime 4", "4 is not prime")

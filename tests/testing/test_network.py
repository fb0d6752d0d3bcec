"""A link loses what was under way when it is cut, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus.testing.world import Mishaps, World

if TYPE_CHECKING:
    from linebus.testing.network import Link


@pytest.fixture
def world() -> World:
    world = World()
    world.guardian({"echo": str})
    world.pass_time(3)
    return world


def test_a_connection_has_a_route_of_its_own(world: World) -> None:
    first, second = world.client().link, world.client().link
    assert first.route != second.route
    before = first.route
    first.cut()
    first.connect()
    assert first.route not in (before, second.route)


def test_messages_wait_until_they_are_delivered(world: World) -> None:
    client = world.client()
    world.pump()
    client.ask("echo a")
    client.link.collect()
    assert len(client.link.to_server) == 1
    client.link.deliver_to_server()
    assert not client.link.to_server
    world.work()
    assert client.texts == ["a"]


def test_a_cut_loses_what_is_under_way(world: World) -> None:
    client = world.client()
    world.pump()
    client.ask("echo a")
    client.link.collect()
    client.link.cut()
    assert (client.link.route, len(client.link.to_server)) == (None, 0)
    world.work()
    assert client.texts == []
    client.link.connect()
    world.work()
    assert client.texts == ["a"]


def test_bytes_that_make_no_sense_end_the_session(world: World) -> None:
    client = world.client()
    world.pump()
    token = client.session._token
    client.link.to_server.append((token, b"\xff"))
    client.link.deliver_to_server()
    assert not world.broker._clients


class Cutting(Mishaps):
    """Cuts the connection under the next message that goes one way."""

    def __init__(self, *, to_server: bool) -> None:
        self.to_server: bool | None = to_server

    def on_the_way(self, link: Link, body: bytes, *, to_server: bool) -> None:
        if to_server == self.to_server:
            self.to_server = None
            link.world.interrupt(link)


@pytest.mark.parametrize("to_server", [True, False])
def test_a_message_is_lost_where_its_connection_breaks(world: World, *, to_server: bool) -> None:
    client = world.client()
    world.pump()
    world.mishaps = mishaps = Cutting(to_server=to_server)
    client.ask("echo a")
    world.work()
    assert (client.texts, mishaps.to_server) == ([], None)
    world.run_until(lambda: bool(client.replies), world.now + 1)
    assert client.texts == ["a"]

"""linebus.AsyncClient: the same answers, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.client.aio import AsyncClient
from linebus.core.admin import ServiceInfo
from linebus.errors import DeadlineExceeded, Failed, NobodyListens, UsageError
from tests.client.test_client import SOON_S, Silent
from tests.support import PATIENCE_S, FakeServer, Valued, free_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator


def run(coroutine: Coroutine[object, object, object]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(free_address()) as server:
        yield server


def test_a_line_gets_its_reply(server: FakeServer) -> None:
    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            reply = await bus.ask("echo hello")
            assert (reply.outcome, reply.text, reply.worker) == ("answered", "echo did hello", 7)
            assert (await bus.ask("")).outcome == "no_service"

    run(story())


def test_many_are_asked_at_once(server: FakeServer) -> None:
    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            replies = await asyncio.gather(*(bus.ask(f"echo {n}") for n in range(500)))
            assert [reply.text for reply in replies] == [f"echo did {n}" for n in range(500)]
            futures = [bus.submit(f"echo {n}") for n in range(10)]
            assert [(await future).text for future in futures] == [
                f"echo did {n}" for n in range(10)
            ]

    run(story())


async def turn() -> None:
    """Let the event loop do what else is to be done."""
    loop = asyncio.get_running_loop()
    came_round = loop.create_future()
    loop.call_soon(came_round.set_result, None)
    await came_round


async def lines_of(count: int, *, slowly: bool) -> AsyncIterator[str]:
    for n in range(count):
        if slowly:
            await turn()
        yield f"echo {n}"


@pytest.mark.parametrize("count", [0, 1, 5_000])
@pytest.mark.parametrize("kind", ["iterable", "async", "slow"])
def test_map_takes_iterables_and_async_ones(server: FakeServer, kind: str, count: int) -> None:
    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            if kind == "iterable":
                replies = bus.map(f"echo {n}" for n in range(count))
            else:
                replies = bus.map(lines_of(count, slowly=kind == "slow"))
            texts = [reply.text async for reply in replies]
            assert texts == [f"echo did {n}" for n in range(count)]

    run(story())


def test_map_reads_no_more_than_a_window_ahead(server: FakeServer) -> None:
    async def story() -> None:
        read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for read in range(3 * limits.WINDOW_LINES):
                yield f"echo {read}"

        async with AsyncClient(server.address) as bus:
            taken = 0
            async for _ in bus.map(lines()):
                taken += 1
                assert read <= taken + limits.WINDOW_LINES
            assert taken == 3 * limits.WINDOW_LINES

    run(story())


def test_a_reply_comes_while_the_next_line_is_still_waited_for(server: FakeServer) -> None:
    async def story() -> None:
        answered = asyncio.Event()

        async def one_after_the_other() -> AsyncIterator[str]:
            yield "echo 1"
            await answered.wait()
            yield "echo 2"

        async with AsyncClient(server.address) as bus:
            texts = []
            async for reply in bus.map(one_after_the_other()):
                texts.append(reply.text)
                answered.set()
            assert texts == ["echo did 1", "echo did 2"]

    run(story())


def test_an_error_of_the_source_reaches_whoever_takes_the_replies(server: FakeServer) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "echo 1"
        raise ValueError("the file is gone")

    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            with pytest.raises(ValueError, match="the file is gone"):
                [reply async for reply in bus.map(broken())]
            assert (await bus.ask("echo 2")).text == "echo did 2"

    run(story())


def test_a_lone_line_is_not_mapped_character_by_character(server: FakeServer) -> None:
    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            with pytest.raises(UsageError, match="ask takes one"):
                [reply async for reply in bus.map("echo 1")]

    run(story())


def test_map_may_be_left_early(server: FakeServer) -> None:
    async def story() -> None:
        async with AsyncClient(server.address) as bus:
            async for reply in bus.map(f"echo {n}" for n in range(1_000_000)):
                assert reply.text == "echo did 0"
                break
            assert (await bus.ask("echo last")).text == "echo did last"

    run(story())
    assert len(server.lines) < 100_000


def test_a_deadline_and_a_cancellation_give_the_reply_up() -> None:
    async def story(server: Silent) -> None:
        async with AsyncClient(server.address) as bus:
            with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
                await bus.ask("echo late", timeout_s=0.1)
            with pytest.raises(DeadlineExceeded):
                [reply async for reply in bus.map(["echo late"], timeout_s=0.1)]
            waiting = asyncio.ensure_future(bus.ask("echo never"))
            await turn()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            server.answers_now = True
            assert (await bus.ask("echo next")).text == "echo did next"

    with Silent(free_address()) as server:
        run(story(server))


def test_only_replies_that_are_owed_are_waited_for_with_a_limit() -> None:
    async def later(*lines: str) -> AsyncIterator[str]:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * SOON_S, event.set)
        await event.wait()
        for line in lines:
            yield line

    async def story(server: Silent) -> None:
        async with AsyncClient(server.address) as bus:
            assert [reply async for reply in bus.map(later(), timeout_s=SOON_S)] == []
            with pytest.raises(DeadlineExceeded):
                [reply async for reply in bus.map(later("echo late"), timeout_s=SOON_S)]
            server.wait_for(lambda: server.kept)

    with Silent(free_address()) as server:
        run(story(server))


def test_nobody_there_is_said_as_ever() -> None:
    async def story() -> None:
        async with AsyncClient(free_address(), connect_timeout_s=SOON_S) as bus:
            with pytest.raises(NobodyListens):
                await bus.ask("echo 1")
            with pytest.raises(NobodyListens):
                [reply async for reply in bus.map(["echo 1"])]

    run(story())


def test_a_closed_client_says_so(server: FakeServer) -> None:
    async def story() -> None:
        bus = AsyncClient(server.address)
        await bus.ask("echo 1")
        await bus.close()
        await bus.close()
        with pytest.raises(UsageError, match="closed"):
            await bus.ask("echo 2")

    run(story())


def test_values_and_services() -> None:
    async def story(server: Valued) -> None:
        async with AsyncClient(server.address) as bus:
            assert await bus.call("double", 4) == 8
            with pytest.raises(Failed, match="no"):
                await bus.call("double", "x")
            assert await bus.services() == [ServiceInfo("a"), ServiceInfo("b")]

    with Valued(free_address()) as server:
        run(story(server))

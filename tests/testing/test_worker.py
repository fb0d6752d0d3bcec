"""Workers end, stop and go on."""

from __future__ import annotations

import pytest

import linebus
from linebus import limits
from linebus.errors import UsageError
from linebus.testing import Bus


@linebus.service
def echo(word: str) -> str:
    return word


def test_a_worker_that_is_killed_leaves_its_lines_to_others() -> None:
    with Bus() as bus:
        first = bus.worker(echo)
        first.stop()
        future = bus.submit("echo a")
        bus.run()
        bus.worker(echo)
        first.kill()
        reply = future.result()
        assert (reply.text, reply.attempt) == ("a", 2)
        assert bus.clock.now == limits.RECONNECT_GRACE_S


def test_without_its_last_worker_a_service_has_none() -> None:
    with Bus() as bus:
        bus.worker(echo).kill()
        assert bus.ask("echo a").outcome == "no_worker"
        assert bus.clock.now >= limits.NO_WORKER_GRACE_S


def test_a_worker_that_is_stopped_is_given_up_after_a_while() -> None:
    with Bus() as bus:
        worker = bus.worker(echo)
        worker.stop()
        assert bus.ask("echo a").outcome == "no_worker"
        assert bus.clock.now == limits.SILENCE_LEAST_S + limits.NO_WORKER_GRACE_S


@pytest.mark.parametrize("stopped_s", [1, 100])
def test_a_worker_that_is_resumed_goes_on(stopped_s: int) -> None:
    with Bus() as bus:
        worker = bus.worker(echo, procs=2)
        worker.stop()
        bus.clock.advance(stopped_s)
        worker.resume()
        assert bus.ask("echo a").text == "a"
        [service] = bus.services()
        assert service.executors == 2


def test_what_has_ended_cannot_be_ended_again() -> None:
    with Bus() as bus:
        worker = bus.worker(echo)
        assert worker.is_alive
        worker.kill()
        assert not worker.is_alive
        for again in (worker.kill, worker.stop, worker.resume):
            with pytest.raises(UsageError, match="this worker has ended"):
                again()

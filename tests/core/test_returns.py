"""What executors give back: texts in the order that they may have, lines they have not begun."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from linebus import limits
from linebus.testing.peers import hand_back
from linebus.testing.world import World
from linebus.wire import messages as m
from tests.core.test_broker_bounds import Peer, key

if TYPE_CHECKING:
    from linebus.core.workers import Executor

AHEAD = 1_000
"""Credit for more lines than any of these tests has."""


class Stage:
    """A client, a guardian and executors, made of messages: what each was told, in order."""

    def __init__(self, *offers: m.Offer, executors: int = 1) -> None:
        self.world = World()
        self.world.pass_time(limits.START_GRACE_S + 1)
        self.heard: dict[bytes, list[m.Message]] = defaultdict(list)
        self.worker, self.client = Peer(self.world), Peer(self.world)
        self.keys = [key(number) for number in range(1, executors + 1)]
        hello = m.WorkerHello(
            1, b"w" * 16, "", list(offers or [m.Offer("echo", "", "")]), [], False
        )
        self.worker.hello(hello)
        self.executors = [Peer(self.world) for _ in self.keys]
        for executor, each in zip(self.executors, self.keys, strict=True):
            self.worker.say(m.Vouch(self.hash_of(executor)))
            executor.executor(each, credit=AHEAD)
        self.client.client()
        self.asked: dict[str, int] = defaultdict(int)

    @property
    def executor(self) -> Peer:
        return self.executors[0]

    def hash_of(self, executor: Peer) -> bytes:
        return sha256(self.keys[self.executors.index(executor)]).digest()

    def books_of(self, executor: Peer) -> Executor:
        """What the broker knows of an executor."""
        [worker] = self.world.broker._workers.values()
        found = worker.vouched[self.hash_of(executor)]
        assert found is not None
        return found

    @property
    def stream(self) -> bytes:
        return self.books_of(self.executor).stream

    def ask(self, count: int, service: str = "echo") -> None:
        """Ask so many lines at once; each says its number."""
        first = self.asked[service] + 1
        self.asked[service] += count
        lines = [str(number) for number in range(first, first + count)]
        self.client.say(m.Ask(service, first, lines))
        self.round()

    def round(self, *stalled: bytes) -> None:
        broker = self.world.broker
        broker.expire(self.world.now)
        broker.dispatch(self.world.now)
        for route, _, messages in broker.outgoing(stalled):
            self.heard[route] += messages

    def answer(self, first: int, *texts: str, executor: Peer | None = None) -> None:
        (executor or self.executor).say(m.Answers(first, list(texts), [], 0.0001, AHEAD))
        self.round()

    def hand_back(self, position: int, stream: bytes | None = None) -> None:
        named = self.stream if stream is None else stream
        self.worker.say(m.HandBack(self.hash_of(self.executor), named, position))
        self.round()

    def skip(self, first: int) -> None:
        self.executor.say(m.Skipped(first, AHEAD))
        self.round()

    def lose(self, position: int, **how: object) -> None:
        """Have the guardian tell that its first executor has died."""
        lost = m.Lost(self.hash_of(self.executor), position, "by a test", self.stream)
        for name, value in how.items():
            setattr(lost, name, value)
        self.worker.say(lost)
        self.round()

    def told(self, peer: Peer, kind: type[m.Message]) -> list[m.Message]:
        """Hand out the messages of a kind that this peer has heard since."""
        heard = self.heard[peer.route]
        found = [each for each in heard if isinstance(each, kind)]
        self.heard[peer.route] = [each for each in heard if not isinstance(each, kind)]
        return found

    def work(self, executor: Peer | None = None) -> list[tuple[int, list[str]]]:
        """Hand out what an executor has been sent since: numbers and lines."""
        sent = self.told(executor or self.executor, m.Work)
        return [(each.first, each.lines) for each in sent if isinstance(each, m.Work)]

    def outcomes(self) -> dict[int, str]:
        """How the client's lines have ended since, by number."""
        found: dict[int, str] = {}
        for each in self.told(self.client, m.Message):
            if isinstance(each, m.Ended):
                found |= dict.fromkeys(range(each.first, each.first + each.count), each.outcome)
            elif isinstance(each, m.Replies):
                found |= {
                    each.first + offset: f"failed: {text}" if offset in each.failed else text
                    for offset, text in enumerate(each.texts)
                }
        return found

    def refusals(self, peer: Peer) -> list[str]:
        said = self.told(peer, m.Refusal)
        return [each.text for each in said if isinstance(each, m.Refusal)]


def at_once(name: str = "echo", lines: int = 10) -> m.Offer:
    return m.Offer(name, "", "", at_once=lines)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def several() -> Stage:
    """An executor that works on ten lines at once."""
    return Stage(at_once())


# -- texts ---------------------------------------------------------------------------------------


def test_leases_are_answered_in_any_order(several: Stage) -> None:
    several.ask(3)
    assert several.work() == [(1, ["1"]), (2, ["2"]), (3, ["3"])]
    several.answer(3, "C")
    several.answer(1, "A")
    assert several.outcomes() == {1: "A", 3: "C"}
    several.answer(2, "B")
    assert several.outcomes() == {2: "B"}
    assert several.books_of(several.executor).in_flight == 0


def test_the_lines_of_one_lease_are_answered_in_order(stage: Stage) -> None:
    stage.ask(3)
    assert stage.work() == [(1, ["1", "2", "3"])]
    stage.answer(1, "A")
    stage.answer(2, "B", "C")
    assert stage.outcomes() == {1: "A", 2: "B", 3: "C"}


def test_a_text_before_whose_others_are_due_ends_the_session(stage: Stage) -> None:
    stage.ask(3)
    stage.answer(2, "B")
    assert stage.refusals(stage.executor) == ["texts for lines before whose text others are due"]
    assert stage.outcomes() == {}


def test_a_text_for_a_line_that_was_not_sent_ends_the_session(stage: Stage) -> None:
    stage.ask(2)
    stage.answer(1, "A", "B", "C")
    assert stage.refusals(stage.executor) == ["texts for lines that were not sent"]


def test_one_message_may_have_the_texts_of_several_leases(stage: Stage) -> None:
    stage.ask(2)
    stage.ask(2)
    assert stage.work() == [(1, ["1", "2"]), (3, ["3", "4"])]
    stage.executor.say(m.Answers(1, ["A", "B", "C", "D"], [3, 1], 0.0001, AHEAD))
    stage.round()
    assert stage.outcomes() == {1: "A", 2: "failed: B", 3: "C", 4: "failed: D"}


def test_texts_that_come_again_are_passed_over(several: Stage) -> None:
    several.ask(3)
    several.answer(2, "B")
    several.answer(2, "another")
    assert several.outcomes() == {2: "B"}
    several.answer(1, "A")
    several.answer(1, "another", "another", "C")  # one that is new among them counts
    assert several.outcomes() == {1: "A", 3: "C"}
    assert several.refusals(several.executor) == []


def test_texts_that_come_out_of_their_order_are_confirmed_by_their_numbers(
    several: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVED_BEYOND_LINES", 2)
    several.ask(5)
    several.answer(4, "D")
    assert several.told(several.executor, m.Received) == []
    several.answer(2, "B")
    assert several.told(several.executor, m.Received) == [m.Received(0, [(2, 2), (4, 4)])]
    several.answer(2, "B")  # the confirmation was lost with a connection: it is told again
    several.answer(4, "D")
    assert several.told(several.executor, m.Received) == [m.Received(0, [(2, 2), (4, 4)])]


def test_confirmations_are_as_short_as_messages_may_be(
    several: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVED_BEYOND_LINES", 3)
    monkeypatch.setattr(limits, "GAPS_MAX", 2)
    several.ask(9)
    for number in (3, 5, 7):
        several.answer(number, "X")
    told = several.told(several.executor, m.Received)
    assert told == [m.Received(0, [(3, 3), (5, 5)]), m.Received(0, [(7, 7)])]


def test_credit_never_shrinks_by_texts_that_overtake_each_other(several: Stage) -> None:
    several.ask(2)
    several.executor.say(m.Answers(2, ["B"], [], 0.1, AHEAD + 2))
    several.executor.say(m.Answers(1, ["A"], [], 0.1, AHEAD + 1))
    assert several.books_of(several.executor).credit == AHEAD + 2


# -- what is behind a long line ------------------------------------------------------------------


def test_what_is_behind_a_long_line_goes_to_another_executor() -> None:
    stage = Stage(executors=2)
    one, other = stage.executors
    stage.ask(2)
    assert (stage.work(one), stage.work(other)) == ([(1, ["1"])], [(1, ["2"])])
    stage.ask(4)
    sent = stage.work(one) + stage.work(other)
    assert sorted(line for _, lines in sent for line in lines) == ["3", "4", "5", "6"]
    behind = stage.books_of(one).in_flight - 1
    assert behind > 0
    stage.answer(1, "B", executor=other)
    stage.hand_back(1)
    given = [line for _, lines in stage.work(other) for line in lines]
    assert len(given) == behind
    assert stage.books_of(one).in_flight == 1
    assert stage.work(one) == []


def test_what_comes_back_goes_first_and_counts_as_never_dispatched(stage: Stage) -> None:
    stage.ask(3)
    stage.ask(3)
    assert stage.work() == [(1, ["1", "2", "3"]), (4, ["4", "5", "6"])]
    stage.ask(20)
    stage.work()
    stage.hand_back(2)
    stage.answer(1, "A", "B")
    stage.skip(3)
    again = [line for _, lines in stage.work() for line in lines]
    assert again[:6] == ["3", "4", "5", "6", "7", "8"]
    first = stage.books_of(stage.executor).leases[0]
    assert (first.run.attempt, first.run.strikes) == (1, 0)


def test_nothing_is_sent_to_an_executor_at_a_long_line_until_it_has_skipped(stage: Stage) -> None:
    stage.ask(3)
    stage.work()
    stage.hand_back(1)
    stage.ask(3)
    stage.answer(1, "A")
    assert stage.work() == []
    stage.skip(2)
    assert stage.told(stage.executor, m.TakenBack) == [m.TakenBack(3)]
    assert [first for first, _ in stage.work()][:1] == [4], "numbers are never used twice"


@pytest.mark.parametrize("position", [1, 2], ids=["the last line", "a line before others"])
def test_a_line_that_has_been_answered_meanwhile_holds_nothing_up(
    stage: Stage, position: int
) -> None:
    stage.ask(4)
    stage.work()
    stage.answer(1, *"AB"[:position])
    stage.hand_back(position)
    assert not stage.books_of(stage.executor).is_held_up
    assert stage.books_of(stage.executor).in_flight == 4 - position


def test_a_line_that_was_never_sent_holds_nothing_up(stage: Stage) -> None:
    stage.ask(2)
    stage.hand_back(3)
    assert not stage.books_of(stage.executor).is_held_up


def test_a_line_of_another_stream_holds_nothing_up(stage: Stage) -> None:
    stage.ask(2)
    stage.hand_back(1, stream=b"another one's")
    assert not stage.books_of(stage.executor).is_held_up
    assert stage.books_of(stage.executor).in_flight == 2


def test_a_line_that_ended_while_others_before_it_go_on_holds_nothing_up() -> None:
    stage = Stage(at_once("slow"), m.Offer("echo", "", ""))
    stage.ask(1, "slow")
    stage.ask(1)
    assert stage.work() == [(1, ["1"]), (2, ["1"])]
    stage.answer(2, "A")
    stage.skip(3)
    stage.ask(1)
    stage.hand_back(2)  # the guardian's words took another way, and come late
    assert not stage.books_of(stage.executor).is_held_up
    assert stage.books_of(stage.executor).in_flight == 2
    stage.answer(3, "B")
    assert stage.outcomes() == {1: "A", 2: "B"}


def test_a_guardian_cannot_hand_back_for_those_it_does_not_vouch_for(stage: Stage) -> None:
    stage.ask(2)
    stranger = Peer(stage.world)
    named = m.HandBack(stage.hash_of(stage.executor), stage.stream, 1)
    held = stage.books_of(stage.executor)
    stranger.worker("other")
    stranger.say(named)
    assert not held.is_held_up


# -- what an executor skips ----------------------------------------------------------------------


def test_what_is_skipped_is_taken_back_and_sent_with_new_numbers(stage: Stage) -> None:
    stage.ask(3)
    assert stage.work() == [(1, ["1", "2", "3"])]
    stage.answer(1, "A")
    stage.skip(2)
    assert stage.told(stage.executor, m.TakenBack) == [m.TakenBack(3)]
    [again] = stage.work()
    assert again == (4, ["2", "3"])
    stage.answer(4, "B", "C")
    assert stage.outcomes() == {1: "A", 2: "B", 3: "C"}


def test_an_executor_that_has_nothing_left_may_skip_nothing(stage: Stage) -> None:
    stage.ask(1)
    stage.answer(1, "A")
    stage.skip(2)
    assert stage.told(stage.executor, m.TakenBack) == [m.TakenBack(1)]


def test_what_is_skipped_again_is_answered_again(stage: Stage) -> None:
    stage.ask(2)
    stage.skip(1)
    stage.skip(1)  # the answer was lost with a connection, and so was what came behind it
    assert stage.told(stage.executor, m.TakenBack) == [m.TakenBack(2), m.TakenBack(4)]
    assert stage.work() == [(1, ["1", "2"]), (3, ["1", "2"]), (5, ["1", "2"])]
    stage.answer(5, "A", "B")
    assert stage.outcomes() == {1: "A", 2: "B"}


def test_whoever_skips_what_was_never_sent_is_broken_off(stage: Stage) -> None:
    stage.ask(2)
    stage.skip(4)
    assert stage.refusals(stage.executor) == ["skips lines that were not sent"]


def test_lines_nobody_waits_for_are_not_dispatched_again_when_they_come_back(stage: Stage) -> None:
    stage.ask(4)
    stage.work()
    stage.client.say(m.Cancel("echo", [(2, 3)]))
    stage.skip(1)
    assert stage.work() == [(5, ["1"]), (6, ["4"])]
    stage.answer(5, "A", "D")
    assert stage.outcomes() == {1: "A", 2: "cancelled", 3: "cancelled", 4: "D"}


def test_all_that_was_held_for_a_client_is_let_go_when_it_leaves(stage: Stage) -> None:
    stage.ask(4)
    stage.hand_back(2)
    stage.client.say(m.Goodbye())
    stage.skip(1)
    assert stage.world.broker.held_bytes == 0
    assert stage.books_of(stage.executor).leases == []


def test_what_comes_back_before_it_has_left_is_sent_once_only() -> None:
    stage = Stage(m.Offer("echo", "", ""), m.Offer("long", "", ""))
    stage.ask(1, "long")
    stage.work()
    stage.client.say(m.Ask("echo", 1, ["1"]))
    stage.round(stage.executor.route)  # it does not read: it is at its long line
    assert stage.books_of(stage.executor).in_flight == 2
    stage.worker.say(m.HandBack(stage.hash_of(stage.executor), stage.stream, 1))
    stage.client.say(m.Ask("echo", 2, ["2"]))
    stage.round()
    assert stage.work() == []
    stage.answer(1, "A")
    stage.skip(2)
    assert stage.told(stage.executor, m.TakenBack) == [m.TakenBack(2)]
    assert stage.work() == [(3, ["1", "2"])]


# -- what breaks a limit, and what an executor's end means ----------------------------------------


def test_a_line_that_breaks_a_limit_fails_once_and_its_neighbours_go_on_uncharged() -> None:
    stage = Stage(executors=2)
    one, other = stage.executors
    other.cut()
    stage.ask(3)
    assert stage.work(one) == [(1, ["1", "2", "3"])]
    stage.answer(1, "A")
    stage.lose(2, failed=True, ran_s=1.5)
    assert stage.outcomes() == {1: "A", 2: "failed: by a test"}
    other.executor(stage.keys[1], credit=AHEAD)
    stage.round()
    [run] = [lease.run for lease in stage.books_of(other).leases]
    assert (run.lines, run.strikes) == (["3"], 0)
    stage.answer(stage.books_of(other).sent, "C", executor=other)
    assert stage.outcomes() == {3: "C"}


@pytest.mark.parametrize("position", [0, 3], ids=["none", "one that was never sent"])
def test_where_it_was_at_no_line_none_fails(stage: Stage, position: int) -> None:
    stage.ask(2)
    stage.lose(position, failed=True)
    assert stage.outcomes() == {}
    [service] = [stage.world.broker._directory.get("echo")]
    assert service is not None
    assert service.waiting == 2


def test_a_line_of_another_stream_is_not_charged(stage: Stage) -> None:
    stage.ask(1)
    stage.lose(1, failed=True, stream=b"another one's")
    assert stage.outcomes() == {}


def test_a_line_that_breaks_a_limit_and_that_nobody_waits_for_fails_silently(stage: Stage) -> None:
    stage.ask(2)
    stage.client.say(m.Cancel("echo", [(1, 1)]))
    stage.lose(1, failed=True, ran_s=1.0)
    assert stage.outcomes() == {1: "cancelled"}


def test_who_was_at_several_lines_has_all_of_these_charged_and_no_others() -> None:
    stage = Stage(at_once("slow"), m.Offer("echo", "", ""))
    stage.ask(3, "slow")
    stage.ask(2)
    stage.lose(0, all_at_once=True)
    broker = stage.world.broker
    charged = {
        name: [run.strikes for books in service.queues() for run in books.queue]
        for name in ("slow", "echo")
        if (service := broker._directory.get(name)) is not None
    }
    assert charged == {"slow": [1, 1, 1], "echo": [0]}


def test_lines_that_were_at_hand_together_are_tried_one_by_one_afterwards(several: Stage) -> None:
    several.ask(3)
    several.work()
    several.lose(0, all_at_once=True)
    several.keys[0] = key(77)
    several.worker.say(m.Vouch(several.hash_of(several.executor)))
    several.executor.hello(m.ExecutorHello(2, b"x" * 16, key(77), b"", 0, 0, 0))
    several.skip(1)  # this gives it credit
    for number, line in enumerate("123", 1):
        several.round()
        assert several.work() == [(number, [line])]
        several.answer(number, "X")
    assert several.outcomes() == dict.fromkeys((1, 2, 3), "X")


# -- all of it, with the real sessions -----------------------------------------------------------


def test_a_long_line_lets_all_that_waits_behind_it_pass() -> None:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    guardian = world.guardian({"echo": str.upper}, procs=2)
    client = world.client()
    client.ask(*[f"echo {letter}" for letter in "abcdef"])
    world.pump()
    stuck, free, spare = guardian.executors
    assert stuck.begin()
    stuck.is_busy = True
    hand_back(stuck)
    world.work()
    assert stuck.position
    # All but one have their texts, though in order the first one's is due.
    assert len(client.session.take_arrivals()) == 0
    assert (free.session._ended, spare.session._ended) == (5, 0)
    stuck.is_busy = False
    world.work()
    assert client.texts == list("ABCDEF")
    assert world.broker.next_deadline() > world.now


@pytest.mark.parametrize("lost", ["skipped", "taken back"])
def test_a_cut_loses_nothing_of_what_was_skipped(lost: str) -> None:
    world = World()
    world.pass_time(limits.START_GRACE_S + 1)
    guardian = world.guardian({"echo": str.upper})
    client = world.client()
    client.ask(*[f"echo {letter}" for letter in "abcd"])
    world.pump()
    [executor] = guardian.executors
    assert executor.begin()
    hand_back(executor)
    world.pump()
    executor.finish()
    assert not executor.begin()  # it pauses
    executor.link.collect()
    if lost == "taken back":
        while executor.link.to_server:
            executor.link.deliver_to_server()
        world.broker_round()
    executor.link.cut()
    executor.link.connect()
    world.work()
    assert client.texts == list("ABCD")


def test_what_was_skipped_uses_up_no_credit(stage: Stage) -> None:
    stage.books_of(stage.executor).credit = 5
    stage.ask(5)
    stage.work()
    stage.executor.say(m.Skipped(1, 5))
    stage.round()
    assert stage.work() == [(6, ["1", "2", "3", "4", "5"])]

import pytest

from linebus import limits
from linebus.core.peer import PeerSession
from linebus.errors import Refused, SessionRefused
from linebus.testing.network import Link
from linebus.testing.world import World
from linebus.wire import messages as m
from linebus.wire import native


def echo(arguments: str) -> str:
    if arguments == "bad":
        raise Refused("bad is refused; usage: echo X")
    return f"echo {arguments}"


def upper(arguments: str) -> str:
    return arguments.upper()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def served(world: World) -> World:
    world.guardian({"echo": echo, "upper": upper})
    world.pass_time(limits.START_GRACE_S + 1)
    return world


# -- the plain way through ----------------------------------------------------------------------


def test_a_lone_request_is_answered_and_the_reply_says_by_whom(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.work()
    [reply] = client.replies
    assert (reply.outcome, reply.text, reply.attempt) == ("answered", "echo 1", 1)
    assert reply.worker > 0
    assert reply.queued_s == 0.0
    assert reply.ran_s == pytest.approx(0.001)


def test_replies_come_in_the_order_of_the_lines_across_services(served: World) -> None:
    client = served.client()
    client.ask("echo 1", "upper a", "echo 2", "nosuch 3", "upper b", "echo bad", "echo 3")
    served.work()
    assert client.texts[:3] == ["echo 1", "A", "echo 2"]
    assert client.texts[4:] == ["B", "bad is refused; usage: echo X", "echo 3"]
    assert client.outcomes == [
        *["answered"] * 3,
        "no_service",
        "answered",
        "failed",
        "answered",
    ]


def test_two_thousand_lines_are_answered_by_several_executors(served: World) -> None:
    served.guardian({"echo": echo}, procs=3)
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(2_000)])
    served.work()
    assert client.texts == [f"echo {n}" for n in range(2_000)]
    assert len({reply.worker for reply in client.replies}) == 4


def test_queued_s_is_the_time_between_receipt_and_dispatch(world: World) -> None:
    client = world.client()
    client.ask("echo 1")
    world.pump()
    world.pass_time(1.0)
    world.guardian({"echo": echo})
    world.work()
    assert client.replies[0].queued_s == pytest.approx(1.0)


def test_idle_executors_share_a_run_evenly(served: World) -> None:
    served.guardian({"echo": echo}, procs=1)
    served.pump()
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(8)])
    served.pump()
    assert sorted(sum(len(s.lines) for s in e.session._held) for e in served.executors) == [4, 4]


def test_clients_take_turns_a_slice_at_a_time(served: World) -> None:
    many, one = served.client(), served.client()
    many.ask(*[f"echo {n}" for n in range(5_000)])
    served.pump()
    one.ask("echo lone")
    served.pump()
    while not one.replies:
        executor = served.executors[0]
        assert executor.begin()
        executor.finish()
        served.pump()
    assert len(many.replies) < 100


def test_services_of_one_executor_take_turns(served: World) -> None:
    client, other = served.client(), served.client()
    client.ask(*[f"echo {n}" for n in range(5_000)])
    served.pump()
    other.ask("upper x")
    served.pump()
    while not other.replies:
        assert served.executors[0].begin()
        served.executors[0].finish()
        served.pump()
    assert len(client.replies) < 100


# -- names and absence --------------------------------------------------------------------------


def test_an_unknown_name_ends_at_once_with_the_nearest_known_one(served: World) -> None:
    client = served.client()
    client.ask("ehco 1")
    served.pump()
    assert client.outcomes == ["no_service"]
    assert "did you mean 'echo'?" in client.texts[0]


def test_a_fresh_broker_gives_everyone_the_grace(world: World) -> None:
    client = world.client()
    client.ask("echo 1", "never 2")
    world.pump()
    assert not client.replies
    world.pass_time(limits.START_GRACE_S / 2)
    world.guardian({"echo": echo})
    world.work()
    assert client.outcomes == ["answered"]
    world.pass_time(limits.START_GRACE_S)
    assert client.outcomes == ["answered", "no_service"]


def test_a_name_asked_for_in_the_grace_works_once_it_is_offered(world: World) -> None:
    client = world.client()
    client.ask("echo 1")
    world.pass_time(limits.START_GRACE_S + 1)
    assert client.outcomes == ["no_service"]
    client.ask("echo 2")
    world.pump()
    assert client.outcomes == ["no_service", "no_service"]
    world.guardian({"echo": echo})
    world.pump()
    client.ask("echo 3")
    world.work()
    assert client.outcomes == ["no_service", "no_service", "answered"]


def test_a_known_name_without_a_worker_waits_a_grace_and_then_says_so(served: World) -> None:
    client = served.client()
    served.kill_guardian(served.guardians[0])
    client.ask("echo 1")
    served.pass_time(limits.NO_WORKER_GRACE_S / 2)
    assert not client.replies
    served.pass_time(limits.NO_WORKER_GRACE_S)
    assert client.outcomes == ["no_worker"]
    assert "linebus work MODULE:OBJECT" in client.texts[0]


def test_a_worker_that_comes_within_the_grace_answers(served: World) -> None:
    client = served.client()
    served.kill_guardian(served.guardians[0])
    client.ask("echo 1")
    served.pass_time(limits.NO_WORKER_GRACE_S / 2)
    served.guardian({"echo": echo})
    served.work()
    assert client.outcomes == ["answered"]


def test_the_grace_counts_from_the_request_where_the_worker_left_long_ago(served: World) -> None:
    client = served.client()
    served.kill_guardian(served.guardians[0])
    served.pass_time(60)
    client.ask("echo 1")
    served.pass_time(limits.NO_WORKER_GRACE_S / 2)
    assert not client.replies
    served.pass_time(limits.NO_WORKER_GRACE_S)
    assert client.outcomes == ["no_worker"]


# -- connections that are cut, processes that die -----------------------------------------------


def test_a_reply_lost_with_the_connection_is_sent_again(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    served.executors[0].begin()
    client.link.cut()
    served.executors[0].finish()
    served.pump()
    assert not client.replies
    client.link.connect()
    served.pump()
    assert client.texts == ["echo 1"]


def test_a_line_lost_with_the_connection_is_asked_again(served: World) -> None:
    client = served.client()
    served.pump()
    client.ask("echo 1", "upper x")
    client.link.collect()
    client.link.cut()
    client.link.connect()
    served.work()
    assert client.texts == ["echo 1", "X"]


def test_a_number_that_was_seen_is_not_queued_again(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    served.work()
    again = m.Ask("echo", 1, ["1"])
    route = client.link.route
    assert route is not None
    served.broker.receive(route, client.session._token, [again, again], served.now)
    served.broker.dispatch(served.now)
    assert served.broker._directory._services["echo"].waiting == 0
    served.pump()
    assert not any(executor.session.next_service for executor in served.executors)


def test_unanswered_lines_survive_a_restart_of_the_broker(served: World) -> None:
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(100)])
    served.pump()
    for _ in range(10):
        served.executors[0].begin()
        served.executors[0].finish()
    served.pump()
    served.restart_broker()
    for link in served.links:
        link.connect()
    served.pass_time(0.1)
    served.work()
    assert client.texts == [f"echo {n}" for n in range(100)]


def test_an_executor_may_come_back_before_its_guardian(served: World) -> None:
    client = served.client()
    served.restart_broker()
    client.link.connect()
    served.executors[0].link.connect()
    client.ask("echo 1")
    served.pass_time(0.1)
    assert not client.replies
    served.guardians[0].link.connect()
    served.pass_time(0.1)
    served.work()
    assert client.texts == ["echo 1"]


def test_the_lines_of_a_dead_executor_go_to_another_one(served: World) -> None:
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(10)])
    served.pump()
    victim = served.executors[0]
    victim.begin()
    victim.finish()
    victim.begin()
    served.guardians[0].kill_executor(victim)
    served.work()
    assert client.texts == [f"echo {n}" for n in range(10)]
    assert {reply.attempt for reply in client.replies} <= {1, 2}
    assert client.replies[5].attempt == 2


def test_an_executor_that_comes_back_goes_on_where_it_was(served: World) -> None:
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(10)])
    served.pump()
    executor = served.executors[0]
    for _ in range(3):
        executor.begin()
        executor.finish()
    executor.link.cut()
    executor.begin()
    executor.finish()
    executor.link.connect()
    served.work()
    assert client.texts == [f"echo {n}" for n in range(10)]
    assert {reply.attempt for reply in client.replies} == {1}


def test_a_stream_whose_greeting_was_lost_is_not_taken_for_the_one_before(served: World) -> None:
    client = served.client()
    client.ask("echo 1", "echo 2")
    served.work()
    [executor], [guardian] = served.executors, served.guardians
    served.restart_broker()
    for link in (guardian.link, client.link):
        link.connect()
    client.ask("echo 3")
    served.pump()
    executor.link.connect()
    executor.link.collect()
    executor.link.deliver_to_server()
    served.broker_round()  # the greeting of a new stream, and its first line
    executor.link.cut()
    executor.link.connect()
    served.work()
    assert client.texts == ["echo 1", "echo 2", "echo 3"]


def test_an_executor_that_never_comes_back_loses_its_leases_without_a_strike(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STRIKES_MAX", 1)
    served.guardian({"echo": echo})
    client = served.client()
    client.ask("echo 1", "echo 2")
    served.pump()
    served.executors[0].link.cut()
    served.pass_time(limits.EXECUTOR_RETURN_S + 1)
    served.work()
    assert client.texts == ["echo 1", "echo 2"]


def test_late_answers_of_an_ended_session_never_count(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    late = served.executors[0]
    late.begin()
    late.link.cut()
    served.pass_time(limits.EXECUTOR_RETURN_S + 1)
    served.guardian({"echo": lambda _: "by another"})
    served.guardians[0].executors.clear()
    served.work()
    late.link.connect()
    late.link.collect()
    late.link.deliver_to_server()
    late.session.answer(1, ["late"], [], 0.001)
    served.pass_time(1)
    served.work()
    assert client.texts == ["by another"]


def test_while_the_server_itself_was_stopped_nobody_fell_silent(served: World) -> None:
    long = 100 * limits.SILENCE_LEAST_S
    cut = served.guardian({"other": lambda line: line})
    served.pump()
    cut.link.cut()
    served.now += long
    served.broker.stalled(long)
    served.broker.expire(served.now)
    assert len(served.broker._workers) == 2
    served.broker.expire(served.now + long)
    assert not served.broker._workers


def test_a_guardian_that_was_given_up_comes_back_with_its_idle_executors(served: World) -> None:
    stopped = served.guardians[0]
    served.stopped = {stopped.link, *[executor.link for executor in stopped.executors]}
    served.pass_time(2 * limits.SILENCE_LEAST_S)
    assert not served.broker._workers
    served.stopped.clear()
    served.pass_time(2)
    client = served.client()
    client.ask("echo 1")
    served.work()
    assert client.texts == ["echo 1"]


def test_a_client_gone_for_too_long_is_forgotten_with_its_lines(world: World) -> None:
    client = world.client()
    world.guardian({"echo": echo}, procs=0)
    client.ask(*[f"echo {n}" for n in range(100)])
    world.pump()
    client.link.cut()
    world.clients.clear()
    world.links.remove(client.link)
    world.pass_time(limits.CLIENT_ABSENCE_S_MAX + 1)
    assert not world.broker._clients
    assert world.broker.held_bytes == 0
    world.guardians[0].start_executor()
    world.work()
    assert world.broker.held_bytes == 0


def test_goodbye_ends_a_clients_session_at_once(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    client.link.to_server.extend(client.session.last_words())
    served.pump()
    assert not served.broker._clients
    served.work()
    assert served.broker.held_bytes == 0


# -- bounds -------------------------------------------------------------------------------------


def test_acknowledged_replies_are_forgotten(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACK_LINES", 50)
    client = served.client()
    for start in range(0, 1_000, 100):
        client.ask(*[f"echo {n}" for n in range(start, start + 100)])
        served.work()
    [held] = served.broker._clients.values()
    assert len(client.replies) == 1_000
    assert held.lines_held <= 100
    assert served.broker.held_bytes <= 100 * 100


def test_an_executor_keeps_texts_only_until_the_broker_has_them(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVED_LINES", 50)
    client = served.client()
    for start in range(0, 1_000, 100):
        client.ask(*[f"echo {n}" for n in range(start, start + 100)])
        served.work()
    kept = sum(len(answers.texts) for answers in served.executors[0].session._kept.values())
    assert kept <= 50 + 100


def test_beyond_the_budget_requests_end_as_overloaded(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 3_000)
    monkeypatch.setattr(limits, "HELD_SHARE_BYTES", 0)
    client = served.client()
    client.ask("echo 1")
    served.work()
    client.ask("echo " + "x" * 3_000)
    served.work()
    assert client.outcomes == ["answered", "overloaded"]


def test_heartbeats_that_a_peer_does_not_read_are_answered_once(served: World) -> None:
    client = served.client()
    served.pump()
    [session] = served.broker._clients.values()
    assert session.route is not None
    for _ in range(1_000):
        served.broker.receive(session.route, session.token, [m.Heartbeat(0.5)], served.now)
    assert session.take() == [m.Heartbeat(0.5)]
    assert client.session.is_greeted


def test_a_run_never_outgrows_a_message_whatever_travelled_beside_it(served: World) -> None:
    served.guardian({"big": echo}, procs=0)
    client = served.client()
    served.pump()
    [session] = served.broker._clients.values()
    assert session.route is not None
    beside: list[m.FromPeer] = [m.Heartbeat(0.5)] * 30
    for number in range(1, 41):
        ask = m.Ask("big", number, ["x" * 120_000])
        served.broker.receive(session.route, session.token, [ask, *beside], served.now)
    runs = session.books["big"].queue
    assert sum(run.count for run in runs) == 40
    longest = max(sum(map(len, run.lines)) for run in runs)
    assert longest <= limits.MESSAGE_BYTES_TARGET
    assert served.broker.held_bytes >= 40 * 120_000
    assert client.session.is_greeted


def test_a_client_beyond_its_window_is_broken_off(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CLIENT_LINES_MAX", 10)
    client = served.client()
    client.ask(*[f"echo {n}" for n in range(10)])
    served.work()
    assert len(client.replies) == 10
    client.ask(*[f"echo {n}" for n in range(11)])
    with pytest.raises(SessionRefused, match="not acknowledged"):
        served.pump()


def test_a_message_of_the_wrong_kind_ends_the_session_and_no_other(served: World) -> None:
    honest, wrong = served.client(), served.client()
    served.pump()
    body = native.encode([m.Answers(1, ["x"], [], 0.0, 5)])[0]
    wrong.link.to_server.append((wrong.session._token, body))
    with pytest.raises(SessionRefused, match="a client does not send Answers"):
        served.pump()
    honest.ask("echo 1")
    served.work()
    assert honest.texts == ["echo 1"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (m.Answers(1, ["a", "b"], [], 0.0, 5), "lines that were not sent"),
        (m.Answers(3, ["a"], [], 0.0, 5), "lines that were not sent"),
        (m.Answers(1, ["a"], [1], 0.0, 5), "beyond the texts"),
    ],
)
def test_an_executor_cannot_answer_what_it_was_not_sent(
    served: World, answers: m.Answers, reason: str
) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    link = served.executors[0].link
    link.to_server.append((link.session._token, native.encode([answers])[0]))
    with pytest.raises(SessionRefused, match=reason):
        served.pump()
    served.guardian({"echo": echo})
    served.work()
    assert client.texts == ["echo 1"]


def test_a_token_of_another_session_is_answered_with_hello_again(served: World) -> None:
    honest, thief = served.client(), served.client()
    served.pump()
    body = native.encode([m.Ask("echo", 1, ["stolen"])])[0]
    thief.link.to_server.append((honest.session._token, body))
    served.work()
    thief.ask("echo mine")
    honest.ask("echo yours")
    served.work()
    assert (thief.texts, honest.texts) == (["echo mine"], ["echo yours"])


class Stranger(PeerSession):
    """An executor that shows a key which nobody vouched for."""

    greeting_type = m.ExecutorGreeting

    def hello(self, nonce: int) -> m.Hello:
        return m.ExecutorHello(nonce, self.ident, b"k" * limits.KEY_BYTES, b"", 0, 0, 9)

    def greeted(self, greeting: object, now: float) -> None:
        raise AssertionError("it must not be greeted")

    def handle(self, message: m.FromServer, now: float) -> None:
        raise AssertionError("it must not be sent anything")

    def messages(self, now: float) -> list[m.Message]:
        return []


def test_an_executor_without_a_vouched_key_gets_no_work(world: World) -> None:
    Link(world, Stranger(b"s" * 16)).connect()
    client = world.client()
    client.ask("echo 1")
    world.pass_time(limits.START_GRACE_S + 1)
    assert client.outcomes == ["no_service"]


def test_a_second_hello_with_the_session_takes_it_over(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    heir = Link(served, client.session)
    served.links.remove(client.link)
    old_route = client.link.route
    heir.connect()
    served.work()
    assert client.texts == ["echo 1"]
    assert old_route is not None
    served.broker.disconnected(old_route, served.now)
    client.ask("echo 2")
    served.work()
    assert client.texts == ["echo 1", "echo 2"]


def test_heartbeats_are_answered_and_the_interval_grows_with_the_workers(served: World) -> None:
    for _ in range(60):
        served.guardian({"echo": echo}, procs=0)
    served.pass_time(20)
    assert len(served.broker._workers) == 61
    assert served.guardians[0].session._heartbeat_s == pytest.approx(61 / 5)


def test_a_route_that_stalls_keeps_its_news_until_later(served: World) -> None:
    client = served.client()
    client.ask("echo 1")
    served.pump()
    served.executors[0].begin()
    served.executors[0].finish()
    executor = served.executors[0].link
    executor.collect()
    executor.deliver_to_server()
    route = client.link.route
    assert route is not None
    assert route not in [to for to, _, _ in served.broker.outgoing({route})]
    assert route in [to for to, _, _ in served.broker.outgoing(())]


def test_an_executor_is_waited_for_longer_once_its_guardian_is_back(served: World) -> None:
    [guardian], [executor] = served.guardians, served.executors
    client = served.client()
    client.ask("echo 1")
    served.pump()
    assert executor.begin()
    guardian.link.cut()
    executor.link.cut()
    served.pass_time(limits.RECONNECT_GRACE_S / 2)
    guardian.link.connect()
    served.pass_time(limits.EXECUTOR_RETURN_S / 2)
    executor.finish()
    executor.link.connect()
    served.work()
    assert client.texts == ["echo 1"]
    assert client.replies[0].attempt == 1


def test_an_executor_that_is_waited_for_longer_is_given_up_in_the_end(served: World) -> None:
    [guardian], [executor] = served.guardians, served.executors
    client = served.client()
    client.ask("echo 1")
    served.pump()
    guardian.link.cut()
    executor.link.cut()
    served.pass_time(limits.RECONNECT_GRACE_S / 2)
    guardian.link.connect()
    served.pass_time(limits.EXECUTOR_RETURN_S)
    served.guardian({"echo": echo})
    served.work()
    assert client.texts == ["echo 1"]
    assert client.replies[0].attempt == 2


def test_the_lines_of_a_dead_worker_go_to_one_that_offers_more(served: World) -> None:
    other = served.guardian({"echo": echo, "more": echo})
    client = served.client()
    client.ask("echo 1")
    served.pump()
    served.kill_guardian(served.guardians[0])
    served.pass_time(limits.RECONNECT_GRACE_S + 0.1)
    assert other.executors[0].begin(), "it is idle, and nothing else makes the server look"
    served.work()
    assert client.texts == ["echo 1"]


def test_who_beats_slowly_beside_many_is_not_given_up_when_these_leave(served: World) -> None:
    crowd = [served.guardian({"echo": echo}, procs=0) for _ in range(60)]
    served.pass_time(30)
    token = served.guardians[0].session._token
    for each in crowd:
        each.link.cut()
    served.pass_time(30)
    assert len(served.broker._workers) == 1
    assert served.guardians[0].session._token == token, "it had no reason to come anew"
    assert served.guardians[0].session._heartbeat_s == limits.HEARTBEAT_S


def test_who_was_silent_beside_many_is_missed_soon_once_it_is_alone(served: World) -> None:
    crowd = [served.guardian({"echo": echo}, procs=0) for _ in range(60)]
    served.pass_time(30)
    for each in crowd:
        each.link.cut()
    served.pass_time(30)
    stopped = served.guardians[0]
    served.stopped = {stopped.link, *[executor.link for executor in stopped.executors]}
    served.pass_time(limits.SILENCE_LEAST_S + 1)
    assert not served.broker._workers


def test_who_beats_slowly_is_given_up_all_the_same_when_it_is_silent(served: World) -> None:
    crowd = [served.guardian({"echo": echo}, procs=0) for _ in range(60)]
    served.pass_time(30)
    stopped = served.guardians[0]
    served.stopped = {stopped.link, *[executor.link for executor in stopped.executors]}
    for each in crowd:
        each.link.cut()
    served.pass_time(40)
    assert not served.broker._workers

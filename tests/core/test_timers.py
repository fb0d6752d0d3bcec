from math import inf

from linebus import limits
from linebus.core.timers import Cause, Timers


def test_timers_go_off_soonest_first_and_once() -> None:
    timers = Timers()
    assert timers.next_at() == inf
    timers.set(3.0, Cause.NOT_BACK, "late")
    timers.set(1.0, Cause.WORKER_SILENT, "early")
    assert timers.next_at() == 1.0
    assert list(timers.due(0.9)) == []
    assert list(timers.due(3.0)) == [(Cause.WORKER_SILENT, "early"), (Cause.NOT_BACK, "late")]
    assert list(timers.due(9.0)) == []


def test_timers_of_one_moment_keep_their_order_and_need_no_order_of_what_they_concern() -> None:
    timers = Timers()
    first, second = object(), object()
    for about in (first, second):
        timers.set(1.0, Cause.NOT_BACK, about)
    assert [about for _, about in timers.due(1.0)] == [first, second]


def test_a_timer_set_while_others_go_off_can_be_due_at_once() -> None:
    timers = Timers()
    timers.set(1.0, Cause.START_GRACE_OVER)
    seen = []
    for cause, _ in timers.due(2.0):
        seen.append(cause)
        if len(seen) == 1:
            timers.set(1.5, Cause.PLAIN_HOLD_OVER)
    assert seen == [Cause.START_GRACE_OVER, Cause.PLAIN_HOLD_OVER]


def test_a_timer_that_is_set_again_counts_from_then_on() -> None:
    timers = Timers()
    timers.set(1.0, Cause.NOT_BACK, "session")
    timers.set(5.0, Cause.NOT_BACK, "session")
    timers.set(3.0, Cause.WORKER_SILENT, "session")
    assert timers.next_at() == 3.0
    assert list(timers.due(4.0)) == [(Cause.WORKER_SILENT, "session")]
    assert list(timers.due(9.0)) == [(Cause.NOT_BACK, "session")]
    assert timers.next_at() == inf


def test_what_has_ended_takes_its_timers_with_it() -> None:
    timers = Timers()
    timers.set(1.0, Cause.NOT_BACK, "gone")
    timers.set(2.0, Cause.NOT_BACK, "here")
    timers.forget(Cause.NOT_BACK, "gone")
    timers.forget(Cause.NOT_BACK, "never set")
    assert timers.next_at() == 2.0
    assert list(timers.due(9.0)) == [(Cause.NOT_BACK, "here")]


def test_whoever_comes_and_goes_fills_no_memory() -> None:
    timers = Timers()
    timers.set(7.0, Cause.START_GRACE_OVER)
    most = 0
    for n in range(20 * limits.TIMERS_VOID_MAX):
        timers.set(1000.0 + n, Cause.NOT_BACK, n)
        timers.forget(Cause.NOT_BACK, n)
        timers.set(2000.0 + n, Cause.WORKER_SILENT, "the same")
        most = max(most, len(timers))
    assert most <= 2 * 2 + limits.TIMERS_VOID_MAX + 1, "and the one that is set in between"
    assert [cause for cause, _ in timers.due(1e9)] == [Cause.START_GRACE_OVER, Cause.WORKER_SILENT]


def test_those_that_count_go_off_in_order_after_the_others_were_thrown_away() -> None:
    timers = Timers()
    moments = [float(n * 7_919 % 10_007) for n in range(3 * limits.TIMERS_VOID_MAX)]
    for n, at in enumerate(moments):
        timers.set(at, Cause.NOT_BACK, n)
        if n % 4:
            timers.forget(Cause.NOT_BACK, n)
    assert len(timers) < len(moments)
    gone_off = [moments[n] for _, n in timers.due(1e9) if isinstance(n, int)]
    assert gone_off == sorted(moments[::4])

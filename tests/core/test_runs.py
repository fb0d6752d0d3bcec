import pytest

from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.dispatch import Service
from linebus.core.runs import Lease, Run


def books() -> Books:
    return Books(Client(b"c" * 16, 1), Service("echo", 0.0))


def run(count: int, first: int = 1) -> Run:
    lines = [str(n) for n in range(first, first + count)]
    return Run(books(), first, lines, 10 * count, 0.0)


def next_run(first: int, lines: list[str], size: int, *, values: bool = False) -> Run:
    return Run(books(), first, lines, size, 0.0, values=values)


def test_cutting_keeps_lines_numbers_and_size_together() -> None:
    whole = run(10)
    front = whole.cut(3)
    assert (front.first, front.lines, front.size) == (1, ["1", "2", "3"], 30)
    assert (whole.first, whole.count, whole.lines[0], whole.size) == (4, 7, "4", 70)


def test_dropping_what_has_ended_returns_its_share_of_the_size() -> None:
    whole = run(10)
    assert whole.drop(4) == 40
    assert (whole.first, whole.lines, whole.size) == (5, ["5", "6", "7", "8", "9", "10"], 60)


def test_the_size_is_used_up_exactly_once() -> None:
    whole = run(7)
    whole.size = 100
    assert sum(whole.drop(1) for _ in range(7)) == 100
    assert whole.size == 0


def test_the_lines_that_follow_join_a_fresh_run() -> None:
    whole = run(2)
    assert whole.extend(next_run(3, ["3", "4"], 20))
    assert (whole.lines, whole.size) == (["1", "2", "3", "4"], 40)


def test_a_run_takes_in_only_what_follows_and_fits() -> None:
    assert not run(2).extend(next_run(4, ["4"], 10)), "a gap"
    full = run(limits.LINES_PER_MESSAGE_MAX)
    assert not full.extend(next_run(full.count + 1, ["x"], 10)), "too many lines"
    assert not run(2).extend(next_run(3, ["3"], limits.MESSAGE_BYTES_TARGET)), "too many bytes"
    dispatched = run(2)
    dispatched.attempt = 1
    assert not dispatched.extend(next_run(3, ["3"], 10)), "it was dispatched before"
    assert not run(2).extend(next_run(3, ["3"], 10, values=True)), "its values are wanted"


def test_what_is_cut_off_keeps_what_is_wanted() -> None:
    assert next_run(1, ["1", "2"], 20, values=True).cut(1).values


def test_a_lease_is_split_so_that_the_line_at_hand_is_alone_and_charged() -> None:
    lease = Lease(101, run(5), 0.0, 0.001)
    before, struck, after = lease.strike(103)
    assert [r.lines for r in (before, struck, after)] == [["1", "2"], ["3"], ["4", "5"]]
    assert [r.strikes for r in (before, struck, after)] == [0, 1, 0]


def test_a_lease_is_split_at_its_ends_without_empty_runs() -> None:
    assert [r.count for r in Lease(101, run(3), 0.0, 0.001).strike(101)] == [1, 2]
    assert [r.count for r in Lease(101, run(3), 0.0, 0.001).strike(103)] == [2, 1]
    assert [r.strikes for r in Lease(101, run(1), 0.0, 0.001).strike(101)] == [1]


def test_a_lease_beside_the_position_stays_whole_and_uncharged() -> None:
    for position in (0, 100, 104):
        [whole] = Lease(101, run(3), 0.0, 0.001).strike(position)
        assert (whole.count, whole.strikes) == (3, 0)


@pytest.mark.parametrize("bound", ["LINES_PER_MESSAGE_MAX", "MESSAGE_BYTES_TARGET"])
def test_a_run_grows_to_what_one_message_holds_and_no_further(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, bound, 5)
    whole = next_run(1, ["a", "b", "c"], 3)
    assert whole.extend(next_run(4, ["d", "e"], 2))
    assert not whole.extend(next_run(6, ["f"], 1))
    assert whole.lines == ["a", "b", "c", "d", "e"]

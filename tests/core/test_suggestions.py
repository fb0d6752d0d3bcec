import pytest

from linebus import limits
from linebus.core.suggestions import Suggestions


def test_the_nearest_known_name_is_found() -> None:
    assert Suggestions().nearest("isprme", lambda: ["gcd", "isprime"], 0.0) == "isprime"
    assert Suggestions().nearest("zzzzzz", lambda: ["gcd", "isprime"], 0.0) is None


def test_a_flood_of_names_costs_a_bounded_number_of_comparisons_a_second() -> None:
    suggestions, known = Suggestions(), ["isprime", "gcd"]
    found = [suggestions.nearest(f"isprim{n}", lambda: known, 5.0) for n in range(1_000)]
    per_name = 1 + len(known)
    assert sum(map(bool, found)) == -(-limits.COMPARISONS_PER_S_MAX // per_name)
    assert suggestions.nearest("isprim_", lambda: known, 6.1) == "isprime"


def test_thousands_of_known_names_are_not_all_compared() -> None:
    suggestions = Suggestions()
    known = ["isprime", *[f"n{n}" for n in range(limits.SERVICES_MAX)]]
    assert suggestions.nearest("isprme", lambda: known, 5.0) == "isprime"
    assert suggestions.nearest("isprm", lambda: known, 5.0) is None
    assert suggestions.nearest("isprm", lambda: known, 6.0) == "isprime"


def test_long_names_are_not_compared_since_that_takes_long() -> None:
    long = "isprime" + "_" * limits.COMPARED_CHARS_MAX
    assert Suggestions().nearest(long, lambda: ["isprime", long + "_"], 5.0) is None
    assert Suggestions().nearest("isprime_", lambda: [long, "isprime"], 5.0) == "isprime"
    longest = "n" * limits.COMPARED_CHARS_MAX
    assert Suggestions().nearest(longest + "n", lambda: [longest], 5.0) is None
    assert Suggestions().nearest(longest[:-1] + "m", lambda: [longest], 5.0) == longest


def test_what_was_found_is_remembered_until_the_names_change() -> None:
    suggestions = Suggestions()
    assert suggestions.nearest("ehco", lambda: ["echo"], 0.0) == "echo"
    assert suggestions.nearest("ehco", list, 0.0) == "echo"
    suggestions.forget()
    assert suggestions.nearest("ehco", list, 0.0) is None


def test_memory_is_bounded() -> None:
    suggestions = Suggestions()
    for n in range(5_000):
        suggestions.nearest(f"name{n}", lambda: ["echo"], float(n))
    assert len(suggestions._nearest) <= limits.SUGGESTIONS_CACHED_MAX


def test_names_that_would_take_too_many_comparisons_wait_for_the_next_second() -> None:
    suggestions = Suggestions()
    half = [f"n{n}" for n in range(limits.COMPARISONS_PER_S_MAX * 2 // 3)]
    known = [*half, "isprime"]
    assert suggestions.nearest("isprme", lambda: known, 5.0) == "isprime"
    assert suggestions.nearest("isprm", lambda: known, 5.0) is None
    assert suggestions.nearest("isprm", lambda: known, 6.0) == "isprime"


def test_only_so_many_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUGGESTIONS_CACHED_MAX", 1)
    suggestions = Suggestions()
    for name in ("isprme", "isprm"):
        assert suggestions.nearest(name, lambda: ["isprime"], 5.0) == "isprime"
    assert list(suggestions._nearest) == ["isprm"]

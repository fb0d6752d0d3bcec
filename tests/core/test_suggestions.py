from linebus import limits
from linebus.core.suggestions import Suggestions


def test_the_nearest_known_name_is_found() -> None:
    assert Suggestions().nearest("isprme", lambda: ["gcd", "isprime"], 0.0) == "isprime"
    assert Suggestions().nearest("zzzzzz", lambda: ["gcd", "isprime"], 0.0) is None


def test_a_flood_of_names_costs_a_bounded_number_of_comparisons_a_second() -> None:
    suggestions = Suggestions()
    found = [suggestions.nearest(f"isprim{n}", lambda: ["isprime"], 5.0) for n in range(1_000)]
    assert sum(name is not None for name in found) == limits.SUGGESTIONS_PER_S_MAX
    assert suggestions.nearest("isprim_", lambda: ["isprime"], 6.1) == "isprime"


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

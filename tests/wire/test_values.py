import json
from fractions import Fraction
from random import Random

import pytest
from flint import fmpz
from hypothesis import given
from hypothesis import strategies as st

from linebus.errors import ProtocolError, UsageError
from linebus.wire import values


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (12, "12"),
        (-7, "-7"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ("apple", "apple"),
        ("two words", "two words"),
        (fmpz(12), "12"),
    ],
)
def test_an_argument_is_what_a_person_would_type(value: object, word: str) -> None:
    assert values.argument(value) == word


@pytest.mark.parametrize("value", [None, b"x", [1], {}, Fraction(1, 2), "", " ", "a\nb", "a\rb"])
def test_what_has_no_form_on_a_line_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="cannot be an argument"):
        values.argument(value)


def test_an_argument_may_have_any_number_of_digits() -> None:
    assert values.argument(10**5_000) == "1" + 5_000 * "0"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.recursive(SCALARS, lambda some: st.lists(some) | st.dictionaries(st.text(), some)))
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert values.decode(values.encode(value)) == value


def test_a_value_is_json_that_other_languages_read() -> None:
    assert json.loads(values.encode({"a": (1, fmpz(2))})) == {"a": [1, 2]}
    assert values.encode(fmpz(6)) == "6"
    assert values.encode(True) == "true"
    assert values.encode("né") == '"né"'


def test_integers_of_any_length_go_both_ways() -> None:
    random = Random(7)
    for digits in (1, 4_299, 4_300, 4_301, 8_601, 50_000):
        number = random.randrange(10 ** (digits - 1), 10**digits)
        for signed in (number, -number, 10 ** (digits - 1)):
            text = values.digits_of(signed)
            assert fmpz(text) == signed
            assert values.decode(text) == signed


def test_integers_of_any_length_may_stand_inside_other_values() -> None:
    long = -(10**5_000) - 7
    value = {"a": [1, (long, None)], 'b"é': {"c": [True, 0.5, long]}, long: "text"}
    expected = {"a": [1, [long, None]], 'b"é': {"c": [True, 0.5, long]}}
    told = values.decode(values.encode(value))
    assert isinstance(told, dict)
    assert told.pop(values.digits_of(long)) == "text"
    assert told == expected
    assert values.decode(values.encode([fmpz(10**5_000)])) == [10**5_000]
    keys = {key: [10**5_000] for key in (None, True, 1.5, 7)}
    assert list(json.loads(values.encode(keys), parse_int=len)) == ["null", "true", "1.5", "7"]


def test_what_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        values.encode(value)


@pytest.mark.parametrize("value", [[10**5_000, float("nan")], [10**5_000, object()]])
def test_beside_long_integers_the_same_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="JSON"):
        values.encode(value)


@pytest.mark.parametrize("result", [object(), b"x", {1, 2}])
def test_what_json_has_no_form_for_is_refused(result: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        values.encode(result)


@pytest.mark.parametrize("result", [float("nan"), float("inf"), [float("inf")]])
def test_what_json_cannot_write_is_refused(result: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        values.encode(result)


@pytest.mark.parametrize("text", ["", "x", "97 is prime", "[" * 100_000, '{"a"'])
def test_what_is_no_value_is_the_peers_mistake(text: str) -> None:
    with pytest.raises(ProtocolError, match="not a JSON value"):
        values.decode(text)

"""The tree of errors is as it is drawn, and each has a code of its own."""

from __future__ import annotations

import re

import pytest

from linebus import errors
from linebus.errors import LinebusError

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, LinebusError)
]
# A line of the drawing: its depth, the name, the sentence, the code.
DRAWN = re.findall(
    r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+) {2,}(.+?) {2,}(\w+)$", errors.__doc__, re.MULTILINE
)


def test_the_drawing_has_every_error_but_the_root() -> None:
    drawn = {name for _, name, _, _ in DRAWN}
    assert drawn == {each.__name__ for each in ALL} - {"LinebusError"}, "the docstring of errors.py"


@pytest.mark.parametrize(("depth", "name", "sentence", "code"), DRAWN)
def test_the_drawing_shows_parent_and_code(depth: str, name: str, sentence: str, code: str) -> None:
    error = getattr(errors, name)
    assert error.code == code
    assert len(error.__mro__) - len(LinebusError.__mro__) == len(depth) // 4
    assert sentence


def test_codes_are_words_of_their_own() -> None:
    codes = [error.code for error in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


@pytest.mark.parametrize("error", ALL)
def test_an_error_is_its_sentence(error: type[LinebusError]) -> None:
    with pytest.raises(LinebusError) as caught:
        raise error("what could not be done")
    assert str(caught.value) == "what could not be done"
    assert caught.value.code == error.code
    assert error.__doc__


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.Refused, errors.UsageError),
        (errors.NobodyListens, errors.ConnectError),
        (errors.NotLinebus, errors.ConnectError),
        (errors.VersionMismatch, errors.ConnectError),
        (errors.SessionRefused, errors.ConnectError),
        (errors.AddressTaken, errors.SetupError),
        (errors.ServiceNotLoaded, errors.SetupError),
    ],
)
def test_an_error_can_be_caught_by_its_kind(
    error: type[LinebusError], kind: type[LinebusError]
) -> None:
    assert error.__base__ is kind

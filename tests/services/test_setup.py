"""What a service needs once in each process: made once, shared, and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from linebus.errors import UsageError
from linebus.services.declare import service
from linebus.services.setup import Prepared, prepared_by

if TYPE_CHECKING:
    from collections.abc import Iterator


class Story:
    """A set-up that tells what is done with it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def plain(self) -> str:
        self.told.append("made")
        return "the thing"

    def generator(self) -> Iterator[str]:
        self.told.append("made")
        yield "the thing"
        self.told.append("ended")


@pytest.fixture
def story() -> Story:
    return Story()


def test_it_is_made_once_and_only_when_it_is_begun(story: Story) -> None:
    prepared = Prepared(story.plain)
    assert story.told == []
    prepared.begin()
    prepared.begin()
    assert story.told == ["made"]


def test_what_follows_the_yield_is_done_at_the_end_and_once(story: Story) -> None:
    prepared = Prepared(story.generator)
    prepared.begin()
    assert story.told == ["made"]
    prepared.end()
    prepared.end()
    assert story.told == ["made", "ended"]


def test_what_was_never_begun_has_nothing_to_end(story: Story) -> None:
    Prepared(story.generator).end()
    assert story.told == []


def test_after_its_end_it_is_made_anew_where_it_is_needed(story: Story) -> None:
    prepared = Prepared(story.generator)
    for _ in range(2):
        prepared.begin()
        prepared.end()
    assert story.told == ["made", "ended"] * 2


def test_the_function_gets_it_first(story: Story) -> None:
    def use(thing: str, *rest: int) -> tuple[str, tuple[int, ...]]:
        """Do it."""
        return thing, rest

    with_it = Prepared(story.plain).first_for(use)
    assert with_it(1, 2) == ("the thing", (1, 2))
    assert with_it() == ("the thing", ())
    assert story.told == ["made"], "where nobody has begun, the first call does"
    assert with_it.__doc__ == "Do it."


def test_a_thing_that_is_false_or_none_is_made_once_all_the_same() -> None:
    for thing in (None, 0, ""):
        made: list[object] = []

        def make(thing: object = thing, made: list[object] = made) -> object:
            made.append(thing)
            return thing

        with_it = Prepared(make).first_for(lambda first: first)
        assert [with_it(), with_it()] == [thing, thing]
        assert made == [thing]


def test_what_a_setup_raises_passes_through_and_may_be_tried_again() -> None:
    answers = [OSError("not yet"), "there"]

    def make() -> object:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    prepared = Prepared(make)
    with pytest.raises(OSError, match="not yet"):
        prepared.begin()
    prepared.begin()
    assert prepared.first_for(str)() == "there"


def test_services_that_name_the_same_setup_share_what_it_makes(story: Story) -> None:
    make = story.generator

    @service(setup=make)
    def one(thing: str) -> str:
        return f"one with {thing}"

    @service(setup=make)
    def two(thing: str, times: int) -> str:
        return thing * times

    assert one.prepared is two.prepared
    assert one.answer("") == "one with the thing"
    assert two.answer("2") == "the thingthe thing"
    assert story.told == ["made"]


def test_other_setups_are_apart() -> None:
    assert prepared_by(Story().plain, "x") is not prepared_by(Story().plain, "x")


# -- what cannot be a setup ----------------------------------------------------------------------


def test_a_setup_is_called_without_arguments() -> None:
    def needs(what: str) -> str:
        return what

    with pytest.raises(UsageError) as caught:
        prepared_by(needs, "classify")  # type: ignore[arg-type]
    assert str(caught.value).startswith(
        "the setup of service 'classify' cannot be called without arguments: "
    )

    def has_default(what: str = "x") -> str:
        return what

    assert prepared_by(has_default, "classify").first_for(str)() == "x"


def test_a_setup_whose_signature_nobody_knows_may_be_called_all_the_same() -> None:
    assert prepared_by(dict, "classify").first_for(len)() == 0


def test_a_setup_is_not_async() -> None:
    async def later() -> str:
        return "never"

    async def pieces() -> object:
        yield "never"

    for wrong in (later, pieces):
        with pytest.raises(UsageError, match="is async; make it a plain function"):
            prepared_by(wrong, "classify")

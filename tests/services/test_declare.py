"""A declared service: what it is, and what it does not let you declare."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from linebus import limits
from linebus.errors import Refused, UsageError
from linebus.services.arguments import Integer, Rest
from linebus.services.declare import Bounds, Service, service
from tests.services.examples import (
    add,
    complaint,
    half,
    nothing,
    refusal,
    total,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


# ---- What a service is ---------------------------------------------------------------------


def test_it_is_still_the_function() -> None:
    assert add(2, b=3) == 5
    assert add.function(2, 3) == 5
    assert add.__name__ == "add"
    assert repr(add) == "<linebus service 'add': add A B>"


def test_bare_and_called_decorators_declare_alike() -> None:
    assert isinstance(total, Service)
    assert isinstance(add, Service)
    assert (add.pure, total.pure) == (True, False)


def test_doc_is_the_first_paragraph_on_one_line() -> None:
    assert add.doc == "Add two numbers, exactly."
    assert total.doc == ""


def test_name_and_usage_can_be_given() -> None:
    declared = service(name="math.half-of", usage="math.half-of NUMBER")(half.function)
    assert declared.name == "math.half-of"
    assert refusal(declared, "x") == "'x' is not a number; usage: math.half-of NUMBER"


def test_an_example_is_a_line_for_the_service() -> None:
    assert service(example="half 3")(half.function).example == "half 3"
    for wrong in ("double 3", "halfway 3", "half 3\n"):
        with pytest.raises(UsageError, match="the example of service 'half'"):
            service(example=wrong)(half.function)


# ---- What cannot be declared -----------------------------------------------------------------


def test_a_parameter_needs_a_type() -> None:
    def f(a, b: int) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return b

    text = complaint(f)
    assert text == "parameter 'a' of service 'f' has no type; annotate it, such as a: int"


def test_an_unsupported_type_is_named_with_the_cure() -> None:
    def f(a: list[int], b: int) -> int:
        return b

    text = complaint(f)
    assert text.startswith("parameter 'a' of service 'f' has type list")
    assert "Annotated[T, Argument(parse=...)]" in text


def test_keywords_have_no_place_in_a_line() -> None:
    def only(*, a: int) -> int:
        return a

    def options(**a: int) -> int:
        return len(a)

    assert "parameter 'a' of service 'only' goes by keyword" in complaint(only)
    assert "parameter 'a' of service 'options' goes by keyword" in complaint(options)


def test_the_rest_of_the_line_is_the_last_parameter() -> None:
    def early(a: Annotated[str, Rest], b: int) -> str:
        return a * b

    def several(*a: Annotated[str, Rest]) -> int:
        return len(a)

    assert "parameter 'a' of service 'early'" in complaint(early)
    assert "make it the last" in complaint(early)
    assert "choose one" in complaint(several)


def test_annotations_that_cannot_be_read_are_a_usage_error() -> None:
    def f(a: Missing) -> int:  # type: ignore[name-defined]  # noqa: F821
        return int(a)

    assert "'Missing'" in complaint(f)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{b}", "{b}"),
        ("{}", "{}"),
        ("{0}", "{0}"),
        ("{a.real}", "{a.real}"),
        ("{a[0]}", "{a[0]}"),
        ("{a!r}", "{a}"),
        ("{a:>5}", "{a}"),
        ("{a", "no template"),
        ("a}", "no template"),
    ],
)
def test_a_template_takes_plain_fields_only(template: str, named: str) -> None:
    def f(a: int) -> int:
        return a

    text = complaint(f, reply=template)
    assert "service 'f'" in text
    assert named in text


def test_a_parameter_called_result_would_be_ambiguous() -> None:
    def f(result: int) -> int:
        return result

    assert "rename it" in complaint(f, reply="{result}")


@pytest.mark.parametrize("name", ["", "9lives", "two words", "a\n", "é", "-x", "a" * 65, "a:b"])
def test_a_name_is_one_plain_word(name: str) -> None:
    assert "cannot be the name of a service" in complaint(nothing.function, name=name)


def test_a_name_of_64_characters_goes() -> None:
    assert service(name="a" * 64)(nothing.function).name == "a" * 64


def test_a_usage_is_one_line() -> None:
    assert "not one line" in complaint(nothing.function, usage="nothing\nat all")


def test_generators_are_no_services() -> None:
    def pieces() -> Iterator[int]:
        yield 1

    async def pieces_later() -> AsyncIterator[int]:
        yield 1

    assert "return one result" in complaint(pieces)
    assert "return one result" in complaint(pieces_later)


def test_int_is_not_asked_for_more_digits_than_it_reads() -> None:
    with pytest.raises(UsageError, match="at most 4300"):
        Integer(digits_max=4_301)


def test_the_servers_own_names_are_taken() -> None:
    assert "are the server's own" in complaint(half.function, name="linebus.half")


# ---- How much a line may take ----------------------------------------------------------------


async def wait(text: str) -> str:
    """Wait for something."""
    await asyncio.Event().wait() if text == "never" else None
    if text == "bad":
        raise Refused("not bad ones")
    return f"{text} came"


def test_where_nothing_is_said_there_are_no_bounds() -> None:
    assert half.bounds == Bounds(0.0, 0, 0, 0)


def test_bounds_are_kept_as_they_are_given() -> None:
    declared = service(time_limit_s=2, memory_limit=10**9, recycle_after=1)(half.function)
    assert declared.bounds == Bounds(2.0, 10**9, 1, 0)


def test_the_memory_of_an_async_function_is_nobodys() -> None:
    with pytest.raises(UsageError, match="nobody can say which of them uses the memory"):
        service(memory_limit=10**9)(wait)


def test_an_async_function_works_on_many_lines_unless_it_says_otherwise() -> None:
    assert service(wait).bounds.at_once == limits.AT_ONCE
    for lines in (1, 7, limits.AT_ONCE_MAX):
        assert service(at_once=lines)(wait).bounds.at_once == lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_limit_s": 0}, "time_limit_s=0 of service 'half' is not a number of seconds from"),
        ({"time_limit_s": -1.0}, "time_limit_s=-1.0"),
        ({"time_limit_s": 0.9 * limits.TIME_LIMIT_LEAST_S}, "time_limit_s="),
        ({"time_limit_s": math.inf}, "time_limit_s=inf"),
        ({"time_limit_s": math.nan}, "time_limit_s=nan"),
        ({"time_limit_s": "2 s"}, "time_limit_s='2 s'"),
        ({"memory_limit": 0}, "memory_limit=0 of service 'half' is no whole number"),
        ({"memory_limit": -5}, "memory_limit=-5"),
        ({"memory_limit": 1e9}, "memory_limit=1000000000.0"),
        ({"memory_limit": "1 GB"}, "memory_limit='1 GB'"),
        ({"recycle_after": 0}, "recycle_after=0 of service 'half' is no whole number"),
        ({"recycle_after": 2.5}, "recycle_after=2.5"),
        ({"at_once": 5}, "service 'half' has at_once but is not async"),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        service(**options)(half.function)
    assert said in str(caught.value)


@pytest.mark.parametrize("at_once", [0, -1, limits.AT_ONCE_MAX + 1, 2.5])
def test_an_async_function_works_on_a_sensible_number_of_lines(at_once: Any) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=f"at_once={at_once} of service 'wait' is no whole number"):
        service(at_once=at_once)(wait)


# ---- Async functions -------------------------------------------------------------------------


def test_an_async_function_is_a_service_like_others() -> None:
    declared = service(usage="wait WHAT", reply="{text}: {result}", example="wait x")(wait)
    assert declared.answer("tea") == "tea: tea came"
    assert declared.value("tea") == '"tea came"'
    assert declared.signature == "text: str -> str"
    assert declared.doc == "Wait for something."
    assert "usage: wait WHAT" in refusal(declared, "")
    assert refusal(declared, "bad") == "not bad ones"


def test_an_async_function_can_be_awaited_text_to_text() -> None:
    declared = service(wait)
    assert declared.answer_async is not None
    assert declared.value_async is not None
    assert asyncio.run(declared.answer_async("tea")) == "tea came"
    assert asyncio.run(declared.value_async("tea")) == '"tea came"'
    assert asyncio.run(declared("tea")) == "tea came"
    assert (half.answer_async, half.value_async) == (None, None)


def test_an_async_function_may_have_integers_of_both_kinds_and_defaults() -> None:
    @service
    async def add_up(first: int, *others: int) -> int:
        return first + sum(others)

    assert add_up.answer("1 2 3") == "6"
    assert add_up.answer(f"{10**30} 1") == str(10**30 + 1)
    assert "is not an integer" in refusal(add_up, "1 x")


def test_an_async_generator_is_no_service() -> None:
    async def pieces() -> AsyncIterator[int]:
        yield 1

    assert "is a generator; have it return one result" in complaint(pieces)


# ---- What is made once -----------------------------------------------------------------------


def test_the_first_parameter_is_what_the_setup_makes_and_no_line_has_it() -> None:
    @service(setup=lambda: [1, 2, 3], reply="{result} of {number}")
    def item(items: list[int], number: int) -> int:
        return items[number]

    assert item.usage == "item NUMBER"
    assert item.signature == "number: int -> int"
    assert item.answer("1") == "2 of 1"
    assert item.value("2") == "3"
    assert "usage: item NUMBER" in refusal(item, "1 2")
    assert item([7, 8, 9], 1) == 8, "it is still the function"


def test_an_async_function_has_its_setup_first_too() -> None:
    @service(setup=lambda: "tea")
    async def serve(what: object, whom: str) -> str:
        return f"{what} for {whom}"

    assert serve.answer("two") == "tea for two"


def test_a_function_without_a_parameter_has_no_place_for_a_setup() -> None:
    with pytest.raises(UsageError) as caught:
        service(setup=list)(nothing.function)
    assert str(caught.value) == (
        "service 'nothing' has a setup and no parameter for what that makes; give it one"
    )


def test_a_setup_that_cannot_be_called_is_refused_when_the_service_is_declared() -> None:
    def make(what: str) -> str:
        return what

    with pytest.raises(UsageError, match="the setup of service 'half' cannot be called without"):
        service(setup=make)(half.function)  # type: ignore[arg-type]

"""A declared service: what it is, and what it does not let you declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pytest

from linebus.errors import UsageError
from linebus.services.arguments import Integer, Rest
from linebus.services.declare import Service, service
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

"""A declared service: what it answers, what it refuses, what it does not let you declare."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linebus.errors import Refused, UsageError
from linebus.services.declare import Argument, Integer, Rest, Service, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@service(reply="{a} + {b} = {result}", pure=True)
def add(a: int, b: int) -> int:
    """Add two numbers,
    exactly.

    There is more to say.
    """  # noqa: D205 - a first paragraph of two lines is what is tested
    return a + b


@service(reply="{text}!")
def shout(text: str) -> str:
    return text


@service
def total(*numbers: int) -> int:
    return sum(numbers)


@service(reply="{numbers} from {first}: {result}")
def many(first: str, *numbers: int) -> int:
    return len(first) + sum(numbers)


@service
def say(times: int, text: Annotated[str, Rest]) -> str:
    return "|".join([text] * times)


@service
def echo(text: Annotated[str, Rest]) -> str:
    return text


@service
def power(base: int, exponent: int = 2, modulus: int = 1000) -> int:
    return pow(base, exponent, modulus)


@service
def half(x: float) -> float:
    return x / 2


@service
def negate(flag: bool) -> bool:
    return not flag


@service
def nothing() -> str:
    return "done"


def parse_nothing(word: str) -> str:
    if word == "a":
        message = "no a please"
        raise ValueError(message)
    message = "nothing else either"
    raise Refused(message)


@service
def picky(x: Annotated[str, Argument(parse_nothing)]) -> str:
    return x


def refusal(of: Service[..., Any], args: str) -> str:
    with pytest.raises(Refused) as caught:
        of.answer(args)
    return str(caught.value)


def complaint(
    function: Callable[..., object],
    *,
    reply: str | None = None,
    usage: str | None = None,
    name: str | None = None,
) -> str:
    with pytest.raises(UsageError) as caught:
        service(reply=reply, usage=usage, name=name)(function)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("declared", "usage"),
    [
        (add, "add A B"),
        (total, "total [NUMBERS...]"),
        (say, "say TIMES TEXT..."),
        (power, "power BASE [EXPONENT] [MODULUS]"),
        (nothing, "nothing"),
    ],
)
def test_usage_comes_from_the_signature(declared: Service[..., Any], usage: str) -> None:
    assert declared.usage == usage


def test_name_and_usage_can_be_given() -> None:
    declared = service(name="math.half-of", usage="math.half-of NUMBER")(half.function)
    assert declared.name == "math.half-of"
    assert refusal(declared, "x") == "'x' is not a number; usage: math.half-of NUMBER"


# ---- What it answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "args", "text"),
    [
        (add, "1 2", "1 + 2 = 3"),
        (add, "-1 2", "-1 + 2 = 1"),
        (add, "+5 007", "5 + 7 = 12"),
        (add, "-0 -00", "0 + 0 = 0"),
        (add, " 1 \t 2\t", "1 + 2 = 3"),
        (add, "1\t2", "1 + 2 = 3"),
        (shout, "hé", "hé!"),
        (shout, "\thi ", "hi!"),
        (shout, "a\u00a0b", "a\u00a0b!"),
        (total, "", "0"),
        (total, " ", "0"),
        (total, "1 2  3", "6"),
        (many, "x", " from x: 1"),
        (many, "x +1 02", "1 2 from x: 4"),
        (say, "2 a  b\tc ", "a  b\tc|a  b\tc"),
        (say, "1\t \ta", "a"),
        (echo, "  one  two ", "one  two"),
        (power, "7", "49"),
        (power, "7 3", "343"),
        (power, "7  3 10", "3"),
        (half, "3", "1.5"),
        (half, "-1e1", "-5.0"),
        (half, ".5", "0.25"),
        (negate, "true", "False"),
        (negate, "false", "True"),
        (nothing, "", "done"),
        (nothing, "  ", "done"),
    ],
)
def test_a_line_is_answered(declared: Service[..., Any], args: str, text: str) -> None:
    assert declared.answer(args) == text


def test_a_text_result_is_given_as_it_is() -> None:
    text = "as it is"
    declared = service(name="same")(lambda: text)
    assert declared.answer("") is text


@pytest.mark.parametrize(
    "template",
    [
        "{{{a}}} {result}",
        "'{a}' \"{result}\"",
        "\\n{a}\\{result}\n",
        "\\N{{DIGIT ONE}} {a}",
        "é%s{a}",
    ],
)
def test_a_template_means_what_str_format_means(template: str) -> None:
    def double(a: int) -> int:
        return 2 * a

    declared = service(reply=template)(double)
    assert declared.answer("21") == template.format(a=21, result=42)
    assert declared.answer("+21") == template.format(a=21, result=42)


def test_parameters_may_have_any_name() -> None:
    def odd(args: int, words: int, function: int, p0: int = 1) -> int:
        return args + words + function + p0

    declared = service(reply="{args} {words} {function} {p0} {result}")(odd)
    assert declared.answer("1 2 3") == "1 2 3 1 7"


def test_an_own_parser_makes_the_value() -> None:
    @service
    def numerator(x: Annotated[Fraction, Argument(Fraction, what="a fraction")]) -> int:
        return x.numerator

    assert numerator.answer("6/4") == "3"
    assert refusal(numerator, "6/x") == "'6/x' is not a fraction; usage: numerator X"


def test_an_own_parser_may_explain_itself() -> None:
    assert refusal(picky, "a") == "no a please; usage: picky X"
    assert refusal(picky, "b") == "nothing else either; usage: picky X"


@given(st.integers(), st.integers())
def test_any_two_integers_are_read_exactly(a: int, b: int) -> None:
    assert add.answer(f"{a} {b}") == f"{a} + {b} = {a + b}"


@given(st.text(alphabet="01+-_ \t\n.xe\u0663\uff13", max_size=8))
def test_short_lines_are_read_as_strictly_as_long_ones(args: str) -> None:
    """The fast way for short lines never answers otherwise than word by word."""
    words = args.replace("\t", " ").split(" ")
    words = [word for word in words if word]
    digits = [word.removeprefix("-" if word[0] == "-" else "+") for word in words]
    well = len(words) == 2 and all(each and set(each) <= set("0123456789") for each in digits)
    if well:
        assert add.answer(args).startswith(f"{int(words[0])} + {int(words[1])} = ")
    else:
        refusal(add, args)


# ---- What it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "args", "text"),
    [
        (add, "", "expected 2 arguments, got 0; usage: add A B"),
        (add, "1", "expected 2 arguments, got 1; usage: add A B"),
        (add, "1 2 3", "expected 2 arguments, got 3; usage: add A B"),
        (add, "1 1.5", "'1.5' is not an integer; usage: add A B"),
        (shout, "", "expected 1 argument, got 0; usage: shout TEXT"),
        (shout, "a\tb", "expected 1 argument, got 2; usage: shout TEXT"),
        (nothing, "x", "expected 0 arguments, got 1; usage: nothing"),
        (many, "", "expected at least 1 argument, got 0; usage: many FIRST [NUMBERS...]"),
        (many, "x 1 y", "'y' is not an integer; usage: many FIRST [NUMBERS...]"),
        (say, "3", "expected 2 arguments, got 1; usage: say TIMES TEXT..."),
        (echo, " ", "expected 1 argument, got 0; usage: echo TEXT..."),
        (power, "", "expected 1 to 3 arguments, got 0; usage: power BASE [EXPONENT] [MODULUS]"),
        (negate, "yes", "'yes' is not true or false; usage: negate FLAG"),
    ],
)
def test_a_wrong_line_gets_the_reason_and_the_usage(
    declared: Service[..., Any], args: str, text: str
) -> None:
    assert refusal(declared, args) == text


@pytest.mark.parametrize(
    "word",
    [
        "1.5",
        "0x10",
        "1_000",
        "\u0663",
        "\uff13",
        "1e3",
        "--1",
        "+",
        "-",
        "+-1",
        "1\n",
        "\n1",
        "1\u00a0",
        "x",
    ],
)
def test_only_ascii_digits_are_an_integer(word: str) -> None:
    assert refusal(add, f"{word} 1") == f"{word!r} is not an integer; usage: add A B"
    assert refusal(total, word).startswith(f"{word!r} is not an integer")


@pytest.mark.parametrize(
    "word", ["nan", "inf", "1_0", "1e999", "e5", ".", "\u0663", "1.5\n", "0x1p3"]
)
def test_only_finite_ascii_decimals_are_a_number(word: str) -> None:
    assert refusal(half, word) == f"{word!r} is not a number; usage: half X"


def test_a_plain_integer_has_at_most_4300_digits() -> None:
    assert total.answer("0" * 4299 + "7") == "7"
    shown = "'" + "1" * 39 + "…'"
    assert refusal(total, "1" * 4301) == (
        f"number too long: {shown} has 4301 digits, the most is 4300; usage: total [NUMBERS...]"
    )


def test_the_sign_is_no_digit() -> None:
    @service
    def same(n: Annotated[int, Integer(digits_max=3)]) -> int:
        return n

    assert [same.answer(each) for each in ("999", "-999", "+999", "007")] == [
        "999",
        "-999",
        "999",
        "7",
    ]
    assert "has 4 digits, the most is 3" in refusal(same, "1000")
    assert "has 4 digits, the most is 3" in refusal(same, "-0000")


def test_a_long_word_that_is_no_number_is_called_so_and_shortened() -> None:
    text = refusal(total, "x" * 1_000_000)
    assert text.startswith("'xxx")
    assert "…' is not an integer" in text
    assert len(text) < 120


def test_what_the_function_raises_passes_through_untouched() -> None:
    @service
    def broken(n: int) -> int:
        if n:
            raise Refused(str(n))
        return 1 // n

    with pytest.raises(ZeroDivisionError):
        broken.answer("0")
    with pytest.raises(Refused, match=r"\A1\Z"):
        broken.answer("1")
    with pytest.raises(Refused, match=r"\A1\Z"):
        broken.answer("+1")


def test_a_value_error_of_the_function_is_not_taken_for_a_wrong_line() -> None:
    @service
    def strict(n: int) -> int:
        raise ValueError(n)

    for args in ("1", "+1"):
        with pytest.raises(ValueError, match="1") as caught:
            strict.answer(args)
        assert not isinstance(caught.value, UsageError)


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


def test_async_functions_and_generators_are_no_services() -> None:
    async def later() -> int:
        return 1

    def pieces() -> Iterator[int]:
        yield 1

    assert "plain function" in complaint(later)
    assert "plain function" in complaint(pieces)


def test_int_is_not_asked_for_more_digits_than_it_reads() -> None:
    with pytest.raises(UsageError, match="at most 4300"):
        Integer(digits_max=4_301)

"""Declare a service: a typed function becomes text in, text out.

    @service(usage="gcd A B", reply="gcd for {a} {b} is {result}", pure=True)
    def gcd(a: int, b: int) -> int: ...

    gcd(12, 18)            6, it is still the function
    gcd.answer("12 18")    'gcd for 12 18 is 6'
    gcd.answer("1.5 2")    Refused: '1.5' is not an integer; usage: gcd A B
    gcd.value("12 18")     '6', the result as JSON

The types are the validation. A parameter is int, float, str (one word) or bool (true, false);
`Annotated[int, Integer(...)]` bounds the digits, `Annotated[str, Rest]` takes what is left of
the line, `Annotated[T, Argument(...)]` brings its own parser. Defaults and `*args: T` work.

`answer` and `value` are written as Python source for the one signature and executed once, as
`dataclasses` does: inspecting the signature at each call would cost a worker 30 % of its isprime/s.

What a person types wrong is refused here. What the function itself raises passes through.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import string
import sys
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from linebus.errors import Refused, UsageError
from linebus.wire import plain, values
from linebus.wire.messages import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")

SHOWN_MAX = 40
"""Characters of a wrong word that a refusal repeats."""
INT_DIGITS_MAX = 4_300
"""Digits of a plain int: what Python's own int() takes by default, about 0.1 ms of work."""
SHORT_MAX = sys.int_info.str_digits_check_threshold
"""Characters (640): below this no setting of the interpreter makes int() refuse."""

# ASCII on purpose: int() and float() also take underscores, blanks and the digits of any script.
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BLANKS = re.compile(r"[ \t]+")


class Rest:
    """Mark the last parameter as the rest of the line: `Annotated[str, Rest]`, never empty."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A parser of one's own for one word.

    `parse` raises Refused, whose text is shown as it is, or ValueError: "'x' is not WHAT", or
    the text of the ValueError where `what` is empty.
    """

    parse: Callable[[str], object]
    what: str = ""


@dataclass(frozen=True, slots=True)
class Integer:
    """An int of at most `digits_max` digits; a longer word is refused by its length alone.

    `make` makes the number from a word of more than SHORT_MAX digits (int is slow there).
    UsageError if int would have to read more than INT_DIGITS_MAX digits, which it refuses.
    """

    digits_max: int = INT_DIGITS_MAX
    make: Callable[[str], object] = int

    def __post_init__(self) -> None:
        if self.make is int and self.digits_max > INT_DIGITS_MAX:
            message = (
                f"Integer(digits_max={self.digits_max}) is more than int() reads;"
                f" give a make= that can, or at most {INT_DIGITS_MAX}"
            )
            raise UsageError(message)


class Service(Generic[P, R]):
    """A named kind of work: callable like its function; `answer` and `value` take and give text."""

    __name__: str
    name: str
    usage: str
    doc: str
    pure: bool
    function: Callable[P, R]
    signature: str
    """The types, for people: `a: int, b: int -> int`."""
    example: str
    """A line to try, empty where none was given."""
    answer: Callable[[str], str]
    """The arguments text of a line (may be empty) to the text of its reply; raises Refused."""
    value: Callable[[str], str]
    """The same arguments to the function's result as JSON text; raises Refused."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        usage: str | None = None,
        reply: str | None = None,
        pure: bool = False,
        name: str | None = None,
        example: str | None = None,
    ) -> None:
        """Compile both ways; UsageError says which parameter of which service is wrong."""
        self.function = function
        self.name = _checked_name(function, name)
        hints = _hints(function, self.name)
        parameters = _parameters(function, hints, self.name)
        self.usage = _checked_text(self.name, "usage", usage or _usage(self.name, parameters))
        self.signature = _signature(parameters, hints)
        self.example = _checked_example(self.name, example or "")
        self.doc = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        self.pure = pure
        sentence = functools.partial(_rendering, self.name, reply)
        self.answer = _compile(self.name, self.usage, parameters, sentence, function)
        self.value = _compile(self.name, self.usage, parameters, _as_value, function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as if it had not been decorated."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<linebus service {self.name!r}: {self.usage}>"


@overload
def service(function: Callable[P, R], /) -> Service[P, R]: ...
@overload
def service(
    *,
    usage: str | None = None,
    reply: str | None = None,
    pure: bool = False,
    name: str | None = None,
    example: str | None = None,
) -> Callable[[Callable[P, R]], Service[P, R]]: ...
def service(
    function: Callable[P, R] | None = None,
    /,
    *,
    usage: str | None = None,
    reply: str | None = None,
    pure: bool = False,
    name: str | None = None,
    example: str | None = None,
) -> Service[P, R] | Callable[[Callable[P, R]], Service[P, R]]:
    """Make a function a service; also bare, as `@service`.

    `reply` is a template of {parameter} and {result}; without one the reply is str(result).
    `pure` promises that the same arguments always give the same reply. `example` is a line that
    `linebus services` shows, such as `gcd 12 18`.
    Raises UsageError at once for whatever could not be served later.
    """

    def declare(function: Callable[P, R]) -> Service[P, R]:
        return Service(function, usage=usage, reply=reply, pure=pure, name=name, example=example)

    return declare if function is None else declare(function)


# ---- What a signature says ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    type: str
    convert: Callable[[str], object]
    short_max: int
    """Up to how many characters int() alone may read the word; 0 if it is no integer."""
    default: object
    variadic: bool
    rest: bool

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty and not self.variadic


def _checked_name(function: Callable[..., object], name: str | None) -> str:
    found = name if name is not None else getattr(function, "__name__", "")
    if plain.NAME.fullmatch(found) is None:
        message = (
            f"{found!r} cannot be the name of a service; give name= one of 1 to 64 letters,"
            " digits, '_', '.' and '-' that starts with a letter or '_'"
        )
        raise UsageError(message)
    if found.startswith(RESERVED):
        message = f"{found!r} cannot be the name of a service; {RESERVED}… are the server's own"
        raise UsageError(message)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        message = f"service {found!r} is async or a generator; make it a plain function"
        raise UsageError(message)
    return found


def _checked_text(name: str, what: str, text: str) -> str:
    if not text.isprintable():
        message = f"the {what} of service {name!r} is not one line of text: {text!r}"
        raise UsageError(message)
    return text


def _checked_example(name: str, example: str) -> str:
    if example and example.split(" ", 1)[0] != name:
        message = f"the example of service {name!r} is no line for it: {example!r}"
        raise UsageError(message)
    return _checked_text(name, "example", example)


def _usage(name: str, parameters: Iterable[_Parameter]) -> str:
    return " ".join([name, *map(_usage_word, parameters)])


def _usage_word(parameter: _Parameter) -> str:
    word = parameter.name.upper() + ("..." if parameter.variadic or parameter.rest else "")
    return word if parameter.required else f"[{word}]"


def _signature(parameters: Iterable[_Parameter], hints: dict[str, object]) -> str:
    words = (f"{'*' * each.variadic}{each.name}: {each.type}" for each in parameters)
    result = _type_name(hints["return"]) if "return" in hints else "value"
    return f"{', '.join(words)} -> {result}".lstrip()


def _type_name(annotation: object) -> str:
    """Return what people call a type; whatever counts as an integer is an int."""
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(dict.fromkeys(map(_type_name, get_args(annotation))))
    if not isinstance(annotation, type) or get_args(annotation):
        return str(annotation)
    return (
        "int" if hasattr(annotation, "__index__") and annotation is not bool else _plain(annotation)
    )


def _plain(annotation: type) -> str:
    return "None" if annotation is NoneType else annotation.__name__


def _hints(function: Callable[..., object], name: str) -> dict[str, object]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        message = (
            f"the annotations of service {name!r} cannot be read: {error};"
            " define or import what they name at the top of the module, not under TYPE_CHECKING"
        )
        raise UsageError(message) from error


def _parameters(
    function: Callable[..., object], hints: dict[str, object], name: str
) -> list[_Parameter]:
    found = list(inspect.signature(function).parameters.values())
    parameters = [_parameter(each, hints, name) for each in found]
    for each in parameters[:-1]:
        if each.rest:
            message = (
                f"parameter {each.name!r} of service {name!r} takes the rest of the line;"
                " make it the last"
            )
            raise UsageError(message)
    return parameters


def _parameter(found: inspect.Parameter, hints: dict[str, object], name: str) -> _Parameter:
    label = f"parameter {found.name!r} of service {name!r}"
    if found.kind in (found.KEYWORD_ONLY, found.VAR_KEYWORD):
        message = f"{label} goes by keyword, and a line has no keywords; make it positional"
        raise UsageError(message)
    if found.name not in hints:
        message = f"{label} has no type; annotate it, such as {found.name}: int"
        raise UsageError(message)
    convert, short_max, rest = _reader(hints[found.name], label)
    variadic = found.kind is found.VAR_POSITIONAL
    if rest and variadic:
        message = f"{label} is both *variadic and the rest of the line; choose one"
        raise UsageError(message)
    type_ = _type_name(hints[found.name])
    return _Parameter(found.name, type_, convert, short_max, found.default, variadic, rest)


def _reader(annotation: object, label: str) -> tuple[Callable[[str], object], int, bool]:
    """How to read a word of that type, up to which length int() alone may, is it the rest."""
    base, *markers = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    for marker in markers:
        if isinstance(marker, Argument):
            return functools.partial(_read_own, marker), 0, False
        if isinstance(marker, Integer):
            return functools.partial(_read_int, marker), min(SHORT_MAX, marker.digits_max), False
        if (marker is Rest or isinstance(marker, Rest)) and base is str:
            return str, 0, True
    if base is int:
        return functools.partial(_read_int, Integer()), SHORT_MAX, False
    if base in _READERS:
        return _READERS[base], 0, False
    shown = base.__name__ if isinstance(base, type) else str(base)
    message = (
        f"{label} has type {shown}, which a word cannot become; use int, float, str, bool,"
        " or Annotated[T, Argument(parse=...)] with a parser of your own"
    )
    raise UsageError(message)


# ---- From a word to a value: everything raises Refused without the usage -------------------


def shown(word: str) -> str:
    """Quote a word for a refusal: at most SHOWN_MAX characters, however long it is."""
    return repr(word if len(word) <= SHOWN_MAX else word[: SHOWN_MAX - 1] + "…")


def _refusal(word: str, what: str) -> Refused:
    return Refused(f"{shown(word)} is not {what}")


def _read_int(integer: Integer, word: str) -> object:
    digits = len(word) - word.startswith(("+", "-"))
    if digits > integer.digits_max:
        raise _overlong(word, digits, integer.digits_max)
    if _INTEGER.fullmatch(word) is None:
        raise _refusal(word, "an integer")
    return int(word) if digits <= SHORT_MAX else integer.make(word.removeprefix("+"))


def _overlong(word: str, digits: int, digits_max: int) -> Refused:
    # bytes.isdigit reads a million characters in 0.4 ms, the pattern and str.isdigit in 6.
    if not (word.isascii() and word[-digits:].encode().isdigit()):
        return _refusal(word, "an integer")
    return Refused(f"number too long: {shown(word)} has {digits} digits, the most is {digits_max}")


def _read_float(word: str) -> float:
    value = float(word) if _FLOAT.fullmatch(word) else math.inf
    if math.isinf(value):
        raise _refusal(word, "a number")
    return value


def _read_bool(word: str) -> bool:
    if word not in ("true", "false"):
        raise _refusal(word, "true or false")
    return word == "true"


def _read_own(argument: Argument, word: str) -> object:
    try:
        return argument.parse(word)
    except ValueError as error:
        text = f"{shown(word)} is not {argument.what}" if argument.what else str(error)
        raise Refused(text) from error


_READERS: dict[object, Callable[[str], object]] = {
    float: _read_float,
    str: str,
    bool: _read_bool,
}


# ---- From a signature to the source of `answer` ---------------------------------------------
#
# In the source p0, p1... are the values of the parameters, w0, w1... their words as typed;
# nothing is named after the parameters themselves, which so cannot hide anything.


def _compile(
    name: str,
    usage: str,
    parameters: list[_Parameter],
    render: Callable[[dict[str, str]], str],
    function: Callable[..., object],
) -> Callable[[str], str]:
    body = [*_short_way(parameters, render), *_long_way(parameters, render)]
    source = "\n    ".join(["def answer(args):", *body])
    names: dict[str, Any] = {
        "Refused": Refused,
        "blanks": _BLANKS,
        "encode": values.encode,
        "function": function,
        "miscount": functools.partial(_miscount, parameters, usage),
        "usage": usage,
    }
    for index, parameter in enumerate(parameters):
        names |= {f"read{index}": parameter.convert, f"default{index}": parameter.default}
    code = compile(source, f"<linebus service {name!r}>", "exec")
    exec(code, names)  # noqa: S102 - the source holds nothing from outside but quoted literals
    return cast("Callable[[str], str]", names["answer"])


def _short_way(parameters: list[_Parameter], render: Callable[[dict[str, str]], str]) -> list[str]:
    """Read short lines of plain integers (nearly all there are) without looking at each word.

    What int() made prints as what was typed only if that was ASCII digits with single blanks
    between, so one comparison checks the whole line, and the words serve for the reply.
    Measured: 0.34 µs for one 64-bit integer; isascii, isdigit, int, and printing take 0.45.
    """
    if not parameters or not all(each.short_max and each.required for each in parameters):
        return []
    indexes = range(len(parameters))
    split = ", ".join(f"w{i}" for i in indexes) + ' = args.split(" ")'
    typed = {each.name: f"w{i}" for i, each in enumerate(parameters)}
    return [
        f"if len(args) <= {min(each.short_max for each in parameters)}:",
        "    try:",
        f"        {split if len(parameters) > 1 else 'w0 = args'}",
        *(f"        p{i} = int(w{i})" for i in indexes),
        "    except ValueError:",
        "        pass",
        "    else:",
        f"        if f'{' '.join(f'{{p{i}}}' for i in indexes)}' == args:",
        f"            result = function({', '.join(f'p{i}' for i in indexes)})",
        f"            return {render(typed)}",
    ]


def _long_way(parameters: list[_Parameter], render: Callable[[dict[str, str]], str]) -> list[str]:
    """Split, count, read each word, call, render."""
    texts = {each.name: f"p{i}" for i, each in enumerate(parameters)}
    joins = []
    if parameters and parameters[-1].variadic:
        last = len(parameters) - 1
        texts[parameters[-1].name] = "joined"
        joins = [f'joined = " ".join(map(str, p{last}))']
    values = (f"{'*' * each.variadic}p{i}" for i, each in enumerate(parameters))
    readings = [f"    {_reading(i, each)}" for i, each in enumerate(parameters)]
    return [
        *_splitting(parameters),
        "try:",
        *(readings or ["    pass"]),
        "except Refused as error:",
        '    raise Refused(f"{error}; usage: {usage}") from error',
        f"result = function({', '.join(values)})",
        *joins,
        f"return {render(texts)}",
    ]


def _splitting(parameters: list[_Parameter]) -> list[str]:
    least = sum(each.required for each in parameters)
    most = math.inf if parameters and parameters[-1].variadic else len(parameters)
    check = f"len(words) < {least}" if most == math.inf else f"not {least} <= len(words) <= {most}"
    refuse = f"if {check}: raise miscount(len(words))"
    if parameters and parameters[-1].rest:
        cut = f"blanks.split(args, maxsplit={most - 1})" if most > 1 else "[args]"
        return ['args = args.strip(" \\t")', f"words = {cut} if args else []", refuse]
    return [
        'words = args.split(" ")',
        f'if {check} or "" in words or "\\t" in args:',
        # Not a pattern: that takes 12 ms to find no blank among a million digits, this 0.1.
        r'    args = args.strip(" \t").replace("\t", " ")',
        '    words = [word for word in args.split(" ") if word]',
        f"    {refuse}",
    ]


def _reading(index: int, parameter: _Parameter) -> str:
    if parameter.variadic:
        return f"p{index} = [read{index}(word) for word in words[{index}:]]"
    read = f"p{index} = read{index}(words[{index}])"
    return read if parameter.required else f"{read} if len(words) > {index} else default{index}"


def _miscount(parameters: list[_Parameter], usage: str, got: int) -> Refused:
    least = sum(each.required for each in parameters)
    most = len(parameters)
    expected = f"{least}" if least == most else f"{least} to {most}"
    if parameters and parameters[-1].variadic:
        most, expected = least, f"at least {least}"
    plural = "" if most == 1 else "s"
    return Refused(f"expected {expected} argument{plural}, got {got}; usage: {usage}")


def _as_value(_variables: dict[str, str]) -> str:
    return "encode(result)"


def _rendering(name: str, reply: str | None, variables: dict[str, str]) -> str:
    """Turn the template into the source of an f-string over those variables."""
    if reply is None:
        return "str(result)"
    if "result" in variables:
        message = f"parameter 'result' of service {name!r} hides {{result}}; rename it"
        raise UsageError(message)
    variables = {**variables, "result": "result"}
    inner = ""
    for literal, field, spec, conversion in _fields(name, reply):
        inner += literal.replace("{", "{{").replace("}", "}}")
        if field is None:
            continue
        if field not in variables or spec or conversion:
            allowed = " ".join(f"{{{each}}}" for each in variables)
            message = (
                f"the reply of service {name!r} has a field {{{field}}} that cannot be"
                f" filled in; use only, and plainly, {allowed}"
            )
            raise UsageError(message)
        inner += f"{{{variables[field]}!s}}"
    return "f" + repr(inner)


def _fields(name: str, reply: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(reply))
    except ValueError as error:
        message = f"the reply of service {name!r} is no template: {error}; write '{{{{' for a brace"
        raise UsageError(message) from error

"""What a function's signature says of a service: its parameters, its usage, its types in words."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Union, get_args, get_origin, get_type_hints

from linebus.errors import UsageError
from linebus.services.arguments import reader_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how a word becomes its value, and whether it may be missing."""

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
        """Whether a line without it is refused."""
        return self.default is inspect.Parameter.empty and not self.variadic


def usage_of(name: str, parameters: Iterable[Parameter]) -> str:
    """Return the usage that the names of the parameters make, such as `gcd A B`."""
    return " ".join([name, *map(_usage_word, parameters)])


def _usage_word(parameter: Parameter) -> str:
    word = parameter.name.upper() + ("..." if parameter.variadic or parameter.rest else "")
    return word if parameter.required else f"[{word}]"


def types_of(parameters: Iterable[Parameter], hints: dict[str, object]) -> str:
    """Return the types for people, such as `a: int, b: int -> int`."""
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
    if hasattr(annotation, "__index__") and annotation is not bool:
        return "int"
    return "None" if annotation is NoneType else annotation.__name__


def hints_of(function: Callable[..., object], name: str) -> dict[str, object]:
    """Return a function's annotations. Raises UsageError where they cannot be read."""
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        message = (
            f"the annotations of service {name!r} cannot be read: {error};"
            " define or import what they name at the top of the module, not under TYPE_CHECKING"
        )
        raise UsageError(message) from error


def parameters_of(
    function: Callable[..., object], hints: dict[str, object], name: str, *, given: bool = False
) -> list[Parameter]:
    """Return a function's parameters, but for the first where that is given otherwise.

    Raises UsageError for one that no line can fill.
    """
    found = list(inspect.signature(function).parameters.values())
    if given and not found:
        message = f"service {name!r} has a setup and no parameter for what that makes; give it one"
        raise UsageError(message)
    found = found[given:]
    parameters = [_parameter(each, hints, name) for each in found]
    for each in parameters[:-1]:
        if each.rest:
            message = (
                f"parameter {each.name!r} of service {name!r} takes the rest of the line;"
                " make it the last"
            )
            raise UsageError(message)
    return parameters


def _parameter(found: inspect.Parameter, hints: dict[str, object], name: str) -> Parameter:
    label = f"parameter {found.name!r} of service {name!r}"
    if found.kind in (found.KEYWORD_ONLY, found.VAR_KEYWORD):
        message = f"{label} goes by keyword, and a line has no keywords; make it positional"
        raise UsageError(message)
    if found.name not in hints:
        message = f"{label} has no type; annotate it, such as {found.name}: int"
        raise UsageError(message)
    convert, short_max, rest = reader_for(hints[found.name], label)
    variadic = found.kind is found.VAR_POSITIONAL
    if rest and variadic:
        message = f"{label} is both *variadic and the rest of the line; choose one"
        raise UsageError(message)
    type_ = _type_name(hints[found.name])
    return Parameter(found.name, type_, convert, short_max, found.default, variadic, rest)

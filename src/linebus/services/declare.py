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

What a person types wrong is refused here. What the function itself raises passes through.
"""

from __future__ import annotations

import functools
import inspect
from typing import (
    TYPE_CHECKING,
    Generic,
    ParamSpec,
    TypeVar,
    overload,
)

from linebus.errors import UsageError
from linebus.services.compiler import as_sentence, as_value, compile_service
from linebus.services.signature import hints_of, parameters_of, types_of, usage_of
from linebus.wire import plain
from linebus.wire.messages import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


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
        hints = hints_of(function, self.name)
        parameters = parameters_of(function, hints, self.name)
        self.usage = _checked_text(self.name, "usage", usage or usage_of(self.name, parameters))
        self.signature = types_of(parameters, hints)
        self.example = _checked_example(self.name, example or "")
        self.doc = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        self.pure = pure
        sentence = functools.partial(as_sentence, self.name, reply)
        self.answer = compile_service(self.name, self.usage, parameters, sentence, function)
        self.value = compile_service(self.name, self.usage, parameters, as_value, function)
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

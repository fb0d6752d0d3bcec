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

A service says how much one line may take (`time_limit_s`, `memory_limit`) and after how many lines
its process is replaced (`recycle_after`). An `async def` works on many lines at once. What is made
once in each process, such as a model that is loaded, is made by `setup`:

    @service(setup=load_model)
    def classify(model: Model, text: Annotated[str, Rest]) -> str: ...
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from linebus import limits
from linebus.errors import UsageError
from linebus.services.awaited import awaited
from linebus.services.compiler import as_sentence, as_value, compile_service
from linebus.services.setup import Prepared, prepared_by
from linebus.services.signature import hints_of, parameters_of, types_of, usage_of
from linebus.wire import plain
from linebus.wire.messages import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = ParamSpec("P")
R = TypeVar("R")


class Options(TypedDict, total=False):
    """What may be said of a service when it is declared.

    `usage` is shown to whoever gets the arguments wrong. `reply` is a template of {parameter} and
    {result}; without one the reply is str(result). `pure` promises that the same arguments always
    give the same reply. `example` is a line that `linebus services` shows, such as `gcd 12 18`.

    `setup` is called once in each process before it takes lines; what it returns is the function's
    first argument. A generator yields that, and what follows its yield is done when the process
    ends; services that name the same set-up share what it makes. A line that takes longer than
    `time_limit_s` seconds fails, as does one during which the process has more than `memory_limit`
    bytes; the process is replaced, and so it is after `recycle_after` lines. An async function
    works on `at_once` lines at a time (default: 100).
    """

    usage: str
    reply: str | None
    pure: bool
    name: str
    example: str
    setup: Callable[[], object]
    time_limit_s: float
    memory_limit: int
    recycle_after: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a line may take, and what its process may have done. 0: there is no such bound.

    `time_limit_s` is how long one line may take, `memory_limit` how many bytes the process may have
    meanwhile; what exceeds them fails and its process is replaced. `recycle_after` is after how
    many lines the process is replaced. `at_once` lines are worked on at a time, 0: one by one.
    """

    time_limit_s: float = 0.0
    memory_limit: int = 0
    recycle_after: int = 0
    at_once: int = 0


class Service(Generic[P, R]):
    """A named kind of work: callable like its function; `answer` and `value` take and give text."""

    __name__: str
    name: str
    usage: str
    doc: str
    pure: bool
    function: Callable[P, R]
    bounds: Bounds
    prepared: Prepared | None
    """What `setup` makes in each process that works on it; None where there is no such thing."""
    signature: str
    """The types, for people: `a: int, b: int -> int`."""
    example: str
    """A line to try, empty where none was given."""
    answer: Callable[[str], str]
    """The arguments text of a line (may be empty) to the text of its reply; raises Refused."""
    value: Callable[[str], str]
    """The same arguments to the function's result as JSON text; raises Refused."""
    answer_async: Callable[[str], Coroutine[Any, Any, str]] | None
    """What `answer` waits for where the function is async, else None."""
    value_async: Callable[[str], Coroutine[Any, Any, str]] | None
    """What `value` waits for where the function is async, else None."""

    def __init__(self, function: Callable[P, R], **options: Unpack[Options]) -> None:
        """Compile both ways; UsageError says which parameter of which service is wrong."""
        self.function = function
        self.name = _checked_name(function, options.get("name"))
        setup = options.get("setup")
        self.prepared = None if setup is None else prepared_by(setup, self.name)
        is_async = inspect.iscoroutinefunction(function)
        self.bounds = _checked_bounds(self.name, options, is_async=is_async)
        hints = hints_of(function, self.name)
        parameters = parameters_of(function, hints, self.name, given=setup is not None)
        usage = options.get("usage") or usage_of(self.name, parameters)
        self.usage = _checked_text(self.name, "usage", usage)
        self.signature = types_of(parameters, hints)
        self.example = _checked_example(self.name, options.get("example", ""))
        self.doc = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
        self.pure = options.get("pure", False)
        called = function if self.prepared is None else self.prepared.first_for(function)
        sentence = functools.partial(as_sentence, self.name, options.get("reply"))
        answer, value = (
            compile_service(self.name, self.usage, parameters, way, called, is_async=is_async)
            for way in (sentence, as_value)
        )
        self.answer_async, self.value_async = (answer, value) if is_async else (None, None)
        self.answer, self.value = map(awaited, (answer, value)) if is_async else (answer, value)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as if it had not been decorated."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<linebus service {self.name!r}: {self.usage}>"


@overload
def service(function: Callable[P, R], /) -> Service[P, R]: ...
@overload
def service(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Service[P, R]]: ...
def service(
    function: Callable[P, R] | None = None, /, **options: Unpack[Options]
) -> Service[P, R] | Callable[[Callable[P, R]], Service[P, R]]:
    """Make a function a service; also bare, as `@service`. `Options` tells what may be said of it.

    Raises UsageError at once for whatever could not be served later.
    """

    def declare(function: Callable[P, R]) -> Service[P, R]:
        return Service(function, **options)

    return declare if function is None else declare(function)


def checked_name(found: str) -> str:
    """Return a name that a service may have. Raises UsageError."""
    if plain.NAME.fullmatch(found) is None:
        message = (
            f"{found!r} cannot be the name of a service; give name= one of 1 to 64 letters,"
            " digits, '_', '.' and '-' that starts with a letter or '_'"
        )
        raise UsageError(message)
    if found.startswith(RESERVED):
        message = f"{found!r} cannot be the name of a service; {RESERVED}… are the server's own"
        raise UsageError(message)
    return found


def _checked_name(function: Callable[..., object], name: str | None) -> str:
    found = checked_name(name if name is not None else getattr(function, "__name__", ""))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        message = f"service {found!r} is a generator; have it return one result"
        raise UsageError(message)
    return found


def _checked_bounds(name: str, options: Options, *, is_async: bool) -> Bounds:
    time_limit_s, at_once = options.get("time_limit_s"), options.get("at_once")
    least_s = limits.TIME_LIMIT_LEAST_S
    if time_limit_s is not None and not (
        isinstance(time_limit_s, int | float) and least_s <= time_limit_s <= limits.WAIT_S_MAX
    ):
        raise UsageError(
            f"time_limit_s={time_limit_s!r} of service {name!r} is not a number of seconds from"
            f" {least_s} to {limits.WAIT_S_MAX:.0f}"
        )
    memory_limit, recycle_after = options.get("memory_limit"), options.get("recycle_after")
    for what, count in (("memory_limit", memory_limit), ("recycle_after", recycle_after)):
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise UsageError(f"{what}={count!r} of service {name!r} is no whole number from 1 on")
    if memory_limit is not None and is_async:
        message = (
            f"service {name!r} has a memory_limit and is async: its process works on many lines,"
            " and nobody can say which of them uses the memory; leave it out"
        )
        raise UsageError(message)
    if at_once is not None and not is_async:
        message = f"service {name!r} has at_once but is not async; write async def, or leave it out"
        raise UsageError(message)
    if at_once is not None and not (
        isinstance(at_once, int) and 1 <= at_once <= limits.AT_ONCE_MAX
    ):
        raise UsageError(
            f"at_once={at_once!r} of service {name!r} is no whole number from 1 to"
            f" {limits.AT_ONCE_MAX}"
        )
    lines = (at_once or limits.AT_ONCE) if is_async else 0
    return Bounds(time_limit_s or 0.0, memory_limit or 0, recycle_after or 0, lines)


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

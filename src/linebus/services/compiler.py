"""A service's `answer` and `value`, written as Python source for its one signature.

The source is executed once, as `dataclasses` does: inspecting the signature at each call would
cost a worker 30 % of its isprime/s. In it p0, p1... are the values of the parameters, w0, w1...
their words as typed; nothing is named after the parameters themselves, which so cannot hide
anything.
"""

from __future__ import annotations

import functools
import math
import re
import string
from typing import TYPE_CHECKING, Any, cast

from linebus.errors import Refused, UsageError
from linebus.wire import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from linebus.services.signature import Parameter

_BLANKS = re.compile(r"[ \t]+")


def compile_service(
    name: str,
    usage: str,
    parameters: list[Parameter],
    render: Callable[[dict[str, str]], str],
    function: Callable[..., object],
    *,
    is_async: bool = False,
) -> Callable[[str], Any]:
    """Return the function from the text of a line's arguments to the text of its reply.

    `render` gives the source of the reply, for the sources of the parameters' texts by name. Where
    `function` is async, so is what is returned.
    """
    call = "await function" if is_async else "function"
    body = [*_short_way(parameters, render, call), *_long_way(parameters, render, call)]
    source = "\n    ".join([f"{'async ' * is_async}def answer(args):", *body])
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
    return cast("Callable[[str], Any]", names["answer"])


def _short_way(
    parameters: list[Parameter], render: Callable[[dict[str, str]], str], call: str
) -> list[str]:
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
        f"            result = {call}({', '.join(f'p{i}' for i in indexes)})",
        f"            return {render(typed)}",
    ]


def _long_way(
    parameters: list[Parameter], render: Callable[[dict[str, str]], str], call: str
) -> list[str]:
    """Split, count, read each word, call, render."""
    texts = {each.name: f"p{i}" for i, each in enumerate(parameters)}
    joins = []
    if parameters and parameters[-1].variadic:
        last = len(parameters) - 1
        texts[parameters[-1].name] = "joined"
        joins = [f'joined = " ".join(map(str, p{last}))']
    given = (f"{'*' * each.variadic}p{i}" for i, each in enumerate(parameters))
    readings = [f"    {_reading(i, each)}" for i, each in enumerate(parameters)]
    return [
        *_splitting(parameters),
        "try:",
        *(readings or ["    pass"]),
        "except Refused as error:",
        '    raise Refused(f"{error}; usage: {usage}") from error',
        f"result = {call}({', '.join(given)})",
        *joins,
        f"return {render(texts)}",
    ]


def _splitting(parameters: list[Parameter]) -> list[str]:
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


def _reading(index: int, parameter: Parameter) -> str:
    if parameter.variadic:
        return f"p{index} = [read{index}(word) for word in words[{index}:]]"
    read = f"p{index} = read{index}(words[{index}])"
    return read if parameter.required else f"{read} if len(words) > {index} else default{index}"


def _miscount(parameters: list[Parameter], usage: str, got: int) -> Refused:
    least = sum(each.required for each in parameters)
    most = len(parameters)
    expected = f"{least}" if least == most else f"{least} to {most}"
    if parameters and parameters[-1].variadic:
        most, expected = least, f"at least {least}"
    plural = "" if most == 1 else "s"
    return Refused(f"expected {expected} argument{plural}, got {got}; usage: {usage}")


def as_value(_variables: dict[str, str]) -> str:
    """Return the source of a result as JSON."""
    return "encode(result)"


def as_sentence(name: str, reply: str | None, variables: dict[str, str]) -> str:
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

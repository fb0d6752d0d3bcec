"""Find services by name: the built-in ones, and one's own as module:object.

A built-in module is imported only when one of its services is loaded, so a server or a client
that lists the names pays nothing for the libraries behind them.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import os
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from linebus.errors import ServiceNotLoaded
from linebus.services.declare import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AnyService = Service[..., Any]

_BUILT_IN = {
    "divisors": "linebus.services.factoring:divisors",
    "egcd": "linebus.services.divisibility:egcd",
    "factor": "linebus.services.factoring:factor",
    "fibonacci": "linebus.services.modular:fibonacci",
    "gcd": "linebus.services.divisibility:gcd",
    "isprime": "linebus.services.primes:isprime",
    "jacobi": "linebus.services.modular:jacobi",
    "lcm": "linebus.services.divisibility:lcm",
    "modinv": "linebus.services.modular:modinv",
    "nextprime": "linebus.services.primes:nextprime",
    "powmod": "linebus.services.modular:powmod",
    "prevprime": "linebus.services.primes:prevprime",
    "prove": "linebus.services.primes:prove",
    "totient": "linebus.services.factoring:totient",
}
"""Name of a service to module:object. A new built-in service is a line here."""


def builtin_names() -> tuple[str, ...]:
    """Name the built-in services, sorted, without importing any."""
    return tuple(sorted(_BUILT_IN))


def load(references: Sequence[str]) -> tuple[AnyService, ...]:
    """Load what a worker should offer: built-in names, or module:object for one's own.

    The object is a service, or a list or tuple of them. For module:object the current
    directory is put first on sys.path. Imports run whatever the modules do at import.
    Raises ServiceNotLoaded with what to do: for an unknown name, a missing module or object,
    an object that is no service, an exception at import, or one name given twice.
    """
    given: dict[str, str] = {}
    services: list[AnyService] = []
    for reference in references:
        for service in _resolve(reference):
            if service.name in given:
                raise _twice(service.name, given[service.name], reference)
            given[service.name] = reference
            services.append(service)
    return tuple(services)


def _resolve(reference: str) -> list[AnyService]:
    if reference in _BUILT_IN:
        return _load_object(_BUILT_IN[reference])
    module, colon, attribute = reference.partition(":")
    if not colon:
        raise _unknown(reference)
    if not (module and attribute):
        message = f"cannot load {reference!r}: write module:object, such as mymodule:myservice"
        raise ServiceNotLoaded(message)
    _put_current_directory_first()
    return _load_object(reference)


def _load_object(reference: str) -> list[AnyService]:
    module_name, _, attribute = reference.partition(":")
    module = _import(reference, module_name)
    try:
        found = getattr(module, attribute)
    except AttributeError as error:
        raise _no_attribute(reference, module, attribute) from error
    several = isinstance(found, (list, tuple))
    return [_checked(reference, each) for each in (found if several else [found])]


def _put_current_directory_first() -> None:
    # An installed command has its own directory there; `python -m` has "" or the current one.
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if sys.path[:1] not in ([""], [here]):
        sys.path.insert(0, here)


def _import(reference: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a user's module does at import
        if isinstance(error, ModuleNotFoundError) and _is_or_holds(error.name, name):
            raise _no_module(reference, name) from error
        what = f"{type(error).__name__}: {error}"
        message = f"cannot load {reference!r}: importing {name} raised {what}; correct it there"
        raise ServiceNotLoaded(message) from error


def _is_or_holds(missing: str | None, name: str) -> bool:
    return missing is not None and f"{name}.".startswith(f"{missing}.")


def _checked(reference: str, found: object) -> AnyService:
    if isinstance(found, Service):
        return found
    if isinstance(found, FunctionType):
        message = (
            f"cannot load {reference!r}: {found.__name__} is a plain function;"
            " decorate it with @linebus.service"
        )
    else:
        kind = type(found).__name__
        message = (
            f"cannot load {reference!r}: it is of type {kind}, not a service;"
            " name a function decorated with @linebus.service, or a list of such"
        )
    raise ServiceNotLoaded(message)


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _unknown(name: str) -> ServiceNotLoaded:
    stem = name.removesuffix(".py").replace("/", ".")
    file = Path(f"{stem.replace('.', '/')}.py")
    if stem and file.is_file():
        found = [f"{stem}:{each}" for each in _declared_in(file)]
        cure = f"say which object: {', '.join(found) or f'{stem}:OBJECT'}"
        return ServiceNotLoaded(
            f"no built-in service is called {name!r}, but there is {file}; {cure}"
        )
    return ServiceNotLoaded(
        f"no built-in service is called {name!r}; {_guess(name, _BUILT_IN)}"
        f"built in: {', '.join(builtin_names())}; or module:object for your own",
    )


def _declared_in(file: Path) -> list[str]:
    """Name the functions of a module that are decorated as services, by reading it only."""
    try:
        module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    return [
        node.name
        for node in module.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and any(_is_declaration(each) for each in node.decorator_list)
    ]


def _is_declaration(decorator: ast.expr) -> bool:
    """Return whether this is `@service` or `@linebus.service`, with arguments or without."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2] == "service"


def _no_module(reference: str, name: str) -> ServiceNotLoaded:
    stem = name.removesuffix(".py").replace("/", ".")
    cure = (
        f"write {stem}:{reference.partition(':')[2]}"
        if stem != name
        else f"is there a file {name.replace('.', '/')}.py in {os.getcwd()}?"  # noqa: PTH109
    )
    return ServiceNotLoaded(f"cannot load {reference!r}: there is no module {name!r}; {cure}")


def _no_attribute(reference: str, module: ModuleType, attribute: str) -> ServiceNotLoaded:
    names = [name for name, value in vars(module).items() if isinstance(value, Service)]
    listed = ", ".join(sorted(names)) or "none"
    return ServiceNotLoaded(
        f"cannot load {reference!r}: module {module.__name__!r} has no {attribute!r};"
        f" {_guess(attribute, names)}its services: {listed}",
    )


def _twice(name: str, first: str, second: str) -> ServiceNotLoaded:
    return ServiceNotLoaded(
        f"service {name!r} is given twice, by {first!r} and {second!r};"
        " give one of them, or rename one with @linebus.service(name=...)",
    )

"""What a service needs once in each process that works on it: a model loaded, a file opened."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Generator
from typing import TYPE_CHECKING

from linebus.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


class Prepared:
    """Makes what a set-up function makes, once, and ends it.

    The function returns the thing, or is a generator that yields it: what follows the yield is done
    at the end.
    """

    def __init__(self, make: Callable[[], object]) -> None:
        """Make nothing yet."""
        self._make = make
        self.name = getattr(make, "__qualname__", repr(make))
        self._made: list[object] = []
        self._generator: Generator[object, None, None] | None = None

    def begin(self) -> None:
        """Make it, unless that is done; whatever the function raises passes through."""
        if self._made:
            return
        made = self._make()
        if isinstance(made, Generator):
            self._generator = made
            made = next(made)
        self._made.append(made)

    def end(self) -> None:
        """Do what the generator has after its yield; it will be made anew when it is needed."""
        self._made.clear()
        generator, self._generator = self._generator, None
        if generator is not None:
            next(generator, None)

    def first_for(self, function: Callable[..., object]) -> Callable[..., object]:
        """Return the function with what was made as its first argument."""

        @functools.wraps(function)
        def with_it(*arguments: object) -> object:
            if not self._made:  # nobody has begun: a test calls the service by itself
                self.begin()
            return function(self._made[0], *arguments)

        return with_it


def prepared_by(make: Callable[[], object], name: str) -> Prepared:
    """Return what a set-up function makes; services that name the same function share it.

    Raises UsageError where it cannot be called without arguments; `name` is the service's.
    """
    if inspect.iscoroutinefunction(make) or inspect.isasyncgenfunction(make):
        raise UsageError(f"the setup of service {name!r} is async; make it a plain function")
    try:
        inspect.signature(make).bind()
    except ValueError:  # some of Python's own types do not say what they take
        return _the_one(make)
    except TypeError as error:
        message = f"the setup of service {name!r} cannot be called without arguments: {error}"
        raise UsageError(message) from error
    return _the_one(make)


_the_one = functools.cache(Prepared)

"""An async function, called by who cannot wait for it: a test, or a plain line.

Executors await async services themselves, many at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def awaited(answer: Callable[[str], Coroutine[Any, Any, str]]) -> Callable[[str], str]:
    """Return a plain function that waits for an async one, in an event loop of its own."""

    def answered(arguments: str) -> str:
        import asyncio  # noqa: PLC0415  most have no async service, and it takes 30 ms

        return asyncio.run(answer(arguments))

    return answered

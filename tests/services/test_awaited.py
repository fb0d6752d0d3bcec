"""An async function that is called by who cannot wait for it."""

from __future__ import annotations

import pytest

from linebus.errors import Refused
from linebus.services.awaited import awaited


async def said() -> None:
    pass


async def echo(arguments: str) -> str:
    await said()
    if not arguments:
        raise Refused("say something")
    return f"echoed {arguments}"


def test_it_is_waited_for() -> None:
    assert awaited(echo)("a b") == "echoed a b"


def test_what_it_raises_passes_through() -> None:
    with pytest.raises(Refused, match="say something"):
        awaited(echo)("")

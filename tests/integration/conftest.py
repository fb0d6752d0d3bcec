"""What the tests with real processes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.processes import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An empty stage on ports of its own; what its programs said is shown after a failure."""
    stage = Stage()
    yield stage
    stage.report()
    stage.close()

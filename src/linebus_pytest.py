"""The pytest plugin: `linebus_bus`, a fresh in-process bus for each test.

pytest loads this at every start, wherever linebus is installed. It stands beside the package, since
importing any module inside would import linebus with its libraries: 0.2 s for tests of whatever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linebus.testing import Bus


@pytest.fixture
def linebus_bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """A bus of linebus in this process, without workers, closed after the test."""
    from linebus import UsageError  # noqa: PLC0415  see above
    from linebus.testing import Bus  # noqa: PLC0415  see above

    failed_before = request.session.testsfailed
    bus = Bus()
    yield bus
    try:
        bus.close()
    except UsageError:
        # A test that has failed may not have come as far as its faults.
        if request.session.testsfailed == failed_before:
            raise

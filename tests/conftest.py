"""For all tests: whoever ends pytest ends what the tests have started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take SIGTERM for Ctrl-C, so that fixtures and `with` blocks come to their ends."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)

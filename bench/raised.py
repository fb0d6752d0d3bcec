"""linebus with a larger window, to be imported before linebus is, or to run one of its commands.

    BENCH_WINDOW=1000000 python bench/raised.py serve 5555 5556 5557 5558

There is no option for it: the window bounds what one client may ask of a server's memory. What is
measured with it says so.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

BYTES_PER_LINE = 64


def raise_limits(window: int) -> None:
    """Set the window, and the bounds that hang on it, before anyone reads them."""
    found = importlib.util.find_spec("linebus")
    assert found is not None, "it is installed here"
    assert found.origin is not None, "it is no namespace"
    path = Path(found.origin).with_name("limits.py")
    spec = importlib.util.spec_from_file_location("linebus.limits", path)
    assert spec is not None, "it is a file"
    assert spec.loader is not None, "of Python"
    limits = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(limits)
    limits.CHUNK_LINES = min(limits.CHUNK_LINES, window // 4)
    limits.WINDOW_LINES = window - limits.CHUNK_LINES + 1
    limits.WINDOW_BYTES = max(limits.WINDOW_BYTES, BYTES_PER_LINE * window)
    room = 2 * (max(window, limits.WINDOW_LINES) + limits.LINES_PER_MESSAGE_MAX)
    limits.CLIENT_LINES_MAX = max(limits.CLIENT_LINES_MAX, room + limits.ACK_LINES)
    limits.CLIENT_GAPS_MAX = max(limits.CLIENT_GAPS_MAX, window)
    sys.modules["linebus.limits"] = limits


if __name__ == "__main__":
    raise_limits(int(os.environ["BENCH_WINDOW"]))
    from linebus.cli.main import entry

    entry()

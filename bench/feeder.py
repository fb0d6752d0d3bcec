"""Write a line so many times a second to standard output, from a given moment on.

    python bench/feeder.py LINE COUNT PER_S STARTED_AT

What is due is written at once, at most every half a millisecond; whoever reads late does not slow
it down as long as the pipe has room.
"""

from __future__ import annotations

import os
import sys
import time

STEP_S = 0.0005
PIPE_BYTES = 32_768


def main() -> None:
    line, count, per_s, started_at = sys.argv[1:]
    data = (line + "\n").encode()
    left, rate, begin = int(count), float(per_s), float(started_at)
    written = 0
    while left:
        now = time.monotonic()
        due = min(left, int((now - begin) * rate) + 1 - written if now >= begin else 0)
        due = min(due, PIPE_BYTES // len(data))
        if due > 0:
            whole = data * due
            while whole:
                whole = whole[os.write(1, whole) :]
            written += due
            left -= due
        else:
            time.sleep(STEP_S)


if __name__ == "__main__":
    main()

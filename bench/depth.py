"""What a deep queue costs: memory, and the rate at which it is worked off while it stays as deep.

    python bench/depth.py QUEUED COUNT

One client with its window raised to QUEUED asks echo lines of a 64-bit number; a worker whose
executor never comes keeps the service known, so all wait. Then a real worker comes, and while the
client goes on asking, so that as many wait as before, COUNT replies are timed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import islice, repeat

from raised import raise_limits

POLL_S = 0.2
PATIENCE_S = 60.0


def main() -> None:
    queued, count = map(int, sys.argv[1:])
    raise_limits(queued)
    # All that reads the limits comes after they are raised.
    from servers import crowd, running, said, serving  # noqa: PLC0415

    import linebus  # noqa: PLC0415
    from linebus import limits  # noqa: PLC0415
    from linebus.cli.measuring import ECHO, SERVICES  # noqa: PLC0415

    found: dict[str, float] = {"queued": queued}

    with (
        serving(queued) as server,
        crowd("held", server, 1),
        linebus.Client(server.address) as looking,
        linebus.Client(server.address) as asking,
    ):
        idle_bytes = server.memory_bytes
        replies = asking.map(repeat(ECHO.line))
        first = threading.Thread(target=lambda: next(replies), daemon=True)
        first.start()
        until = time.monotonic() + PATIENCE_S
        waiting = 0
        while waiting < queued - limits.CHUNK_LINES:  # the client reads ahead by chunks
            if time.monotonic() > until:
                raise TimeoutError(f"only {waiting} of {queued} lines wait")
            time.sleep(POLL_S)
            waiting = sum(each.waiting for each in looking.services())
        found["bytes"] = server.memory_bytes - idle_bytes
        words = ["-m", "linebus", "work", SERVICES[1], "--procs", "1", "--bus", server.address]
        with running(*words) as worker:
            said(worker)
            first.join(PATIENCE_S)
            ECHO.check((reply.text for reply in islice(replies, count // 4)), count // 4)
            begun_at = time.perf_counter()
            ECHO.check((reply.text for reply in islice(replies, count)), count)
            found["per_s"] = count / (time.perf_counter() - begun_at)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

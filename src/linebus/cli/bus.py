"""A command's way to a server: how long it waits for one, and what a server tells of itself."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from linebus import limits
from linebus.cli.output import tell
from linebus.client.calls import told
from linebus.client.client import Client, default_address
from linebus.core.admin import SERVER, ServerInfo
from linebus.net.dealer import check_address
from linebus.net.probe import accepts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


@contextmanager
def open_bus(options: argparse.Namespace) -> Iterator[Client]:
    """Open a client as --bus and --wait say; a person is told when nobody listens yet.

    --wait is for a server that does not listen yet; one that does may always take GREETING_S to
    greet, so that `--wait 0` is of use.
    """
    address = options.bus or default_address()
    check_address(address)
    patience_s = options.wait
    if patience_s < limits.GREETING_S:
        patience_s = limits.GREETING_S if listens_within(address, patience_s) else 0.0
    with Client(address, connect_timeout_s=patience_s) as bus:
        notice = threading.Timer(limits.ABSENCE_NOTICE_S, _tell_absence, (address, options))
        notice.daemon = True
        if options.wait > limits.ABSENCE_NOTICE_S and sys.stderr.isatty():
            notice.start()
        try:
            yield bus
        finally:
            notice.cancel()


def listens_within(address: str, wait_s: float) -> bool:
    """Return as soon as something listens there, or say no after a while."""
    deadline = time.monotonic() + wait_s
    while not accepts(address, limits.LOOK_S):
        if time.monotonic() >= deadline:
            return False
        time.sleep(limits.RECONNECT_MS / 1000)
    return True


def _tell_absence(address: str, options: argparse.Namespace) -> None:
    if not accepts(address, limits.LOOK_S):
        text = f"nobody listens at {address} yet; waiting up to {options.wait:g} s"
        tell(text, as_json=options.json)


def server_of(bus: Client, *, timeout_s: float | None = None) -> ServerInfo:
    """Return how the server fares. Raises what `Client.services` raises."""
    return told(bus.ask(SERVER, timeout_s=timeout_s), ServerInfo)

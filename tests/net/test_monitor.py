"""What a socket's monitor tells."""

from __future__ import annotations

import zmq

from linebus.net.dealer import new_context
from linebus.net.monitor import MonitorEvent, events
from tests.support import PATIENCE_MS, free_address


def test_what_happens_to_connections_is_told_once_with_their_descriptors() -> None:
    context = new_context()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    address = free_address()
    monitor = router.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    router.bind(address)
    assert list(events(monitor)) == []
    dealer.connect(address)
    dealer.send(b"x")
    assert monitor.poll(PATIENCE_MS)
    [came] = events(monitor)
    assert came.kind == zmq.EVENT_HANDSHAKE_SUCCEEDED
    descriptor = router.recv(copy=False).get(zmq.SRCFD)
    dealer.close(linger=0)
    assert monitor.poll(PATIENCE_MS)
    assert list(events(monitor)) == [MonitorEvent(zmq.EVENT_DISCONNECTED, descriptor)]
    router.disable_monitor()
    context.destroy(linger=0)

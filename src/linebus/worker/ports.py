"""What a worker finds at the exercise's two ports where its sockets are not accepted.

It is looked at without a message and without becoming a peer, so it may be anyone's server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linebus import limits
from linebus.net import probe
from linebus.worker.news import NoServerYet, WrongPorts

if TYPE_CHECKING:
    from collections.abc import Sequence

_ABSENT = "absent"
_NAMELESS = "nameless"
_FITTING_INPUTS = {"PUB", "XPUB"}
_FITTING_OUTPUTS = {"SUB", "XSUB"}


def look(host: str, ports: Sequence[int]) -> NoServerYet | WrongPorts | None:
    """Return what is wrong with the two ports, None where they are as they should be.

    Waits for whatever listens there, a little.
    """
    inputs, outputs = (f"tcp://{host}:{port}" for port in ports)
    at_inputs, at_outputs = _kind(inputs), _kind(outputs)
    if at_inputs == at_outputs == _ABSENT:
        return NoServerYet(inputs)
    wrong = WrongPorts(
        _said(ports[0], at_inputs, _FITTING_INPUTS, "worker_inputs (PUB)"),
        _said(ports[1], at_outputs, _FITTING_OUTPUTS, "worker_outputs (SUB)"),
        _cure(ports, at_inputs, at_outputs),
    )
    return wrong if wrong.worker_inputs or wrong.worker_outputs else None


def _kind(address: str) -> str:
    try:
        return probe.socket_type(address, limits.LOOK_S) or _NAMELESS
    except (OSError, UnicodeError):
        return _ABSENT


def _said(port: int, kind: str, fitting: set[str], wanted: str) -> str:
    if kind in fitting:
        return ""
    if kind == _ABSENT:
        return f"nobody listens at port {port}, which should be {wanted}"
    if kind == _NAMELESS:
        return f"what listens at port {port} tells no ZeroMQ socket; it should be {wanted}"
    return f"port {port} has a socket of type {kind}; it should be {wanted}"


def _cure(ports: Sequence[int], at_inputs: str, at_outputs: str) -> str:
    if at_inputs in _FITTING_OUTPUTS and at_outputs in _FITTING_INPUTS:
        return f"the ports are swapped: give {ports[1]} {ports[0]}"
    return "give the third and the fourth port of the server, such as 5557 5558"

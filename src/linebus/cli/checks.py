"""What `linebus doctor` looks at: this machine, the way to the server, the server.

Each check says how things are and, where that is a problem, what to do. Where one step of the way
fails, those behind it are left out. Nothing of anyone's services is run.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from linebus import limits
from linebus.cli import logs
from linebus.cli.bus import listens_within, server_of
from linebus.cli.output import count
from linebus.client.client import Client, default_address
from linebus.core.admin import SERVER
from linebus.errors import LinebusError, NobodyListens, NotLinebus, UsageError
from linebus.net import probe
from linebus.version import __version__
from linebus.wire import native

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from linebus.core.admin import ServerInfo, ServiceInfo

# The sockets that may be found instead of a server's ROUTER, and what to do then.
_EXERCISE = "use: python3 client.py CLIENT_INPUTS CLIENT_OUTPUTS; or start: linebus serve"
_FIRST_PORT = "give the port of client_inputs, the first of the server's four (5555)"
_OTHERS = {
    "REP": ("a server of the exercise listens, not one of linebus (a REP socket)", _EXERCISE),
    "PUB": ("this is client_outputs (a PUB socket)", _FIRST_PORT),
    "XPUB": ("this is worker_inputs (an XPUB socket)", _FIRST_PORT),
    "SUB": ("this is worker_outputs (a SUB socket)", _FIRST_PORT),
}
_START = "start a server with: linebus up; or name another address with --bus or LINEBUS_URL"


class Check(Struct, frozen=True):
    """What was found; `is_absence` where the problem is that no linebus server is there."""

    check: str
    ok: bool
    text: str
    cure: str = ""
    is_absence: bool = False

    def as_object(self) -> dict[str, Any]:
        """Return what a program is told."""
        return {"check": self.check, "ok": self.ok, "text": self.text, "cure": self.cure}


def _fine(check: str, text: str) -> Check:
    return Check(check, ok=True, text=text)


def _problem(check: str, text: str, cure: str, *, is_absence: bool = False) -> Check:
    return Check(check, ok=False, text=text, cure=cure, is_absence=is_absence)


def examine(bus: str | None, wait_s: float) -> Iterator[Check]:
    """Look at everything, in the order in which one would; `bus` is the address of --bus."""
    yield _versions()
    yield _logs(logs.folder())
    yield _descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE))
    address = bus or default_address()
    for check in _way(address, _source(bus), wait_s):
        yield check
        if not check.ok:
            return
    yield from _server(address)


# -- this machine ----------------------------------------------------------------------------


def _versions() -> Check:
    import zmq

    return _fine(
        "versions",
        f"linebus {__version__}, Python {platform.python_version()}, "
        f"pyzmq {zmq.pyzmq_version()}, libzmq {zmq.zmq_version()}",
    )


def _logs(folder: Path) -> Check:
    """Find out whether `linebus up` can write there, without writing."""
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return _problem("logs", f"linebus up cannot write its log to {folder}", logs.CURE)
    left = len(list(folder.glob("up-*.log")))
    return _fine("logs", f"linebus up logs to {folder}; {count(left, 'log')} there")


def _descriptors(soft: int, hard: int) -> Check:
    text = f"this process may open {_number(soft)}, a server here {_number(hard)}"
    if hard != resource.RLIM_INFINITY and hard < limits.DESCRIPTORS_MIN:
        cure = f"raise the hard limit to {limits.DESCRIPTORS_MIN} or more: ulimit -Hn, LimitNOFILE="
        return _problem("descriptors", f"{text}, one for each peer", cure)
    return _fine("descriptors", text)


def _number(limit: int) -> str:
    return "any number" if limit == resource.RLIM_INFINITY else str(limit)


# -- the way to the server -------------------------------------------------------------------


def _source(bus: str | None) -> str:
    if bus:
        return "from --bus"
    return "from LINEBUS_URL" if os.environ.get("LINEBUS_URL") else "the default"


def _way(address: str, source: str, wait_s: float) -> Iterator[Check]:
    try:
        host, _ = probe.host_and_port(address)
    except UsageError as error:
        text, _, cure = str(error).partition("; ")
        yield _problem("address", text, cure)
        return
    yield _fine("address", f"{address}, {source}")
    found = probe.resolve(host)
    if not found:
        cure = "check the spelling, or this machine's name server"
        yield _problem("host", f"nobody knows the host {host}", cure, is_absence=True)
        return
    yield _fine("host", host if found == [host] else f"{host} is {', '.join(found)}")
    if not listens_within(address, wait_s):
        text = f"nobody listens at {address}"
        yield _problem("listener", text, _START, is_absence=True)
        return
    yield _fine("listener", "something accepts connections")
    yield _kind(address)


def _kind(address: str) -> Check:
    """Find out what listens, by the type of its socket."""
    try:
        kind = probe.socket_type(address, limits.GREETING_S)
    except OSError:
        return _problem("socket", "it has gone away again", _START, is_absence=True)
    if kind == "ROUTER":
        return _fine("socket", "it is a ROUTER, as a linebus server has")
    text, cure = _OTHERS.get(kind or "", ("", ""))
    if not text:
        cure = "give the address of a linebus server's client_inputs"
        text = f"it is a {kind} socket" if kind else "it does not speak ZeroMQ, or it hangs"
    return _problem("socket", text, cure, is_absence=True)


# -- the server ------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """What a server said of itself, how long that took, how far its clock is ahead of ours."""

    info: ServerInfo
    round_trip_s: float
    ahead_s: float


def _server(address: str) -> Iterator[Check]:
    with Client(address, connect_timeout_s=limits.GREETING_S) as bus:
        try:
            # Opens the session: where nobody greets, that is to be told, not that time is over.
            server_of(bus, timeout_s=2 * limits.GREETING_S)
            answers = [_ask(bus) for _ in range(limits.DOCTOR_ROUND_TRIPS)]
            services = bus.services(timeout_s=limits.GREETING_S)
        except LinebusError as error:
            yield _unanswered(error)
            return
    answer = min(answers, key=lambda each: each.round_trip_s)
    info = answer.info
    took = f"{1000 * answer.round_trip_s:.1f} ms"
    yield _fine("request", f"{SERVER} was answered in {took}")
    yield _version(info)
    yield _clock(answer)
    yield _workers(info, services)
    yield from _waiting(services)
    yield from _limits(info)


def _ask(bus: Client) -> _Answer:
    at, started = time.time(), time.monotonic()
    info = server_of(bus, timeout_s=limits.GREETING_S)
    round_trip_s = time.monotonic() - started
    return _Answer(info, round_trip_s, info.started_at + info.uptime_s - at - round_trip_s / 2)


def _unanswered(error: LinebusError) -> Check:
    text, _, cure = str(error).partition("; ")
    is_absence = isinstance(error, (NobodyListens, NotLinebus))
    return _problem("request", text, cure or "look into the server's output", is_absence=is_absence)


def _version(info: ServerInfo) -> Check:
    here = native.VERSION.decode()
    if info.version == __version__:
        return _fine("version", f"the server is linebus {info.version} and speaks {here}, as here")
    return _fine(
        "version", f"the server is linebus {info.version}, here is {__version__}; both speak {here}"
    )


def _clock(answer: _Answer) -> Check:
    apart = abs(answer.ahead_s)
    if apart <= limits.CLOCKS_APART_S_MAX:
        return _fine("clock", f"the server's clock and this one differ by {apart:.3f} s")
    which = "ahead of" if answer.ahead_s > 0 else "behind"
    return _problem(
        "clock",
        f"the server's clock is {apart:.1f} s {which} this one (or that machine has slept, or its "
        "clock was set, since the server began)",
        "compare `date` on both machines, and have them set by the network",
    )


def _workers(info: ServerInfo, services: list[ServiceInfo]) -> Check:
    plain = [each.name for each in services if each.is_plain]
    offered = [each.name for each in services if each.executors]
    too = f"; plain workers: {_listed(plain)}" if plain else ""
    if not offered:
        cure = "start one with: linebus work isprime gcd"
        return _problem("workers", f"no worker of linebus offers anything{too}", cure)
    who = f"{count(info.workers, 'worker')}, {count(info.executors, 'executor')}"
    absent = [each.name for each in services if not (each.executors or each.is_plain)]
    too += f"; offered before, by nobody now: {_listed(absent)}" if absent else ""
    return _fine("workers", f"{who}: {_listed(offered)}{too}")


def _listed(names: list[str]) -> str:
    more = len(names) - limits.SHOWN_NAMES_MAX
    return ", ".join(names[: limits.SHOWN_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def _waiting(services: list[ServiceInfo]) -> Iterator[Check]:
    lost = [each for each in services if each.waiting and not each.executors]
    if lost:
        names = _listed([each.name for each in lost])
        lines = count(sum(each.waiting for each in lost), "line")
        cure = "start a worker that offers it"
        yield _problem("waiting", f"{lines} for {names} and nobody offers that", cure)


def _limits(info: ServerInfo) -> Iterator[Check]:
    """Compare what the server holds with its own bounds, as far as it tells them."""
    for check, thing, used, bound, cure in (
        ("clients", "clients", info.clients, "clients_max", "use one client for many requests"),
        ("services", "services", info.services, "services_max", "start another server for some"),
        ("memory", "bytes held", info.held_bytes, "held_bytes_max", "take replies faster"),
    ):
        most = info.limits.get(bound, inf)
        text = f"{used:,} of at most {most:,.0f} {thing}"
        if 100 * used > limits.NEARLY_FULL_PERCENT * most:
            yield _problem(check, text, cure)
        else:
            yield _fine(check, text)

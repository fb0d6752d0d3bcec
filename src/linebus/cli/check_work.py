"""`linebus work --check`: what a worker would offer, without a server and without setting it up."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from msgspec import Struct

from linebus.cli.output import json_line, print_table, print_tabs
from linebus.services.catalog import load
from linebus.worker.answering import offer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.services.catalog import AnyService
    from linebus.worker.program import ProgramSpec


class Checked(Struct, frozen=True):
    """What would be offered as one service; a limit that is 0 is none."""

    name: str
    usage: str
    signature: str
    doc: str
    example: str
    pure: bool
    time_limit_s: float
    memory_limit: int
    recycle_after: int
    at_once: int
    setup: str


def check_services(references: Sequence[str]) -> list[Checked]:
    """Load services and tell of them. Raises ServiceNotLoaded, as a worker would.

    What their modules print is no part of what this command says.
    """
    with contextlib.redirect_stdout(sys.stderr):
        return [_checked(each) for each in load(references)]


def _checked(service: AnyService) -> Checked:
    offer, bounds = offer_of(service), service.bounds
    return Checked(
        offer.name,
        offer.usage,
        offer.signature,
        offer.doc,
        offer.example,
        service.pure,
        bounds.time_limit_s,
        bounds.memory_limit,
        bounds.recycle_after,
        bounds.at_once or 1,
        service.prepared.name if service.prepared is not None else "",
    )


def check_program(spec: ProgramSpec) -> Checked:
    """Tell of a program; it is not started."""
    offer = spec.offer()
    return Checked(
        name=offer.name,
        usage=offer.usage,
        signature=offer.signature,
        doc=offer.doc,
        example=offer.example,
        pure=False,
        time_limit_s=spec.time_limit_s,
        memory_limit=spec.memory_limit,
        recycle_after=int(spec.once),  # then a process takes one line
        at_once=1,
        setup="",
    )


def print_checked(found: Sequence[Checked], *, as_json: bool) -> None:
    """Print what would be offered: an object a service, or a field a line and a gap between."""
    for index, each in enumerate(found):
        if as_json:
            print(json_line(each))
            continue
        if index:
            print()
        fields = _fields(each)
        if sys.stdout.isatty():
            print_table((), [(label, value) for label, value in fields if value])
        else:
            print_tabs(fields)


def _fields(checked: Checked) -> list[tuple[str, str]]:
    """Return what is known, each with its label; what is not set is empty."""
    lines = checked.recycle_after
    return [
        ("name", checked.name),
        ("usage", checked.usage),
        ("types", checked.signature),
        ("doc", checked.doc),
        ("example", checked.example),
        ("pure", "yes" if checked.pure else "no"),
        ("time limit", f"{checked.time_limit_s:g} s" if checked.time_limit_s else ""),
        ("memory limit", f"{checked.memory_limit} bytes" if checked.memory_limit else ""),
        ("recycled", f"after {lines} line{'s' * (lines > 1)}" if lines else ""),
        ("at once", str(checked.at_once)),
        ("set-up", checked.setup),
    ]

"""The plain dialect: the text of the exercise, one UTF-8 frame a message.

What plain workers are sent is checked more strictly than what our own services accept, since
several of the workers that others wrote end at a malformed line.
"""

from __future__ import annotations

import re

from linebus import limits

ACK = b"ack"
HINT_PREFIX = "linebus/"
HINT = f"{HINT_PREFIX}1"
ERROR_PREFIX = "error: "

# The services of the exercise: their usage, and the only spelling that plain workers are sent.
_NUMBER = "-?[0-9]+"
EXERCISE = {
    "isprime": ("isprime N", re.compile(f"isprime {_NUMBER}")),
    "gcd": ("gcd A B", re.compile(f"gcd {_NUMBER} {_NUMBER}")),
}
# What the first word of a line must look like to be the name of a service.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_BLANKS = re.compile(r"[ \t]+")


def decode(frame: bytes) -> str | None:
    """Return the text of a frame, or None where it is not UTF-8 or too long for the exercise."""
    if len(frame) > limits.PLAIN_TEXT_BYTES_MAX:
        return None
    try:
        return frame.decode("utf-8")
    except UnicodeDecodeError:
        return None


def split(line: str) -> tuple[str, str]:
    """Split a line at its first blank into the service's name and the arguments, trimmed."""
    name, *rest = _BLANKS.split(line.strip(" \t\r\n"), 1)
    return name, rest[0] if rest else ""


def hint(port: int) -> bytes:
    """Return the welcome line of worker_inputs: the native dialect, and its port."""
    return f"{HINT} {port}".encode()


def parse_hint(text: str) -> int | None:
    """Return the port in a welcome line, or None where it is not one of this version's."""
    found = re.fullmatch(rf"{re.escape(HINT)} ([0-9]{{1,5}})", text)
    port = int(found[1]) if found else 0
    return port if 0 < port <= limits.PORT_MAX else None


def malformed(line: str) -> str | None:
    """Return the usage where the exercise's workers must not see this line, else None."""
    name, _ = split(line)
    usage, pattern = EXERCISE.get(name, ("", None))
    if pattern is None or pattern.fullmatch(line):
        return None
    return usage


def too_long(size: int) -> str:
    """Return what is said in the place of a text that is too long to be published."""
    most = f"{limits.PLAIN_TEXT_BYTES_MAX} can be published"
    return f"result is too long: {size} bytes, at most {most}; ask with: linebus ask"


def error(text: str) -> str:
    """Return a text as the error line that is published to plain clients."""
    return ERROR_PREFIX + text


def shorten(text: str) -> str:
    """Return a text fit for quoting in an error line: short, on one line."""
    most = limits.SHOWN_LINE_CHARS_MAX
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode("ascii")

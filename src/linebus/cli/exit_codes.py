"""What a command's exit code says; the same for all commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The closed set of exit codes."""

    ALL_ANSWERED = 0
    OTHERWISE = 1
    USAGE = 2
    NOBODY_LISTENS = 3
    DEADLINE = 4
    INTERRUPTED = 130
    CLOSED_PIPE = 141

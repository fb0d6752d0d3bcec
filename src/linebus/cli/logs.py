"""Where the processes under `linebus up` write their logs: one folder of the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from linebus import limits
from linebus.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

CURE = "let yourself write there, or name another place with XDG_STATE_HOME"


def folder() -> Path:
    """Return the folder, which need not be there yet."""
    from platformdirs import user_log_path

    return user_log_path("linebus", appauthor=False)


def own_path() -> Path:
    """Return where this process logs to: by its pid, so that two do not mix."""
    return folder() / f"up-{os.getpid()}.log"


def start(path: Path) -> BinaryIO:
    """Open a log for writing. Raises SetupError where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _prune(path.parent)
        return path.open("wb", buffering=0)
    except OSError as error:
        raise SetupError(f"cannot write the log {path}: {error.strerror}; {CURE}") from error


def _prune(place: Path) -> None:
    """Remove the oldest logs: what went wrong long ago is of no use any more."""
    logs = sorted(place.glob("up-*.log"), key=_age)
    for old in logs[: -limits.LOGS_KEPT_MAX]:
        old.unlink(missing_ok=True)


def _age(log: Path) -> float:
    try:
        return log.stat().st_mtime
    except FileNotFoundError:  # removed meanwhile by its own process
        return 0.0

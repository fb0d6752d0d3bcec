"""Every bound has a unit and makes sense beside the others, and a wrong one does not start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from linebus import limits
from linebus.wire import messages as m

SOURCE = Path(limits.__file__).read_text(encoding="utf-8")
NUMBERS = {
    name: value
    for name, value in vars(limits).items()
    if name.isupper() and isinstance(value, int | float)
}


def test_no_number_is_set_twice() -> None:
    names = re.findall(r"^([A-Z][A-Z_]*) = ", SOURCE, re.MULTILINE)
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_every_number_is_above_zero() -> None:
    assert NUMBERS
    assert [name for name, value in NUMBERS.items() if value <= 0] == []


def test_every_fraction_is_a_duration_or_a_rate() -> None:
    fractions = [name for name, value in NUMBERS.items() if isinstance(value, float)]
    assert [name for name in fractions if not re.search(r"_S(_MAX)?$", name)] == []


def test_durations_in_milliseconds_are_whole_because_libzmq_takes_no_others() -> None:
    durations = {name: value for name, value in NUMBERS.items() if "_MS" in name}
    assert durations
    assert all(isinstance(value, int) for value in durations.values())


def test_every_number_is_used() -> None:
    package = Path(limits.__file__).parent
    others = "\n".join(
        path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
        if path != Path(limits.__file__)
    )
    used_here = set(re.findall(r"(?<!^)\b[A-Z][A-Z_]+\b", SOURCE, re.MULTILINE))
    unused = {n for n in NUMBERS if not re.search(rf"\blimits\.{n}\b", others)}
    assert unused - used_here == set()


# A bound that is changed without looking at those that depend on it.
MISTAKES = [
    ("LINE_BYTES_MAX = 256 * 1024", "LINE_BYTES_MAX = 1024 * 1024"),
    ("MESSAGE_BYTES_MAX = 1024 * 1024", "MESSAGE_BYTES_MAX = 600 * 1024"),
    ("TEXT_BYTES_MAX = 256 * 1024", "TEXT_BYTES_MAX = 300 * 1024"),
    ("WINDOW_LINES = 32_768", "WINDOW_LINES = 512"),
    ("CREDIT_LINES_MAX = 8_192", "CREDIT_LINES_MAX = 40_000"),
    ("RECONNECT_MS = 50", "RECONNECT_MS = 5_000"),
    ("SILENCE_LEAST_S = 3.0", "SILENCE_LEAST_S = 0.5"),
    ("FLUSH_S = 0.0005", "FLUSH_S = 0.5"),
    ("PLAIN_HOLD_S = 0.5", "PLAIN_HOLD_S = 5.0"),
]


@pytest.mark.parametrize(("right", "wrong"), MISTAKES)
def test_a_bound_that_contradicts_another_does_not_start(right: str, wrong: str) -> None:
    assert f"\n{right}\n" in SOURCE
    exec(compile(SOURCE, "limits", "exec"), {"__name__": "limits"})  # noqa: S102  our own source
    changed = SOURCE.replace(f"\n{right}\n", f"\n{wrong}\n")
    with pytest.raises(AssertionError):
        exec(compile(changed, "limits", "exec"), {"__name__": "limits"})  # noqa: S102  the same


def test_the_longest_lines_make_messages_that_the_server_takes() -> None:
    # The target, overshot by one line of the greatest length.
    line = "x" * limits.LINE_BYTES_MAX
    lines = [line] * (limits.MESSAGE_BYTES_TARGET // limits.LINE_BYTES_MAX + 1)
    ask = m.Ask("n" * limits.NAME_CHARS_MAX, limits.NUMBER_MAX, lines)
    assert len(msgspec.msgpack.encode([ask])) <= limits.MESSAGE_BYTES_MAX


def test_limits_need_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import linebus.limits; print(len(before))"
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert re.findall(r"^(?:from|import) (\S+)", SOURCE, re.MULTILINE) == ["__future__"]

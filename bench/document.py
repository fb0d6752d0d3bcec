"""docs/benchmarks.md from what was measured: the template with its tables filled in."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from measures import OUTSTANDING
from peer import FOLDER

from linebus.cli.measuring import ISPRIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Found = dict[str, Any]
TEMPLATE = FOLDER / "benchmarks.template.md"


class Goal(NamedTuple):
    """A goal of the project's, and what was measured."""

    what: str
    beside: str
    measured: float | None
    goal: float
    at_most: bool = False
    unit: str = "×"

    @property
    def is_met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.goal if self.at_most else self.measured >= self.goal

    def row(self) -> tuple[str, ...]:
        bound = "at most" if self.at_most else "at least"
        measured = "–" if self.measured is None else f"{_short(self.measured)} {self.unit}"
        verdict = {None: "not measured", True: "met", False: "**missed**"}[self.is_met]
        return self.what, self.beside, measured, f"{bound} {self.goal:g} {self.unit}", verdict


# -- figures -------------------------------------------------------------------------------------


def ratio(found: Found, name: str, *path: str) -> float | None:
    """Return the median of the rounds' ratios of linebus to a peer."""
    ratios = []
    for each in found["rounds"]:
        if "linebus" in each and name in each:
            labels = ["alone", "alone_again"] if path[0] == "alone" else [path[0]]
            ratios += [
                each["linebus"][label][path[1]] / each[name][label][path[1]]
                for label in labels
                if label in each["linebus"] and label in each[name]
            ]
    return statistics.median(ratios) if ratios else None


def median(found: Found, name: str, *path: str) -> float | None:
    """Return the median of a peer's rounds."""
    values = [each[name][path[0]][path[1]] for each in found["rounds"] if name in each]
    return statistics.median(values) if values else None


def _files_ratio(found: Found, bits: str) -> float | None:
    if not found["files"]:
        return None
    return statistics.median(
        each["linebus"] / each["pool"] for each in found["files"][bits]["rounds"]
    )


def _mixed_ratio(found: Found) -> float | None:
    if not found["files"]:
        return None
    return statistics.median(
        each["per_s"] / each["unmixed_per_s"] for each in found["files"]["mixed"]
    )


def _depth(found: Found, queued: int, what: str) -> float | None:
    values = [each[what] for each in found["depths"] or [] if each["queued"] == queued]
    return statistics.median(values) if values else None


def _depth_ratio(found: Found) -> float | None:
    deep, shallow = (_depth(found, queued, "per_s") for queued in (1_000_000, 1_000))
    return deep / shallow if deep and shallow else None


def _breadth_ratio(found: Found, outstanding: int) -> float | None:
    """Return what a request costs with very many peers, whoever asks, to that with ten."""
    costs = [
        each["cpu_s_per_request"]
        for each in found["breadths"] or []
        if each["outstanding"] == outstanding
    ]
    return max(costs[1:]) / costs[0] if costs and costs[0] else None


def goals(found: Found) -> list[Goal]:
    """All goals, in the order in which the project names them."""
    memory = _depth(found, 1_000_000, "bytes")
    idle = found["idle"]
    return [
        Goal(
            "isprime, 64 bits, pipelined", "C proxy", ratio(found, "proxy", "isprime", "per_s"), 8
        ),
        Goal("isprime, 64 bits, pipelined", "NATS", ratio(found, "nats", "isprime", "per_s"), 20),
        Goal("isprime, 64 bits, pipelined", "gRPC", ratio(found, "grpc", "isprime", "per_s"), 80),
        Goal(
            "isprime, 64 bits, pipelined", "Celery", ratio(found, "celery", "isprime", "per_s"), 500
        ),
        Goal("echo, pipelined", "C proxy", ratio(found, "proxy", "echo", "per_s"), 12),
        Goal("round trips, one at a time", "C proxy", ratio(found, "proxy", "alone", "per_s"), 0.9),
        Goal("round trips, one at a time", "NATS", ratio(found, "nats", "alone", "per_s"), 1.3),
        Goal(
            "99th percentile, one at a time",
            "C proxy",
            ratio(found, "proxy", "alone", "p99_s"),
            1.5,
            at_most=True,
        ),
        Goal(
            "a million lines, 64 bits, two executors", "Pool.imap", _files_ratio(found, "64"), 0.7
        ),
        Goal("a file of lines, 256 bits", "Pool.imap", _files_ratio(found, "256"), 0.95),
        Goal("a file of lines, 1,024 bits", "Pool.imap", _files_ratio(found, "1024"), 0.97),
        Goal("a file that mixes isprime and gcd", "the same, sorted", _mixed_ratio(found), 0.7),
        Goal(
            "1,000,000 lines queued, memory",
            "the idle server",
            memory and memory / 1e6,
            150,
            at_most=True,
            unit="MB",
        ),
        Goal("1,000,000 lines queued, throughput", "1,000 queued", _depth_ratio(found), 0.95),
        *(
            Goal(
                f"1,000 workers, 10,000 clients: cost of a request, {outstanding:,} outstanding",
                "ten of each",
                _breadth_ratio(found, outstanding),
                1.5,
                at_most=True,
            )
            for outstanding in OUTSTANDING
        ),
        Goal(
            "100 idle workers: the server",
            "one core",
            idle and 100 * idle["share"],
            0.5,
            at_most=True,
            unit="%",
        ),
    ]


# -- tables --------------------------------------------------------------------------------------


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown; columns of figures are aligned to the right."""
    rules = ["---" if number == 0 else "--:" for number in range(len(headings))]
    lines = [headings, rules, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _figure(value: float | None, by: float | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" + (f" ({_short(by)} ×)" if by is not None else "")


def _goals(found: Found) -> str:
    headings = ("Measure", "beside", "measured", "goal", "")
    return table(headings, (goal.row() for goal in goals(found)))


def _measured_names(found: Found) -> list[str]:
    return [name for name in found["peers"] if any(name in each for each in found["rounds"])]


def _peers(found: Found) -> str:
    rows = []
    for name in _measured_names(found):
        row = [found["peers"][name]["title"]]
        for path in (("alone", "per_s"), ("isprime", "per_s"), ("echo", "per_s")):
            by = None if name == "linebus" else ratio(found, name, *path)
            row.append(_figure(median(found, name, *path), by))
        p99_s = median(found, name, "alone", "p99_s")
        row.insert(2, "–" if p99_s is None else f"{1e6 * p99_s:,.0f}")
        for bits in ("256", "1024"):
            mine, theirs = (
                (found["cores"] or {}).get(who, {}).get(bits, {}).get("per_s")
                for who in ("linebus", name)
            )
            by = mine / theirs if name != "linebus" and mine and theirs else None
            row.append(_figure(theirs, by))
        rows.append(row)
    headings = (
        "",
        "alone, round trips/s",
        "p99, µs",
        "isprime/s, pipelined",
        "echo/s, pipelined",
        "256 bits/s, all cores",
        "1,024 bits/s, all cores",
    )
    return table(headings, rows)


def _skipped(found: Found) -> str:
    if not found["skipped"]:
        return "None was left out."
    told = (f"{name} ({reason})" for name, reason in found["skipped"].items())
    return f"Left out: {'; '.join(told)}."


def _settings(found: Found) -> str:
    rows = (f"| {each['title']} | {each['settings']} |" for each in found["peers"].values())
    return "\n".join(["| | How it is set up, and where its documents say so |", "|---|---|", *rows])


def _versions(found: Found) -> str:
    rows = (
        f"| {each['title']} | {each['versions']} |"
        for each in found["peers"].values()
        if each["versions"]
    )
    return "\n".join(["| | |", "|---|---|", *rows])


def _files(found: Found) -> str:
    if not found["files"]:
        return "Not measured."
    rows = []
    for bits in ("64", "256", "1024"):
        file = found["files"][bits]
        ours, pool = (
            statistics.median(each[who] for each in file["rounds"]) for who in ("linebus", "pool")
        )
        by = _short(_files_ratio(found, bits) or 0)
        title = f"isprime, {int(bits):,} bits"
        lines = f"{file['lines']:,}"
        rows.append((title, lines, f"{ours:,.0f}", f"{pool:,.0f}", f"{int(file['chunk']):,}", by))
    mixed = found["files"]["mixed"]
    ours, sorted_ = (
        statistics.median(each[what] for each in mixed) for what in ("per_s", "unmixed_per_s")
    )
    by = _short(_mixed_ratio(found) or 0)
    rows.append(
        ("isprime and gcd at random, beside sorted", "", f"{ours:,.0f}", f"{sorted_:,.0f}", "", by)
    )
    return table(("", "lines", "linebus, lines/s", "beside, lines/s", "chunk", "ratio"), rows)


def _depths(found: Found) -> str:
    if not found["depths"]:
        return "Not measured."
    rows = []
    for queued in sorted({each["queued"] for each in found["depths"]}):
        bytes_, per_s = (_depth(found, queued, what) for what in ("bytes", "per_s"))
        rows.append((f"{queued:,}", f"{(bytes_ or 0) / 1e6:,.1f}", _figure(per_s)))
    return table(("Lines queued", "MB above the idle server", "replies/s"), rows)


def _breadths(found: Found) -> str:
    if not found["breadths"]:
        return "Not measured."
    rows = [
        (
            f"{each['workers']:,} workers, {each['clients']:,} clients",
            f"{each['asking']:,}",
            f"{each['outstanding']:,}",
            f"{1e6 * each['cpu_s_per_request']:,.0f}",
            f"{each['bytes'] / 1e6:,.0f}",
            f"{each['per_s']:,.0f}",
        )
        for each in found["breadths"]
    ]
    headings = ("In session", "of these ask", "outstanding", "µs of the server's per request")
    return table((*headings, "MB of the server", "requests/s"), rows)


def _idle(found: Found) -> str:
    if not found["idle"]:
        return "The idle server was not measured."
    share = 100 * found["idle"]["share"]
    return f"With {found['idle']['workers']} idle workers the server uses {share:.2f} % of a core."


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds"


def _environment(found: Found) -> str:
    told = found["environment"]
    cores = "1 core" if told["cores"] == 1 else f"{told['cores']} cores"
    return (
        f"linebus {told['linebus']}, {told['python']}, libzmq {told['libzmq']}, Redis "
        f"{told['redis']}, {told['system']}, {cores} of {told['cpu']}"
    )


def sections(found: Found) -> dict[str, str]:
    """Return what stands in the template's places."""
    counts = [sum(name in each for each in found["rounds"]) for name in _measured_names(found)]
    return {
        "day": found["environment"]["day"],
        "environment": _environment(found),
        "goals": _goals(found),
        "peers": _peers(found),
        "prime": f"{int(ISPRIME.reply.split()[0]):,}",
        "rounds": _rounds(max(counts, default=0)),
        "far_rounds": _rounds(min(counts, default=0)),
        "skipped": _skipped(found),
        "settings": _settings(found),
        "files": _files(found),
        "depths": _depths(found),
        "breadths": _breadths(found),
        "idle": _idle(found),
        "versions": _versions(found),
    }


def tables(found: Found) -> str:
    """Return the tables alone, for the terminal."""
    parts = sections(found)
    wanted = ("goals", "peers", "skipped", "files", "depths", "breadths", "idle")
    return "\n\n".join(parts[name] for name in wanted)


def write(found: Found, docs: Path) -> list[Path]:
    """Write the page and its plots; return the files."""
    parts = sections(found)
    text = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], TEMPLATE.read_text("utf-8"))
    page = docs / "benchmarks.md"
    page.write_text(text, "utf-8")
    try:
        import plots  # noqa: PLC0415  matplotlib may be missing
    except ImportError:
        return [page]
    titles = {name: each["title"] for name, each in found["peers"].items()}
    return [page, *plots.draw(found, titles, docs / "benchmarks")]

"""The plots of docs/benchmarks/: small SVG files, the same bytes for the same figures."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

Found = dict[str, Any]
mpl.rcParams.update(
    {
        "svg.hashsalt": "linebus",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.marker": "o",
        "lines.markersize": 4,
        "figure.facecolor": "white",
    }
)
COLOURS = {"linebus": "tab:blue", "proxy": "tab:gray", "nats": "tab:green"}
SIZE = (7.0, 4.0)


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})


def axes_of(figure: Figure, x: str, y: str, title: str) -> Axes:
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
    return axes


def window(found: Found, titles: dict[str, str], path: Path) -> None:
    figure = Figure(SIZE)
    axes = axes_of(figure, "requests outstanding", "replies a second", "isprime, 64 bits")
    for name, points in found.items():
        at = [int(each) for each in points]
        axes.plot(
            at,
            [each["per_s"] for each in points.values()],
            label=titles[name],
            color=COLOURS[name],
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend()
    save(figure, path)


def load(found: Found, titles: dict[str, str], path: Path) -> None:
    figure = Figure(SIZE)
    axes = axes_of(figure, "requests offered a second", "milliseconds", "How long a request takes")
    for name, points in found.items():
        offered = [each["offered_per_s"] for each in points.values()]
        for percent, style in ((50, "-"), (99, ":")):
            took = [1e3 * each[f"p{percent}_s"] for each in points.values()]
            label = f"{titles[name]}, p{percent}"
            axes.plot(offered, took, style, label=label, color=COLOURS[name])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, path)


def scaling(found: Found, path: Path) -> None:
    figure = Figure(SIZE)
    axes = axes_of(figure, "worker processes", "times one worker", "Scaling with workers")
    counts = [int(each) for each in found]
    axes.plot(counts, counts, "--", color="black", marker="", label="ideal")
    for bits in ("64", "256", "1024"):
        rates = [each[bits]["per_s"] for each in found.values() if bits in each]
        if len(rates) == len(counts):
            speedups = [rate / rates[0] for rate in rates]
            axes.plot(counts, speedups, label=f"isprime, {int(bits):,} bits")
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    axes.legend()
    save(figure, path)


def depth(found: list[Found], path: Path) -> None:
    figure = Figure(SIZE)
    axes = axes_of(figure, "lines queued", "echo replies a second", "Cost against queue depth")
    counts = sorted({each["queued"] for each in found})
    rates, memory = [], []
    for count in counts:
        same = [each for each in found if each["queued"] == count]
        rates.append(statistics.median(each["per_s"] for each in same))
        memory.append(statistics.median(each["bytes"] for each in same) / 1e6)
    axes.plot(counts, rates, color="tab:blue", label="replies a second")
    axes.set_ylim(bottom=0)
    axes.set_xscale("log")
    right = axes.twinx()
    right.plot(counts, memory, "--", color="tab:orange", label="memory")
    right.set_ylabel("MB above the idle server")
    right.set_ylim(bottom=0)
    right.grid(visible=False)
    figure.legend(loc="upper left", bbox_to_anchor=(0.15, 0.6))
    save(figure, path)


def draw(found: Found, titles: dict[str, str], folder: Path) -> list[Path]:
    """Draw what was measured; return the files."""
    folder.mkdir(exist_ok=True)
    drawn = []
    if found["windows"]:
        window(found["windows"], titles, path := folder / "window.svg")
        drawn.append(path)
    if found["loads"]:
        load(found["loads"], titles, path := folder / "load.svg")
        drawn.append(path)
    if found["scaling"]:
        scaling(found["scaling"], path := folder / "scaling.svg")
        drawn.append(path)
    if found["depths"]:
        depth(found["depths"], path := folder / "depth.svg")
        drawn.append(path)
    return drawn

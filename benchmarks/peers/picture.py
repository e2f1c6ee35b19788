"""Seconds of each program against levels, rows and predictors."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.cases import CASES
from benchmarks.peers.record import Records
from benchmarks.peers.roster import PROGRAMS
from skhlm.displays.style import look

PANELS = {
    "levels": "levels of 10 rows, one predictor",
    "rows": "rows in 200 levels, one predictor",
    "columns": "predictors, 1,000 rows in 20 levels",
}


class Point(NamedTuple):
    """Seconds of a fit, or of the limit at which it was ended."""

    size: int
    seconds: float
    ended: bool  # by itself


def draw(records: Records, path: Path) -> None:
    """Three panels with logarithmic axes; a cross is a fit that did not end within the limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, panels = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
    for axes, (series, label) in zip(panels, PANELS.items(), strict=True):
        _draw_panel(axes, records, series)
        axes.set_xlabel(label)
    panels[0].set_ylabel("seconds from start to fitted model")
    handles = [_line(panels[0], [], i) for i, _ in enumerate(PROGRAMS)]
    names = [program.name for program in PROGRAMS]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
    whole = BytesIO()
    figure.savefig(whole, dpi=100)
    plt.close(figure)
    few_colours = Image.open(whole).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    few_colours.save(path, optimize=True)


def times(records: Records, program: str, series: str) -> Iterator[Point]:
    """Fits of a program, smallest first; one that did not end is its last."""
    cases = [case for case in CASES if series in case.sizes and case.family == "normal"]
    for case in sorted(cases, key=lambda case: case.sizes[series]):
        record = records.get(case.key, {}).get(program)
        if record is None:
            continue
        if record.seconds is not None:
            yield Point(case.sizes[series], record.seconds, True)
        elif record.failure.startswith(">") and record.failure.endswith(" s"):
            yield Point(case.sizes[series], float(record.failure[1:-1]), False)


def _draw_panel(axes: Any, records: Records, series: str) -> None:
    """A line a program, with ticks at the sizes that there are."""
    axes.set(xscale="log", yscale="log")
    sizes = sorted(case.sizes[series] for case in CASES if series in case.sizes)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_yticks(ticks := [1, 10, 100], map(str, ticks))
    axes.grid(axis="y", color="0.9")
    for i, program in enumerate(PROGRAMS):
        _line(axes, list(times(records, program.name, series)), i)
    axes.spines[["top", "right"]].set_visible(False)


def _line(axes: Any, points: list[Point], i: int) -> Any:
    """That of program i, with crosses on what did not end."""
    color, marker, fill, line = look(i)
    (drawn,) = axes.plot(
        [point.size for point in points],
        [point.seconds for point in points],
        color=color,
        linestyle=line,
        linewidth=1.2,
        marker=marker,
        markerfacecolor=fill,
        markevery=[n for n, point in enumerate(points) if point.ended],
    )
    cut = [point for point in points if not point.ended]
    axes.plot(
        [point.size for point in cut],
        [point.seconds for point in cut],
        color=color,
        marker="x",
        markersize=8,
        markeredgewidth=2,
        linestyle="none",
    )
    return drawn

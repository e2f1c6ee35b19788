"""Seconds of each program against levels, rows and predictors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import CASES
from benchmarks.peers.record import Records
from benchmarks.peers.roster import PROGRAMS
from skhlm.displays.panels import tidy
from skhlm.displays.style import look

PANELS = {
    "levels": "levels of 10 rows, slopes vary",
    "rows": "rows in 200 levels, slopes vary",
    "columns": "predictors that all vary, 20 levels",
}


def draw(records: Records, path: Path) -> None:
    """Three panels with logarithmic axes; a cross is a fit that did not end within the limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(11, 4), sharey=True, layout="constrained")
    for axes, (series, label) in zip(panels, PANELS.items(), strict=True):
        for i, program in enumerate(PROGRAMS):
            points = list(times(records, program.name, series))
            if points:
                _line(axes, points, i, program.name)
        axes.set(xscale="log", yscale="log", xlabel=label)
        tidy(axes)
    panels[0].set_ylabel("seconds from start to fitted model")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def times(records: Records, program: str, series: str) -> Iterator[tuple[int, float, bool]]:
    """Size, seconds, and whether it ended; the first that did not is the last of the line."""
    cases = [case for case in CASES if series in case.sizes and case.family == "normal"]
    for case in sorted(cases, key=lambda case: case.sizes[series]):
        record = records.get(case.key, {}).get(program)
        if record is None:
            continue
        if record.seconds is not None:
            yield case.sizes[series], record.seconds, True
        elif record.failure.startswith(">") and record.failure.endswith(" s"):
            yield case.sizes[series], float(record.failure[1:-1]), False


def _line(axes: Any, points: list[tuple[int, float, bool]], i: int, name: str) -> None:
    """A program's, with a cross on what did not end."""
    color, marker, fill, line = look(i)
    size, seconds, _ = zip(*points, strict=True)
    axes.plot(size, seconds, color=color, linestyle=line, linewidth=1.2)
    ended = [point[:2] for point in points if point[2]]
    axes.plot(
        *zip(*ended, strict=True),
        color=color,
        marker=marker,
        markerfacecolor=fill,
        linestyle="none",
        label=name,
    ) if ended else None
    for x, y, there in points:
        if not there:
            axes.plot(x, y, color=color, marker="x", markersize=8, markeredgewidth=2)

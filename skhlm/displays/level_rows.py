"""Levels as rows of a picture, however many: what they are called, which labelled, how large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.displays.names import LONGEST, literal, shown, shown_apart
from skhlm.displays.panels import MAX_WIDTH, height_in_points, label_axes
from skhlm.displays.style import GREY, MAX_LOOKS, OTHER, PALE, Look, look
from skhlm.inputs.columns import Label
from skhlm.inputs.labels import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_ROW_INCHES, _FRAME_INCHES, _PANEL_INCHES = 0.22, 1.2, 2.6
_LETTER = 0.065  # inches, of a small letter
LEGEND_MARKER = 6.0  # points, diameter of a marker in a legend
_LABEL_POINTS = 9.0  # height that a label needs
_WIDEST = 6.0  # medians of the intervals' half widths, that an interval reaches to at most


def level_names(levels: Sequence[tuple[Label, ...]]) -> list[str]:
    """Names of levels: their own values where these differ, else their whole paths."""
    own = [str(level[-1]) for level in levels]
    return own if len(set(own)) == len(own) else paths(levels)


def parent_names(levels: Sequence[tuple[Label, ...]]) -> list[str] | None:
    """Names of the levels of the next coarser factor; None at the top of a hierarchy."""
    if any(len(level) < 2 for level in levels):
        return None
    return paths([level[:-1] for level in levels])


def rows_of_panels(
    n_panels: int, levels: Sequence[str], legend: Sequence[str]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Grid of panels with a row for each level, and the figure's width and height in inches.

    As many panels side by side as the widest figure holds beside the names of the levels and the
    entries of a legend.
    """
    legend_width = 0.5 + _LETTER * _most_letters(legend) if legend else 0.0
    beside = 0.8 + _LETTER * _most_letters(levels) + legend_width
    most = max(int((MAX_WIDTH - beside) / _PANEL_INCHES), 1)
    n_rows = -(-n_panels // most)
    n_columns = -(-n_panels // n_rows)
    height = n_rows * (_FRAME_INCHES + _ROW_INCHES * max(len(levels), 5))
    return (n_rows, n_columns), (beside + _PANEL_INCHES * n_columns, height)


def label_rows(
    panels: Sequence[Axes], n_columns: int, names: Sequence[str], factor: str | None
) -> None:
    """Label the rows 0, 1, ..., from the bottom, or as many of them, evenly, as there is room.

    Names stand beside the panels of the first column.
    """
    n, labels = len(names), shown_apart(names)
    rows = labelled_rows(n, int(height_in_points(panels[0]) / _LABEL_POINTS))
    for i, axes in enumerate(panels):
        axes.set_ylim(-0.7, n - 0.3)
        axes.set_yticks(rows, [literal(labels[row]) for row in rows], fontsize=8)
        axes.tick_params(axis="y", labelleft=i % n_columns == 0, length=2)
        axes.grid(axis="y", color=PALE, lw=0.3)
        axes.set_axisbelow(True)
        if factor is not None and i % n_columns == 0:
            label_axes(axes, y=f"{shown(factor)}\n({n} level{'s' * (n != 1)})")


def rows_in_order(order: Ints) -> Ints:
    """The row of each level, from the bottom, from the levels in order of their rows."""
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.arange(len(order))
    return row


def central_limits(centre: Floats, lower: Floats, upper: Floats) -> tuple[float, float]:
    """Ends of an axis along which intervals lie: all centres, and as much of intervals as helps.

    One that is many times as wide as the others would leave no room for these: it goes beyond.
    """
    reach = _WIDEST * float(np.nanmedian(np.maximum(upper - centre, centre - lower)))
    low = max(float(np.nanmin(lower)), float(np.nanmin(centre)) - reach)
    high = min(float(np.nanmax(upper)), float(np.nanmax(centre)) + reach)
    low, high = min(low, float(np.nanmin(centre))), max(high, float(np.nanmax(centre)))
    return low, high


def draw_beyond(
    axes: Axes, left: Floats | Ints, right: Floats | Ints, limits: tuple[float, float]
) -> list[Line2D]:
    """Arrows in rows of which something is beyond the left or the right end of the axis."""
    settings: dict[str, Any] = {"color": GREY, "mfc": "white", "ls": "", "ms": 4.0, "zorder": 5}
    sides = zip((left, right), limits, "<>", strict=True)
    return [
        axes.plot(np.full(len(rows), end), rows, marker=marker, **settings)[0]
        for rows, end, marker in sides
    ]


def beyond_handle() -> Line2D:
    """Such an arrow, for legends."""
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"color": GREY, "mfc": "white", "ls": "", "ms": 4.0, "marker": ">"}
    return Line2D([], [], label="beyond the axis", **style)


def set_limits(axes: Axes, limits: tuple[float, float], *also: float) -> None:
    """The x axis from one end to the other, and to some values more, with a margin."""
    low, high = min(*limits, *also), max(*limits, *also)
    margin = 0.04 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)


def labelled_rows(n: int, room: int) -> Ints:
    """At most ``room`` of n rows at equal steps from the top one, and always the bottom one."""
    step = -(-n // max(room, 2))
    rows = np.arange(n - 1, -1, -step)
    rows[-1] = 0
    return rows


def marker_size(axes: Axes, n_levels: int) -> float:
    """Diameter of a marker, in points, that fits into a row and still can be seen."""
    return float(np.clip(0.8 * height_in_points(axes) / max(n_levels, 1), 2.4, 6.0))


def row_line_width(axes: Axes, n_levels: int) -> float:
    """Width of a line, in points, that leaves a gap to the next row's."""
    return float(np.clip(0.35 * height_in_points(axes) / max(n_levels, 1), 0.6, 1.6))


def parent_looks(parents: Sequence[str] | None, n_levels: int) -> list[tuple[str, Look, Ints]]:
    """What each parent is called, how its levels are drawn, and which they are.

    Parents with most levels get looks of their own while there are any; all others share a grey.
    """
    if parents is None:
        return [("", look(0), np.arange(n_levels))]
    names, of_level, sizes = np.unique(np.asarray(parents), return_inverse=True, return_counts=True)
    if len(names) <= MAX_LOOKS:
        own = np.arange(len(names))
    else:
        own = np.sort(np.argsort(-sizes, kind="stable")[: MAX_LOOKS - 1])
    result = [
        (str(names[p]), look(i), np.flatnonzero(of_level == p)) for i, p in enumerate(own.tolist())
    ]
    rest = np.flatnonzero(~np.isin(of_level, own))
    if len(rest):
        result.append((f"{len(names) - len(own)} others", OTHER, rest))
    return result


def legend_names(looks: Sequence[tuple[str, Look, Ints]]) -> list[str]:
    """What a legend calls the parents, told apart."""
    return list(map(literal, shown_apart([name for name, _, _ in looks])))


def ordered_from_bottom(values: Floats) -> Ints:
    """Levels in increasing order of a value, those without one first; ties keep their order."""
    return np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")


def _most_letters(names: Sequence[str]) -> int:
    """Letters of the longest name, as short as it is shown."""
    return min(max(map(len, names), default=0), LONGEST)

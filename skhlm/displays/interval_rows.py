"""Intervals in rows, one below the other: a forest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.displays.level_rows import (
    beyond_handle,
    draw_beyond,
    marker_size,
    row_line_width,
)
from skhlm.displays.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D


class Forest(NamedTuple):
    """Artists of intervals in rows; ``inner`` is None where there are none.

    Of ``beyond`` there are arrows at the left and at the right end of the axis.
    """

    points: Line2D
    intervals: LineCollection
    inner: LineCollection | None
    beyond: list[Line2D]


def draw_forest(
    axes: Axes,
    rows: Floats | Ints,
    centre: Floats,
    ends: Floats,
    inner: Floats | None = None,
    *,
    limits: tuple[float, float],
) -> Forest:
    """Points, bars between ends (n, 2) and thicker ones between inner ends, in rows.

    Parameters
    ----------
    axes : Axes
    rows, centre : ndarray of shape (n,)
    ends, inner : ndarray of shape (n, 2)
    limits : (float, float)
        Ends of the axis, beyond which there are arrows.
    """
    n = len(rows)
    width = row_line_width(axes, n)
    bars = axes.hlines(rows, *ends.T, color=BLUE, lw=width)
    thick = None if inner is None else axes.hlines(rows, *inner.T, color=BLUE, lw=2.5 * width)
    settings: dict[str, Any] = {"color": BLUE, "ls": "", "zorder": 4}
    (points,) = axes.plot(centre, rows, marker="o", ms=marker_size(axes, n), **settings)
    low, high = limits
    beyond = draw_beyond(axes, rows[ends[:, 0] < low], rows[ends[:, 1] > high], limits)
    return Forest(points, bars, thick, beyond)


def forest_handles(
    forests: Sequence[Forest], centre: str, coverage: float, inner: float | None = None
) -> list[Line2D]:
    """What points and bars are, and arrows if a panel has one, for the legend."""
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"color": BLUE, "marker": "o", "ls": "", "ms": 6.0}
    handles = [
        Line2D([], [], label=centre, **style),
        Line2D([], [], color=BLUE, lw=1.6, label=f"{100 * coverage:g}% interval"),
    ]
    if inner is not None:
        handles.append(Line2D([], [], color=BLUE, lw=4, label=f"{100 * inner:g}% interval"))
    if any(np.size(arrow.get_xdata()) for forest in forests for arrow in forest.beyond):
        handles.append(beyond_handle())
    return handles

"""Intervals in rows, one below the other: a forest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.displays.level_rows import (
    beyond_handle,
    central_limits,
    draw_beyond,
    marker_size,
    row_line_width,
)
from skhlm.displays.style import BLACK, BLUE, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

PLAIN = Look(BLUE, "o", BLUE, "-")


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
    style: Look = PLAIN,
    limits: tuple[float, float] | None = None,
) -> Forest:
    """Points, bars between ends (n, 2) and thicker ones between inner ends, in rows.

    Parameters
    ----------
    axes : Axes
    rows, centre : ndarray of shape (n,)
    ends, inner : ndarray of shape (n, 2)
    style : Look
    limits : (float, float), default=None
        Ends of the axis; None is `central_limits`.
    """
    n = len(np.unique(np.floor(rows)))
    width = row_line_width(axes, n)
    bars = axes.hlines(rows, *ends.T, color=style.color, lw=width)
    thick = (
        None if inner is None else axes.hlines(rows, *inner.T, color=style.color, lw=2.5 * width)
    )
    settings: dict[str, Any] = {"color": style.color, "mfc": style.fill, "ls": "", "zorder": 4}
    (points,) = axes.plot(centre, rows, marker=style.marker, ms=marker_size(axes, n), **settings)
    low, high = limits = central_limits(centre, *ends.T) if limits is None else limits
    beyond = draw_beyond(axes, rows[ends[:, 0] < low], rows[ends[:, 1] > high], limits)
    return Forest(points, bars, thick, beyond)


def forest_handles(
    forests: Sequence[Forest], centre: str, coverage: float, inner: float | None = None
) -> list[Line2D]:
    """What points and bars are, for the legend."""
    from matplotlib.lines import Line2D

    color = forests[0].points.get_color() if len(forests) == 1 else BLACK
    style: dict[str, Any] = {"color": color, "marker": "o", "ls": "", "ms": 6.0}
    handles = [
        Line2D([], [], label=centre, **style),
        Line2D([], [], color=color, lw=1.6, label=f"{100 * coverage:g}% interval"),
    ]
    if inner is not None:
        handles.append(Line2D([], [], color=color, lw=4, label=f"{100 * inner:g}% interval"))
    if any(np.size(arrow.get_xdata()) for forest in forests for arrow in forest.beyond):
        handles.append(beyond_handle())
    return handles

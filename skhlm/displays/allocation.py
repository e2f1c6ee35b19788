"""`AllocationDisplay`: what each unit gets now and at its best, and what one more then brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.level_rows import label_rows, marker_size, row_line_width, rows_of_panels
from skhlm.displays.panels import figure_of, legend_beside, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK, BLUE, GREY, VERMILION
from skhlm.methods.allocation import Allocation
from skhlm.numerics.digits import significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_START, _MORE, _LESS = "now", "gets more", "gets less"


class AllocationDisplay:
    """Amounts of units before and after, beside the marginal returns at the end.

    There is a row for each unit, in order of what changes. On the left an open marker is what its
    rows have now, a filled one what they should have; on the right is what one more would then
    bring, with its interval: the same in all units that are at no bound.

    Parameters
    ----------
    units : array-like of str of shape (m,)
        What the units are called.
    start, end : array-like of shape (m,)
        Amounts of a row.
    marginal, marginal_lower, marginal_upper : array-like of shape (m,)
        Marginal returns at the end.
    feature : str, default="amount"
        What is spent, and its unit.
    title : str, default=""
        Of the left panel: what the change brings.
    coverage : float, default=0.9
        Posterior probability of the intervals.

    Attributes
    ----------
    ax_ : ndarray of shape (2,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    order_ : ndarray of shape (m,)
        Units from the bottom row to the top one.
    start_, end_ : PathCollection
        Markers of the amounts.
    changes_ : LineCollection
        From one to the other.
    marginal_ : ErrorbarContainer
    legend_ : Legend

    See Also
    --------
    skhlm.optimize_allocation : The amounts, and what is drawn as a frame.

    Examples
    --------
    >>> from skhlm.displays import AllocationDisplay
    >>> display = AllocationDisplay(
    ...     units=["A", "B"], start=[3.0, 3.0], end=[2.0, 4.0], marginal=[0.5, 0.5],
    ...     marginal_lower=[0.4, 0.3], marginal_upper=[0.6, 0.7], feature="spend (kEUR)",
    ... )
    >>> display.plot().order_
    array([0, 1])
    """

    def __init__(
        self,
        *,
        units: ArrayLike,
        start: ArrayLike,
        end: ArrayLike,
        marginal: ArrayLike,
        marginal_lower: ArrayLike,
        marginal_upper: ArrayLike,
        feature: str = "amount",
        title: str = "",
        coverage: float = 0.9,
    ) -> None:
        self.units = np.asarray(units, dtype=np.str_)
        self.start: Floats = np.asarray(start, dtype=np.float64)
        self.end: Floats = np.asarray(end, dtype=np.float64)
        self.marginal: Floats = np.asarray(marginal, dtype=np.float64)
        self.marginal_lower: Floats = np.asarray(marginal_lower, dtype=np.float64)
        self.marginal_upper: Floats = np.asarray(marginal_upper, dtype=np.float64)
        self.feature = feature
        self.title = title
        self.coverage = coverage

    @classmethod
    def from_allocation(
        cls, allocation: Allocation, *, feature: str | None = None, ax: Any = None
    ) -> AllocationDisplay:
        """Draw what `optimize_allocation` returned.

        Parameters
        ----------
        allocation : Allocation
        feature : str, default=None
            What is spent, and its unit, for the axes; None is the column's name.
        ax
            As in `plot`.

        Returns
        -------
        AllocationDisplay
            Drawn.

        Raises
        ------
        TypeError
            If it is none.
        """
        if not isinstance(allocation, Allocation):
            raise TypeError(
                f"allocation: give what optimize_allocation returned, an Allocation, got "
                f"{type(allocation).__name__}."
            )
        frame = allocation.units
        own = frame.iloc[:, : frame.columns.tolist().index("n_rows")]
        columns = ("start", "end", "marginal", "marginal_lower", "marginal_upper")
        display = cls(
            units=own.astype(str).agg(" / ".join, axis=1),
            **{name: frame[name] for name in columns},
            coverage=allocation.coverage,
            feature=allocation.feature if feature is None else feature,
            title=f"gain {significant(allocation.gain)}, {allocation.coverage:.0%} interval "
            f"{significant(allocation.lower)} to {significant(allocation.upper)}",
        )
        return display.plot(ax)

    @with_glyphs
    def plot(self, ax: Any = None) -> AllocationDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of 2 Axes, default=None
            What to draw on: one Axes bounds both panels; None is a new figure.

        Returns
        -------
        self
        """
        m = len(self.units)
        shape, size = rows_of_panels(2, self.units.tolist(), [self._interval()])
        panels = open_panels("AllocationDisplay.plot", ax, 2, shape, size, sharey="all")
        self.order_ = np.argsort(self.end - self.start, kind="stable")
        label_rows(panels, 2, self.units[self.order_].tolist(), None)
        self._draw_amounts(panels[0])
        self._draw_marginal(panels[1])
        name_panel(panels[0], self.title, self.feature)
        name_panel(panels[1], "marginal returns", f"what one more of {self.feature} brings")
        for axes in panels:
            tidy(axes)
        self.legend_ = legend_beside(panels[1], handles=self._handles(marker_size(panels[0], m)))
        self.ax_ = np.array(panels, dtype=object)
        self.figure_ = figure_of(panels[0])
        return self

    def _draw_amounts(self, axes: Axes) -> None:
        """Markers before and after, and the way between."""
        start, end = self.start[self.order_], self.end[self.order_]
        row, area = np.arange(len(start)), marker_size(axes, len(start)) ** 2
        colors = np.where(end >= start, BLUE, VERMILION).tolist()
        width = row_line_width(axes, len(start))
        self.changes_ = axes.hlines(row, start, end, colors=colors, lw=width)
        self.start_ = axes.scatter(
            start, row, s=area, facecolors="white", edgecolors=GREY, linewidths=0.8, zorder=3
        )
        self.end_ = axes.scatter(end, row, s=area, c=colors, zorder=4)

    def _draw_marginal(self, axes: Axes) -> None:
        """Marginal returns with their intervals."""
        value, low, high = (
            x[self.order_] for x in (self.marginal, self.marginal_lower, self.marginal_upper)
        )
        self.marginal_ = axes.errorbar(
            value,
            np.arange(len(value)),
            xerr=[np.maximum(value - low, 0), np.maximum(high - value, 0)],
            fmt="o",
            ms=marker_size(axes, len(value)),
            color=BLACK,
            elinewidth=row_line_width(axes, len(value)),
        )

    def _handles(self, size: float) -> list[Line2D]:
        """What markers and colours mean."""
        from matplotlib.lines import Line2D

        markers = [
            Line2D([], [], ls="", marker="o", ms=size, color=color, mfc=fill, label=label)
            for label, color, fill in (
                (_START, GREY, "white"),
                (_MORE, BLUE, BLUE),
                (_LESS, VERMILION, VERMILION),
            )
        ]
        return [*markers, Line2D([], [], color=BLACK, lw=1.2, label=self._interval())]

    def _interval(self) -> str:
        """What the legend says of the bars."""
        return f"{100 * self.coverage:g}% interval"

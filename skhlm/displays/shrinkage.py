"""`ShrinkageDisplay`: how far each level is pulled from its own estimate to the common value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats, Ints
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import (
    by_level,
    choose_coefficients,
    choose_factor,
    in_units,
    name_inside,
    outcome_title,
)
from skhlm.displays.level_rows import (
    beyond_handle,
    draw_beyond,
    label_rows,
    legend_names,
    level_names,
    marker_size,
    parent_looks,
    parent_names,
    rows_in_order,
    rows_of_panels,
    set_limits,
)
from skhlm.displays.names import LONGEST_ALONE, shown_apart
from skhlm.displays.panels import figure_of, legend_beside, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK, GREY, Look
from skhlm.methods.fitted import find_hierarchical

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

_SMALLEST = 2.2  # points, diameter of a marker
_LARGEST = 8.5
_BULK = 5.0  # median distances from the median, of the axis to each side


class ShrinkageDisplay:
    """No-pooling estimates of a factor's levels drawn to their partial-pooling estimates.

    There is a panel for each coefficient and a row for each level, the same in all panels. An open
    marker is what the level's own rows say, a filled one what the model says; between them is the
    pull. The black line is the value common to all levels with the same parent, which a level
    without data would get. Markers have areas in proportion to the level's rows: small ones are
    pulled furthest. Levels lie in blocks by their parents, which colours and markers tell as well,
    and in order of their no-pooling estimates within.

    Parameters
    ----------
    levels : array-like of str of shape (J,)
        What the levels are called.
    coefficients : array-like of str of shape (K,)
        The coefficients.
    no_pooling, partial_pooling, complete_pooling : array-like of shape (J, K)
        The estimates; NaN where a level's own rows do not identify the coefficient.
    n : array-like of shape (J,)
        Number of rows of each level, or of other units.
    parents : array-like of str of shape (J,), default=None
        What the levels' parents are called; None if the factor has no coarser one.
    factor : str, default=None
        The factor.
    outcome : str, default=None
        Name and unit of y, for the axes.
    unit : str, default="row"
        What ``n`` counts, in the singular.

    Attributes
    ----------
    ax_ : Axes, or ndarray of K of them
        What was drawn on.
    axes_ : ndarray of shape (K,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    order_ : ndarray of shape (J,)
        Levels from the bottom row to the top one.
    no_pooling_, partial_pooling_ : ndarray of shape (K, number of parents)
        Markers (PathCollection) for each panel and parent in order of `parents_`. No-pooling
        estimates beyond the axis are at its edge, as arrows: `beyond_`.
    beyond_ : ndarray of shape (K, 2)
        Arrows at the left and right edges of each panel (Line2D).
    pulls_ : ndarray of shape (K, number of parents)
        Lines between the two (LineCollection).
    complete_pooling_ : ndarray of shape (K,)
        Segments of the pooled line of each panel (LineCollection).
    parents_ : list of str
        The parents that have a colour of their own; the last may be all others together.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.shrinkage_factors : The same as a frame, with intervals.

    Notes
    -----
    "Intercept at the means" is the expected value at the predictors' means, where pooling acts. The
    axis spans all partial-pooling estimates and the bulk of the no-pooling ones: those of a few
    rows may be anywhere.

    References
    ----------
    Efron, B. and Morris, C. (1977). Stein's paradox in statistics. Scientific American 236(5),
    119-127. doi:10.1038/scientificamerican0577-119

    Examples
    --------
    >>> from skhlm.displays import ShrinkageDisplay
    >>> display = ShrinkageDisplay(
    ...     levels=["A", "B", "C"], coefficients=["Intercept"], n=[2, 50, 9],
    ...     no_pooling=[[3.0], [1.0], [0.1]], partial_pooling=[[1.6], [1.0], [0.4]],
    ...     complete_pooling=[[1.1], [1.1], [1.1]],
    ... )
    >>> display.plot().order_
    array([2, 1, 0])
    """

    def __init__(
        self,
        *,
        levels: ArrayLike,
        coefficients: ArrayLike,
        no_pooling: ArrayLike,
        partial_pooling: ArrayLike,
        complete_pooling: ArrayLike,
        n: ArrayLike,
        parents: ArrayLike | None = None,
        factor: str | None = None,
        outcome: str | None = None,
        unit: str = "row",
    ) -> None:
        self.levels = np.asarray(levels, dtype=np.str_)
        self.coefficients = np.asarray(coefficients, dtype=np.str_)
        self.no_pooling: Floats = np.asarray(no_pooling, dtype=np.float64)
        self.partial_pooling: Floats = np.asarray(partial_pooling, dtype=np.float64)
        self.complete_pooling: Floats = np.asarray(complete_pooling, dtype=np.float64)
        self.n: Floats = np.asarray(n, dtype=np.float64)
        self.parents = None if parents is None else np.asarray(parents, dtype=np.str_)
        self.factor = factor
        self.outcome = outcome
        self.unit = unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        factor: str | None = None,
        *,
        coefficients: Sequence[str] | str | None = None,
        outcome: str | None = None,
        ax: Any = None,
    ) -> ShrinkageDisplay:
        """Draw the pooling of a fitted model.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        factor : str, default=None
            A grouping factor, such as "region/country"; None is the one with most levels.
        coefficients : str or list of str, default=None
            Some of the coefficients that vary by the factor; None is all of them.
        outcome : str, default=None
            Name and unit of y, for the axes, such as "reaction time (ms)"; None is the name that y
            had at fit. Of families with a link the axes are, and say, log odds or logarithms of it,
            and of a transformed target what the model inside sees.
        ax
            As in `plot`.

        Returns
        -------
        ShrinkageDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If the model has no such factor, or the coefficient does not vary by it.
        """
        route = find_hierarchical(estimator)
        model: Any = route.model
        outcome = name_inside(route, outcome)
        factor = choose_factor(model, factor)
        frame = model.shrinkage_factors(factor)
        return cls._of_frame(model, frame, factor, coefficients, outcome).plot(ax)

    @classmethod
    def _of_frame(
        cls,
        model: Any,
        frame: pd.DataFrame,
        factor: str,
        coefficients: Sequence[str] | str | None = None,
        outcome: str | None = None,
    ) -> ShrinkageDisplay:
        """The same, not drawn yet, of what `shrinkage_factors` says of a factor."""
        levels, names = list(dict.fromkeys(frame["level"])), frame["coefficient"].unique().tolist()
        chosen = choose_coefficients(coefficients, names, factor)
        estimates = ("no_pooling", "partial_pooling", "complete_pooling")
        return cls(
            levels=level_names(levels),
            coefficients=chosen,
            **{name: by_level(frame, name, chosen) for name in estimates},
            n=by_level(frame, "n", chosen)[:, 0],
            parents=parent_names(levels),
            factor=factor,
            outcome=outcome_title(model, outcome, link=True),
            unit=model._unit,
        )

    @with_glyphs
    def plot(self, ax: Any = None) -> ShrinkageDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of K Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.

        Returns
        -------
        self
        """
        J, K = self.partial_pooling.shape
        parents = None if self.parents is None else self.parents.tolist()
        legend = [*(parents or []), "complete pooling"]
        grid, size = rows_of_panels(K, self.levels.tolist(), legend)
        panels = open_panels("ShrinkageDisplay.plot", ax, K, grid, size, sharey="all")
        self.order_ = self._blocks()
        row = rows_in_order(self.order_)
        looks = parent_looks(parents, J)
        titles = shown_apart(self.coefficients, LONGEST_ALONE)
        shape = (K, len(looks))
        self.no_pooling_ = np.empty(shape, dtype=object)
        self.partial_pooling_ = np.empty(shape, dtype=object)
        self.pulls_ = np.empty(shape, dtype=object)
        self.complete_pooling_ = np.empty(K, dtype=object)
        self.beyond_ = np.empty((K, 2), dtype=object)
        label_rows(panels, grid[1], self.levels[self.order_].tolist(), self.factor)
        for k, axes in enumerate(panels):
            self._draw_panel(axes, k, row, looks)
            name = str(self.coefficients[k])
            name_panel(axes, titles[k], in_units(name, self.outcome))
            tidy(axes)
        self.parents_ = [name for name, _, _ in looks] if parents else []
        last = panels[min(grid[1], K) - 1]
        self.legend_ = legend_beside(last, handles=self._legend_handles(panels[0], looks))
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if K == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _blocks(self) -> Ints:
        """Levels from the bottom: by their common value, parent and no-pooling estimate."""
        own = np.where(np.isnan(self.no_pooling), self.partial_pooling, self.no_pooling)[:, 0]
        if self.parents is None:
            return np.argsort(own, kind="stable")
        _, parent = np.unique(self.parents, return_inverse=True)
        common = np.bincount(parent, self.complete_pooling[:, 0]) / np.bincount(parent)
        return np.lexsort((own, parent, common[parent]))

    def _draw_panel(
        self, axes: Axes, k: int, row: Ints, looks: Sequence[tuple[str, Look, Ints]]
    ) -> None:
        """One coefficient: the pooled line, pulls and markers."""
        low, high = limits = self._limits(k)
        shown = np.clip(self.no_pooling[:, k], low, high)
        size = self._areas(axes)
        self.complete_pooling_[k] = self._draw_pooled(axes, k)
        for p, (_, style, members) in enumerate(looks):
            y, partial, own = row[members], self.partial_pooling[members, k], shown[members]
            inside = np.where(own == self.no_pooling[members, k], own, np.nan)
            shape: dict[str, Any] = {"s": size[members], "marker": style.marker, "lw": 0.8}
            self.pulls_[k, p] = axes.hlines(y, own, partial, color=style.color, lw=0.8, alpha=0.7)
            self.no_pooling_[k, p] = axes.scatter(
                inside, y, facecolors="white", edgecolors=style.color, **shape
            )
            self.partial_pooling_[k, p] = axes.scatter(
                partial, y, facecolors=style.color, edgecolors=style.color, **shape
            )
        own = self.no_pooling[:, k]
        self.beyond_[k] = draw_beyond(axes, row[own < low], row[own > high], limits)
        set_limits(axes, limits)

    def _limits(self, k: int) -> tuple[float, float]:
        """Ends of the axis: all of what the model says, and the bulk of the levels' own.

        The bulk is within five median distances from the median, of which less than half of the
        levels, however far off, move neither.
        """
        model = np.r_[self.partial_pooling[:, k], self.complete_pooling[:, k]]
        low, high = float(model.min()), float(model.max())
        own = self.no_pooling[:, k][~np.isnan(self.no_pooling[:, k])]
        if not own.size:
            return low, high
        middle = float(np.median(own))
        reach = max(_BULK * float(np.median(np.abs(own - middle))), high - low)
        return (
            min(low, max(float(own.min()), middle - reach)),
            max(high, min(float(own.max()), middle + reach)),
        )

    def _areas(self, axes: Axes) -> Floats:
        """Areas of markers, in points squared, in proportion to n but never too small to see."""
        largest = float(np.clip(2.2 * marker_size(axes, len(self.levels)), 5.0, _LARGEST))
        areas: Floats = np.maximum(largest**2 * self.n / self.n.max(), _SMALLEST**2)
        return areas

    def _draw_pooled(self, axes: Axes, k: int) -> LineCollection:
        """A vertical segment over the rows that share a common value."""
        values = self.complete_pooling[self.order_, k]
        starts = np.flatnonzero(np.r_[True, np.diff(values) != 0])
        ends = np.r_[starts[1:], len(values)]
        return axes.vlines(values[starts], starts - 0.5, ends - 0.5, color=BLACK, lw=1.4)

    def _legend_handles(self, axes: Axes, looks: Sequence[tuple[str, Look, Ints]]) -> list[Line2D]:
        """What markers, lines, colours and sizes mean."""
        from matplotlib.lines import Line2D

        def marker(label: str, shape: str, color: str, fill: str, size: float = 6.0) -> Line2D:
            style: dict[str, Any] = {"marker": shape, "color": color, "mfc": fill, "ms": size}
            return Line2D([], [], label=label, ls="", **style)

        handles = [
            marker("no pooling", "o", GREY, "white"),
            marker("partial pooling", "o", GREY, GREY),
            Line2D([], [], color=BLACK, lw=1.4, label="complete pooling"),
        ]
        if any(line.get_xdata().size for pair in self.beyond_ for line in pair):
            handles.append(beyond_handle())
        diameters = np.sqrt(self._areas(axes))
        for i in dict.fromkeys([int(self.n.argmin()), int(self.n.argmax())]):
            counted = f"{self.n[i]:,.6g} {self.unit}{'s' if self.n[i] != 1 else ''}"
            handles.append(marker(counted, "o", GREY, GREY, float(diameters[i])))
        if self.parents is not None:
            handles += [
                marker(name, style.marker, style.color, style.color)
                for name, (_, style, _) in zip(legend_names(looks), looks, strict=True)
            ]
        return handles

"""`GroupEffectsDisplay`: the effects of a factor's levels in order, with their intervals."""

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
    LEGEND_MARKER,
    beyond_handle,
    central_limits,
    draw_beyond,
    label_rows,
    legend_names,
    level_names,
    marker_size,
    ordered_from_bottom,
    parent_looks,
    parent_names,
    row_line_width,
    rows_in_order,
    rows_of_panels,
    set_limits,
)
from skhlm.displays.names import LONGEST_ALONE, shown_apart
from skhlm.displays.panels import figure_of, legend_beside, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK, OTHER, Look, look
from skhlm.inputs.columns import listed
from skhlm.methods.arguments import check_coverage
from skhlm.methods.fitted import find_hierarchical

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D


class GroupEffectsDisplay:
    """Group effects delta of one factor with their intervals, levels in order, by coefficient.

    There is a panel for each coefficient that varies by the factor, and a row for each level, the
    same in all panels. Colour and marker tell the level of the next coarser factor ("parent") that
    a level lies in. With many levels rows become thin and only some are labelled, the first and
    the last always. An interval many times as wide as the others ends in an arrow.

    Parameters
    ----------
    levels : array-like of str of shape (J,)
        What the levels are called.
    coefficients : array-like of str of shape (K,)
        The coefficients.
    mean, lower, upper : array-like of shape (J, K)
        Posterior means of the effects and ends of their intervals, in the units of y or of y per
        unit of the coefficient's predictor.
    parents : array-like of str of shape (J,), default=None
        What the levels' parents are called; None if the factor has no coarser one.
    factor : str, default=None
        The factor.
    titles : array-like of str of shape (K,), default=None
        What the coefficients are called above their panels; None is their names.
    coverage : float, default=0.9
        Posterior probability of the intervals.
    outcome : str, default=None
        Name and unit of y, for the axes, such as "reaction time (ms)".

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
    errorbars_ : ndarray of shape (K, number of parents)
        Points and intervals, an ErrorbarContainer for each panel and parent in order of `parents_`.
    beyond_ : ndarray of shape (K, 2)
        Arrows where intervals go on beyond the left and right ends of each panel (Line2D).
    parents_ : list of str
        The parents that have a colour of their own; the last may be all others together.
    legend_ : Legend
        What points, bars and colours mean.

    See Also
    --------
    skhlm.HLMRegressor.group_effects : The same as a frame.
    ShrinkageDisplay : How far the data pull each level.

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import GroupEffectsDisplay
    >>> mean = np.array([[0.4], [-0.2], [0.1]])
    >>> display = GroupEffectsDisplay(
    ...     levels=["France", "Japan", "Chile"], coefficients=["Intercept"],
    ...     mean=mean, lower=mean - 0.3, upper=mean + 0.3,
    ... )
    >>> display.plot().order_
    array([1, 2, 0])
    """

    def __init__(
        self,
        *,
        levels: ArrayLike,
        coefficients: ArrayLike,
        mean: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        parents: ArrayLike | None = None,
        factor: str | None = None,
        titles: ArrayLike | None = None,
        coverage: float = 0.9,
        outcome: str | None = None,
    ) -> None:
        self.levels = np.asarray(levels, dtype=np.str_)
        self.coefficients = np.asarray(coefficients, dtype=np.str_)
        self.mean: Floats = np.asarray(mean, dtype=np.float64)
        self.lower: Floats = np.asarray(lower, dtype=np.float64)
        self.upper: Floats = np.asarray(upper, dtype=np.float64)
        self.parents = None if parents is None else np.asarray(parents, dtype=np.str_)
        self.factor = factor
        self.titles = self.coefficients if titles is None else np.asarray(titles, dtype=np.str_)
        self.coverage = coverage
        self.outcome = outcome

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        factor: str | None = None,
        *,
        coefficients: Sequence[str] | str | None = None,
        coverage: float = 0.9,
        outcome: str | None = None,
        sort_by: str | None = None,
        ax: Any = None,
    ) -> GroupEffectsDisplay:
        """Draw the group effects of a fitted model, those on the intercept at x = 0.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        factor : str, default=None
            A grouping factor, such as "region/country"; None is the one with most levels.
        coefficients : str or list of str, default=None
            Some of the coefficients that vary by the factor; None is all of them.
        coverage : float in (0, 1), default=0.9
            Posterior probability of the intervals.
        outcome : str, default=None
            Name and unit of y, for the axes, such as "reaction time (ms)"; None is the name that y
            had at fit. Of families with a link the axes are, and say, log odds or logarithms of it,
            and of a transformed target what the model inside sees.
        sort_by, ax
            As in `plot`.

        Returns
        -------
        GroupEffectsDisplay
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
        check_coverage(coverage)
        route = find_hierarchical(estimator)
        model: Any = route.model
        outcome = name_inside(route, outcome)
        factor = choose_factor(model, factor)
        frame = model.group_effects(factor, coverage)
        display = cls._of_frame(model, frame, factor, coefficients, coverage, outcome)
        return display.plot(ax, sort_by=sort_by)

    @classmethod
    def _of_frame(
        cls,
        model: Any,
        frame: pd.DataFrame,
        factor: str,
        coefficients: Sequence[str] | str | None = None,
        coverage: float = 0.9,
        outcome: str | None = None,
    ) -> GroupEffectsDisplay:
        """The same, not drawn yet, of what `group_effects` says of a factor."""
        levels, names = list(dict.fromkeys(frame["level"])), frame["coefficient"].unique().tolist()
        chosen = choose_coefficients(coefficients, names, factor)
        labels = model._spec.labels
        titles = dict(zip(labels.coefficients, labels.titles.coefficients, strict=True))
        mean, lower, upper = (by_level(frame, name, chosen) for name in ("mean", "lower", "upper"))
        return cls(
            levels=level_names(levels),
            coefficients=chosen,
            mean=mean,
            lower=lower,
            upper=upper,
            parents=parent_names(levels),
            factor=factor,
            titles=[titles[name] for name in chosen],
            coverage=coverage,
            outcome=outcome_title(model, outcome, link=True),
        )

    @with_glyphs
    def plot(self, ax: Any = None, *, sort_by: str | None = None) -> GroupEffectsDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of K Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.
        sort_by : str, default=None
            The coefficient by whose mean the levels are ordered; None is the first.

        Returns
        -------
        self
        """
        J, K = self.mean.shape
        caller = "GroupEffectsDisplay.plot"
        parents = None if self.parents is None else self.parents.tolist()
        shape, size = rows_of_panels(K, self.levels.tolist(), [_POINT, *(parents or [])])
        panels = open_panels(caller, ax, K, shape, size, sharey="all")
        self.order_ = ordered_from_bottom(self.mean[:, self._column(sort_by)])
        looks = parent_looks(parents, J)
        titles = shown_apart(self.titles, LONGEST_ALONE)
        self.errorbars_ = np.empty((K, len(looks)), dtype=object)
        self.beyond_ = np.empty((K, 2), dtype=object)
        for k, axes in enumerate(panels):
            self._draw_panel(axes, k, looks)
            name = str(self.coefficients[k])
            name_panel(axes, f"effect on {titles[k]}", in_units(name, self.outcome))
            tidy(axes)
        label_rows(panels, shape[1], self.levels[self.order_].tolist(), self.factor)
        self.parents_ = [name for name, _, _ in looks] if parents else []
        last = panels[min(shape[1], K) - 1]
        self.legend_ = legend_beside(last, handles=self._handles(looks))
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if K == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _column(self, coefficient: str | None) -> int:
        """Number of a coefficient; the first by default."""
        names = self.coefficients.tolist()
        if coefficient is not None and coefficient not in names:
            raise ValueError(f"sort_by={coefficient!r} is not shown; shown are {listed(names)}.")
        return 0 if coefficient is None else names.index(coefficient)

    def _draw_panel(self, axes: Axes, k: int, looks: Sequence[tuple[str, Look, Ints]]) -> None:
        """One coefficient: points, intervals, and arrows where these go on beyond the axis."""
        row = rows_in_order(self.order_)
        for p, (_, style, members) in enumerate(looks):
            self.errorbars_[k, p] = self._draw(axes, k, style, members, row[members])
        axes.axvline(0, color=BLACK, lw=0.8, zorder=0)
        ends = self.lower[:, k], self.upper[:, k]
        low, high = limits = central_limits(self.mean[:, k], *ends)
        self.beyond_[k] = draw_beyond(axes, row[ends[0] < low], row[ends[1] > high], limits)
        set_limits(axes, limits, 0.0)

    def _draw(self, axes: Axes, k: int, style: Look, members: Ints, row: Ints) -> ErrorbarContainer:
        """Points and intervals of one parent's levels, in their rows."""
        J = len(self.levels)
        mean = self.mean[members, k]
        ends = np.array([mean - self.lower[members, k], self.upper[members, k] - mean])
        return axes.errorbar(
            mean,
            row,
            xerr=np.maximum(ends, 0),  # the mean of a skewed posterior may lie outside
            fmt=style.marker,
            color=style.color,
            mfc=style.fill,
            ms=marker_size(axes, J),
            lw=row_line_width(axes, J),
        )

    def _handles(self, looks: Sequence[tuple[str, Look, Ints]]) -> list[Line2D]:
        """Points and intervals, what is beyond the axis, and the parents."""
        from matplotlib.lines import Line2D

        style = look(0) if self.parents is None else OTHER._replace(marker="o")
        handles = [
            Line2D(
                [],
                [],
                ls="",
                ms=LEGEND_MARKER,
                marker=style.marker,
                color=style.color,
                label=_POINT,
            ),
            Line2D([], [], color=style.color, lw=1.6, label=f"{100 * self.coverage:g}% interval"),
        ]
        if any(line.get_xdata().size for line in self.beyond_.ravel()):
            handles.append(beyond_handle())
        names = legend_names(looks) if self.parents_ else []
        return handles + [
            Line2D(
                [],
                [],
                ls="",
                ms=LEGEND_MARKER,
                marker=style.marker,
                color=style.color,
                mfc=style.fill,
                label=name,
            )
            for name, (_, style, _) in zip(names, looks, strict=False)
        ]


_POINT = "posterior mean"

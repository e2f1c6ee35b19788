"""`ResponseCurveDisplay`: what the outcome does as one input moves, for each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Bools, Floats, Ints
from skhlm.displays.curve_points import locate_observed, locate_partial_residuals
from skhlm.displays.curve_rows import Curves, compute_curves
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import outcome_title
from skhlm.displays.interval_rows import Forest, draw_forest, forest_handles
from skhlm.displays.level_rows import (
    central_limits,
    label_rows,
    ordered_from_bottom,
    rows_of_panels,
    set_limits,
)
from skhlm.displays.names import literal, shown, shown_apart
from skhlm.displays.panels import (
    figure_of,
    grid_shape,
    label_axes,
    legend_beside,
    name_panel,
    open_panels,
    tidy,
)
from skhlm.displays.style import BLACK, BLUE, PALE, VERMILION
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.methods.arguments import check_coverage
from skhlm.methods.fitted import Fitted, find_hierarchical

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

MOST_PANELS = 12
MOST_OTHERS = 200


class ResponseCurveDisplay:
    """Response curves with their bands, a panel for each of some curves and the rest in grey.

    Each panel has a curve, its credible band, the observed points of the same levels, and a diamond
    where the row is now: the current operating point. Where a predictor is outside its training
    range the curve is dotted: there the straight line is an assumption. With more than 12 curves
    panels show 12 of them, evenly from the lowest to the highest at the middle of the grid.

    Slopes that are the same all along, as those of a straight line are, have one panel, and a row
    with an interval for each curve. Partial residuals are those of [1]_, behind a link of [2]_.

    Parameters
    ----------
    grid : array-like of shape (T,)
        Values of the input; of texts or booleans each is a category, at 0, 1, ... along the axis.
    mean, lower, upper : array-like of shape (n_curves, T)
        Curves and ends of their bands.
    names : array-like of str of shape (n_curves,)
        What the curves are called.
    feature : str
        What the input is called.
    extrapolated : array-like of bool of shape (n_curves, T), default=None
        Where a predictor is outside its training range.
    current : array-like of shape (n_curves, 2), default=None
        Operating points, as input and value; NaN where there is none.
    observed : array-like of shape (n_observed, 2), default=None
        Observed points, as input and outcome.
    combination : array-like of int of shape (n_curves,), default=None
        Number of each curve's combination of levels.
    observed_combination : array-like of int of shape (n_observed,), default=None
        The same of each point: a panel shows the points with its curve's number.
    coverage : float, default=0.9
        Posterior probability of the bands.
    kind : {"mean", "outcome", "median", "link", "slope"}, default="mean"
        Of what: the expected value, a new observation, eta, or the slope.
    outcome : str, default=None
        Name and unit of y, for the axes.
    n_curves : int, default=None
        How many curves there are in all, where these are some of them, for the legend.
    partial_residuals : bool, default=False
        Whether the points are partial residuals, for the legend.

    Attributes
    ----------
    ax_ : Axes, or ndarray of them
        What was drawn on.
    axes_ : ndarray of shape (n_panels,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    panels_ : ndarray of shape (n_panels,)
        Which curve each panel shows.
    lines_, bands_ : ndarray of shape (n_panels,)
        Curve (Line2D) and band (PolyCollection) of each panel.
    extrapolations_ : ndarray of shape (n_panels,)
        The dotted parts of the curves (Line2D).
    points_, operating_points_ : ndarray of shape (n_panels,)
        Observed points and the current operating point (Line2D), empty where there are none.
    others_ : ndarray of shape (n_panels,)
        All other curves, at most 200 of them (LineCollection).
    forest_ : Forest or None
        ``points`` (Line2D) and ``intervals`` (LineCollection) of slopes that are the same all
        along, in rows in the order of `panels_`, the first at the bottom; None where there are
        curves. The arrays above are then empty.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.response_curve : The same as a frame.
    skhlm.response_curve : The same for a pipeline.

    References
    ----------
    .. [1] Larsen, W. A. and McCleary, S. J. (1972). The use of partial residual plots in regression
       analysis. Technometrics 14(3), 781-790. doi:10.1080/00401706.1972.10488966
    .. [2] Landwehr, J. M., Pregibon, D. and Shoemaker, A. C. (1984). Graphical methods for
       assessing logistic regression models. Journal of the American Statistical Association
       79(385), 61-71. doi:10.2307/2288334

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import ResponseCurveDisplay
    >>> spend = np.linspace(0, 10, 21)
    >>> mean = np.array([2 + 0.5 * spend, 1 + 0.8 * spend])
    >>> display = ResponseCurveDisplay(
    ...     grid=spend, mean=mean, lower=mean - 1, upper=mean + 1, names=["France", "Japan"],
    ...     feature="spend (EUR)",
    ... )
    >>> display.plot().panels_
    array([0, 1])
    """

    def __init__(
        self,
        *,
        grid: ArrayLike,
        mean: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        names: ArrayLike,
        feature: str,
        extrapolated: ArrayLike | None = None,
        current: ArrayLike | None = None,
        observed: ArrayLike | None = None,
        combination: ArrayLike | None = None,
        observed_combination: ArrayLike | None = None,
        coverage: float = 0.9,
        kind: Literal["mean", "outcome", "median", "link", "slope"] = "mean",
        outcome: str | None = None,
        n_curves: int | None = None,
        partial_residuals: bool = False,
    ) -> None:
        points = np.asarray(grid)
        self.categories = points.astype(np.str_) if points.dtype.kind in "Ub" else None
        self.grid: Floats = np.asarray(
            points if self.categories is None else range(len(points)), dtype=np.float64
        )
        self.mean: Floats = np.asarray(mean, dtype=np.float64)
        self.lower: Floats = np.asarray(lower, dtype=np.float64)
        self.upper: Floats = np.asarray(upper, dtype=np.float64)
        self.names = np.asarray(names, dtype=np.str_)
        self.feature = feature
        shape = n, _ = self.mean.shape
        n_observed = 0 if observed is None else len(np.asarray(observed))
        self.extrapolated: Bools = _filled(extrapolated, shape, False, np.bool_)
        self.current: Floats = _filled(current, (n, 2), np.nan, np.float64)
        self.observed: Floats = _filled(observed, (0, 2), np.nan, np.float64)
        self.combination: Ints = _filled(combination, (n,), 0, np.int64)
        self.observed_combination: Ints = _filled(observed_combination, (n_observed,), 0, np.int64)
        self.coverage = coverage
        self.kind = kind
        self.outcome = outcome
        self.n_curves = n_curves or n
        self.partial_residuals = partial_residuals

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        feature: Any = None,
        *,
        observed: tuple[Any, Any] | None = None,
        grid: ArrayLike | None = None,
        coverage: float = 0.9,
        kind: Literal["mean", "outcome", "median", "link"] | None = None,
        slope: bool = False,
        derive: Any = None,
        population: bool = False,
        partial_residuals: bool = False,
        panels: Sequence[str | int] | None = None,
        outcome: str | None = None,
        ax: Any = None,
    ) -> ResponseCurveDisplay:
        """Draw the response curves of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted `HLMRegressor` or `HLMClassifier`, alone or inside a pipeline, search or
            transformed target.
        X : frame or array-like of shape (n_samples, n_features), default=None
            Rows, a curve and an operating point for each. None is one row for each combination of
            levels seen at fit, at most 200 of them, with the predictors at their training means;
            behind the steps of a pipeline rows are needed.
        feature : str or int, default=None
            The predictor that moves, or a pipeline's input; None where there is only one.
            Categories stand side by side; their slopes are differences from the first.
        observed : (X, y), default=None
            Rows and outcomes to show as points in the panels of their levels, classes as 0 and 1.
            Outcomes of another exposure than that of the curve are multiplied by the ratio of both.
            Not for slopes, nor on the scale of a link but as partial residuals.
        grid, coverage, kind, derive
            As in `skhlm.HLMRegressor.response_curve`; ``kind`` as in `skhlm.response_curve`.
        slope : bool, default=False
            Whether to draw the slope, the marginal return, instead.
        population : bool, default=False
            Whether to leave all group effects out: the curve of a level whose effects are zero,
            with the uncertainty of kappa alone, which brms draws by default. X=None is then a
            single curve, with all observed points.
        partial_residuals : bool, default=False
            Whether the points are the curve plus what is left of each observed outcome when all
            its own predictors and levels are taken into account, so that only the distance from
            the curve counts. Behind a link for ``kind="link"`` alone.
        panels, ax
            As in `plot`.
        outcome : str, default=None
            Name and unit of y; None is the name of the observed y, or of y at fit. Axes say more
            where they show a probability, or log odds or a logarithm (``kind="link"``).

        Returns
        -------
        ResponseCurveDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If there is no such feature, or observed is not a pair; for partial residuals without
            observed rows, of slopes, and of expected values behind a link.
        """
        check_coverage(coverage)
        if kind is None:
            kind = "median" if find_hierarchical(estimator).targets else "mean"
        settings: dict[str, Any] = {"grid": grid, "coverage": coverage, "kind": kind}
        settings |= {"slope": slope, "derive": derive, "population": population}
        if partial_residuals and (observed is None or slope):
            raise ValueError(
                "partial_residuals: these are of observed rows about their curve. Give "
                "observed=(X, y), and no slope."
            )
        found = compute_curves(estimator, X, feature, **settings)
        kind_of_curves = "slope" if slope else kind
        points = _points(estimator, observed, found, kind_of_curves, partial=partial_residuals)
        if observed is not None:
            outcome = outcome or name_of_outcome(observed[1])
        mean, lower, upper = found.bands
        display = cls(
            grid=found.grid,
            mean=mean,
            lower=lower,
            upper=upper,
            names=found.names,
            feature=found.feature,
            extrapolated=found.extrapolated,
            current=found.current,
            coverage=coverage,
            kind=kind_of_curves,
            outcome=_outcome_of(find_hierarchical(estimator).model, outcome, kind, found.exposure),
            n_curves=found.of,
            partial_residuals=partial_residuals,
            **points,
        )
        return display.plot(ax, panels=panels)

    @with_glyphs
    def plot(
        self, ax: Any = None, *, panels: Sequence[str | int] | None = None
    ) -> ResponseCurveDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of n_panels Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure. Slopes that are the
            same all along have one panel.
        panels : list of str or int, default=None
            The curves that get a panel, or a row, by name or number; None is all, or 12 of them
            in panels.

        Returns
        -------
        self
        """
        if self._are_constant():
            return self._plot_rows(ax, panels)
        self.panels_ = self._chosen(panels)
        n = len(self.panels_)
        shape = grid_shape(n)
        size = (6.6, 4.2) if n == 1 else (1.4 + 2.7 * shape[1], 0.7 + 2.2 * shape[0])
        caller = "ResponseCurveDisplay.plot"
        axes_list = open_panels(caller, ax, n, shape, size, sharex="all", sharey="all")
        titles = shown_apart(self.names) if any(self.names) else [""] * len(self.names)
        self._make_room(n)
        for i, (curve, axes) in enumerate(zip(self.panels_.tolist(), axes_list, strict=True)):
            self._draw(axes, i, curve)
            name_panel(axes, titles[curve])
            tidy(axes)
        self._label(axes_list, shape[1])
        left_out = panels is None and n < len(self.names)
        title = f"{n} of {self.n_curves:,} curves have a panel" if left_out else None
        last = axes_list[min(shape[1], n) - 1]
        self.legend_ = legend_beside(last, handles=self._handles(), title=title)
        return self._keep(axes_list)

    def _make_room(self, n: int) -> None:
        """For the artists of n panels."""
        self.lines_, self.bands_, self.extrapolations_ = _slots(n), _slots(n), _slots(n)
        self.points_, self.operating_points_, self.others_ = _slots(n), _slots(n), _slots(n)
        self.forest_: Forest | None = None

    def _keep(self, panels: list[Axes]) -> ResponseCurveDisplay:
        """What was drawn on."""
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if len(panels) == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _are_constant(self) -> bool:
        """Whether these are slopes of straight lines, the same at all points of the grid."""
        if self.kind != "slope" or self.categories is not None or len(self.grid) == 1:
            return False
        width = np.nanmean(self.upper - self.lower, axis=1, keepdims=True)
        ends = np.stack([self.mean, self.lower, self.upper])
        return bool((np.abs(ends - ends[:, :, :1]) <= _SAME * width).all())

    def _plot_rows(self, ax: Any, panels: Sequence[str | int] | None) -> ResponseCurveDisplay:
        """A row with an interval for each slope."""
        chosen = np.arange(len(self.names)) if panels is None else self._chosen(panels)
        self.panels_ = chosen[ordered_from_bottom(self.mean[chosen, 0])]
        names = self.names[self.panels_].tolist()
        _, size = rows_of_panels(1, names, [f"{self.n_curves:,} curves have a row"])
        (axes,) = open_panels(
            "ResponseCurveDisplay.plot", ax, 1, (1, 1), (max(size[0], 5), size[1])
        )
        label_rows([axes], 1, names, None)
        mean, lower, upper = (x[self.panels_, 0] for x in (self.mean, self.lower, self.upper))
        rows, ends = np.arange(len(mean)), np.column_stack([lower, upper])
        self._make_room(0)
        limits = central_limits(mean, lower, upper)
        self.forest_ = draw_forest(axes, rows, mean, ends, limits=limits)
        axes.axvline(0, color=BLACK, lw=0.8, zorder=0)
        set_limits(axes, limits, 0.0)
        name_panel(
            axes,
            f"slope in {shown(self.feature)}",
            f"{shown(self.outcome or 'outcome')} {self._rate()}",
        )
        tidy(axes)
        n = len(mean)
        title = f"{n} of {self.n_curves:,} curves have a row" if n < self.n_curves else None
        handles = forest_handles([self.forest_], "slope", self.coverage)
        self.legend_ = legend_beside(axes, handles=handles, title=title)
        return self._keep([axes])

    def _chosen(self, panels: Sequence[str | int] | None) -> Ints:
        """Curves that get a panel; by default all, or some from the lowest to the highest."""
        n = len(self.names)
        if panels is None and n <= MOST_PANELS:
            return np.arange(n)
        if panels is None:
            order = np.argsort(self.mean[:, len(self.grid) // 2], kind="stable")
            return order[np.linspace(0, n - 1, MOST_PANELS).round().astype(np.int64)]
        names = self.names.tolist()
        chosen = [names.index(one) if one in names else one for one in panels]
        for one in chosen:
            if isinstance(one, str) or not -n <= one < n:
                raise ValueError(
                    f"panels: there is no curve {one!r}. There are {listed(names)}."
                    f"{suggestion(str(one), names)}"
                )
        if not chosen:
            raise ValueError("panels is empty; give names of curves, or None.")
        return np.asarray(chosen, dtype=np.int64) % n

    def _draw(self, axes: Axes, i: int, curve: int) -> None:
        """Panel i: the other curves, a curve with its band, points, and where the row is now."""
        known = ~self.extrapolated[curve]
        mean = self.mean[curve]
        self.others_[i] = self._draw_others(axes, curve)
        along, lower, upper = self._drawn(self.grid, self.lower[curve], self.upper[curve])
        self.bands_[i] = axes.fill_between(along, lower, upper, color=BLUE, alpha=0.25, lw=0)
        beyond = ~known
        if self.categories is None:  # up to the points that are known
            beyond = ~known | np.r_[~known[1:], False] | np.r_[False, ~known[:-1]]
        _, solid, dotted = self._drawn(
            self.grid, np.where(known, mean, np.nan), np.where(beyond, mean, np.nan)
        )
        (self.lines_[i],) = axes.plot(along, solid, color=BLUE, lw=1.8)
        (self.extrapolations_[i],) = axes.plot(along, dotted, color=BLUE, lw=1.8, ls=":")
        points = self.observed[self.observed_combination == self.combination[curve]]
        (self.points_[i],) = axes.plot(*points.T, **_POINT, alpha=_alpha(len(points)))
        (self.operating_points_[i],) = axes.plot(*self.current[[curve]].T, **_NOW)

    def _draw_others(self, axes: Axes, curve: int) -> LineCollection:
        """The other curves in grey, without bands."""
        from matplotlib.collections import LineCollection

        others = np.delete(np.arange(len(self.mean)), curve)
        if len(others) > MOST_OTHERS:
            others = others[np.linspace(0, len(others) - 1, MOST_OTHERS).round().astype(np.int64)]
        lines = [np.column_stack(self._drawn(self.grid, self.mean[other])) for other in others]
        style: dict[str, Any] = {"colors": PALE, "linewidths": 0.6, "zorder": 0.5}
        collection = LineCollection(lines, alpha=_alpha(len(lines)), **style)
        axes.add_collection(collection)
        return collection

    def _drawn(self, along: Floats, *values: Floats) -> list[Floats]:
        """Coordinates of lines; where points are categories, of a bar for each."""
        if self.categories is None:
            return [along, *values]
        ends = np.add.outer(along, [-_BAR, _BAR, np.nan]).ravel()
        return [ends, *(np.repeat(value, 3) for value in values)]

    def _label(self, panels: list[Axes], n_columns: int) -> None:
        """Labels of the axes, at the left and at the bottom of the grid alone."""
        name, feature = shown(self.outcome or "outcome"), shown(self.feature)
        text = f"{name}\n{self._rate()}" if self.kind == "slope" else name
        for i, axes in enumerate(panels):
            if i % n_columns == 0:
                label_axes(axes, y=text)
            if i + n_columns >= len(panels):
                label_axes(axes, x=feature)
                axes.tick_params(labelbottom=True)
            if self.categories is not None:
                axes.set_xticks(self.grid, [literal(shown(name)) for name in self.categories])

    def _rate(self) -> str:
        """In what a slope is: a unit of the input, or the change from its first category."""
        if self.categories is None:
            return f"per unit of {shown(self.feature)}"
        return f"less that of {shown(self.feature)} = {shown(self.categories[0])}"

    def _handles(self) -> list[Any]:
        """What is drawn, for the legend."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        what, band = _WORDS[self.kind]
        if self.kind == "slope" and self.categories is not None:
            what = "difference"
        handles: list[Any] = [
            Line2D([], [], color=BLUE, lw=1.8, label=what),
            Patch(color=BLUE, alpha=0.25, lw=0, label=f"{100 * self.coverage:g}% interval{band}"),
        ]
        if self.extrapolated[self.panels_].any():
            handles.append(Line2D([], [], color=BLUE, ls=":", lw=1.8, label="extrapolated"))
        if any(line.get_xdata().size for line in self.points_):
            label = "partial residuals" if self.partial_residuals else "observed"
            handles.append(Line2D([], [], **_POINT, label=label))
        if not np.isnan(self.current[self.panels_]).all():
            handles.append(Line2D([], [], **_NOW, label="current point"))
        if len(self.mean) > 1:
            handles.append(Line2D([], [], color=PALE, lw=1.0, label="the other curves"))
        return handles


_SAME = 1e-6  # of the width of a band
_BAR = 0.3  # half the width of what is drawn for a category
_POINT: dict[str, Any] = {"color": BLACK, "marker": "o", "ms": 2.5, "mew": 0, "ls": ""}
_NOW: dict[str, Any] = {"color": VERMILION, "marker": "D", "ms": 6, "mec": "white", "ls": ""}
_WORDS = {
    "mean": ("expected value", ""),
    "outcome": ("expected value", " of an observation"),
    "median": ("median", ""),
    "link": ("posterior mean", ""),
    "slope": ("slope", ""),
}


def _points(
    estimator: Any, observed: Any, curves: Curves, kind: str, *, partial: bool
) -> dict[str, Any]:
    """Observed points or partial residuals, by names of the display's arguments; perhaps none."""
    if observed is None:
        return {}
    if partial:
        located = locate_partial_residuals(estimator, observed, curves, kind)
    else:
        located = locate_observed(estimator, observed, curves)
        if kind in ("slope", "link"):
            return {}
    names = ("observed", "observed_combination", "combination")
    return dict(zip(names, located, strict=True))


def _outcome_of(
    model: Fitted, outcome: str | None, kind: str, exposure: Floats | None
) -> str | None:
    """What the curves are of, and for which exposure if that is the same for all."""
    title = outcome_title(model, outcome, link=kind == "link")
    position = model._spec.exposure
    if position is None or exposure is None or np.ptp(exposure) > 1e-9 * exposure.max():
        return title
    name = model._spec.columns.group_name(position)
    return f"{title or 'outcome'} for {name} = {exposure[0]:.3g}"


def _alpha(n: int) -> float:
    """Opacity of points or lines, less where there are many."""
    return float(np.clip(60 / max(n, 1), 0.25, 0.9))


def _slots(n: int) -> Any:
    """Room for one artist a panel."""
    return np.empty(n, dtype=object)


def _filled(values: Any, shape: tuple[int, ...], empty: Any, dtype: Any) -> Any:
    """An array, or one that says that nothing is known."""
    return np.full(shape, empty, dtype) if values is None else np.asarray(values, dtype=dtype)

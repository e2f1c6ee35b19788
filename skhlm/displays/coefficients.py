"""`CoefficientsDisplay`: coefficients with their intervals, one below the other: a forest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from skhlm._typing import Floats, Ints
from skhlm.displays.curve_rows import curve_names, finest_columns
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import choose_coefficients, in_units, name_inside, outcome_title
from skhlm.displays.interval_rows import Forest, draw_forest, forest_handles
from skhlm.displays.level_rows import central_limits, label_rows, rows_of_panels, set_limits
from skhlm.displays.names import LONGEST_ALONE, shown, shown_apart
from skhlm.displays.panels import figure_of, legend_beside, name_panel, open_panels, tidy
from skhlm.displays.style import BLACK
from skhlm.displays.ticks import ratio_ticks
from skhlm.inputs.labels import INTERCEPT
from skhlm.methods.arguments import check_coverage
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.numerics.quantiles import central
from skhlm.posterior import NO_EFFECT, at_zero

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class CoefficientsDisplay:
    """Intervals of coefficients in rows.

    Of the population-level coefficients kappa there is one panel with a row for each. Of the
    coefficients beta of combinations of levels there is a panel for each coefficient and a row for
    each combination. The thin line is the interval of most of the posterior, the thick one of its
    middle.

    Parameters
    ----------
    rows : array-like of str of shape (R,)
        What the rows are called, from the top: coefficients, or combinations of levels.
    centre : array-like of shape (R, K)
        Posterior means, or medians of ratios, by row and panel.
    lower, upper : array-like of shape (R, K)
        Ends of the intervals.
    inner_lower, inner_upper : array-like of shape (R, K), default=None
        Ends of the inner intervals; None is no inner ones.
    panels : array-like of str of shape (K,), default=None
        Titles of the panels; None is none.
    units : array-like of str of shape (K,), default=None
        Labels of the x axes.
    factor : str, default=None
        Whose levels the rows are, if they are.
    coverage, inner : float, default=0.9, 0.5
        Posterior probability of the intervals, and of the inner ones.
    ratio : bool, default=False
        Whether these are ratios, along an axis of logarithms, of which 1 is no difference.

    Attributes
    ----------
    ax_ : Axes, or ndarray of K of them
        What was drawn on.
    axes_ : ndarray of shape (K,)
        The panels.
    figure_ : Figure
        The figure that holds them.
    forests_ : list of K Forest
        ``points`` (Line2D), ``intervals`` and ``inner`` (LineCollection) of each panel, rows from
        the bottom, and ``beyond``: arrows where intervals go on beyond the axis.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.summary, skhlm.HLMRegressor.coefficients : The same as frames.
    GroupEffectsDisplay : How the levels of one factor differ.

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import CoefficientsDisplay
    >>> centre = np.array([[0.4], [-0.2]])
    >>> display = CoefficientsDisplay(
    ...     rows=["price", "spend"], centre=centre, lower=centre - 0.3, upper=centre + 0.3
    ... )
    >>> display.plot().forests_[0].points.get_ydata().tolist()
    [1, 0]
    """

    def __init__(
        self,
        *,
        rows: ArrayLike,
        centre: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        inner_lower: ArrayLike | None = None,
        inner_upper: ArrayLike | None = None,
        panels: ArrayLike | None = None,
        units: ArrayLike | None = None,
        factor: str | None = None,
        coverage: float = 0.9,
        inner: float = 0.5,
        ratio: bool = False,
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.str_)
        self.centre: Floats = np.asarray(centre, dtype=np.float64)
        self.lower: Floats = np.asarray(lower, dtype=np.float64)
        self.upper: Floats = np.asarray(upper, dtype=np.float64)
        given = inner_lower is not None and inner_upper is not None
        self.inner_lower = np.asarray(inner_lower, dtype=np.float64) if given else None
        self.inner_upper = np.asarray(inner_upper, dtype=np.float64) if given else None
        K = self.centre.shape[1]
        self.panels = np.asarray([""] * K if panels is None else panels, dtype=np.str_)
        self.units = np.asarray([""] * K if units is None else units, dtype=np.str_)
        self.factor = factor
        self.coverage = coverage
        self.inner = inner
        self.ratio = ratio

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        coefficients: Sequence[str] | str | None = None,
        *,
        levels: Any = None,
        coverage: float = 0.9,
        inner: float = 0.5,
        standardized: bool = False,
        ratio: bool = False,
        outcome: str | None = None,
        ax: Any = None,
    ) -> CoefficientsDisplay:
        """Draw the coefficients of a fitted model, the intercept at x = 0.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        coefficients : str or list of str, default=None
            Which, by name; None is all but the intercept, if there are others.
        levels : "all", DataFrame, mapping or list of mappings, default=None
            Combinations of levels whose coefficients beta are wanted, as in
            `skhlm.HLMRegressor.coefficients`; "all" is every one that fit has seen. None is the
            population-level coefficients kappa.
        coverage, inner : float in (0, 1), default=0.9, 0.5
            Posterior probability of the intervals, and of the inner ones.
        standardized : bool, default=False
            Whether a coefficient is that of one standard deviation of its predictor at fit, so that
            predictors of different units can be compared.
        ratio : bool, default=False
            Whether to draw exp of the coefficients: odds ratios, or ratios of rates. Their centre
            is the posterior median.
        outcome : str, default=None
            Name and unit of y, for the axes; None is the name that y had at fit. Of a
            transformed target coefficients are those of the model inside, of "log of" this name.
        ax
            As in `plot`.

        Returns
        -------
        CoefficientsDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If there is no such coefficient or level, or a coverage is not between 0 and 1; for
            ``ratio`` where exp of a coefficient is no ratio; for ``standardized`` of a model with
            ``autoscale=False``, which does not know the standard deviations.
        """
        route = find_hierarchical(estimator)
        model: Fitted = route.model
        outcome = name_inside(route, outcome)
        names = list(model._spec.labels.coefficients)
        chosen = (
            _default(names) if coefficients is None else choose_coefficients(coefficients, names)
        )
        picks = np.array([names.index(name) for name in chosen])
        values, codes = _levels(model, levels)
        found = _described(model, codes, (coverage, inner), standardized=standardized, ratio=ratio)
        found = found[:, picks]
        *labels, common = _units_of(model, chosen, outcome, standardized=standardized, ratio=ratio)
        titles = dict(zip(names, model._spec.labels.titles.coefficients, strict=True))
        rows = [titles[name] for name in chosen]
        factor = None
        if values is None:
            found, panels, labels = found.transpose(1, 0, 2), [""], [common]
        else:
            finest = finest_columns(model._spec, values.columns)
            panels, rows, factor = rows, curve_names(values, finest), " / ".join(finest)
        parts = ("centre", "lower", "inner_lower", "inner_upper", "upper")
        display = cls(
            rows=rows,
            **dict(zip(parts, np.moveaxis(found, -1, 0), strict=True)),
            panels=panels,
            units=labels,
            factor=factor,
            coverage=coverage,
            inner=inner,
            ratio=ratio,
        )
        return display.plot(ax)

    @with_glyphs
    def plot(self, ax: Any = None) -> CoefficientsDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of K Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.

        Returns
        -------
        self
        """
        K = self.centre.shape[1]
        names = self.rows[::-1].tolist()
        shape, size = rows_of_panels(K, names, ["posterior median"])
        size = (max(size[0], 5.5), size[1])
        panels = open_panels("CoefficientsDisplay.plot", ax, K, shape, size, sharey="all")
        label_rows(panels, shape[1], names, self.factor)
        titles = shown_apart(self.panels, LONGEST_ALONE)
        self.forests_ = [self._draw(axes, k) for k, axes in enumerate(panels)]
        for axes, title, unit in zip(panels, titles, self.units.tolist(), strict=True):
            name_panel(axes, title if any(self.panels) else "", unit)
            tidy(axes)
        inner = None if self.inner_lower is None else self.inner
        centre = "posterior median" if self.ratio else "posterior mean"
        handles = forest_handles(self.forests_, centre, self.coverage, inner)
        self.legend_ = legend_beside(panels[min(shape[1], K) - 1], handles=handles)
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if K == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _draw(self, axes: Axes, k: int) -> Forest:
        """One panel, the first row at the top."""
        centre, lower, upper = (x[:, k] for x in (self.centre, self.lower, self.upper))
        row, inner = np.arange(len(centre))[::-1], None
        if self.inner_lower is not None and self.inner_upper is not None:
            inner = np.column_stack([self.inner_lower[:, k], self.inner_upper[:, k]])
        axes.axvline(float(self.ratio), color=BLACK, lw=0.8, zorder=0)
        if self.ratio:
            logs = central_limits(*(np.log(x) for x in (centre, lower, upper)))
            limits = float(np.exp(logs[0])), float(np.exp(logs[1]))
            axes.set_xscale("log")
            axes.set_xlim(0.9 * min(limits[0], 1.0), max(limits[1], 1.0) / 0.9)
            ratio_ticks(axes)
        else:
            limits = central_limits(centre, lower, upper)
            set_limits(axes, limits, 0.0)
        ends = np.column_stack([lower, upper])
        return draw_forest(axes, row, centre, ends, inner, limits=limits)


def _default(names: list[str]) -> list[str]:
    """All coefficients but the intercept, whose unit is another, if there are others."""
    return [name for name in names if name != INTERCEPT] or names


def _levels(model: Fitted, levels: Any) -> tuple[pd.DataFrame | None, Ints]:
    """Values of the group columns of combinations, and codes (n, G); one of none for None."""
    import pandas as pd

    spec = model._spec
    if levels is None:
        return None, np.full((1, len(spec.labels.factors)), NO_EFFECT)
    if isinstance(levels, str) and levels == "all":
        return pd.DataFrame(spec.labels.values(spec.combinations)), spec.combinations
    values, codes = spec.read_levels(levels)
    return pd.DataFrame(values), codes


def _described(
    model: Fitted,
    codes: Ints,
    coverages: tuple[float, float],
    *,
    standardized: bool,
    ratio: bool,
) -> Floats:
    """Centre, lower, inner lower, inner upper and upper of beta, (n, K, 5)."""
    for name, coverage in zip(("coverage", "inner"), coverages, strict=True):
        check_coverage(coverage, name)
    posterior = model._posterior
    (low, high), (inner_low, inner_high) = map(central, coverages)
    if ratio and posterior.family.link.ratio is None:
        raise ValueError(
            f"ratio: exp of a coefficient is no ratio where family={posterior.family.name!r}, "
            "whose coefficients are differences; leave it out."
        )
    found = at_zero.describe_coefficients(posterior, codes, (low, inner_low, inner_high, high, 0.5))
    found = found * _scales(model)[:, None] if standardized else found
    mean, _, *quantiles, median = np.moveaxis(found, -1, 0)
    values = np.stack([median if ratio else mean, *quantiles], axis=-1)
    return np.exp(values) if ratio else values


def _scales(model: Any) -> Floats:
    """Standard deviations of the predictors, (K,), 1 of the intercept."""
    units = model._spec.units
    if not model.autoscale and (units.x_scale == 1).all():
        raise ValueError(
            "standardized: with autoscale=False the model does not know the standard deviations of "
            "its predictors. Fit with autoscale=True, or leave it out."
        )
    scales: Floats = np.r_[np.ones(int(units.fit_intercept)), units.x_scale]
    return scales


def _units_of(
    model: Fitted, names: Sequence[str], outcome: str | None, *, standardized: bool, ratio: bool
) -> list[str]:
    """Labels of the axes of coefficients, and at the end one for all of them."""
    name = outcome_title(model, outcome, link=True) or "outcome"
    step = "standard deviation" if standardized else "unit"
    if ratio:
        what = str(model._posterior.family.link.ratio).replace("_", " ")
        return [f"{what} per {step} of {shown(one)}" for one in (*names, "the predictor")]
    each = [in_units(one, name) for one in names]
    if standardized:
        each = [text.replace("per unit of", "per standard deviation of") for text in each]
    return [*each, f"{name}\nper {step} of the predictor"]

"""`ResidualsDisplay`: what the model leaves of each outcome, against what it expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri, stdtrit

from skhlm._typing import Floats
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import name_inside, outcome_title
from skhlm.displays.judged_rows import JudgedRows, judged_rows
from skhlm.displays.names import shown
from skhlm.displays.panels import (
    figure_of,
    label_axes,
    legend_beside,
    name_panel,
    open_panels,
    tidy,
)
from skhlm.displays.style import BLACK, BLUE, PALE, VERMILION
from skhlm.families import LocationFamily
from skhlm.families.location import SIGMA
from skhlm.inputs.columns import listed
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.methods.fitted import find_hierarchical
from skhlm.numerics.quantiles import central
from skhlm.posterior import prediction
from skhlm.posterior.transforms import quantile_residuals, transform_ends
from skhlm.random_state import seed_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["fitted", "scale", "quantiles"]
Residuals = Literal["auto", "response", "quantile"]

_KINDS: tuple[Kind, ...] = ("fitted", "scale", "quantiles")
_RESIDUALS = ("auto", "response", "quantile")
_MOST_BINS, _LEAST_ROWS = 12, 15  # of the line of means, of rows in each
_CHANCE = 0.9  # coverage of the band of quantiles, for each point
_DRAWS = 1000  # of which quantile residuals are means


class ResidualsDisplay:
    """Residuals of the rows that were fitted, or of others, in three panels.

    "fitted": residuals against what the model expects. Their mean, the line, stays near zero where
    the curve has the right form.

    "scale": the root of their size, as a share of the residual scale, against the same: a line that
    rises or falls says that rows with higher expected values vary more, or less, than the model
    has it. The dashed line is where the model has it.

    "quantiles": residuals in order against the quantiles that they should be, of the normal
    distribution or of Student's t with the model's nu. Points outside the band, which holds each
    with probability 0.9, say that tails are heavier, or lighter, than the model's.

    Families with residuals have y - E[y | row] in units of y. All others have randomized quantile
    residuals [1]_, standard normal if the model is right: the normal quantile at P(Y <= y), of
    whole numbers at a number drawn at random between P(Y < y) and that.

    Parameters
    ----------
    fitted : array-like of shape (n,)
        What the model expects of each row, behind a link on its scale.
    residual : array-like of shape (n,)
        Residuals.
    scale : float, default=1.0
        Scale of the residuals, by which they are divided in the other panels.
    df : float, default=inf
        Degrees of freedom of residuals over their scale; infinite are normal ones.
    quantile : bool, default=False
        Whether these are quantile residuals.
    outcome, expected : str, default=None
        Name and unit of y, and of what the model expects, for the axes.
    n_rows : int, default=None
        How many rows there are in all, where these are some of them, for the legend.

    Attributes
    ----------
    ax_ : Axes, or ndarray of them
        What was drawn on.
    axes_ : ndarray
        The panels.
    figure_ : Figure
        The figure that holds them.
    kinds_ : list of str
        What each panel shows.
    points_ : list of Line2D
        Points of each panel.
    trends_ : list of Line2D or None
        The line of means of each panel, None of "quantiles".
    band_ : PolyCollection or None
        Of "quantiles".
    legend_ : Legend

    See Also
    --------
    LooPitDisplay : The same question of rows that are left out, by their distribution functions.
    PosteriorPredictiveDisplay : Of all outcomes together.

    Notes
    -----
    Residuals of rows that were fitted are a little smaller than those of others would be, as levels
    with few rows follow these. The line is the mean of as many rows from the left to the right.

    References
    ----------
    .. [1] Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. Journal of
       Computational and Graphical Statistics 5(3), 236-244. doi:10.1080/10618600.1996.10474708

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import ResidualsDisplay
    >>> rng = np.random.default_rng(0)
    >>> display = ResidualsDisplay(fitted=rng.normal(size=50), residual=rng.normal(size=50))
    >>> display.plot().kinds_
    ['fitted', 'scale', 'quantiles']
    """

    def __init__(
        self,
        *,
        fitted: ArrayLike,
        residual: ArrayLike,
        scale: float = 1.0,
        df: float = np.inf,
        quantile: bool = False,
        outcome: str | None = None,
        expected: str | None = None,
        n_rows: int | None = None,
    ) -> None:
        self.fitted: Floats = np.asarray(fitted, dtype=np.float64)
        self.residual: Floats = np.asarray(residual, dtype=np.float64)
        self.scale = scale
        self.df = df
        self.quantile = quantile
        self.outcome = outcome
        self.expected = expected
        self.n_rows = n_rows or len(self.fitted)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        residuals: Residuals = "auto",
        kinds: Sequence[Kind] | Kind = _KINDS,
        max_rows: int = 5000,
        random_state: Any = 0,
        outcome: str | None = None,
        ax: Any = None,
    ) -> ResidualsDisplay:
        """Draw the residuals of a fitted model.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target: residuals are
            then those of the transformed y.
        X : frame or array-like of shape (n, n_features), default=None
            Rows; None is those that were fitted, which the model knows until it is pickled or
            saved.
        y : array-like of shape (n,), default=None
            Their outcomes; None if and only if X is.
        sample_weight : array-like of shape (n,), default=None
            How often each of these rows counts, a whole number; of shares the number of trials.
        residuals : {"auto", "response", "quantile"}, default="auto"
            y - E[y | row], or quantile residuals; "auto" is the former for families with residuals
            and the latter for others.
        kinds
            As in `plot`.
        max_rows : int, default=5000
            Of more rows so many are drawn at random.
        random_state : int, RandomState or None, default=0
            Seed of these, and of quantile residuals of whole numbers.
        outcome : str, default=None
            Name and unit of y, for the axes; None is the name that y has, or had at fit. Of a
            transformed target residuals are those of the model inside, "log of" this name.
        ax
            As in `plot`.

        Returns
        -------
        ResidualsDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If X or y is missing, weights are no whole numbers, or y holds shares that are not of so
            many trials; for ``residuals="response"`` of a family that has none.
        """
        if residuals not in _RESIDUALS:
            raise ValueError(f"residuals must be one of {listed(_RESIDUALS)}, got {residuals!r}.")
        rng = np.random.default_rng(seed_of(random_state))
        route = find_hierarchical(estimator)
        rows = judged_rows(estimator, X, y, sample_weight, max_rows, rng)
        outcome = name_inside(route, outcome or name_of_outcome(y))
        display = cls(
            **_residuals_of(rows, residuals, rng),
            outcome=outcome_title(rows.model, outcome),
            expected=outcome_title(rows.model, outcome, link=True),
            n_rows=rows.of,
        )
        return display.plot(ax, kinds=kinds)

    @with_glyphs
    def plot(self, ax: Any = None, *, kinds: Sequence[Kind] | Kind = _KINDS) -> ResidualsDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of Axes, default=None
            What to draw on: one Axes bounds all panels; None is a new figure.
        kinds : {"fitted", "scale", "quantiles"} or list of them, default=all three
            What the panels show.

        Returns
        -------
        self
        """
        self.kinds_: list[str] = [kinds] if isinstance(kinds, str) else list(kinds)
        if not self.kinds_ or not set(self.kinds_) <= set(_KINDS):
            raise ValueError(f"kinds must be some of {listed(_KINDS)}, got {kinds!r}.")
        n = len(self.kinds_)
        size = (1.6 + 3.6 * n, 3.6)
        panels = open_panels("ResidualsDisplay.plot", ax, n, (1, n), size)
        draw = {"fitted": self._draw_fitted, "scale": self._draw_scale}
        self.points_: list[Any] = []
        self.trends_: list[Any] = []
        self.band_: Any = None
        for axes, kind in zip(panels, self.kinds_, strict=True):
            tidy(axes)
            draw.get(kind, self._draw_quantiles)(axes)
        title = None
        if self.n_rows > len(self.fitted):
            title = f"{len(self.fitted):,} of {self.n_rows:,} rows"
        self.legend_ = legend_beside(panels[-1], handles=self._handles(), title=title)
        self.axes_ = np.array(panels, dtype=object)
        self.ax_ = panels[0] if n == 1 else self.axes_
        self.figure_ = figure_of(panels[0])
        return self

    def _draw_fitted(self, axes: Axes) -> None:
        """Residuals against what is expected."""
        axes.axhline(0, color=BLACK, lw=0.8, zorder=0)
        self._draw_points(axes, self.residual)
        name = "quantile residual" if self.quantile else f"residual of {self._name()}"
        label_axes(axes, self._expected(), name)
        name_panel(axes, "is the form right?")

    def _draw_scale(self, axes: Axes) -> None:
        """The roots of their sizes."""
        usual = float(np.sqrt(np.abs(self._quantiles(_middles(2000)))).mean())
        axes.axhline(usual, color=BLACK, ls="--", lw=0.8, zorder=3)
        self._draw_points(axes, np.sqrt(np.abs(self.residual / self.scale)))
        axes.set_ylim(bottom=0)
        label_axes(axes, self._expected(), "root of |residual / scale|")
        name_panel(axes, "is the spread the same?")

    def _draw_points(self, axes: Axes, values: Floats) -> None:
        """Points against what is expected, and the line of their means."""
        (points,) = axes.plot(self.fitted, values, **_style(len(values)))
        (trend,) = axes.plot(*_means(self.fitted, values), color=VERMILION, lw=1.8)
        self.points_.append(points)
        self.trends_.append(trend)

    def _draw_quantiles(self, axes: Axes) -> None:
        """Residuals in order against the quantiles that they should be."""
        n = len(self.residual)
        rank = np.arange(1, n + 1)
        where = self._quantiles(_middles(n))
        tails = [np.asarray(betaincinv(rank, n + 1 - rank, tail)) for tail in central(_CHANCE)]
        low, high = (self._quantiles(tail.astype(np.float64)) for tail in tails)
        self.band_ = axes.fill_between(where, low, high, color=PALE, lw=0, zorder=0)
        axes.plot(where[[0, -1]], where[[0, -1]], color=BLACK, lw=0.8, zorder=1)
        (points,) = axes.plot(where, np.sort(self.residual / self.scale), **_style(n))
        self.points_.append(points)
        self.trends_.append(None)
        t = f"Student-t quantile (nu = {self.df:.2g})"
        label_axes(axes, t if np.isfinite(self.df) else "normal quantile", "residual / scale")
        name_panel(axes, "are the tails right?")

    def _quantiles(self, p: Floats) -> Floats:
        """Quantiles that residuals over their scale should have."""
        return np.asarray(stdtrit(self.df, p) if np.isfinite(self.df) else ndtri(p), np.float64)

    def _name(self) -> str:
        """The outcome."""
        return shown(self.outcome or "outcome")

    def _expected(self) -> str:
        """What is expected, as a label."""
        return f"expected {shown(self.expected or self.outcome or 'outcome')}"

    def _handles(self) -> list[Any]:
        """What is drawn, for the legend."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = [Line2D([], [], **{**_style(1), "ms": 4}, label="row")]
        if any(trend is not None for trend in self.trends_):
            handles.append(Line2D([], [], color=VERMILION, lw=1.8, label="mean"))
        if "scale" in self.kinds_:
            handles.append(
                Line2D([], [], color=BLACK, ls="--", lw=0.8, label="as the model has it")
            )
        if self.band_ is not None:
            handles.append(Patch(color=PALE, lw=0, label=f"by chance ({100 * _CHANCE:g}%)"))
        return handles


def _residuals_of(rows: JudgedRows, wanted: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of the display, by name: what is expected, and what is left."""
    posterior, family = rows.model._posterior, rows.model._posterior.family
    own = family if isinstance(family, LocationFamily) else None
    if wanted == "response" and own is None:
        raise ValueError(
            f"residuals='response': family={family.name!r} has none whose scale is the same for "
            "all rows. Leave it at 'auto' for quantile residuals, which all families have."
        )
    eta = prediction.linear_predictor(posterior, rows.X, rows.codes)
    if wanted != "quantile" and own is not None:
        middle = {a: np.median(draws, keepdims=True) for a, draws in posterior.auxiliary.items()}
        scale, df = float(middle[SIGMA.name][0]), float(np.squeeze(own.error_df(middle)))
        return {"fitted": eta, "residual": rows.y - eta, "scale": scale, "df": df}
    some = posterior.thinned(_DRAWS)
    ends = transform_ends(some, rows.X, rows.codes, rows.y, rows.trials)
    return {"fitted": eta, "residual": quantile_residuals(ends, rng), "quantile": True}


def _means(x: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Means of both, in bins of as many rows from the left to the right."""
    n_bins = int(np.clip(len(x) // _LEAST_ROWS, 1, _MOST_BINS))
    bins = np.array_split(np.argsort(x, kind="stable"), n_bins)
    means = np.array([[part[rows].mean() for rows in bins] for part in (x, values)])
    return means[0], means[1]


def _middles(n: int) -> Floats:
    """Probabilities of n ordered values, about (i - 1/2) / n."""
    middles: Floats = (np.arange(n) + 0.5) / n
    return middles


def _style(n: int) -> dict[str, Any]:
    """How points are drawn, fainter where there are many."""
    alpha = float(np.clip(200 / max(n, 1), 0.15, 0.8))
    return {"color": BLUE, "marker": "o", "ms": 3, "mew": 0, "ls": "", "alpha": alpha, "zorder": 2}

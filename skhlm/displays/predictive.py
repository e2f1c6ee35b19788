"""`PosteriorPredictiveDisplay`: the observed outcome against outcomes that the model replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from skhlm._typing import Floats
from skhlm.displays.names import literal, shown
from skhlm.displays.panels import figure_of, open_panels, tidy
from skhlm.displays.style import BLACK, BLUE
from skhlm.inputs.frames import check_observed, name_of_outcome
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.methods.fitted_rows import rows_to_check
from skhlm.posterior import prediction
from skhlm.random_state import seed_of
from skhlm.wrappers import find_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

_N_GRID = 512
_TAIL = 0.005  # share of the replicated values that a heavy tail may leave outside the picture
_KINDS = ("density", "ecdf")


class PosteriorPredictiveDisplay:
    """Distribution of the observed outcome, and of outcomes replicated by the model.

    A model that fits makes outcomes which look like those observed. The observed one is a thick
    black line, each replicate of all rows a thin blue one.

    Parameters
    ----------
    observed : array-like of shape (n,)
        Outcome of each row.
    replicated : array-like of shape (n_replicates, n)
        Joint draws of new observations at the same rows.
    outcome : str, default=None
        Name and unit of y, for the axis.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        What was drawn on.
    observed_line_ : Line2D
        Of the observed outcome.
    replicated_lines_ : LineCollection
        A line for each replicate.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.sample_y : Where replicates come from.

    Notes
    -----
    "ecdf" shows every value; of "density", kernel estimates with the bandwidth of Silverman's rule
    (for the normal distribution, by the interquartile range if that is smaller) from 512 bins. The
    axis spans the observed values and the central 99% of the replicated ones: Student-t residuals
    may have replicates far outside.

    References
    ----------
    Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment of model fitness
    via realized discrepancies. Statistica Sinica 6(4), 733-760.

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import PosteriorPredictiveDisplay
    >>> rng = np.random.default_rng(0)
    >>> display = PosteriorPredictiveDisplay(
    ...     observed=rng.normal(size=100), replicated=rng.normal(size=(20, 100))
    ... )
    >>> len(display.plot(kind="ecdf").replicated_lines_.get_segments())
    20
    """

    def __init__(
        self, *, observed: ArrayLike, replicated: ArrayLike, outcome: str | None = None
    ) -> None:
        self.observed: Floats = np.asarray(observed, dtype=np.float64)
        self.replicated: Floats = np.asarray(replicated, dtype=np.float64)
        self.outcome = outcome

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        n_replicates: int = 50,
        random_state: Any = 0,
        outcome: str | None = None,
        kind: Literal["density", "ecdf"] = "density",
        ax: Any = None,
    ) -> PosteriorPredictiveDisplay:
        """Draw replicates of y at the rows of X beside y.

        Parameters
        ----------
        estimator : HLMRegressor
            A fitted one, or any estimator with ``sample_y(X, n_samples, random_state)``; alone or
            inside a pipeline, search or transformed target.
        X : frame or array-like of shape (n, n_features), default=None
            Rows; None is the rows the model was fitted to, each as often as its weight says, which
            it knows until it is pickled or saved.
        y : array-like of shape (n,), default=None
            Their outcome; None if and only if X is.
        n_replicates : int, default=50
            Number of replicates.
        random_state : int, RandomState or None, default=0
            Seed of the replicates.
        outcome : str, default=None
            Name and unit of y; None is the name that y has, or had at fit.
        kind, ax
            As in `plot`.

        Returns
        -------
        PosteriorPredictiveDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no ``sample_y``.
        ValueError
            If X or y is missing, or they have different lengths.
        """
        if X is None and y is None:
            observed, replicated = _replicate_training(estimator, n_replicates, random_state)
        else:
            observed, replicated = _replicate(estimator, X, y, n_replicates, random_state)
            outcome = outcome or name_of_outcome(y)
        model = find_model(estimator).model
        outcome = outcome or (model._spec.outcome_name if isinstance(model, Fitted) else None)
        display = cls(observed=observed, replicated=replicated.T, outcome=outcome)
        return display.plot(ax, kind=kind)

    def plot(
        self, ax: Any = None, *, kind: Literal["density", "ecdf"] = "density"
    ) -> PosteriorPredictiveDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            What to draw on; None is a new figure.
        kind : {"density", "ecdf"}, default="density"
            Kernel density estimates, or empirical distribution functions.

        Returns
        -------
        self
        """
        if kind not in _KINDS:
            raise ValueError(f"kind must be 'density' or 'ecdf', got {kind!r}.")
        (axes,) = open_panels("PosteriorPredictiveDisplay.plot", ax, 1, (1, 1), (6.4, 4.2))
        limits = self._limits()
        curves = _densities if kind == "density" else _distributions
        observed, *replicated = curves([self.observed, *self.replicated], limits)
        self.replicated_lines_ = _draw_replicates(axes, replicated, kind)
        drawstyle = "default" if kind == "density" else "steps-post"
        (self.observed_line_,) = axes.plot(*observed.T, color=BLACK, lw=1.8, drawstyle=drawstyle)
        axes.set_xlim(limits)
        axes.set_ylim(0, None if kind == "density" else 1.005)
        axes.set_xlabel(literal(shown(self.outcome or "outcome")))
        axes.set_ylabel("density" if kind == "density" else "share of rows at or below")
        tidy(axes)
        self.legend_ = axes.legend(handles=_handles(), frameon=False, fontsize=9)
        self.ax_, self.figure_ = axes, figure_of(axes)
        return self

    def _limits(self) -> tuple[float, float]:
        """Ends of the axis: all observed values, and replicated ones but for heavy tails."""
        low, high = np.quantile(self.replicated, [_TAIL, 1 - _TAIL])
        low, high = min(low, self.observed.min()), max(high, self.observed.max())
        margin = 0.06 * (high - low) or 0.5
        return float(low - margin), float(high + margin)


def _replicate(
    estimator: Any, X: Any, y: Any, n_replicates: int, random_state: Any
) -> tuple[Floats, Floats]:
    """y (n,) and replicates (n, n_replicates) at given rows."""
    if X is None or y is None:
        raise ValueError("Give both X and y, or none of them for the rows of fit.")
    route = find_model(estimator)
    if not hasattr(route.model, "sample_y"):
        raise TypeError(
            f"{type(route.model).__name__} has no method sample_y, so it cannot replicate the "
            "outcome; use a fitted HLMRegressor."
        )
    replicated = route.model.sample_y(route.features(X), n_replicates, random_state=random_state)
    return check_observed(y, len(replicated)), route.outcomes(replicated)


def _replicate_training(
    estimator: Any, n_replicates: int, random_state: Any
) -> tuple[Floats, Floats]:
    """The same at the rows of fit."""
    route = find_hierarchical(estimator)
    predictors, codes, new_levels, observed = rows_to_check(route.model, None, None)
    rng = np.random.default_rng(seed_of(random_state))
    replicated = prediction.joint_draws(
        route.model._posterior, predictors, codes, new_levels, n_replicates, rng
    )
    return route.outcomes(observed), route.outcomes(replicated)


def _distributions(values: list[Floats], limits: tuple[float, float]) -> list[Floats]:
    """Empirical distribution functions, (n + 2, 2): a step to i/n at the ith value."""
    result = []
    for x in map(np.sort, values):
        low, high = min(limits[0], x[0]), max(limits[1], x[-1])
        share = np.r_[np.arange(len(x) + 1) / len(x), 1.0]
        result.append(np.column_stack([np.r_[low, x, high], share]))
    return result


def _densities(values: list[Floats], limits: tuple[float, float]) -> list[Floats]:
    """Gaussian kernel density estimates from bins, (512, 2) each, of what lies within limits."""
    edges = np.linspace(*limits, _N_GRID + 1)
    width = edges[1] - edges[0]
    centres = 0.5 * (edges[1:] + edges[:-1])
    result = []
    for x in values:
        share = np.histogram(x, edges)[0] / (len(x) * width)
        density = gaussian_filter1d(share, max(_bandwidth(x) / width, 1.0), mode="constant")
        result.append(np.column_stack([centres, density]))
    return result


def _bandwidth(x: Floats) -> float:
    """Silverman's rule: 0.9 min(sd, IQR / 1.34) n^(-1/5)."""
    quartiles = np.quantile(x, [0.25, 0.75])
    spread = min(float(x.std()), float(np.diff(quartiles)[0]) / 1.34) or float(x.std())
    return 0.9 * spread * float(len(x) ** -0.2)


def _draw_replicates(axes: Axes, curves: list[Floats], kind: str) -> LineCollection:
    """Thin lines, as faint as their number asks for."""
    from matplotlib.collections import LineCollection

    steps = [curve if kind == "density" else _stairs(curve) for curve in curves]
    alpha = float(np.clip(6 / max(len(curves), 1), 0.15, 0.5))
    lines = LineCollection(steps, colors=BLUE, linewidths=0.8, alpha=alpha)
    axes.add_collection(lines)
    return lines


def _stairs(curve: Floats) -> Floats:
    """Corners of a step function that jumps at its points: (m, 2) -> (2 m - 1, 2)."""
    x, y = np.repeat(curve[:, 0], 2)[1:], np.repeat(curve[:, 1], 2)[:-1]
    return np.column_stack([x, y])


def _handles() -> list[Line2D]:
    """The two kinds of line, for the legend."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=BLACK, lw=1.8, label="observed"),
        Line2D([], [], color=BLUE, lw=0.8, label="replicated by the model"),
    ]

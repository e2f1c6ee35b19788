"""`PosteriorPredictiveDisplay`: the observed outcome against outcomes that the model replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skhlm._typing import Floats, Ints
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import outcome_name
from skhlm.displays.names import shown
from skhlm.displays.panels import figure_of, label_axes, open_panels, tidy
from skhlm.displays.reliability import Reliability
from skhlm.displays.rootogram import Rootogram
from skhlm.displays.style import BLACK, BLUE
from skhlm.inputs.columns import listed
from skhlm.inputs.frames import check_observed, check_weight
from skhlm.inputs.outcomes import name_of_outcome
from skhlm.methods.fitted import Fitted, find_hierarchical
from skhlm.methods.fitted_rows import one_by_one, rows_to_check
from skhlm.posterior import prediction
from skhlm.random_state import seed_of
from skhlm.wrappers import Route, find_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

Kind = Literal["density", "ecdf", "rootogram", "calibration"]

_N_GRID = 512
_TAIL = 0.005  # share of the replicated values that a heavy tail may leave outside the picture
_KINDS = ("density", "ecdf", "rootogram", "calibration")
_LINES, _FREQUENCIES = 50, 400  # replicates: as lines, for the bands of frequencies


class PosteriorPredictiveDisplay:
    """Distribution of the observed outcome, and of outcomes replicated by the model.

    A model that fits makes outcomes which look like those observed. As densities or distribution
    functions the observed one is a thick black line, each replicate of all rows a thin blue one.

    Of counts a hanging rootogram [2]_: from the root of how often the model expects each number
    hangs a bar as long as the root of how often it was observed. One that ends below zero was seen
    more often than expected, above zero less often; in the grey band that is chance, with
    probability 0.9.

    Of yes or no a calibration curve: rows in bins by the probability that they have, and how often
    it was yes in each. Grey bars are where that share lies among replicates, with probability 0.9.

    Parameters
    ----------
    observed : array-like of shape (n,)
        Outcome of each row.
    replicated : array-like of shape (n_replicates, n)
        Joint draws of new observations at the same rows.
    probability : array-like of shape (n,), default=None
        Of a one at each row, where outcomes are zeros and ones.
    outcome : str, default=None
        Name and unit of y, for the axis.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        What was drawn on.
    kind_ : str
        The kind that was drawn.
    observed_line_ : Line2D
        Of the observed outcome; the points of a calibration curve. None in a rootogram.
    replicated_lines_ : LineCollection
        A line for each replicate; None in rootograms and calibration curves.
    bars_ : BarContainer
        Of a rootogram, else None.
    expected_line_ : Line2D
        Expected roots of a rootogram, the diagonal of a calibration curve, else None.
    band_ : PolyCollection or LineCollection
        What is by chance in these two, else None.
    rootogram_ : Rootogram
        ``edges`` of the bins, roots ``observed`` and ``expected``, ``band``; else None.
    reliability_ : Reliability
        ``probability``, share ``observed`` and ``band`` of each bin of a calibration curve; else
        None.
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
    .. [1] Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment of model
       fitness via realized discrepancies. Statistica Sinica 6(4), 733-760.
    .. [2] Kleiber, C. and Zeileis, A. (2016). Visualizing count data regressions using rootograms.
       The American Statistician 70(3). doi:10.1080/00031305.2016.1173590

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
        self,
        *,
        observed: ArrayLike,
        replicated: ArrayLike,
        probability: ArrayLike | None = None,
        outcome: str | None = None,
    ) -> None:
        self.observed: Floats = np.asarray(observed, dtype=np.float64)
        self.replicated: Floats = np.asarray(replicated, dtype=np.float64)
        self.probability: Floats | None = (
            None if probability is None else np.asarray(probability, dtype=np.float64)
        )
        self.outcome = outcome

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        n_replicates: int | None = None,
        random_state: Any = 0,
        outcome: str | None = None,
        kind: Kind | None = None,
        ax: Any = None,
    ) -> PosteriorPredictiveDisplay:
        """Draw replicates of y at the rows of X beside y.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, or any estimator with ``sample_y(X, n_samples, random_state)``; alone or
            inside a pipeline, search or transformed target.
        X : frame or array-like of shape (n, n_features), default=None
            Rows; None is the rows the model was fitted to, each as often as its weight says, which
            it knows until it is pickled or saved.
        y : array-like of shape (n,), default=None
            Their outcome; None if and only if X is.
        sample_weight : array-like of shape (n,), default=None
            How often each of these rows counts. A share of m trials, m being its weight, is m rows
            of 0 or 1.
        n_replicates : int, default=None
            Number of replicates; None is 50, or 400 for families of whole numbers.
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
            If X or y is missing, or they have different lengths; if weights are no whole numbers,
            or y holds shares that are not of so many trials.
        """
        if (X is None) != (y is None):
            raise ValueError("Give both X and y, or none of them for the rows of fit.")
        route = find_hierarchical(estimator) if X is None else find_model(estimator)
        model = route.model
        if n_replicates is None:
            whole = isinstance(model, Fitted) and model._posterior.family.is_discrete
            n_replicates = _FREQUENCIES if whole else _LINES
        found = _replicate(route, X, y, sample_weight, n_replicates, random_state)
        outcome = outcome or name_of_outcome(y)
        if isinstance(model, Fitted):
            outcome = outcome_name(model, outcome)
        observed, replicated, probability = found
        display = cls(
            observed=observed, replicated=replicated.T, probability=probability, outcome=outcome
        )
        return display.plot(ax, kind=kind)

    @with_glyphs
    def plot(self, ax: Any = None, *, kind: Kind | None = None) -> PosteriorPredictiveDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            What to draw on; None is a new figure.
        kind : {"density", "ecdf", "rootogram", "calibration"}, default=None
            Kernel density estimates, or empirical distribution functions; a rootogram of whole
            numbers; a calibration curve of zeros and ones. None is what fits the outcomes.

        Returns
        -------
        self
        """
        if kind is not None and kind not in _KINDS:
            raise ValueError(f"kind must be one of {listed(_KINDS)}, or None; got {kind!r}.")
        self.kind_ = kind or self._fitting()
        if self.kind_ == "calibration" and self.probability is None:
            raise ValueError(
                "kind='calibration' needs the probability of each row: it is for yes or no, which "
                "are modelled by HLMClassifier and family='binomial'."
            )
        (axes,) = open_panels("PosteriorPredictiveDisplay.plot", ax, 1, (1, 1), (6.4, 4.2))
        self.observed_line_: Line2D | None = None
        self.replicated_lines_: LineCollection | None = None
        self.bars_ = self.expected_line_ = self.band_ = None
        self.rootogram_: Rootogram | None = None
        self.reliability_: Reliability | None = None
        draw = {"rootogram": self._draw_roots, "calibration": self._draw_reliability}
        draw.get(self.kind_, self._draw_lines)(axes)
        tidy(axes)
        self.legend_ = axes.legend(handles=self._handles(), frameon=False, fontsize=9)
        self.ax_, self.figure_ = axes, figure_of(axes)
        return self

    def _fitting(self) -> Kind:
        """The kind that fits: of replicates that are whole numbers a picture of frequencies."""
        if (self.replicated % 1).any():
            return "density"
        return "rootogram" if self.probability is None else "calibration"

    def _draw_lines(self, axes: Axes) -> None:
        """Densities or distribution functions."""
        limits, kind = self._limits(), self.kind_
        curves = _densities if kind == "density" else _distributions
        observed, *replicated = curves([self.observed, *self.replicated], limits)
        self.replicated_lines_ = _draw_replicates(axes, replicated, kind)
        drawstyle: Any = "default" if kind == "density" else "steps-post"
        (self.observed_line_,) = axes.plot(*observed.T, color=BLACK, lw=1.8, drawstyle=drawstyle)
        axes.set_xlim(limits)
        axes.set_ylim(0, None if kind == "density" else 1.005)
        vertical = "density" if kind == "density" else "share of rows at or below"
        label_axes(axes, shown(self.outcome or "outcome"), vertical)

    def _draw_roots(self, axes: Axes) -> None:
        """A hanging rootogram."""
        self.rootogram_ = Rootogram.of(self.observed, self.replicated)
        self.bars_, self.expected_line_, self.band_ = self.rootogram_.draw(axes)
        label_axes(axes, shown(self.outcome or "outcome"), "root of the number of rows")

    def _draw_reliability(self, axes: Axes) -> None:
        """A calibration curve."""
        assert self.probability is not None  # who asks has looked
        self.reliability_ = Reliability.of(self.probability, self.observed, self.replicated)
        self.observed_line_, self.expected_line_, self.band_ = self.reliability_.draw(axes)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        of = f" of {self.outcome}" if self.outcome else ""
        label_axes(axes, shown(f"posterior mean probability{of}"), "observed share")

    def _handles(self) -> list[Any]:
        """What is drawn, for the legend."""
        if self.rootogram_ is not None:
            return [self.expected_line_, self.bars_, self.band_]
        return _handles() if self.reliability_ is None else [self.observed_line_, self.band_]

    def _limits(self) -> tuple[float, float]:
        """Ends of the axis: all observed values, and replicated ones but for heavy tails."""
        low, high = np.quantile(self.replicated, [_TAIL, 1 - _TAIL])
        low, high = min(low, self.observed.min()), max(high, self.observed.max())
        margin = 0.06 * (high - low) or 0.5
        return float(low - margin), float(high + margin)


_Found = tuple[Floats, Floats, Floats | None]


def _replicate(
    route: Route, X: Any, y: Any, sample_weight: Any, n_replicates: int, random_state: Any
) -> _Found:
    """y (n,), replicates (n, R) and, of zeros and ones, probabilities (n,), by whole weights.

    Without X the rows are those of fit.
    """
    features = None if X is None else route.features(X)
    if isinstance(route.model, Fitted) and (X is None or not route.targets):
        rows = rows_to_check(route.model, features, y, sample_weight)
        return _replicate_rows(route, rows, n_replicates, random_state)
    if not hasattr(route.model, "sample_y"):
        raise TypeError(
            f"{type(route.model).__name__} has no method sample_y, so it cannot replicate the "
            "outcome; use a fitted HLMRegressor."
        )
    observed = check_observed(y, _num_samples(features))
    every, observed = one_by_one(observed, check_weight(sample_weight, observed))
    features = _safe_indexing(features, every)
    replicated = route.model.sample_y(features, n_replicates, random_state=random_state)
    return observed, route.outcomes(replicated), None


def _replicate_rows(
    route: Route, rows: tuple[Floats, Ints, Ints, Floats], n_replicates: int, random_state: Any
) -> _Found:
    """The same of a model of ours, at checked rows."""
    predictors, codes, new_levels, observed = rows
    rng = np.random.default_rng(seed_of(random_state))
    replicated = prediction.joint_draws(
        route.model._posterior, predictors, codes, new_levels, n_replicates, rng
    )
    probability = _probability(route, predictors, codes)
    return route.outcomes(observed), route.outcomes(replicated), probability


def _probability(route: Route, predictors: Floats, codes: Ints) -> Floats | None:
    """Posterior mean probability of a one, (n,), where outcomes are zeros and ones."""
    posterior = route.model._posterior
    if route.targets or not posterior.family.is_binary:
        return None
    return prediction.expected_value(posterior, predictors, codes)


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

"""`LooPitDisplay`: where each outcome lies in what the model says of it from all other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr
from scipy.stats import binom

from skhlm._typing import Floats
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.judged_rows import judged_rows
from skhlm.displays.panels import figure_of, label_axes, legend_beside, open_panels, tidy
from skhlm.displays.style import BLACK, BLUE, PALE
from skhlm.methods.arguments import check_coverage
from skhlm.numerics.importance import k_threshold
from skhlm.numerics.quantiles import central
from skhlm.posterior.transforms import share_below, transform_ends_left_out
from skhlm.random_state import seed_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["ecdf", "histogram"]

_KINDS = ("ecdf", "histogram")
_POINTS, _REPLICATES = 100, 4000  # of the band, and of the simulation that makes it simultaneous
_MOST_BINS, _LEAST_ROWS = 20, 10


class LooPitDisplay:
    """Leave-one-out probability integral transforms: uniform if the model is right.

    A row's transform is the probability that the model gives to outcomes at or below the one
    observed, had it not seen that row. "ecdf" is the distribution function of all transforms less
    that of the uniform distribution [1]_; it stays within the band with probability 0.9 along its
    whole length. Above zero on the left and below it on the right: more outcomes far out than the
    model expects, its intervals are too narrow. The other way round: they are too wide. Above zero
    all along: outcomes are lower than expected. "histogram" is their histogram; there the band
    holds each bar with probability 0.9.

    Whole numbers have transforms between P(Y < y) and P(Y <= y), over which they are spread evenly
    [2]_, so that nothing is random and the line varies less than the band says.

    Parameters
    ----------
    lower, upper : array-like of shape (n,)
        Ends of each row's transform, the same where outcomes are no whole numbers.
    pareto_k : array-like of shape (n,), default=None
        Pareto k of each row's importance weights; None if they have none.
    threshold : float, default=0.7
        Above which Pareto k a transform cannot be relied on, for the legend.
    coverage : float, default=0.9
        Probability of the band.
    n_rows : int, default=None
        How many rows there are in all, where these are some of them, for the legend.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        What was drawn on.
    kind_ : str
        What was drawn.
    line_ : Line2D or None
        The distribution function less the uniform one.
    bars_ : BarContainer or None
        The histogram.
    band_ : PolyCollection
        What is by chance.
    at_, lower_, upper_ : ndarray
        Points of the band, or middles of the bars, and its ends there.
    legend_ : Legend

    See Also
    --------
    skhlm.HLMRegressor.loo : The density at each outcome, instead of the probability below.
    CoverageDisplay : The same for rows that were held out.

    Notes
    -----
    Draws are weighted by Pareto smoothed importance sampling [3]_. The band of the distribution
    function has binomial quantiles at each point, as far in the tails as makes them hold all along
    with the probability asked for, by simulation.

    References
    ----------
    .. [1] Säilynoja, T., Bürkner, P.-C. and Vehtari, A. (2022). Graphical test for discrete
       uniformity and its applications in goodness-of-fit evaluation and multiple sample comparison.
       Statistics and Computing 32. doi:10.1007/s11222-022-10090-6
    .. [2] Czado, C., Gneiting, T. and Held, L. (2009). Predictive model assessment for count data.
       Biometrics 65(4). doi:10.1111/j.1541-0420.2009.01191.x
    .. [3] Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model evaluation using
       leave-one-out cross-validation and WAIC. Statistics and Computing 27.
       doi:10.1007/s11222-016-9696-4

    Examples
    --------
    >>> import numpy as np
    >>> from skhlm.displays import LooPitDisplay
    >>> pit = (np.arange(50) + 0.5) / 50
    >>> display = LooPitDisplay(lower=pit, upper=pit).plot()
    >>> bool((display.lower_ < 0).all() and (display.upper_ > 0).all())
    True
    """

    def __init__(
        self,
        *,
        lower: ArrayLike,
        upper: ArrayLike,
        pareto_k: ArrayLike | None = None,
        threshold: float = 0.7,
        coverage: float = 0.9,
        n_rows: int | None = None,
    ) -> None:
        self.lower: Floats = np.asarray(lower, dtype=np.float64)
        self.upper: Floats = np.asarray(upper, dtype=np.float64)
        self.pareto_k = None if pareto_k is None else np.asarray(pareto_k, dtype=np.float64)
        self.threshold = threshold
        self.coverage = coverage
        self.n_rows = n_rows or len(self.lower)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        kind: Kind = "ecdf",
        coverage: float = 0.9,
        max_rows: int = 1000,
        random_state: Any = 0,
        ax: Any = None,
    ) -> LooPitDisplay:
        """Draw the transforms of the rows that were fitted.

        Parameters
        ----------
        estimator : HLMRegressor or HLMClassifier
            A fitted one, alone or inside a pipeline, search or transformed target.
        X, y, sample_weight : as at fit, default=None
            The rows that were fitted. None is those that the model remembers, which it does not
            after it was pickled or saved. Weights must be whole numbers.
        kind
            As in `plot`.
        coverage : float in (0, 1), default=0.9
            Probability of the band.
        max_rows : int, default=1000
            Of more rows so many are drawn at random.
        random_state : int, RandomState or None, default=0
            Seed of these.
        ax
            As in `plot`.

        Returns
        -------
        LooPitDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If there is no HLMRegressor in it.
        ValueError
            If the rows are not remembered and not given, or others than those of fit; if weights
            are no whole numbers.
        """
        check_coverage(coverage)
        rng = np.random.default_rng(seed_of(random_state))
        rows = judged_rows(estimator, X, y, sample_weight, max_rows, rng, of_fit=True)
        posterior = rows.model._posterior
        found = transform_ends_left_out(posterior, rows.X, rows.codes, rows.y, rows.trials)
        display = cls(
            lower=found.ends[:, 0],
            upper=found.ends[:, 1],
            pareto_k=found.pareto_k,
            threshold=k_threshold(posterior.n_draws),
            coverage=coverage,
            n_rows=rows.of,
        )
        return display.plot(ax, kind=kind)

    @with_glyphs
    def plot(self, ax: Any = None, *, kind: Kind = "ecdf") -> LooPitDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            What to draw on; None is a new figure.
        kind : {"ecdf", "histogram"}, default="ecdf"
            The distribution function less the uniform one, or a histogram.

        Returns
        -------
        self
        """
        if kind not in _KINDS:
            raise ValueError(f"kind must be 'ecdf' or 'histogram', got {kind!r}.")
        (axes,) = open_panels("LooPitDisplay.plot", ax, 1, (1, 1), (6.6, 3.8))
        self.kind_ = kind
        self.line_: Any = None
        self.bars_: Any = None
        draw = self._draw_difference if kind == "ecdf" else self._draw_histogram
        draw(axes)
        axes.set_xlim(0, 1)
        tidy(axes)
        handles = [self.bars_ if self.line_ is None else self.line_, self.band_]
        self.legend_ = legend_beside(axes, handles=handles, title=self._remarks())
        self.ax_, self.figure_ = axes, figure_of(axes)
        return self

    def _draw_difference(self, axes: Axes) -> None:
        """The distribution function less the uniform one."""
        n = len(self.lower)
        self.at_: Floats = np.arange(1, _POINTS) / _POINTS
        tail = _tail_of_band(n, self.at_, self.coverage)
        ends = (binom.ppf(p, n, self.at_) / n for p in (tail, 1 - tail))
        self.lower_, self.upper_ = (end - self.at_ for end in ends)
        self.band_ = axes.fill_between(
            np.r_[0, self.at_, 1],
            np.r_[0, self.lower_, 0],
            np.r_[0, self.upper_, 0],
            color=PALE,
            lw=0,
            label=f"by chance ({100 * self.coverage:g}%)",
        )
        axes.axhline(0, color=BLACK, lw=0.8)
        at = np.linspace(0, 1, 10 * _POINTS + 1)
        share = share_below(np.column_stack([self.lower, self.upper]), at)
        (self.line_,) = axes.plot(at, share - at, color=BLUE, lw=1.6, label=_LEFT_OUT)
        label_axes(axes, _AXIS, "share of rows at or below, less that")

    def _draw_histogram(self, axes: Axes) -> None:
        """Bars of the share of rows, over that of the uniform distribution."""
        n = len(self.lower)
        n_bins = int(np.clip(n // _LEAST_ROWS, 2, _MOST_BINS))
        edges = np.linspace(0, 1, n_bins + 1)
        share = np.diff(
            share_below(np.column_stack([self.lower, self.upper]), edges[1:]), prepend=0
        )
        self.at_ = 0.5 * (edges[1:] + edges[:-1])
        low, high = (
            float(binom.ppf(p, n, 1 / n_bins)) / n * n_bins for p in central(self.coverage)
        )
        self.lower_, self.upper_ = np.full(n_bins, low), np.full(n_bins, high)
        self.band_ = axes.fill_between(
            [0, 1], low, high, color=PALE, lw=0, label=f"by chance ({100 * self.coverage:g}% each)"
        )
        axes.axhline(1, color=BLACK, lw=0.8)
        self.bars_ = axes.bar(
            self.at_,
            share * n_bins,
            0.9 / n_bins,
            color=BLUE,
            alpha=0.6,
            label="left out one by one",
        )
        label_axes(axes, _AXIS, "density")

    def _remarks(self) -> str | None:
        """What the legend says of the rows."""
        n, remarks = len(self.lower), []
        if self.n_rows > n:
            remarks.append(f"{n:,} of {self.n_rows:,} rows")
        doubtful = 0 if self.pareto_k is None else int((self.pareto_k > self.threshold).sum())
        if doubtful:
            remarks.append(
                f"{doubtful:,} row{'s' * (doubtful > 1)} of Pareto k > {self.threshold:.2g}"
            )
        return "\n".join(remarks) or None


_LEFT_OUT = "left out one by one"
_AXIS = "probability of outcomes at or below that of the row"


def _tail_of_band(n: int, at: Floats, coverage: float) -> float:
    """Probability below and above a pointwise band that holds all along with some coverage.

    For distribution functions of n uniform numbers at increasing points (T,), by simulation.
    """
    rng = np.random.default_rng(0)
    widths = np.diff(np.r_[0.0, at, 1.0])
    counts = np.cumsum(rng.multinomial(n, widths, _REPLICATES), axis=1)[:, :-1]
    at_most = bdtr(counts, n, at)
    less = np.where(counts > 0, bdtr(np.maximum(counts - 1, 0), n, at), 0.0)
    extreme = np.minimum(at_most, 1 - less).min(axis=1)
    return float(np.quantile(extreme, 1 - coverage))

"""`CoverageDisplay`: do intervals hold what they promise? Nominal against actual coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom
from sklearn.utils.validation import _num_samples

from skhlm._typing import Floats
from skhlm.baselines.yardstick import Yardstick
from skhlm.displays.fonts import with_glyphs
from skhlm.displays.frames import observed_outcome
from skhlm.displays.names import literal, shown_apart
from skhlm.displays.panels import figure_of, open_panels, tidy
from skhlm.displays.style import BLACK, PALE, look
from skhlm.inputs.outcomes import check_of_one_trial
from skhlm.methods.fitted import Fitted
from skhlm.posterior.scoring import pit_ends, share_inside
from skhlm.wrappers import Route, find_model

_NOMINAL = tuple(np.linspace(0.05, 0.95, 19).round(2).tolist())


class CoverageDisplay:
    """Share of outcomes inside the prediction intervals of some models, by nominal coverage.

    Intervals of a calibrated model hold as many held-out outcomes as they say: its line follows
    the diagonal. Below it intervals are too narrow, above too wide. The grey band is where the
    share lies, for each nominal coverage, with probability 0.9 if the model is right and rows are
    independent given it: binomial quantiles.

    Whole numbers, yes or no among them, have intervals that hold more than they say. There the
    share is of outcomes whose randomised probability integral transform, a number between P(Y < y)
    and P(Y <= y) drawn at random, lies in the middle of (0, 1), where it is uniform if the model is
    right [1]_. Nothing is drawn: an outcome counts with the probability that its number lies there,
    so that the same rows have the same line, which varies less than the band says.

    Parameters
    ----------
    nominal : array-like of shape (q,)
        Nominal coverages.
    actual : array-like of shape (n_models, q)
        Shares of the outcomes inside.
    n : int
        Number of outcomes.
    names : array-like of str of shape (n_models,)
        What the models are called.
    band : float, default=0.9
        Probability of the band.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        What was drawn on.
    lines_ : list of Line2D
        One for each model.
    band_ : PolyCollection
        The binomial band.
    diagonal_ : Line2D
    lower_, upper_ : ndarray of shape (q,)
        Ends of the band.
    legend_ : Legend

    Notes
    -----
    Outcomes of the same new group share its effect, so that they are inside or outside together:
    with few held-out groups lines leave the band more often.

    References
    ----------
    .. [1] Czado, Gneiting and Held (2009). Predictive model assessment for count data. Biometrics
       65(4). doi:10.1111/j.1541-0420.2009.01191.x

    Examples
    --------
    >>> from skhlm.displays import CoverageDisplay
    >>> display = CoverageDisplay(
    ...     nominal=[0.5, 0.9], actual=[[0.48, 0.91]], n=200, names=["HLMRegressor"]
    ... )
    >>> display.plot().lower_
    array([0.44 , 0.865])
    """

    def __init__(
        self,
        *,
        nominal: ArrayLike,
        actual: ArrayLike,
        n: int,
        names: ArrayLike,
        band: float = 0.9,
    ) -> None:
        self.nominal: Floats = np.asarray(nominal, dtype=np.float64)
        self.actual: Floats = np.asarray(actual, dtype=np.float64)
        self.n = n
        self.names = np.asarray(names, dtype=np.str_)
        self.band = band

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        nominal: Sequence[float] = _NOMINAL,
        name: str | None = None,
        band: float = 0.9,
        ax: Any = None,
    ) -> CoverageDisplay:
        """Draw the coverage of one model's intervals.

        Parameters
        ----------
        estimator : estimator
            A fitted one with ``predict_interval(X, coverage)``, or a classifier of two classes with
            ``predict_proba(X)``, alone or inside a pipeline, search or transformed target.
        X : frame or array-like of shape (n, n_features)
            Rows, held out.
        y : array-like of shape (n,)
            Their outcomes; labels for classifiers.
        nominal : array-like of shape (q,), default=0.05, 0.1, ..., 0.95
            Nominal coverages.
        name : str, default=None
            What the model is called; None is its class.
        band : float, default=0.9
            Probability of the band.
        ax
            As in `plot`.

        Returns
        -------
        CoverageDisplay
            Drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If it has no ``predict_interval``.
        ValueError
            If an outcome is a share of several trials: give each trial a row of 0 or 1.
        """
        name = name or type(estimator).__name__
        return cls.from_estimators({name: estimator}, X, y, nominal=nominal, band=band, ax=ax)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        y: Any,
        *,
        nominal: Sequence[float] = _NOMINAL,
        band: float = 0.9,
        ax: Any = None,
    ) -> CoverageDisplay:
        """Draw the coverage of several models' intervals.

        Parameters
        ----------
        estimators : dict of str to estimator
            Fitted ones as in `from_estimator`, by what they are called.
        X, y, nominal, band, ax
            As in `from_estimator`.

        Returns
        -------
        CoverageDisplay
            Drawn.
        """
        if not isinstance(estimators, Mapping) or not estimators:
            raise TypeError(
                "estimators must be a dictionary of names and fitted models, such as "
                f"{{'hierarchical': model}}; got {type(estimators).__name__}."
            )
        levels = _check_nominal(nominal)
        actual = [_coverage(estimators[name], X, y, levels) for name in estimators]
        n = _num_samples(X)
        display = cls(nominal=levels, actual=actual, n=n, names=list(estimators), band=band)
        return display.plot(ax)

    @with_glyphs
    def plot(self, ax: Any = None) -> CoverageDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            What to draw on; None is a new figure.

        Returns
        -------
        self
        """
        (axes,) = open_panels("CoverageDisplay.plot", ax, 1, (1, 1), (5.2, 5.0))
        tail = (1 - self.band) / 2
        self.lower_ = binom.ppf(tail, self.n, self.nominal) / self.n
        self.upper_ = binom.ppf(1 - tail, self.n, self.nominal) / self.n
        self.band_ = axes.fill_between(
            self.nominal,
            self.lower_,
            self.upper_,
            color=PALE,
            alpha=0.6,
            lw=0,
            label=f"chance alone ({100 * self.band:g}%, n = {self.n:,})",
        )
        (self.diagonal_,) = axes.plot([0, 1], [0, 1], color=BLACK, lw=0.8, zorder=1)
        self.lines_ = []
        names = map(literal, shown_apart(self.names))
        for i, (name, actual) in enumerate(zip(names, self.actual, strict=True)):
            style = look(i)
            self.lines_ += axes.plot(
                self.nominal,
                actual,
                color=style.color,
                ls=style.line,
                marker=style.marker,
                mfc=style.fill,
                ms=4.5,
                lw=1.5,
                label=name,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("nominal coverage of the interval")
        axes.set_ylabel("share of outcomes inside")
        tidy(axes)
        handles = [*self.lines_, self.band_]
        self.legend_ = axes.legend(handles=handles, loc="upper left", frameon=False, fontsize=8)
        self.ax_, self.figure_ = axes, figure_of(axes)
        return self


def _check_nominal(nominal: Sequence[float]) -> Floats:
    """Nominal coverages (q,), increasing."""
    levels = np.unique(np.asarray(nominal, dtype=np.float64))
    if not levels.size or not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"nominal must lie between 0 and 1, got {nominal!r}.")
    return levels


def _coverage(estimator: Any, X: Any, y: Any, nominal: Floats) -> Floats:
    """Share of y (n,) inside the intervals of each nominal coverage, (q,)."""
    route = find_model(estimator)
    ends_of_transform = _ends_of_transform(route, X, y)
    if ends_of_transform is not None:
        middle: Floats = share_inside(ends_of_transform, nominal).mean(axis=0)
        return middle
    if not hasattr(route.model, "predict_interval"):
        raise TypeError(
            f"{type(route.model).__name__} has no method predict_interval, so there are no "
            "intervals to check; use a fitted HLMRegressor, PooledRegressor or UnpooledRegressor."
        )
    outcome = observed_outcome(route, y, _num_samples(X))
    if isinstance(route.model, Yardstick) and not route.targets:
        check_of_one_trial(route.model._family, outcome)
    ends = route.intervals(_interval_ends(route.model, route.features(X), nominal))
    y = outcome[:, None]
    share: Floats = ((ends[:, :, 0] <= y) & (y <= ends[:, :, 1])).mean(axis=0)
    return share


def _ends_of_transform(route: Route, X: Any, y: Any) -> Floats | None:
    """P(Y < y) and P(Y <= y) of whole numbers, (n, 2); None for others."""
    if isinstance(route.model, Fitted):
        posterior = route.model._posterior
        if route.targets or not posterior.family.is_discrete:
            return None
        predictors, codes, _ = route.model._rows(route.features(X))
        observed = route.model._observed(y, len(predictors))
        check_of_one_trial(posterior.family, observed)
        return pit_ends(posterior, predictors, codes, observed)
    if not hasattr(route.model, "predict_proba") or len(route.model.classes_) != 2:
        return None
    first = route.model.predict_proba(route.features(X))[:, 0]
    is_second = np.asarray(y) == route.model.classes_[1]
    return np.column_stack([np.where(is_second, first, 0.0), np.where(is_second, 1.0, first)])


def _interval_ends(model: Any, X: Any, nominal: Floats) -> Floats:
    """Central intervals, (n, q, 2): at once where the model has quantiles, else one by one."""
    if hasattr(model, "predict_quantiles"):
        both = np.concatenate([(1 - nominal) / 2, (1 + nominal) / 2])
        return np.stack(np.split(model.predict_quantiles(X, both), 2, axis=1), axis=-1)
    return np.stack([model.predict_interval(X, coverage=c) for c in nominal], axis=1)

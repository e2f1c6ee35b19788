"""Proper scores as scikit-learn scorers, for `cross_validate` and searches; greater is better.

A scorer is called as ``scorer(estimator, X, y, sample_weight=None)``. The estimator is a fitted
`HLMRegressor` or `HLMClassifier`, or one of the pooled and unpooled baselines, alone or inside
pipelines, searches and transformed targets, of which the last have intervals alone.

==========================  ====================================================================
``log_predictive_density``  mean over rows of log p(y_i), each row by itself; for counts and labels
                            log probabilities, so that of a classifier it is minus the log loss
``joint_log_density``       log p(y_1, ..., y_n) of all rows together, not divided by n
``neg_crps``                minus the mean continuous ranked probability score, which is Brier's
                            score of a yes or no
``neg_interval_score``      minus the mean interval score of the central 90% intervals
``neg_coverage_error``      minus the distance between 0.9 and the share of rows in their 90%
                            intervals
==========================  ====================================================================

Intervals of a binomial outcome are of one trial, so the last two refuse shares of several.

All but the last are proper: no forecast has a better expected score than the true distribution.
The last two are not of classifiers, as a label has no interval. The classes make scorers with
another coverage. Scores of families can be compared on the same y, log densities as long as all are
densities, or all probabilities of whole numbers.

scikit-learn's own scorers judge expected values and probabilities: "neg_mean_poisson_deviance" and
"neg_mean_gamma_deviance", `sklearn.metrics.d2_tweedie_score` (the share of the deviance that is
explained, as R² is of the variance), "neg_log_loss" and "neg_brier_score".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils.metadata_routing import UNUSED

from skhlm._typing import Floats
from skhlm.inputs.frames import check_observed, check_weight
from skhlm.inputs.outcomes import check_of_one_trial
from skhlm.methods.arguments import COVERAGE
from skhlm.posterior.scoring import inside, interval_score
from skhlm.wrappers import find_model


class Scorer(BaseEstimator):
    """A score of a fitted estimator's predictions; a base class.

    Notes
    -----
    With metadata routing, ``scorer.set_score_request(sample_weight=True)`` returns a scorer that
    asks for weights; the one it was called on, which others may use, asks for what it did.
    """

    __metadata_request__score: ClassVar[dict[str, str]] = {"estimator": UNUSED}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make ``set_score_request``, which scikit-learn generates, return a copy."""
        super().__init_subclass__(**kwargs)
        ask = cls.set_score_request

        @wraps(ask)
        def set_score_request(self: Scorer, **requests: Any) -> Any:
            return ask(clone(self), **requests)

        cls.set_score_request = set_score_request

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score ``estimator`` on rows of X and y."""
        self._validate_params()
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Weighted mean of the rows' scores.

        Parameters
        ----------
        estimator : object
            Fitted `HLMRegressor` or `HLMClassifier`, or one of the baselines, alone or inside
            pipelines and searches.
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights.

        Returns
        -------
        score : float
            Greater is better.

        Raises
        ------
        TypeError
            When the estimator has no predictive distribution.
        """
        rows = self._rows(estimator, X, y)
        return float(np.average(rows, weights=check_weight(sample_weight, rows)))

    def __sklearn_is_fitted__(self) -> bool:
        """There is nothing to fit."""
        return True

    def _accept_sample_weight(self) -> bool:
        """What scikit-learn's searches over several scores ask where weights are not routed."""
        return True

    def _rows(self, estimator: Any, X: Any, y: Any) -> Floats:
        """Score of each row, (n,)."""
        raise NotImplementedError


class LogPredictiveDensity(Scorer):
    """Mean over rows of the log predictive density.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from skhlm import PooledRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> from skhlm.scorers import log_predictive_density
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> scores = cross_val_score(PooledRegressor("subject"), X, y, scoring=log_predictive_density)
    >>> scores.round(2)
    array([-6.29, -5.11, -5.52, -5.1 , -5.  ])
    """

    def _rows(self, estimator: Any, X: Any, y: Any) -> Floats:
        scores: Floats = _predictive(estimator, X, "log_predictive_density", y)
        return scores


class JointLogDensity(Scorer):
    """Log predictive density of all rows together, not divided by their number.

    For folds that hold out whole groups (`sklearn.model_selection.GroupKFold`,
    `sklearn.model_selection.LeaveOneGroupOut`): rows of a new level share its unknown effects.
    """

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Log density of all rows.

        Parameters
        ----------
        estimator : object
            As for the other scorers.
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights.

        Returns
        -------
        score : float
            Greater is better.
        """
        return float(_predictive(estimator, X, "joint_log_density", y, sample_weight))


class NegCRPS(Scorer):
    """Minus the mean continuous ranked probability score, in units of y."""

    def _rows(self, estimator: Any, X: Any, y: Any) -> Floats:
        scores: Floats = -_predictive(estimator, X, "crps", y)
        return scores


class NegIntervalScore(Scorer):
    """Minus the mean interval score of central prediction intervals, in units of y.

    The score of an interval is its width and, where y is outside, 2 / (1 - coverage) times how far.
    A label has no interval: a classifier is refused.

    Parameters
    ----------
    coverage : float in (0, 1), default=0.9
        Probability of the intervals.

    References
    ----------
    Gneiting and Raftery (2007). Strictly proper scoring rules, prediction, and estimation. Journal
    of the American Statistical Association 102. doi:10.1198/016214506000001437
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"coverage": COVERAGE}

    def __init__(self, coverage: float = 0.9) -> None:
        self.coverage = coverage

    def _rows(self, estimator: Any, X: Any, y: Any) -> Floats:
        interval = predict_interval(estimator, X, self.coverage)
        return -interval_score(_observed(estimator, y, len(interval)), interval, self.coverage)


class NegCoverageError(Scorer):
    """Minus the distance between the share of rows inside their intervals and ``coverage``.

    Not a proper score, and no measure of precision: intervals of the right share may be far too
    wide. Over n rows its Monte Carlo error is near sqrt(coverage (1 - coverage) / n). Intervals of
    counts end at whole numbers, and so have at least their coverage: of small counts the share that
    is right is above it. A label has no interval: a classifier is refused.

    Parameters
    ----------
    coverage : float in (0, 1), default=0.9
        Probability of the intervals.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"coverage": COVERAGE}

    def __init__(self, coverage: float = 0.9) -> None:
        self.coverage = coverage

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Minus the distance of the weighted share of rows in their intervals from coverage.

        Parameters
        ----------
        estimator : object
            As for the other scorers.
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights.

        Returns
        -------
        score : float
            0 is best.
        """
        return -abs(super().score(estimator, X, y, sample_weight) - self.coverage)

    def _rows(self, estimator: Any, X: Any, y: Any) -> Floats:
        interval = predict_interval(estimator, X, self.coverage)
        return inside(_observed(estimator, y, len(interval)), interval)


def predict_interval(estimator: Any, X: Any, coverage: float) -> Floats:
    """Central prediction intervals (n, 2) of an estimator, on the scale of y.

    Ends of intervals of a transformed target are transformed back, which is exact for increasing
    and decreasing transformations: quantiles stay quantiles.
    """
    route = find_model(estimator)
    interval = _method(route.model, "predict_interval")
    if is_classifier(route.model):
        raise TypeError(
            f"{type(route.model).__name__} is a classifier, and a label has no interval to score. "
            "Score its probabilities: log_predictive_density, or neg_crps, which is Brier's score."
        )
    return route.intervals(interval(route.features(X), coverage))


def crps(estimator: Any, X: Any, y: Any) -> Floats:
    """Continuous ranked probability score of each row, (n,), through pipelines and searches."""
    scores: Floats = _predictive(estimator, X, "crps", y)
    return scores


def _observed(estimator: Any, y: Any, n_rows: int) -> Floats:
    """Outcomes (n,) to be held against intervals, as the model reads them; on the scale of y."""
    route = find_model(estimator)
    if route.targets:
        return check_observed(y, n_rows)
    outcomes: Floats = route.model._observed(y, n_rows)
    check_of_one_trial(route.model._family, outcomes)
    return outcomes


def _predictive(estimator: Any, X: Any, name: str, *arguments: Any) -> Any:
    """What a method of the final estimator says of X as it reaches it."""
    route = find_model(estimator)
    if route.targets:
        raise TypeError(
            f"{name} is not known on the scale of y for a TransformedTargetRegressor, whose "
            "regressor predicts the transformed y. Score intervals (neg_interval_score), or pass "
            "the regressor the transformed y yourself."
        )
    return _method(route.model, name)(route.features(X), *arguments)


def _method(estimator: Any, name: str) -> Callable[..., Any]:
    """A method that only models with a predictive distribution have."""
    method = getattr(estimator, name, None)
    if method is None:
        others = (
            " Probabilities of any classifier are scored by scikit-learn's 'neg_log_loss' and "
            "'neg_brier_score'."
            if is_classifier(estimator)
            else ""
        )
        raise TypeError(
            f"{type(estimator).__name__} has no predictive distribution to score: it has no method "
            f"{name}. Use HLMRegressor, HLMClassifier or their baselines, as PooledRegressor."
            f"{others}"
        )
    found: Callable[..., Any] = method
    return found


log_predictive_density = LogPredictiveDensity()
joint_log_density = JointLogDensity()
neg_crps = NegCRPS()
neg_interval_score = NegIntervalScore()
neg_coverage_error = NegCoverageError()

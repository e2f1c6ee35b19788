"""The yardsticks for outcomes that are one of two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.baselines.yardstick import Cells, Pooled, Unpooled, Yardstick
from skhlm.inputs.classes import Classes
from skhlm.methods.arguments import COVERAGES, SCALE, UNIT_INTERVAL, check_quantiles, checked
from skhlm.methods.coverages import intervals_of
from skhlm.methods.two_classes import TwoClasses
from skhlm.reports.curves import Scale


class YardstickClassifier(TwoClasses, Yardstick):
    """Labels and probabilities of two classes."""

    def __init__(self, groups: Any = None, *, fit_intercept: bool = True) -> None:
        self.groups = groups
        self.fit_intercept = fit_intercept

    @property
    def _classes(self) -> Classes:
        """What zeros and ones stand for."""
        assert self._fit.classes is not None
        return self._fit.classes

    def _become(self, attributes: dict[str, Any]) -> None:
        """Have classes, too."""
        super()._become({**attributes, "classes_": self._classes.labels})

    @checked({"coverage": COVERAGES, "kind": SCALE})
    def predict_interval(
        self, X: Any, coverage: float | Sequence[float] = 0.9, kind: Scale = "mean"
    ) -> Floats:
        """Wald's confidence interval of the probability of the second class, or of its log odds.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        coverage : float in (0, 1) or array-like of shape (n_coverages,), default=0.9
            Probability of the interval.
        kind : {"mean", "link"}, default="mean"
            Interval of the probability, or of its log odds.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_coverages, 2)
            Lower and upper ends; of a probability between 0 and 1.
        """
        return intervals_of(coverage, lambda ends: self._quantiles(X, ends, kind))

    @checked({"quantiles": ["array-like", UNIT_INTERVAL], "kind": SCALE})
    def predict_quantiles(
        self,
        X: Any,
        quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
        kind: Scale = "mean",
    ) -> Floats:
        """Quantiles of the probability of the second class, or of its log odds.

        See `predict_interval`.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Probabilities, between 0 and 1.
        kind : {"mean", "link"}, default="mean"
            Quantiles of the probability, or of its log odds.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            Of a probability between 0 and 1.
        """
        return self._quantiles(X, check_quantiles(quantiles).tolist(), kind)

    def _probabilities(self, X: Any) -> Floats:
        """Probability of each class, (n, 2)."""
        return self._gather(X, _of_classes)


def _of_classes(cells: Cells, X: Floats, cell: Ints, _: Floats) -> Floats:
    """Probability of a zero and of a one, (n, 2)."""
    outcome, zero = cells.predict(X, cell), np.zeros(len(X))
    log_probability = [outcome.log_density(zero), outcome.log_density(zero + 1)]
    return np.exp(np.column_stack(log_probability))


class PooledClassifier(Pooled, YardstickClassifier):
    """Complete pooling: one logistic regression that ignores the groups.

        y_i ~ bernoulli(p_i),    logit(p_i) = x_i' b

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMClassifier` takes them: these columns of X are no
        predictors.
    fit_intercept : bool, default=True
        Whether there is an intercept.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in increasing order. Coefficients are of the second's log odds.
    coef_ : ndarray of shape (n_predictors,)
        Slopes.
    intercept_ : float
        Log odds at x = 0; 0.0 without intercept.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    UnpooledClassifier : The other extreme.
    HLMClassifier : Between the two, as far as the data say.

    Notes
    -----
    Maximum likelihood by `sklearn.linear_model.LogisticRegression`, with a penalty of 1e-4 / 2 on
    the squares of standardised coefficients that tells only where predictors separate the classes.
    Of collinear predictors coefficients are the smallest in units of the predictors' spread.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skhlm import PooledClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"shop": np.arange(200) % 8, "price": rng.normal(size=200)})
    >>> y = np.where(rng.logistic(size=200) < X["shop"] / 4 - X["price"], "bought", "left")
    >>> model = PooledClassifier("shop").fit(X, y)
    >>> model.classes_.tolist()
    ['bought', 'left']
    >>> model.predict_proba(X).shape
    (200, 2)
    """


class UnpooledClassifier(Unpooled, YardstickClassifier):
    """No pooling: a logistic regression of its own for each combination of levels.

        y_i ~ bernoulli(p_i),    logit(p_i) = x_i' b_c(i)

    where c(i) is the combination of the finest levels of all hierarchies that row i belongs to.
    Slopes that the rows of a combination cannot tell, of predictors that are constant or collinear
    there, are those of `PooledClassifier`. It predicts combinations that fit has not seen, missing
    group values, and combinations of one class alone or of not more rows (sum of weights) than
    coefficients.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMClassifier` takes them.
    fit_intercept : bool, default=True
        Whether each regression has an intercept.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, in increasing order. Coefficients are of the second's log odds.
    combinations_ : DataFrame of shape (n_combinations, n_group_columns)
        The combinations that fit has seen: values of the group columns.
    coef_ : ndarray of shape (n_combinations, n_predictors)
        Slopes of each combination; those of the pooled regression where it cannot tell them.
    intercept_ : ndarray of shape (n_combinations,)
        Log odds of each combination at x = 0.
    lent_ : ndarray of bool of shape (n_combinations, n_predictors)
        Which slopes are, wholly or in part, those of the pooled regression.
    fallback_ : ndarray of bool of shape (n_combinations,)
        Which combinations have nothing of their own: those of one class alone, or of not more rows
        than coefficients.
    n_fallback_ : int
        Number of these.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    PooledClassifier : The other extreme.
    HLMClassifier : Between the two, as far as the data say.

    Notes
    -----
    A combination whose predictors separate its classes has probabilities near 0 and 1, as far as a
    penalty of 1e-4 / 2 on the squares of standardised coefficients lets it: that is no pooling.
    `sklearn.linear_model.LogisticRegression` is fitted to each combination, which takes some
    milliseconds each.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skhlm import UnpooledClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"shop": np.arange(200) % 8, "price": rng.normal(size=200)})
    >>> y = np.where(rng.logistic(size=200) < X["shop"] / 4 - X["price"], "bought", "left")
    >>> model = UnpooledClassifier("shop").fit(X, y)
    >>> model.coef_.shape, model.n_fallback_
    ((8, 1), 0)
    """

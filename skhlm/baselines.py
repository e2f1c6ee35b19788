"""The two yardsticks of partial pooling: one regression for all rows, and one for each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.linear_model import LinearRegression
from sklearn.utils._param_validation import Hidden
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.columns import Columns
from skhlm.inputs.design import Rows, canonical_rows, coefficient_names, learn_units
from skhlm.inputs.frames import check_fit_data, check_observed, check_predict_data, check_weight
from skhlm.inputs.hierarchy import Groups, learn_groups
from skhlm.least_squares import Regressions, TDistributions, fit_cells, fit_cells_beside
from skhlm.methods.arguments import COVERAGE, KIND, UNIT_INTERVAL, check_quantiles, checked
from skhlm.numerics.quantiles import central
from skhlm.posterior.prediction import Kind

_Self = TypeVar("_Self", bound="_LeastSquares")


@dataclass(frozen=True, eq=False)
class _Fit:
    """What `fit` leaves for prediction.

    =============  ======  ===================================================
    ``columns``            the columns of X
    ``groups``             grouping factors and their levels
    ``combined``           the regression of all rows
    ``own``                one regression for each combination of levels
    ``codes``      (C, G)  those combinations, in increasing order
    ``fallback``   (C,)    which of them are predicted by ``combined``
    =============  ======  ===================================================
    """

    columns: Columns
    groups: Groups
    combined: Regressions
    own: Regressions
    codes: Ints
    fallback: Bools


class _LeastSquares(RegressorMixin, BaseEstimator):
    """What the yardsticks have in common: input checks, and Student-t predictions."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "groups": [None, str, Integral, tuple, list, Hidden("array-like")],  # fit says more
        "fit_intercept": ["boolean"],
    }

    _fit: _Fit

    def __init__(self, groups: Any = None, *, fit_intercept: bool = True) -> None:
        self.groups = groups
        self.fit_intercept = fit_intercept

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self: _Self, X: Any, y: Any, sample_weight: Any = None) -> _Self:
        """Fit by least squares.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Predictors and group columns, as for `HLMRegressor`.
        y : array-like of shape (n_samples,)
            Outcome: numbers. Yes/no values (bool) are refused.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights, >= 0: weight 2 is the same as the row given twice.

        Returns
        -------
        self
        """
        data = check_fit_data(self, X, y, sample_weight, self.groups)
        coefficient_names(data.predictor_names, fit_intercept=self.fit_intercept)
        groups = learn_groups(data.hierarchies, data.groups)
        codes = groups.codes(data.groups, len(data.y))
        rows = canonical_rows(data.predictors, data.y, data.weight, codes)
        # for its error where squares would overflow
        learn_units(rows, data.predictor_names, autoscale=False, fit_intercept=self.fit_intercept)
        self._fit = self._learn(data.columns, groups, rows)
        self._summarise()
        return self

    def predict(self, X: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Expected value of y.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        return_std : bool, default=False
            Whether to return the standard deviation of a new observation's distribution as well.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
        std : ndarray of shape (n_samples,)
            Only with ``return_std``; infinite where the Student-t distribution has 2 degrees of
            freedom or fewer.
        """
        mean: Floats = self._gather(X, lambda rows, _: rows.mean)
        if not return_std:
            return mean
        return mean, self._gather(X, lambda rows, _: rows.std)

    @checked({"coverage": COVERAGE, "kind": KIND})
    def predict_interval(self, X: Any, coverage: float = 0.9, kind: Kind = "outcome") -> Floats:
        """Central interval x'b -+ t s sqrt(1 + x' (A'A)^-1 x); without the 1 for ``kind="mean"``.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        coverage : float in (0, 1), default=0.9
            Probability of the interval.
        kind : {"outcome", "mean"}, default="outcome"
            Interval of a new observation, or of its expected value.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2)
            Lower and upper ends, in the units of y; infinite without degrees of freedom.
        """
        return self._quantiles(X, central(coverage), kind)

    @checked({"quantiles": ["array-like", UNIT_INTERVAL], "kind": KIND})
    def predict_quantiles(
        self,
        X: Any,
        quantiles: float | Sequence[float] = (0.05, 0.5, 0.95),
        kind: Kind = "outcome",
    ) -> Floats:
        """Quantiles of a new observation's distribution, or of the expected value's.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Probabilities, between 0 and 1.
        kind : {"outcome", "mean"}, default="outcome"
            Quantiles of a new observation, or of its expected value.

        Returns
        -------
        values : ndarray of shape (n_samples, n_quantiles)
            In the units of y.
        """
        return self._quantiles(X, check_quantiles(quantiles).tolist(), kind)

    def log_predictive_density(self, X: Any, y: Any) -> Floats:
        """Log density of a new observation at y, each row by itself.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Higher is better.
        """
        return self._gather(X, lambda rows, y: rows.log_density(y), y)

    def joint_log_density(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Log density of all rows together: multivariate Student-t.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight 2 is the same as the row given twice.

        Returns
        -------
        log_density : float
            Of n rows, not divided by n. Rows that fall back on the pooled regression are
            independent of the others.
        """
        predictors, cell = self._rows(X)
        observed = check_observed(y, len(predictors))
        weight = check_weight(sample_weight, predictors)
        return sum(
            regressions.joint_log_density(predictors[rows], at, observed[rows], weight[rows])
            for regressions, rows, at in self._parts(cell)
        )

    def crps(self, X: Any, y: Any) -> Floats:
        """Continuous ranked probability score of each row, in closed form.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In units of y; lower is better. Infinite with one degree of freedom or none.
        """
        return self._gather(X, lambda rows, y: rows.crps(y), y)

    def _learn(self, columns: Columns, groups: Groups, rows: Rows) -> _Fit:
        """The regression of all rows, with what its standard errors need.

        By scikit-learn, but where rows do not determine it: there rounding could.
        """
        together = Rows(rows.X, rows.y, rows.weight, np.zeros_like(rows.cell), rows.codes[:1])
        combined = fit_cells(together, fit_intercept=self.fit_intercept)
        if combined.rank[0] == combined.coef.shape[1] and rows.X.shape[1]:
            line = LinearRegression(fit_intercept=self.fit_intercept)
            line.fit(rows.X, rows.y, rows.weight)
            combined = combined.with_line(line.coef_, float(line.intercept_))
        combined = combined.with_scale(np.ones(1, dtype=np.bool_), rows.y)
        everywhere = np.ones(len(rows.codes), dtype=np.bool_)
        return _Fit(columns, groups, combined, combined, rows.codes, everywhere)

    def _summarise(self) -> None:
        """Set the public attributes."""
        raise NotImplementedError

    def _quantiles(self, X: Any, probabilities: Sequence[float], kind: Kind) -> Floats:
        """Quantiles (n, q) by the Student-t distributions of the rows."""
        outcome = kind == "outcome"
        return self._gather(X, lambda rows, _: rows.quantiles(probabilities), outcome=outcome)

    def _gather(
        self,
        X: Any,
        function: Callable[[TDistributions, Floats], Floats],
        y: Any = None,
        *,
        outcome: bool = True,
    ) -> Floats:
        """A function of each row's distribution, and of its y, in the order of X."""
        predictors, cell = self._rows(X)
        n = len(predictors)
        observed = np.zeros(n) if y is None else check_observed(y, n)
        parts = [
            (
                rows,
                function(
                    regressions.predict(predictors[rows], at, outcome=outcome), observed[rows]
                ),
            )
            for regressions, rows, at in self._parts(cell)
        ]
        result = np.empty((n, *parts[0][1].shape[1:]))
        for rows, values in parts:
            result[rows] = values
        return result

    def _rows(self, X: Any) -> tuple[Floats, Ints]:
        """Predictors (n, p) of rows to predict, and their combinations of levels; -1: fall back."""
        predictors, codes = self._codes(X)
        return predictors, _find(codes, self._fit)

    def _codes(self, X: Any) -> tuple[Floats, Ints]:
        """Predictors (n, p) and levels (n, G) of rows to predict."""
        check_is_fitted(self)
        fit = self._fit
        predictors, columns = check_predict_data(self, X, fit.columns, fit.groups.hierarchies)
        return predictors, fit.groups.codes(columns, len(predictors))

    def _parts(self, cell: Ints) -> list[tuple[Regressions, Bools, Ints]]:
        """Each set of regressions, the rows that it predicts, and by which of its cells."""
        fit = self._fit
        pooled = cell < 0
        return [
            (fit.combined, pooled, np.zeros(np.count_nonzero(pooled), dtype=np.int64)),
            (fit.own, ~pooled, cell[~pooled]),
        ]


class PooledRegressor(_LeastSquares):
    """Complete pooling: one least-squares regression that ignores the groups.

        y_i = x_i' b + sigma e_i,    e_i ~ normal(0, 1)

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMRegressor` takes them: these columns of X are no
        predictors.
    fit_intercept : bool, default=True
        Whether there is an intercept.

    Attributes
    ----------
    coef_ : ndarray of shape (n_predictors,)
        Slopes.
    intercept_ : float
        Expected value at x = 0; 0.0 without intercept.
    sigma_ : float
        Residual standard deviation; infinite where rows are not more than coefficients.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    UnpooledRegressor : The other extreme.
    HLMRegressor : Between the two, as far as the data say.

    Notes
    -----
    Coefficients are those of `sklearn.linear_model.LinearRegression`, but where predictors are
    collinear or constant: there they are the smallest in units of the predictors' spread. Intervals
    and densities are the exact Student-t distributions of least squares with a flat prior.

    Examples
    --------
    >>> from skhlm import PooledRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = PooledRegressor("subject").fit(X, y)
    >>> model.coef_.round(2)
    array([10.47])
    >>> model.predict_interval(X[:1]).round()
    array([[172., 331.]])
    """

    def _summarise(self) -> None:
        combined = self._fit.combined
        self.coef_ = combined.slopes[0]
        self.intercept_ = float(combined.intercepts[0])
        self.sigma_ = combined.sigma


class UnpooledRegressor(_LeastSquares):
    """No pooling: a least-squares regression of its own for each combination of levels.

        y_i = x_i' b_c(i) + sigma e_i,    e_i ~ normal(0, 1)

    where c(i) is the combination of the finest levels of all hierarchies that row i belongs to.
    Combinations share the residual scale sigma, and each has what its rows can tell. What they
    cannot, as the slope of a predictor that is constant or collinear there, is that of
    `PooledRegressor`; so are all slopes of one that has not more rows (sum of weights) than
    coefficients, which has an intercept of its own alone. Combinations that fit has not seen, and
    missing group values, are predicted by `PooledRegressor`; all are where sigma is left one degree
    of freedom or none, so that errors would have no expected size.

    Parameters
    ----------
    groups : None, str, int, tuple or list, default=None
        Hierarchies of grouping factors as `HLMRegressor` takes them.
    fit_intercept : bool, default=True
        Whether each regression has an intercept.

    Attributes
    ----------
    combinations_ : DataFrame of shape (n_combinations, n_group_columns)
        The combinations that fit has seen: values of the group columns.
    coef_ : ndarray of shape (n_combinations, n_predictors)
        Slopes of each combination; those of the pooled regression where it cannot tell them.
    intercept_ : ndarray of shape (n_combinations,)
        Expected value of each combination at x = 0.
    lent_ : ndarray of bool of shape (n_combinations, n_predictors)
        Which slopes are, wholly or in part, those of the pooled regression: of predictors that are
        constant or collinear among the rows of the combination, or if these are too few.
    fallback_ : ndarray of bool of shape (n_combinations,)
        Which combinations have nothing of their own: those of less than one row, or without an
        intercept of not more rows than coefficients; all of them where sigma would be left one
        degree of freedom or none.
    n_fallback_ : int
        Number of these.
    sigma_ : float
        Residual standard deviation of the combinations that do not fall back; that of the pooled
        regression if all do.
    n_features_in_ : int
        Number of columns of X, group columns included.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it is a frame whose columns all have names.

    See Also
    --------
    PooledRegressor : The other extreme.
    HLMRegressor : Between the two, as far as the data say.

    Notes
    -----
    It is the regression with the interactions of all predictors and the combinations. One sigma
    for all, as in the hierarchical model, has the degrees of freedom of all combinations; with a
    sigma for each, three rows of a line would have intervals by the Cauchy distribution.

    Coefficients of a combination are those nearest to the pooled ones, in units of the predictors'
    spread, among all that fit its rows best. Pooled slopes bring their own standard errors to
    intervals and densities, as if they were independent of the combination's rows, and take as
    many degrees of freedom as they are where a combination has an intercept alone.

    Examples
    --------
    >>> from skhlm import UnpooledRegressor
    >>> from skhlm.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = UnpooledRegressor("subject").fit(X, y)
    >>> model.coef_.shape, model.n_fallback_
    ((18, 1), 0)
    >>> model.predict_interval(X[:1]).round()
    array([[195., 293.]])
    """

    @property
    def combinations_(self) -> pd.DataFrame:
        """The combinations that fit has seen: values of the group columns."""
        check_is_fitted(self)
        return _combinations(self._fit)

    def _learn(self, columns: Columns, groups: Groups, rows: Rows) -> _Fit:
        fit = super()._learn(columns, groups, rows)
        own = fit_cells_beside(rows, fit.combined)
        fallback = own.n < 1 if self.fit_intercept else own.n <= own.rank
        own = own.with_scale(~fallback, rows.y)
        if own.df <= 1:  # by Student-t without a mean
            fallback[:] = True
        return _Fit(columns, groups, fit.combined, own, rows.codes, fallback)

    def _summarise(self) -> None:
        fit, own = self._fit, self._fit.own
        self.fallback_ = fit.fallback
        self.n_fallback_ = int(fit.fallback.sum())
        self.lent_ = own.lent_slopes | fit.fallback[:, None]
        self.coef_ = np.where(fit.fallback[:, None], fit.combined.slopes, own.slopes)
        self.intercept_ = np.where(fit.fallback, fit.combined.intercepts, own.intercepts)
        self.sigma_ = fit.combined.sigma if fit.fallback.all() else own.sigma


def knows_levels(model: _LeastSquares, X: Any) -> Bools:
    """Whether a fitted baseline has seen the levels of each row of X in all its factors, (n,)."""
    _, codes = model._codes(X)
    return np.asarray((codes >= 0).all(axis=1))


def share_fallen_back(model: _LeastSquares) -> float:
    """Share of the rows of fit in combinations that the pooled regression predicts."""
    fit = model._fit
    return float(fit.own.n[fit.fallback].sum() / fit.combined.n[0])


def _find(codes: Ints, fit: _Fit) -> Ints:
    """Which combination each row of codes (n, G) is, (n,); -1 if it is none or falls back."""
    n_known = len(fit.codes)
    key = np.zeros(n_known + len(codes), dtype=np.int64)
    for column in np.concatenate([fit.codes, codes]).T + 1:
        key = pd.factorize(key * (column.max() + 1) + column)[0].astype(np.int64)
    of_key = np.full(key.max() + 1, -1)
    of_key[key[:n_known]] = np.where(fit.fallback, -1, np.arange(n_known))
    return of_key[key[n_known:]]


def _combinations(fit: _Fit) -> pd.DataFrame:
    """Values of the group columns of each combination."""
    values: dict[str, list[Any]] = {}
    for g, factor in enumerate(fit.groups.factors):
        paths = fit.groups.levels(g)
        name = fit.columns.group_name(factor.columns[-1])
        values[name] = [paths[code][-1] for code in fit.codes[:, g]]
    return pd.DataFrame(values, index=range(len(fit.codes)))

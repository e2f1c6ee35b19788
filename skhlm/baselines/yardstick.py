"""What the yardsticks have in common: checked input, two sets of regressions, who predicts whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Hidden
from sklearn.utils.validation import check_is_fitted

from skhlm._typing import Bools, Floats, Ints
from skhlm.baselines.curves import Curves
from skhlm.baselines.fits import fit_pooled, fit_unpooled
from skhlm.families import AUXILIARY, Family
from skhlm.inputs.classes import Classes, check_labels
from skhlm.inputs.columns import Columns
from skhlm.inputs.design import Rows, canonical_rows, coefficient_names, learn_units
from skhlm.inputs.frames import check_fit_data, check_observed, check_predict_data, check_weight
from skhlm.inputs.hierarchy import Groups, learn_groups
from skhlm.inputs.outcomes import check_possible
from skhlm.least_squares import Regressions
from skhlm.methods.constructors import NamedConstructor
from skhlm.posterior.prediction import Kind
from skhlm.preparation import OutcomeRequest

Cells = Regressions | Curves

_Self = TypeVar("_Self", bound="Yardstick")


@dataclass(frozen=True, eq=False)
class Learned:
    """What `fit` leaves for prediction.

    =============  ======  ===================================================================
    ``columns``            the columns of X
    ``groups``             grouping factors and their levels
    ``combined``           the regression of all rows
    ``own``                one regression for each combination of levels
    ``codes``      (C, G)  those combinations, in increasing order
    ``fallback``   (C,)    which of them are predicted by ``combined``
    ``family``             of the outcome
    ``exposure``           position in X of the column whose logarithm is the offset, or None
    ``classes``            what zeros and ones of y stand for, or None
    =============  ======  ===================================================================
    """

    columns: Columns
    groups: Groups
    combined: Cells
    own: Cells
    codes: Ints
    fallback: Bools
    family: Family
    exposure: int | None
    classes: Classes | None


class Yardstick(NamedConstructor, BaseEstimator, ABC):
    """A regression that ignores the groups, or is one for each."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "groups": [None, str, Integral, tuple, list, Hidden("array-like")],  # fit says more
        "fit_intercept": ["boolean"],
    }

    _fit: Learned

    groups: Any
    fit_intercept: bool

    @property
    @abstractmethod
    def _outcome_request(self) -> OutcomeRequest:
        """Which outcome is modelled."""

    @abstractmethod
    def _own(self, rows: Rows, combined: Cells, family: Family) -> tuple[Cells, Bools]:
        """The regressions of the combinations, and which of these fall back on the combined."""

    @abstractmethod
    def _coefficients(self) -> dict[str, Any]:
        """Public attributes of what was learned."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self: _Self, X: Any, y: Any, sample_weight: Any = None) -> _Self:
        """Fit by least squares or, where the family has no residuals, by maximum likelihood.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            Predictors and group columns, as for `HLMRegressor`.
        y : array-like of shape (n_samples,)
            Outcome. Of a regressor numbers that its family can have; yes/no values (bool) are
            refused. Of a classifier two labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequency weights, >= 0: weight 2 is the same as the row given twice. Of a binomial row
            the number of trials, of which y is the share of successes.

        Returns
        -------
        self
        """
        asked = self._outcome_request
        data = check_fit_data(self, X, y, sample_weight, self.groups, **vars(asked))
        coefficient_names(data.predictor_names, fit_intercept=self.fit_intercept)
        groups = learn_groups(data.hierarchies, data.groups)
        codes = groups.codes(data.groups, len(data.y))
        rows = canonical_rows(data.predictors, data.y, data.weight, codes)
        learn_units(  # for its error where squares would overflow
            rows,
            data.predictor_names,
            autoscale=False,
            fit_intercept=self.fit_intercept,
            family=asked.family,
            has_offset=data.exposure is not None,
        )
        combined = fit_pooled(
            asked.family, rows, len(data.predictor_names), fit_intercept=self.fit_intercept
        )
        own, fallback = self._own(rows, combined, asked.family)
        self._fit = Learned(
            data.columns,
            groups,
            combined,
            own,
            rows.codes,
            fallback,
            asked.family,
            data.exposure,
            data.classes,
        )
        self._become(self._coefficients())
        return self

    def joint_log_density(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Log density of all rows together.

        Multivariate Student-t where there are residuals; the sum over rows elsewhere.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight 2 is the same as the row given twice; the trials of a share.

        Returns
        -------
        log_density : float
            Of n rows, not divided by n. Rows that fall back on the pooled regression are
            independent of the others.
        """
        predictors, cell = self._rows(X)
        weight = check_weight(sample_weight, predictors)
        observed = self._observed(y, len(predictors))
        return sum(
            regressions.joint_log_density(predictors[rows], at, observed[rows], weight[rows])
            for regressions, rows, at in self._parts(cell)
        )

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
            Higher is better. Of whole numbers log probabilities, those of a share being of one
            trial.
        """
        return self._gather(X, lambda cells, X, at, y: cells.predict(X, at).log_density(y), y)

    def crps(self, X: Any, y: Any) -> Floats:
        """Continuous ranked probability score of each row, in closed form or a sum.

        Parameters
        ----------
        X : frame or array-like of shape (n_samples, n_features)
            As at fit.
        y : array-like of shape (n_samples,)
            What was observed.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            In units of y; lower is better. Infinite with one degree of freedom or none. For a yes
            or no it is Brier's score, the square of what is missing to the probability of what was
            observed.
        """
        return self._gather(X, lambda cells, X, at, y: cells.predict(X, at).crps(y), y)

    def _become(self, attributes: dict[str, Any]) -> None:
        """Have these attributes, and no parameters of another family."""
        for name in AUXILIARY:
            if hasattr(self, f"{name}_"):
                delattr(self, f"{name}_")
        for name, value in attributes.items():
            setattr(self, name, value)

    @property
    def _family(self) -> Family:
        """The distribution of the outcome."""
        return self._fit.family

    def _observed(self, y: Any, n_rows: int) -> Floats:
        """Observed outcomes (n,) of rows to be scored: such as there can be; classes as 0 and 1."""
        check_is_fitted(self)
        classes = self._fit.classes
        if classes is not None:
            return classes.numbers(check_labels(y, n_rows))
        observed = check_observed(y, n_rows)
        check_possible(self._family, observed, y)
        return observed

    def _quantiles(self, X: Any, probabilities: Sequence[float], kind: Kind) -> Floats:
        """Quantiles (n, q) of new observations, of expected values or of eta."""
        if kind == "outcome":
            return self._gather(
                X, lambda cells, X, at, _: cells.predict(X, at).quantiles(probabilities)
            )
        return self._gather(
            X, lambda cells, X, at, _: cells.expected(X, at, kind).quantiles(probabilities)
        )

    def _gather(
        self, X: Any, function: Callable[[Cells, Floats, Ints, Floats], Floats], y: Any = None
    ) -> Floats:
        """What a function makes of regressions, rows, their cells and their y, in X's order."""
        predictors, cell = self._rows(X)
        n = len(predictors)
        observed = np.zeros(n) if y is None else self._observed(y, n)
        parts = [
            (rows, function(regressions, predictors[rows], at, observed[rows]))
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
        """Predictors (n, p), the offset behind them, and levels (n, G) of rows to predict."""
        check_is_fitted(self)
        fit = self._fit
        predictors, columns = check_predict_data(
            self, X, fit.columns, fit.groups.hierarchies, fit.exposure
        )
        return predictors, fit.groups.codes(columns, len(predictors))

    def _parts(self, cell: Ints) -> list[tuple[Cells, Bools, Ints]]:
        """Each set of regressions, the rows that it predicts, and by which of its cells.

        Without rows none: where all fall back, the own ones may lack the family's parameter.
        """
        fit = self._fit
        pooled = cell < 0
        parts = [
            (fit.combined, pooled, np.zeros(np.count_nonzero(pooled), dtype=np.int64)),
            (fit.own, ~pooled, cell[~pooled]),
        ]
        return [part for part in parts if part[1].any()]


class Pooled(Yardstick):
    """Complete pooling."""

    def _own(self, rows: Rows, combined: Cells, family: Family) -> tuple[Cells, Bools]:
        """None of their own."""
        del family
        return combined, np.ones(len(rows.codes), dtype=np.bool_)

    def _coefficients(self) -> dict[str, Any]:
        """Of the one regression."""
        combined = self._fit.combined
        return {
            "coef_": combined.slopes[0],
            "intercept_": float(combined.intercepts[0]),
            **_parameters(combined),
        }


class Unpooled(Yardstick):
    """No pooling."""

    @property
    def combinations_(self) -> pd.DataFrame:
        """The combinations that fit has seen: values of the group columns."""
        check_is_fitted(self)
        return _combinations(self._fit)

    def _own(self, rows: Rows, combined: Cells, family: Family) -> tuple[Cells, Bools]:
        """As far as their rows can tell."""
        return fit_unpooled(family, rows, combined, fit_intercept=self.fit_intercept)

    def _coefficients(self) -> dict[str, Any]:
        """Of each combination; the pooled regression's where it falls back."""
        fit, own = self._fit, self._fit.own
        return {
            "fallback_": fit.fallback,
            "n_fallback_": int(fit.fallback.sum()),
            "lent_": own.lent_slopes | fit.fallback[:, None],
            "coef_": np.where(fit.fallback[:, None], fit.combined.slopes, own.slopes),
            "intercept_": np.where(fit.fallback, fit.combined.intercepts, own.intercepts),
            **_parameters(fit.combined if fit.fallback.all() else own),
        }


def _parameters(cells: Cells) -> dict[str, float]:
    """Attributes for the parameters beside the coefficients."""
    return {f"{name}_": value for name, value in cells.parameters.items()}


def knows_levels(model: Yardstick, X: Any) -> Bools:
    """Whether a fitted baseline has seen the levels of each row of X in all its factors, (n,)."""
    _, codes = model._codes(X)
    return np.asarray((codes >= 0).all(axis=1))


def share_fallen_back(model: Yardstick) -> float:
    """Share of the rows of fit in combinations that the pooled regression predicts."""
    fit = model._fit
    return float(fit.own.n[fit.fallback].sum() / fit.combined.n[0])


def _find(codes: Ints, fit: Learned) -> Ints:
    """Which combination each row of codes (n, G) is, (n,); -1 if it is none or falls back."""
    n_known = len(fit.codes)
    key = np.zeros(n_known + len(codes), dtype=np.int64)
    for column in np.concatenate([fit.codes, codes]).T + 1:
        key = pd.factorize(key * (column.max() + 1) + column)[0].astype(np.int64)
    of_key = np.full(key.max() + 1, -1)
    of_key[key[:n_known]] = np.where(fit.fallback, -1, np.arange(n_known))
    return of_key[key[n_known:]]


def _combinations(fit: Learned) -> pd.DataFrame:
    """Values of the group columns of each combination."""
    values: dict[str, list[Any]] = {}
    for g, factor in enumerate(fit.groups.factors):
        paths = fit.groups.levels(g)
        name = fit.columns.group_name(factor.columns[-1])
        values[name] = [paths[code][-1] for code in fit.codes[:, g]]
    return pd.DataFrame(values, index=range(len(fit.codes)))

"""scikit-learn's own checks, all of them, on every estimator, with groups and without."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from skhlm import (
    GroupMeans,
    HLMClassifier,
    HLMRegressor,
    PooledClassifier,
    PooledRegressor,
    UnpooledClassifier,
    UnpooledRegressor,
)

# Chains are as short as the checks allow. One of them has twice as many predictors as rows, a
# posterior with long trajectories; where these end does not matter to it.
SHORT = {"chains": 1, "iter_warmup": 20, "iter_sampling": 20, "max_treedepth": 5}

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skhlm.exceptions.IdentificationWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


class Grouped(BaseEstimator):
    """A model with the groups "region/country", two columns that it makes from the first of X.

    All that it checks itself is the number and the names of the columns; the rest is left to the
    model, which is given predictors and group columns in one table, as users do.
    """

    def __init__(self, kind="nuts", random_state=None):
        self.kind = kind
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        validate_data(self, X, skip_check_array=True)
        model = self._model()
        if "random_state" in model.get_params():
            model.set_params(random_state=self.random_state)
        self.model_ = model.fit(with_groups(X), y, sample_weight)
        return self

    def _model(self):
        given = {"varying": "intercept"}
        models = {
            "nuts": HLMRegressor((-2, -1), **given, **SHORT),
            "map": HLMRegressor((-2, -1), **given, **SHORT, algorithm="map", fallback="nuts"),
            "pooled": PooledRegressor((-2, -1)),
            "unpooled": UnpooledRegressor((-2, -1)),
            "classes": HLMClassifier((-2, -1), **given, **SHORT),
            "pooled classes": PooledClassifier((-2, -1)),
            "unpooled classes": UnpooledClassifier((-2, -1)),
        }
        return models[self.kind]

    def predict(self, X):
        table = self._table(X)
        return self.model_.predict(table)

    def _table(self, X):
        check_is_fitted(self)
        table = with_groups(X)
        if table is not X:
            validate_data(self, X, reset=False, skip_check_array=True)
        return table


class GroupedRegressor(RegressorMixin, Grouped):
    """The same of numbers."""


class GroupedClassifier(ClassifierMixin, Grouped):
    """The same of classes."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        table = self._table(X)
        return self.model_.predict_proba(table)

    def predict_log_proba(self, X):
        table = self._table(X)
        return self.model_.predict_log_proba(table)

    def decision_function(self, X):
        table = self._table(X)
        return self.model_.decision_function(table)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def with_groups(X):
    """X with two group columns; an X that is no table of numbers as it is."""
    try:
        first = np.asarray(X)[:, 0].astype(np.float64, casting="safe")
    except (TypeError, ValueError, IndexError):
        return X
    first = np.where(np.isfinite(first), first, 0)
    groups = {"region": np.where(first > 0.5, "high", "low"), "country": np.rint(2 * first)}
    if isinstance(X, pd.DataFrame) and all(isinstance(name, str) for name in X):
        return X.assign(**groups)
    return np.column_stack([np.asarray(X, dtype=object), *groups.values()])


ESTIMATORS = [
    HLMRegressor(**SHORT),
    HLMRegressor(algorithm="map", **SHORT),
    HLMRegressor(algorithm="laplace", warm_start=True, **SHORT),
    HLMClassifier(**SHORT),
    HLMClassifier(algorithm="map", **SHORT),
    HLMClassifier(algorithm="laplace", warm_start=True, **SHORT),
    PooledRegressor(),
    UnpooledRegressor(),
    PooledClassifier(),
    UnpooledClassifier(),
    GroupMeans(-1, 0),
]
GROUPED = [
    *(GroupedRegressor(kind) for kind in ("nuts", "map", "pooled", "unpooled")),
    *(GroupedClassifier(kind) for kind in ("classes", "pooled classes", "unpooled classes")),
]


def is_deterministic(estimator):
    return not estimator.__sklearn_tags__().non_deterministic


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    assert is_deterministic(estimator)
    check(estimator)


@parametrize_with_checks(GROUPED)
def test_scikit_learns_checks_with_groups(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
        check_param_validation,
    ],
)
def test_the_checks_that_scikit_learn_runs_on_its_own_estimators_only(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", GROUPED, ids=repr)
@pytest.mark.parametrize(
    "check", [check_dataframe_column_names_consistency, check_inplace_ensure_writeable]
)
def test_these_with_groups(estimator, check):
    check(type(estimator).__name__, estimator)

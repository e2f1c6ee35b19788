"""Feature selection keeps the group columns and drops the right predictor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LinearRegression

from skhlm import HLMRegressor, PooledRegressor, column_importance

RNG = np.random.default_rng(0)
N = 80
LEVEL = np.arange(N) % 8
PREDICTORS = RNG.normal(size=(N, 4))
SLOPES = np.array([0.0, 2.0, 0.0, 1.0])
Y = PREDICTORS @ SLOPES + RNG.normal(size=8)[LEVEL] + 0.1 * RNG.normal(size=N)
FIRST, LAST = np.column_stack([LEVEL, PREDICTORS]), np.column_stack([PREDICTORS, LEVEL])
FRAME = pd.DataFrame(PREDICTORS, columns=list("abcd"))
FRAME.insert(2, "shop", [f"s{level}" for level in LEVEL])

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def models(groups):
    return [HLMRegressor(groups, algorithm="map", random_state=0), PooledRegressor(groups)]


@pytest.mark.parametrize("model", models("shop"), ids=repr)
def test_coefficients_are_those_of_their_columns(model):
    importance = column_importance(model.fit(FRAME, Y))
    np.testing.assert_array_equal(importance[[0, 1, 3, 4]], np.abs(model.coef_))
    assert importance[2] > importance[[0, 1, 3, 4]].max()
    assert importance[2] == pytest.approx(np.abs(model.coef_).max())


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("groups", "X", "expected"),
    [(0, FIRST, [0, 2, 4]), (-1, LAST, [1, 3, 4]), ((0,), FIRST, [0, 2, 4])],
    ids=str,
)
def test_rfe_drops_the_predictors_without_effect(kind, groups, X, expected):
    model = models(groups)[kind]
    selected = RFE(model, n_features_to_select=3, importance_getter=column_importance).fit(X, Y)
    np.testing.assert_array_equal(np.flatnonzero(selected.support_), expected)
    assert selected.estimator_.n_features_in_ == 3
    np.testing.assert_allclose(np.sort(np.abs(selected.estimator_.coef_)), [1, 2], atol=0.5)


def test_without_it_rfe_takes_coefficients_for_those_of_other_columns():
    """Why there is such a function; should scikit-learn ever notice, the recipe can go."""
    alone = RFE(PooledRegressor(0), n_features_to_select=3).fit(FIRST, Y)
    assert not alone.support_[0]


@pytest.mark.parametrize("model", models("shop"), ids=repr)
@pytest.mark.parametrize("threshold", [0.5, "median", "mean"])
def test_select_from_model_keeps_the_groups(model, threshold):
    selector = SelectFromModel(model, threshold=threshold, importance_getter=column_importance)
    selected = selector.set_output(transform="pandas").fit(FRAME, Y).transform(FRAME)
    assert {"b", "shop"} <= set(selected) <= {"b", "d", "shop"}
    model.fit(selected, Y)


def test_groups_whose_positions_would_move_are_refused():
    X = np.column_stack([PREDICTORS[:, :2], LEVEL, PREDICTORS[:, 2:]])
    with pytest.raises(ValueError, match=r"stand between predictors.*Put them first or last"):
        column_importance(PooledRegressor(2).fit(X, Y))


def test_no_predictors_and_no_groups():
    only = column_importance(PooledRegressor(0).fit(FIRST[:, :1], Y))
    assert only.shape == (1,)
    model = PooledRegressor().fit(PREDICTORS, Y)
    np.testing.assert_array_equal(column_importance(model), np.abs(model.coef_))


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="got a LinearRegression"):
        column_importance(LinearRegression().fit(PREDICTORS, Y))
    with pytest.raises(ValueError, match="not fitted"):
        column_importance(HLMRegressor())


def test_an_exposure_is_kept_as_the_groups_are():
    rng = np.random.default_rng(0)
    X = FRAME.assign(days=rng.uniform(1, 5, N))
    y = rng.poisson(X["days"] * np.exp(0.5 * X["b"])).astype(float)
    given = {"family": "poisson", "algorithm": "map", "random_state": 0}
    model = HLMRegressor("shop", exposure="days", **given).fit(X, y)
    importance = column_importance(model)
    np.testing.assert_array_equal(importance[[0, 1, 3, 4]], np.abs(model.coef_))
    assert importance[2] == importance[5] > importance[1]
    positioned = HLMRegressor(exposure=2, **given)
    between = X[["a", "b", "days", "c"]].to_numpy()
    with pytest.raises(ValueError, match=r"columns '2' were given by position and stand between"):
        column_importance(positioned.fit(between, y))

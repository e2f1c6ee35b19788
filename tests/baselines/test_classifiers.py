"""Yardsticks of two classes: logistic regression, fallback, labels of any type."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skhlm import PooledClassifier, PooledRegressor, UnpooledClassifier, column_importance
from tests.chance import assert_near, largest

BOTH = pytest.mark.parametrize("baseline", [PooledClassifier, UnpooledClassifier])
N = 480


@pytest.fixture(scope="module")
def shops():
    """Rows in eight shops of two towns, whose customers buy or leave by price."""
    rng = np.random.default_rng(0)
    shop = np.arange(N) % 8
    X = pd.DataFrame({"town": shop // 4, "price": rng.normal(5, 1, N), "shop": shop % 4})
    p = special.expit(rng.normal(size=8)[shop] - (0.5 + shop / 8) * (X["price"] - 5))
    return X, np.where(rng.random(N) < p, "yes", "no")


def exact(X, y):
    """Unpenalised logistic regression."""
    return LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)


def test_pooled_is_one_logistic_regression(shops):
    X, y = shops
    model = PooledClassifier("town/shop").fit(X, y)
    line = exact(X[["price"]], y)
    np.testing.assert_allclose(model.coef_, line.coef_[0], rtol=1e-4)
    assert model.intercept_ == pytest.approx(line.intercept_[0], rel=1e-4)
    probability = line.predict_proba(X[["price"]])
    np.testing.assert_allclose(model.predict_proba(X), probability, atol=1e-5)
    assert model.score(X, y) == (line.predict(X[["price"]]) == y).mean()


def test_unpooled_is_one_for_each_shop(shops):
    X, y = shops
    model = UnpooledClassifier("town/shop").fit(X, y)
    assert model.n_fallback_ == 0 and not model.lent_.any()
    for c, (town, shop) in enumerate(model.combinations_.to_numpy()):
        own = (X["town"] == town) & (X["shop"] == shop)
        line = exact(X.loc[own, ["price"]], y[own])
        np.testing.assert_allclose(model.coef_[c], line.coef_[0], rtol=1e-3)
        found, expected = model.predict_proba(X[own]), line.predict_proba(X.loc[own, ["price"]])
        np.testing.assert_allclose(found, expected, atol=1e-4)


@BOTH
def test_what_is_predicted_agrees(shops, baseline):
    X, y = shops
    model = baseline("town/shop").fit(X, y)
    assert is_classifier(model) and model.classes_.tolist() == ["no", "yes"]
    X = pd.concat([X, X[:3].assign(shop=9), X[:3].assign(town=None)])
    probability = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(probability), atol=1e-15)
    np.testing.assert_allclose(model.decision_function(X), special.logit(probability[:, 1]))
    labels = model.classes_[probability.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), labels)
    interval = model.predict_interval(X, 0.8)
    assert ((interval[:, 0] < probability[:, 1]) & (probability[:, 1] < interval[:, 1])).all()
    np.testing.assert_array_equal(interval, model.predict_quantiles(X, [0.1, 0.9]))
    X, p = X[:N], probability[:N, 1]
    observed = np.where(y == "yes", p, 1 - p)
    np.testing.assert_allclose(model.log_predictive_density(X, y), np.log(observed))
    np.testing.assert_allclose(model.crps(X, y), (1 - observed) ** 2)
    assert model.joint_log_density(X, y) == pytest.approx(np.log(observed).sum())
    with pytest.raises(ValueError, match=r"'maybe' in row .*, which is no class of the model"):
        model.crps(X[:1], ["maybe"])


def test_an_interval_of_a_probability_covers_it():
    """Of 300 data sets: within Monte Carlo error, and 0.01 that Wald's is off at 200 rows."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=200)})
    new, truth = pd.DataFrame({"x": [0.7]}), special.expit(0.3 + 0.7 * 0.8)
    p = special.expit(0.3 + 0.8 * X["x"])
    inside = []
    for _ in range(300):
        model = PooledClassifier().fit(X, rng.random(200) < p)
        lower, upper = model.predict_interval(new, 0.9)[0]
        inside.append(lower <= truth <= upper)
    assert_near(np.mean(inside), 0.9, np.sqrt(0.09 / 300) + 0.01 / largest(1))


def test_shops_of_one_class_or_few_rows_are_pooled(shops):
    X, y = shops
    y = np.where((X["town"] == 0) & (X["shop"] == 1), "yes", y)
    few = (X["town"] == 0) | (X["shop"] != 2) | (np.arange(N) < 16)  # two rows of shop 1/2
    X, y = X[few], y[few]
    model = UnpooledClassifier("town/shop").fit(X, y)
    pooled = PooledClassifier("town/shop").fit(X, y)
    assert np.flatnonzero(model.fallback_).tolist() == [1, 6] and model.n_fallback_ == 2
    fallen = ((X["town"] == 0) & (X["shop"] == 1)) | ((X["town"] == 1) & (X["shop"] == 2))
    np.testing.assert_array_equal(model.predict_proba(X[fallen]), pooled.predict_proba(X[fallen]))
    assert (model.predict_proba(X[~fallen]) != pooled.predict_proba(X[~fallen])).all()
    np.testing.assert_array_equal(model.coef_[1], pooled.coef_)


@BOTH
def test_classes_that_are_apart_have_finite_probabilities(shops, baseline):
    X, _ = shops
    y = X["price"] > 5
    model = baseline("town/shop").fit(X, y)
    assert np.isfinite(model.coef_).all() and model.score(X, y) == 1
    assert np.isfinite(model.decision_function(X[np.abs(X["price"] - 5) < 0.1])).all()
    interval, p = model.predict_interval(X), model.predict_proba(X)[:, 1]
    assert ((interval[:, 0] <= p) & (p <= interval[:, 1])).all()


@BOTH
@pytest.mark.parametrize("labels", [[False, True], [1, 2], ["a", "b"], [-1.0, 1.0]])
def test_labels_of_any_type(shops, baseline, labels):
    X, y = shops
    theirs = np.array(labels)[(y == "yes").astype(int)]
    model = baseline("town/shop").fit(X, theirs)
    assert model.classes_.dtype == theirs.dtype
    assert set(model.predict(X)) == set(labels)
    strings = baseline("town/shop").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), strings.predict_proba(X))


@BOTH
def test_weights_are_repetitions(shops, baseline):
    X, y = shops
    times = np.random.default_rng(1).integers(0, 4, N)
    weighted = baseline("town/shop").fit(X, y, times)
    again = np.repeat(np.arange(N), times)
    repeated = baseline("town/shop").fit(X.iloc[again], y[again])
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


def test_it_is_the_binomial_regression_of_zeros_and_ones(shops):
    X, y = shops
    model = PooledClassifier("town/shop").fit(X, y)
    shares = PooledRegressor("town/shop", family="binomial").fit(X, (y == "yes") * 1.0)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], shares.predict(X), rtol=1e-14)
    np.testing.assert_array_equal(
        model.predict_interval(X), shares.predict_interval(X, kind="mean")
    )


@BOTH
def test_a_model_travels(shops, baseline):
    X, y = shops
    model = baseline("town/shop").fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_interval(X), model.predict_interval(X))
    assert "town/shop" in model._repr_html_()
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    folds = cross_val_predict(baseline("town/shop"), X, y, cv=3, method="predict_proba")
    assert folds.shape == (N, 2)


@BOTH
def test_three_classes_and_one_are_refused(shops, baseline):
    X, _ = shops
    with pytest.raises(ValueError, match=r"3 classes.*OneVsRestClassifier"):
        baseline("town/shop").fit(X, np.arange(N) % 3)
    with pytest.raises(ValueError, match="one class alone"):
        baseline("town/shop").fit(X, np.ones(N))


def test_importance_of_columns(shops):
    model = PooledClassifier("town/shop").fit(*shops)
    importance = column_importance(model)
    assert importance[1] == abs(model.coef_[0])
    assert (importance[[0, 2]] > importance[1]).all()


@BOTH
def test_intervals_of_log_odds_are_those_of_probabilities(shops, baseline):
    X, y = shops
    model = baseline("town/shop").fit(X, y)
    for of in (
        lambda kind: model.predict_interval(X, 0.8, kind),
        lambda kind: model.predict_quantiles(X, kind=kind),
    ):
        np.testing.assert_allclose(special.expit(of("link")), of("mean"), rtol=1e-9)

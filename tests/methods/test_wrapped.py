"""Intervals, quantiles and draws through wrappers are those of the model inside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm import HLMClassifier, HLMRegressor, PooledRegressor

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")
Q = [0.1, 0.5, 0.8]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.tile(list("abc"), 30), "spend": rng.gamma(3, 1, 90)})
    return X, np.exp(0.2 * X["spend"] + rng.normal(0, 0.3, 90))


def take_log(X):
    return X.assign(spend=np.log(X["spend"]))


def minus_log(y):
    return -np.log(y)


def exp_of_minus(z):
    return np.exp(-z)


def a_model():
    return HLMRegressor("shop", algorithm="laplace", family="normal", random_state=0)


@pytest.mark.parametrize("kind", [None, "outcome", "mean", "link"])
def test_of_a_pipeline_in_a_search(data, kind):
    X, y = data
    pipeline = make_pipeline(FunctionTransformer(take_log), a_model())
    search = GridSearchCV(pipeline, {"hlmregressor__fit_intercept": [True]}, cv=2).fit(X, y)
    inside, rows = search.best_estimator_[-1], take_log(X)
    own = {} if kind is None else {"kind": kind}
    interval = skhlm.predict_interval(search, X, 0.8, kind)
    np.testing.assert_array_equal(interval, inside.predict_interval(rows, 0.8, **own))
    quantiles = skhlm.predict_quantiles(search, X, Q, kind)
    np.testing.assert_array_equal(quantiles, inside.predict_quantiles(rows, Q, **own))
    draws = skhlm.sample_y(search, X, 5, 3, kind or "outcome")
    np.testing.assert_array_equal(draws, inside.sample_y(rows, 5, 3, kind or "outcome"))


@pytest.mark.parametrize(
    ("func", "inverse"),
    [(np.log, np.exp), (minus_log, exp_of_minus)],
    ids=["increasing", "decreasing"],
)
def test_of_a_transformed_target(data, func, inverse):
    X, y = data
    model = TransformedTargetRegressor(a_model(), func=func, inverse_func=inverse).fit(X, y)
    inside, falls = model.regressor_, func is minus_log
    ends = inverse(inside.predict_interval(X, 0.5))
    interval = skhlm.predict_interval(model, X, 0.5)
    np.testing.assert_allclose(interval, ends[:, ::-1] if falls else ends)
    expected = inverse(inside.predict_quantiles(X, 1 - np.array(Q) if falls else Q))
    found = skhlm.predict_quantiles(model, X, Q)
    np.testing.assert_allclose(found, expected)
    assert (np.diff(found) > 0).all()
    draws = skhlm.sample_y(model, X, 4)
    np.testing.assert_allclose(draws, inverse(inside.sample_y(X, 4)))
    with pytest.raises(ValueError, match="kind='link': the model's y is transformed"):
        skhlm.predict_interval(model, X, kind="link")


def test_of_a_classifier_and_a_baseline(data):
    X, y = data
    labels = np.where(y > y.median(), "much", "little")
    classifier = HLMClassifier("shop", algorithm="laplace", random_state=0).fit(X, labels)
    interval = skhlm.predict_interval(classifier, X)
    np.testing.assert_array_equal(interval, classifier.predict_interval(X))
    assert set(skhlm.sample_y(classifier, X, 3).ravel()) == {"much", "little"}
    pooled = PooledRegressor("shop").fit(X, y)
    np.testing.assert_array_equal(
        skhlm.predict_quantiles(pooled, X, 0.3), pooled.predict_quantiles(X, 0.3)
    )


def test_what_has_none_is_refused(data):
    X, y = data
    numbers = X[["spend"]]
    with pytest.raises(TypeError, match="LinearRegression has no predict_interval"):
        skhlm.predict_interval(LinearRegression().fit(numbers, y), numbers)
    with pytest.raises(NotFittedError):
        skhlm.sample_y(make_pipeline(FunctionTransformer(), a_model()), X)
    with pytest.raises(TypeError, match="X must hold rows"):
        skhlm.predict_interval(a_model().fit(X, y), "spend")

"""Expected values of y where its logarithm was fitted, through all that takes an estimator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skhlm
from skhlm import HLMClassifier, HLMRegressor, PooledRegressor

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.tile(list("abcdef"), 30), "spend": rng.gamma(3, 1, 180)})
    level = X["shop"].map(dict(zip("abcdef", rng.normal(0, 0.3, 6), strict=True)))
    return X, np.exp(1 + level + 0.2 * X["spend"] + rng.normal(0, 0.8, 180))


def a_model(family="normal"):
    settings = {"algorithm": "laplace", "iter_sampling": 100, "random_state": 0}
    return HLMRegressor("shop", varying="intercept", family=family, **settings)


def log_of(model, func=np.log, inverse=np.exp):
    return TransformedTargetRegressor(model, func=func, inverse_func=inverse)


@pytest.fixture(scope="module")
def of_log(data):
    return log_of(a_model()).fit(*data)


def expected_draws(of_log, X):
    """exp(eta + sigma^2 / 2) in each draw, (n, S), of known levels."""
    posterior = of_log.regressor_._posterior
    predictors, codes, _ = of_log.regressor_._rows(X)
    eta = posterior.draws.expected_value(posterior.units.centred(predictors), codes)
    return np.exp(eta + 0.5 * posterior.auxiliary["sigma"] ** 2)


def test_expected_values_are_means_and_predictions_medians(of_log, data):
    X, y = data
    mean, draws = skhlm.predict_mean(of_log, X), expected_draws(of_log, X)
    np.testing.assert_allclose(mean, draws.mean(axis=1), rtol=1e-10)
    assert abs(mean.mean() / y.mean() - 1) < 0.15 < y.mean() / of_log.predict(X).mean() - 1
    ends = skhlm.predict_interval(of_log, X, 0.8, kind="mean")
    between = np.quantile(np.log(draws), [0.1, 0.9], axis=1).T
    np.testing.assert_allclose(ends, np.exp(between), rtol=1e-9)
    medians = skhlm.predict_interval(of_log, X, 0.8, kind="median")
    inside = of_log.regressor_.predict_interval(X, 0.8, "mean")
    np.testing.assert_allclose(medians, np.exp(inside))
    drawn = skhlm.sample_y(of_log, X, 50, kind="mean")
    assert np.isin(drawn[0].round(9), draws[0].round(9)).all()
    quantiles = skhlm.predict_quantiles(of_log, X, [0.1, 0.9], kind="mean")
    np.testing.assert_allclose(quantiles, ends)


def test_averages_parts_and_differences_are_of_y(of_log, data):
    X = data[0]
    draws = expected_draws(of_log, X)
    mean = skhlm.average_prediction(of_log, X, by="shop")
    for shop, row in mean.set_index("shop").iterrows():
        own = draws[X["shop"] == shop].mean(axis=0)
        np.testing.assert_allclose(row["mean"], own.mean(), rtol=1e-10)
        ends = np.quantile(own, [0.05, 0.95])
        np.testing.assert_allclose(row[["lower", "upper"]].astype(float), ends, rtol=1e-9)
    new = X.assign(shop=X["shop"].replace("a", "new"))
    parts = skhlm.contributions(of_log, new, {"spend": 0.0})
    np.testing.assert_allclose(
        parts.groupby("row")["mean"].sum(), skhlm.predict_mean(of_log, new), rtol=1e-10
    )
    twice = skhlm.compare_points(of_log, X, "spend", factor=2)
    more = expected_draws(of_log, X.assign(spend=2 * X["spend"])) - draws
    np.testing.assert_allclose(twice["difference"], more.mean(axis=1), rtol=1e-9)
    slope = skhlm.average_slope(of_log, X, "spend")["slope"].item()
    h = 1e-4
    near = skhlm.average_difference(of_log, X, "spend", start=lambda x: x - h, end=lambda x: x + h)
    assert slope == pytest.approx(near["difference"].item() / (2 * h), rel=1e-5)


def test_curves_of_expected_values_and_of_medians(of_log, data):
    X = data[0].head(2)
    grid = [1.0, 5.0]
    rows = X.loc[[0, 0, 1, 1]].assign(spend=grid * 2)
    curve = skhlm.response_curve(of_log, X, "spend", grid, kind="mean", slope=True)
    np.testing.assert_allclose(curve["mean"], skhlm.predict_mean(of_log, rows), rtol=1e-9)
    ends = skhlm.predict_interval(of_log, rows, kind="mean")
    np.testing.assert_allclose(curve[["lower", "upper"]], ends, rtol=1e-9)
    assert (curve["slope"] > 0).all()
    median = skhlm.response_curve(of_log, X, "spend", grid)
    np.testing.assert_allclose(median["median"], of_log.predict(rows))
    assert (median["median"] < curve["mean"]).all()
    step = FunctionTransformer(lambda X: X)
    through = make_pipeline(step, of_log)
    again = skhlm.response_curve(through, X, "spend", grid, kind="mean", slope=True)
    pd.testing.assert_frame_equal(again, curve, rtol=1e-5)


@pytest.mark.parametrize("shift", [0, 1])
def test_other_logarithms_say_the_same(data, of_log, shift):
    """Scaled ones to the priors' small share; those of 1 + y are another model."""
    X, y = data
    expected = skhlm.predict_mean(of_log, X)
    if shift:
        model = log_of(a_model(), np.log1p, np.expm1).fit(X, y)
        other = log_of(a_model()).fit(X, 1 + y)
        expected = skhlm.predict_mean(other, X) - 1
    else:
        scaled = make_pipeline(FunctionTransformer(np.log10, lambda z: 10**z), StandardScaler())
        model = TransformedTargetRegressor(a_model(), transformer=scaled).fit(X, y)
    np.testing.assert_allclose(skhlm.predict_mean(model, X), expected, rtol=0.02)


def test_of_all_others_it_is_what_they_predict(data):
    X, y = data
    model = a_model().fit(X, y)
    np.testing.assert_array_equal(skhlm.predict_mean(model, X), model.predict(X))
    pooled = PooledRegressor("shop").fit(X, y)
    np.testing.assert_array_equal(skhlm.predict_mean(pooled, X), pooled.predict(X))
    classifier = HLMClassifier("shop", algorithm="laplace", iter_sampling=100, random_state=0)
    classifier.fit(X, y > y.median())
    probability = classifier.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(skhlm.predict_mean(classifier, X), probability)
    with pytest.raises(ValueError, match="kind='median' is for a y that is transformed"):
        skhlm.response_curve(make_pipeline(FunctionTransformer(), model), X, "spend", kind="median")


def test_what_has_no_expected_value_is_told(data, of_log):
    X, y = data
    robust = log_of(a_model("student_t")).fit(X, y)
    for call in (
        lambda: skhlm.predict_mean(robust, X),
        lambda: skhlm.average_prediction(robust, X),
        lambda: skhlm.predict_interval(robust, X, kind="mean"),
        lambda: skhlm.response_curve(robust, X, "spend", kind="mean"),
    ):
        with pytest.raises(ValueError, match=r"Student-t residuals, and exp of these has no fin"):
            call()
    curve = skhlm.response_curve(robust, X.head(1), "spend", [1.0])
    assert "median" in curve
    for estimator in (
        log_of(a_model(), np.sqrt, np.square).fit(X, y),
        log_of(PooledRegressor("shop")).fit(X, y),
    ):
        with pytest.raises(ValueError, match="y is transformed inside the estimator, and not by"):
            skhlm.predict_mean(estimator, X)
    with pytest.raises(ValueError, match="kind='link'"):
        skhlm.average_prediction(of_log, X, kind="link")


def test_few_draws_of_sigma_are_warned_of(of_log, data, monkeypatch):
    monkeypatch.setattr("skhlm.methods.original_scale.k_threshold", lambda _: -np.inf)
    with pytest.warns(UserWarning, match="rest on a few draws of sigma") as caught:
        skhlm.predict_mean(of_log, data[0])
    assert caught[0].filename == __file__

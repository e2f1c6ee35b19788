"""The pooled and the unpooled yardstick: textbook least squares, fallback, good manners."""

from __future__ import annotations

import pickle
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skhlm import PooledRegressor, UnpooledRegressor

BOTH = pytest.mark.parametrize("baseline", [PooledRegressor, UnpooledRegressor])


@pytest.fixture(scope="module")
def shops():
    """Rows in shops of cities: a line for each, one shop of two rows, one of constant price."""
    rng = np.random.default_rng(0)
    sizes = {
        ("Rome", "a"): 8,
        ("Rome", "b"): 12,
        ("Oslo", "a"): 5,
        ("Oslo", "c"): 2,
        ("Bonn", "d"): 4,
    }
    rows = [path for path, n in sizes.items() for _ in range(n)]
    X = pd.DataFrame(rows, columns=["city", "shop"])
    X.insert(1, "price", rng.normal(5, 1, len(X)))
    X.loc[X["city"] == "Bonn", "price"] = 4.0
    slope = X["shop"].map({"a": 1.0, "b": -2.0, "c": 0.0, "d": 0.0})
    return X, slope * X["price"] + rng.normal(size=len(X))


@pytest.fixture(scope="module")
def unpooled(shops):
    return UnpooledRegressor("city/shop").fit(*shops)


def own_rows(X, city, shop):
    return (X["city"] == city) & (X["shop"] == shop)


def test_pooled_is_one_linear_regression(shops):
    X, y = shops
    model = PooledRegressor("city/shop").fit(X, y)
    line = LinearRegression().fit(X[["price"]], y)
    np.testing.assert_array_equal(model.coef_, line.coef_)
    assert model.intercept_ == pytest.approx(line.intercept_, rel=1e-12)
    np.testing.assert_allclose(model.predict(X), line.predict(X[["price"]]), rtol=1e-12)


def test_pooled_interval_is_the_textbooks(shops):
    X, y = shops
    model = PooledRegressor("city/shop").fit(X, y)
    new = X.iloc[:2].assign(price=[0.0, 7.0])
    x, n = X["price"], len(X)
    line = stats.linregress(x, y)
    middle = line.intercept + line.slope * new["price"]
    s = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / (n - 2))
    leverage = 1 / n + (new["price"] - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    t = stats.t.ppf(0.95, n - 2)
    for kind, half in {"outcome": s * np.sqrt(1 + leverage), "mean": s * np.sqrt(leverage)}.items():
        found = model.predict_interval(new, 0.9, kind)
        np.testing.assert_allclose(found[:, 0], middle - t * half, rtol=1e-10)
        np.testing.assert_allclose(found[:, 1], middle + t * half, rtol=1e-10)
        quantiles = model.predict_quantiles(new, [0.05, 0.95], kind)
        np.testing.assert_allclose(quantiles, found, rtol=1e-12)
    assert model.sigma_ == pytest.approx(s, rel=1e-12)


def test_unpooled_is_a_linear_regression_for_each_combination(shops, unpooled):
    X, y = shops
    for city, shop in [("Rome", "a"), ("Rome", "b"), ("Oslo", "a")]:
        own = own_rows(X, city, shop)
        line = LinearRegression().fit(X.loc[own, ["price"]], y[own])
        np.testing.assert_allclose(
            unpooled.predict(X[own]), line.predict(X.loc[own, ["price"]]), rtol=1e-10
        )


def test_unpooled_interval_shares_one_residual_scale(shops, unpooled):
    X, y = shops
    fitted = [own_rows(X, *path) for path in [("Rome", "a"), ("Rome", "b"), ("Oslo", "a")]]
    lines = [LinearRegression().fit(X.loc[own, ["price"]], y[own]) for own in fitted]
    rss = sum(
        np.sum((y[own] - line.predict(X.loc[own, ["price"]])) ** 2)
        for own, line in zip(fitted, lines, strict=True)
    )
    s = np.sqrt(rss / (25 - 6))
    assert unpooled.sigma_ == pytest.approx(s, rel=1e-10)
    middle = X[fitted[2]].iloc[[0]].assign(price=X.loc[fitted[2], "price"].mean())
    width = np.diff(unpooled.predict_interval(middle, 0.5))[0, 0]
    assert width == pytest.approx(2 * stats.t.ppf(0.75, 19) * s * np.sqrt(1 + 1 / 5), rel=1e-10)


def test_small_collinear_new_and_missing_combinations_are_pooled(shops, unpooled):
    X, y = shops
    pooled = PooledRegressor("city/shop").fit(X, y)
    assert unpooled.n_fallback_ == 2
    fallen = unpooled.combinations_[unpooled.fallback_]
    assert fallen.to_numpy().tolist() == [["Bonn", "d"], ["Oslo", "c"]]
    rows = pd.DataFrame(
        [
            ["Oslo", 3.0, "c"],
            ["Bonn", 3.0, "d"],
            ["Rome", 3.0, "c"],
            ["Rome", 3.0, None],
            [None, 3.0, "a"],
        ],
        columns=X.columns,
    )
    for method in ("predict", "predict_interval"):
        np.testing.assert_array_equal(
            getattr(unpooled, method)(rows), getattr(pooled, method)(rows)
        )
    np.testing.assert_array_equal(unpooled.coef_[unpooled.fallback_], [pooled.coef_] * 2)


def test_crossed_hierarchies_combine(shops):
    X, y = shops
    model = UnpooledRegressor(["city", "shop"]).fit(X, y)
    assert len(model.combinations_) == 5
    assert list(model.combinations_) == ["city", "shop"]
    np.testing.assert_array_equal(
        model.predict(X), UnpooledRegressor("city/shop").fit(X, y).predict(X)
    )


def test_all_combinations_too_small_is_pooled(shops):
    X, y = shops
    small = X.drop_duplicates("shop")
    model = UnpooledRegressor("city/shop").fit(small, y[small.index])
    pooled = PooledRegressor("city/shop").fit(small, y[small.index])
    assert model.n_fallback_ == 4
    assert model.sigma_ == pooled.sigma_
    np.testing.assert_array_equal(model.predict_interval(X), pooled.predict_interval(X))


@BOTH
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_are_repetitions(shops, baseline, fit_intercept):
    X, y = shops
    times = np.random.default_rng(1).integers(0, 4, len(X))
    model = baseline("city/shop", fit_intercept=fit_intercept)
    weighted = clone(model).fit(X, y, sample_weight=times)
    repeated = clone(model).fit(X.loc[X.index.repeat(times)], y.repeat(times))
    np.testing.assert_array_equal(weighted.predict_interval(X), repeated.predict_interval(X))
    assert weighted.sigma_ == repeated.sigma_


@BOTH
def test_scores_of_rows_are_those_of_their_distributions(shops, baseline):
    X, y = shops
    model = baseline("city/shop").fit(X, y)
    mean, std = model.predict(X, return_std=True)
    grid = np.linspace(-40, 40, 4001)
    for row in (0, 20):
        one = X.iloc[[row] * len(grid)]
        density = np.exp(model.log_predictive_density(one, grid))
        step = grid[1] - grid[0]
        assert density.sum() * step == pytest.approx(1, abs=1e-3)
        assert (density * (grid - mean[row]) ** 2).sum() * step == pytest.approx(
            std[row] ** 2, rel=0.01
        )
        forecast = np.cumsum(density) * step
        expected = ((forecast - (grid >= y.iloc[row])) ** 2).sum() * step
        assert model.crps(X.iloc[[row]], y.iloc[[row]])[0] == pytest.approx(expected, abs=0.02)


def test_rows_that_fall_back_are_apart_in_the_joint_density(shops, unpooled):
    X, y = shops
    pooled = PooledRegressor("city/shop").fit(X, y)
    fallen = own_rows(X, "Oslo", "c") | own_rows(X, "Bonn", "d")
    expected = unpooled.joint_log_density(X[~fallen], y[~fallen])
    expected += pooled.joint_log_density(X[fallen], y[fallen])
    assert unpooled.joint_log_density(X, y) == pytest.approx(expected, rel=1e-12)


@BOTH
def test_a_model_travels(shops, baseline):
    X, y = shops
    model = baseline("city/shop").fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_interval(X), model.predict_interval(X))
    assert "city/shop" in model._repr_html_()
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@BOTH
def test_more_coefficients_than_rows(baseline):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 9)), rng.normal(size=5)
    model = baseline().fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
    assert np.isinf(model.predict_interval(X)).all()
    assert model.sigma_ == np.inf


@BOTH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"city": None}, "Missing values in group columns at fit"),
        ({"price": "cheap"}, "Predictors must be numbers"),
        ({"price": np.nan}, "price.*31 rows"),
    ],
)
def test_bad_input_is_named(shops, baseline, change, message):
    X, y = shops
    with pytest.raises((TypeError, ValueError), match=message):
        baseline("city/shop").fit(X.assign(**change), y)


@BOTH
def test_bad_outcomes_are_named(shops, baseline):
    X, y = shops
    model = baseline("city/shop").fit(X, y)
    with pytest.raises(ValueError, match="X has 31 rows and y 30"):
        model.crps(X, y[:-1])
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.log_predictive_density(X, y * np.nan)
    with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
        model.predict_quantiles(X, [0.5, 1.0])


def test_ten_thousand_combinations_are_fast():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat(np.arange(10_000), 5), rng.normal(size=50_000)])
    y = rng.normal(size=50_000)
    start = perf_counter()
    model = UnpooledRegressor(0).fit(X, y)
    interval = model.predict_interval(X)
    assert perf_counter() - start < 5  # 0.1 s on an idle machine
    assert model.coef_.shape == (10_000, 1)
    inside = (interval[:, 0] <= y) & (y <= interval[:, 1])
    # Rows of the fit itself: five of them, three left for the residuals.
    assert inside.mean() > 0.95


def test_one_degree_of_freedom_for_all_is_pooled():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": list("aaabbccdd"), "price": rng.normal(size=9)})
    y = rng.normal(size=9)
    model, pooled = UnpooledRegressor("shop").fit(X, y), PooledRegressor("shop").fit(X, y)
    assert model.n_fallback_ == 4
    np.testing.assert_array_equal(model.crps(X, y), pooled.crps(X, y))
    assert np.isfinite(model.crps(X, y)).all()
    two = UnpooledRegressor("shop").fit(X.assign(shop=list("aaaabbccc")), y)
    assert two.n_fallback_ == 1
    assert np.isfinite(two.crps(X, y)).all()


@BOTH
def test_values_of_groups_are_refused_without_being_printed(shops, baseline):
    X, y = shops
    with pytest.raises(TypeError, match="groups: got a Series") as caught:
        baseline(X["shop"]).fit(X, y)
    assert len(str(caught.value)) < 300


@BOTH
def test_quantiles_are_the_median_and_the_ends_of_the_interval_by_default(shops, baseline):
    X, y = shops
    model = baseline("city/shop").fit(X, y)
    found = model.predict_quantiles(X)
    np.testing.assert_allclose(found[:, [0, 2]], model.predict_interval(X), rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], model.predict(X), rtol=1e-12)

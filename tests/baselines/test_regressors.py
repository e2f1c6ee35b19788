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
    pooled = PooledRegressor("city/shop").fit(X, y)
    rss = 0.0
    for path, own in X.groupby(["city", "shop"]).groups.items():
        rows = X.loc[own, ["price"]]
        if path in [("Bonn", "d"), ("Oslo", "c")]:  # an intercept beside the pooled slope
            residual = y[own] - pooled.coef_[0] * rows["price"]
            residual -= residual.mean()
        else:
            residual = y[own] - LinearRegression().fit(rows, y[own]).predict(rows)
        rss += np.sum(residual**2)
    df = 31 - (3 * 2 + 2) - 1  # three lines, two intercepts, and one slope that is pooled
    s = np.sqrt(rss / df)
    assert unpooled.sigma_ == pytest.approx(s, rel=1e-10)
    oslo = own_rows(X, "Oslo", "a")
    middle = X[oslo].iloc[[0]].assign(price=X.loc[oslo, "price"].mean())
    width = np.diff(unpooled.predict_interval(middle, 0.5))[0, 0]
    assert width == pytest.approx(2 * stats.t.ppf(0.75, df) * s * np.sqrt(1 + 1 / 5), rel=1e-10)


def test_a_combination_has_what_its_rows_tell_and_pooled_slopes_for_the_rest(shops, unpooled):
    X, y = shops
    pooled = PooledRegressor("city/shop").fit(X, y)
    assert unpooled.n_fallback_ == 0
    lent = unpooled.combinations_[unpooled.lent_[:, 0]]
    assert lent.to_numpy().tolist() == [["Bonn", "d"], ["Oslo", "c"]]
    np.testing.assert_allclose(unpooled.coef_[unpooled.lent_], pooled.coef_.repeat(2), rtol=1e-12)
    for city, shop in lent.to_numpy():
        own = own_rows(X, city, shop)
        intercept = (y[own] - pooled.coef_[0] * X.loc[own, "price"]).mean()
        row = X[own].iloc[[0]].assign(price=3.0)
        expected = intercept + 3 * pooled.coef_[0]
        np.testing.assert_allclose(unpooled.predict(row), expected, rtol=1e-12)


def test_a_pooled_slope_brings_its_standard_error(shops, unpooled):
    X, y = shops
    line = stats.linregress(X["price"], y)
    (own,) = X[own_rows(X, "Bonn", "d")].index[:1]
    for price in (4.0, 9.0):  # where its rows are, and elsewhere
        row = X.loc[[own]].assign(price=price)
        variance = unpooled.sigma_**2 / 4 + (line.stderr * (price - 4.0)) ** 2
        df = 31 - (3 * 2 + 2) - 1
        half = stats.t.ppf(0.95, df) * np.sqrt(variance)
        width = np.diff(unpooled.predict_interval(row, 0.9, "mean"))[0, 0]
        assert width == pytest.approx(2 * half, rel=1e-9)


def test_new_and_missing_combinations_are_pooled(shops, unpooled):
    X, y = shops
    pooled = PooledRegressor("city/shop").fit(X, y)
    rows = pd.DataFrame(
        [["Rome", 3.0, "c"], ["Rome", 3.0, None], [None, 3.0, "a"]], columns=X.columns
    )
    for method in ("predict", "predict_interval"):
        np.testing.assert_array_equal(
            getattr(unpooled, method)(rows), getattr(pooled, method)(rows)
        )


def test_a_predictor_of_the_groups_leaves_them_their_own_lines():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(30), 20)
    size = rng.normal(size=30)[g]
    X = pd.DataFrame({"x": rng.normal(size=600), "size": size, "g": g})
    y = rng.normal(0, 2, 30)[g] + X["x"] + rng.normal(size=600)
    model = UnpooledRegressor("g").fit(X, y)
    alone = UnpooledRegressor("g").fit(X[["x", "g"]], y)
    assert model.n_fallback_ == 0
    assert model.lent_.tolist() == [[False, True]] * 30
    np.testing.assert_allclose(model.predict(X), alone.predict(X[["x", "g"]]), rtol=1e-9)
    np.testing.assert_allclose(
        model.predict_interval(X), alone.predict_interval(X[["x", "g"]]), rtol=1e-9
    )
    np.testing.assert_allclose(
        model.coef_[:, 1], PooledRegressor("g").fit(X, y).coef_[1], rtol=1e-9
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "second",
    [
        lambda x: 2 * x,
        lambda x: x * 1e9,
        lambda x: 0.1 + np.arange(len(x)) % 2 * 1e-17,
        lambda x: 0.7 + 1e-16 * x,
        lambda x: 1e6 - x,
    ],
)
def test_what_rows_cannot_tell_changes_no_prediction_of_like_rows(fit_intercept, second):
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(6), 8), rng.normal(size=48)
    X = np.column_stack([x, np.where(g < 3, second(x), rng.normal(size=48))])
    y = rng.normal(size=6)[g] + x + rng.normal(size=48)
    model = UnpooledRegressor(2, fit_intercept=fit_intercept).fit(np.column_stack([X, g]), y)
    assert model.n_fallback_ == 0
    found = model.predict(np.column_stack([X, g]))
    for c in range(6):
        own = X[g == c]
        features = np.column_stack([np.ones(8)[:, None] * fit_intercept, own])
        expected = features @ np.linalg.lstsq(features, y[g == c], rcond=1e-13)[0]
        np.testing.assert_allclose(found[g == c], expected, atol=1e-6)
    assert np.isfinite(model.predict_interval(np.column_stack([X, g]))).all()


def test_fewer_rows_than_columns_leave_an_intercept():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(40), 3)
    X = np.column_stack([rng.normal(size=(120, 5)), g])
    effect = rng.normal(0, 5, 40)[g]
    y = X[:, :5].sum(axis=1) + effect + rng.normal(size=120)
    model, pooled = UnpooledRegressor(5).fit(X, y), PooledRegressor(5).fit(X, y)
    assert model.n_fallback_ == 0
    assert model.lent_.all()
    np.testing.assert_allclose(model.coef_, np.tile(pooled.coef_, (40, 1)), rtol=1e-12)
    residual = y - X[:, :5] @ pooled.coef_
    means = np.bincount(g, residual) / 3
    np.testing.assert_allclose(model.intercept_, means, rtol=1e-10)
    rss = np.sum((residual - means[g]) ** 2)
    assert model.sigma_ == pytest.approx(np.sqrt(rss / (120 - 40 - 5)), rel=1e-10)


def test_one_row_has_an_intercept_of_its_own_and_says_how_well():
    rng = np.random.default_rng(0)
    g = np.r_[np.repeat(np.arange(4), 10), 4]
    X = np.column_stack([rng.normal(size=41), g])
    y = rng.normal(0, 5, 5)[g] + X[:, 0] + rng.normal(size=41)
    model = UnpooledRegressor(1).fit(X, y)
    assert model.predict(X[-1:])[0] == pytest.approx(y[-1], rel=1e-12)
    width = np.diff(model.predict_interval(X[-1:], 0.9))[0, 0]
    df = 41 - 4 * 2 - 1
    expected = 2 * stats.t.ppf(0.95, df) * model.sigma_ * np.sqrt(2)
    assert width == pytest.approx(expected, rel=1e-10)


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
    new = X.assign(shop=X["shop"].where(X["city"] == "Rome", "new"))
    fallen = new["shop"] == "new"
    expected = unpooled.joint_log_density(X[~fallen], y[~fallen])
    expected += pooled.joint_log_density(X[fallen], y[fallen])
    assert unpooled.joint_log_density(new, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("path", [("Rome", "a"), ("Oslo", "c"), ("Bonn", "d")])
def test_the_joint_density_of_one_row_is_its_density(shops, unpooled, path):
    X, y = shops
    rows = own_rows(X, *path)
    far, outcome = X[rows].iloc[[0]].assign(price=9.0), y[rows].iloc[[0]]
    joint = unpooled.joint_log_density(far, outcome)
    alone = unpooled.log_predictive_density(far, outcome)[0]
    assert joint == pytest.approx(alone, rel=1e-9)


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
def test_combinations_are_there_after_fit(shops, baseline):
    assert not hasattr(baseline("city/shop"), "combinations_")
    model = baseline("city/shop").fit(*shops)
    assert hasattr(model, "combinations_") == (baseline is UnpooledRegressor)


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
    X = pd.DataFrame({"shop": list("abcdefaab"), "price": rng.normal(size=9)})
    y = rng.normal(size=9)
    model, pooled = UnpooledRegressor("shop").fit(X, y), PooledRegressor("shop").fit(X, y)
    assert model.n_fallback_ == 6
    np.testing.assert_array_equal(model.crps(X, y), pooled.crps(X, y))
    assert np.isfinite(model.crps(X, y)).all()
    two = UnpooledRegressor("shop").fit(X.assign(shop=list("aaaabbccc")), y)
    assert two.n_fallback_ == 0
    assert two.lent_[:, 0].tolist() == [False, True, False]
    assert np.isfinite(two.crps(X, y)).all()


@pytest.mark.parametrize("unit", [1e-140, 1e-20, 1e20, 1e140])
def test_units_of_predictors_change_nothing(shops, unpooled, unit):
    X, y = shops
    scaled = X.assign(price=X["price"] * unit)
    model = UnpooledRegressor("city/shop").fit(scaled, y)
    np.testing.assert_allclose(
        model.predict_interval(scaled), unpooled.predict_interval(X), rtol=1e-9
    )


@BOTH
def test_values_whose_squares_overflow_are_named(shops, baseline):
    X, y = shops
    with pytest.raises(ValueError, match="predictor 'price' are out of range"):
        baseline("city/shop").fit(X.assign(price=X["price"] * 1e200), y)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_constant_outcome_is_predicted(shops, fit_intercept):
    X, y = shops
    model = UnpooledRegressor("city/shop", fit_intercept=fit_intercept).fit(X, y * 0 + 3.0)
    if fit_intercept:
        np.testing.assert_allclose(model.predict(X), 3.0, rtol=1e-12)
    assert np.isfinite(model.predict_interval(X)).all()


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


@BOTH
def test_what_is_constant_but_for_rounding_has_no_slope(shops, baseline):
    X, y = shops
    X = X.assign(price=np.where(np.arange(len(X)) % 2, 0.3, 0.1 + 0.2))
    model = baseline("city/shop").fit(X, y)
    np.testing.assert_array_equal(model.coef_, np.zeros_like(model.coef_))
    means = y.groupby([X["city"], X["shop"]]).transform("mean")
    expected = y.mean() if baseline is PooledRegressor else means
    np.testing.assert_allclose(model.predict(X.assign(price=0.4)), expected, rtol=1e-12)


def test_a_slope_is_its_own_whatever_the_units_of_others():
    rng = np.random.default_rng(0)
    g = np.repeat([0, 1], 10)
    X = np.column_stack([1e-6 * rng.normal(size=20), 1e6 * rng.normal(size=20), g])
    model = UnpooledRegressor(2).fit(X, rng.normal(size=20))
    assert not model.lent_.any()


def test_exact_combinations_have_densities(shops):
    X, _ = shops
    y = X["city"].map(len) + X["shop"].map(ord).astype(float)
    model = UnpooledRegressor("city/shop").fit(X, y)
    for price in (X["price"], 9.0):  # another one tells on the pooled slopes
        rows = X.assign(price=price)
        assert np.isfinite(model.joint_log_density(rows, y))
        assert np.isfinite(model.log_predictive_density(rows, y)).all()

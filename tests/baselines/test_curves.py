"""Yardsticks of counts, shares and positive outcomes: maximum likelihood by other means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from sklearn.base import clone
from sklearn.linear_model import PoissonRegressor

from skhlm import PooledRegressor, UnpooledRegressor

LOGARITHMS = ["poisson", "negative_binomial", "gamma"]
FAMILIES = [*LOGARITHMS, "binomial"]
BOTH = pytest.mark.parametrize("baseline", [PooledRegressor, UnpooledRegressor])


def outcomes(family, eta, rng):
    """Outcomes at eta, and weights that are trials for shares."""
    mean = np.exp(eta)
    if family == "binomial":
        trials = rng.integers(2, 9, len(eta))
        return rng.binomial(trials, special.expit(eta)) / trials, trials
    drawn = {
        "poisson": lambda: rng.poisson(mean),
        "negative_binomial": lambda: rng.poisson(mean * rng.gamma(2, 1 / 2, len(eta))),
        "gamma": lambda: mean * rng.gamma(3, 1 / 3, len(eta)),
    }
    return drawn[family]().astype(float), np.ones(len(eta))


def shops(family, n=400):
    """Rows in eight shops whose lines differ, with an exposure for logarithms."""
    rng = np.random.default_rng(0)
    shop = np.arange(n) % 8
    X = pd.DataFrame({"price": rng.normal(3, 1, n), "shop": shop, "size": rng.normal(size=n)})
    eta = rng.normal(0, 0.5, 8)[shop] + 0.6 * (X["price"] - 3) - 0.4 * X["size"]
    if family in LOGARITHMS:
        X["days"] = rng.uniform(0.5, 20, n)
        eta += np.log(X["days"])
    y, weight = outcomes(family, eta.to_numpy(), rng)
    return X, y, weight


def model_of(baseline, family, **parameters):
    exposure = "days" if family in LOGARITHMS else None
    return baseline("shop", family=family, exposure=exposure, **parameters)


def log_likelihood(family, y, weight, eta):
    """Of rows, by scipy, up to what the coefficients do not enter."""
    if family == "binomial":
        return stats.binom.logpmf(np.rint(y * weight), weight, special.expit(eta)).sum()
    if family == "gamma":
        return stats.gamma.logpdf(y, 1, scale=np.exp(eta)).sum()
    return stats.poisson.logpmf(y, np.exp(eta)).sum()


def by_hand(family, X, y, weight):
    """Maximum likelihood estimates (intercept, slopes) by a general optimiser."""
    A = np.column_stack([np.ones(len(X)), X[["price", "size"]]])
    offset = np.log(X["days"].to_numpy()) if "days" in X else 0.0
    start = np.zeros(3)
    for _ in range(2):
        start = optimize.minimize(
            lambda b: -log_likelihood(family, y, weight, A @ b + offset), start, tol=1e-10
        ).x
    return start, A, offset


@pytest.mark.parametrize("family", FAMILIES)
def test_pooled_is_maximum_likelihood(family):
    X, y, weight = shops(family)
    model = model_of(PooledRegressor, family).fit(X, y, weight)
    expected, A, offset = by_hand(family, X, y, weight)
    found = np.r_[model.intercept_, model.coef_]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    eta = A @ found + offset
    mean = special.expit(eta) if family == "binomial" else np.exp(eta)
    np.testing.assert_allclose(model.predict(X), mean, rtol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_unpooled_is_maximum_likelihood_in_each_shop(family):
    X, y, weight = shops(family)
    model = model_of(UnpooledRegressor, family).fit(X, y, weight)
    assert model.n_fallback_ == 0 and not model.lent_.any()
    assert model.combinations_["shop"].tolist() == list(range(8))
    for shop in (0, 5):
        own = (X["shop"] == shop).to_numpy()
        expected, _, _ = by_hand(family, X[own], y[own], weight[own])
        found = np.r_[model.intercept_[shop], model.coef_[shop]]
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "name"), [("negative_binomial", "overdispersion"), ("gamma", "cv")]
)
@BOTH
def test_parameters_are_those_of_pearsons_statistic(family, name, baseline):
    X, y, _ = shops(family)
    model = model_of(baseline, family).fit(X, y)
    mean, size = model.predict(X), getattr(model, f"{name}_")
    variance = size**2 * mean**2 + (mean if family == "negative_binomial" else 0)
    df = 400 - 3 * (1 if baseline is PooledRegressor else 8)
    assert np.sum((y - mean) ** 2 / variance) == pytest.approx(df, rel=1e-8)
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], np.sqrt(variance), rtol=1e-9)
    assert not hasattr(model, "sigma_")
    model.set_params(family="normal", exposure=None).fit(X, y)
    assert hasattr(model, "sigma_") and not hasattr(model, f"{name}_")


def test_counts_that_vary_less_than_poissons_have_no_overdispersion():
    X = pd.DataFrame({"x": np.arange(30.0)})
    model = PooledRegressor(family="negative_binomial").fit(X, np.arange(30) % 2 + 5)
    assert model.overdispersion_ <= 1e-8
    np.testing.assert_allclose(
        model.log_predictive_density(X, np.full(30, 4.0)),
        stats.poisson.logpmf(4, model.predict(X)),
        rtol=1e-6,
    )


def distribution(family, model, X):
    mean = model.predict(X)
    if family == "gamma":
        shape = model.cv_**-2
        return stats.gamma(shape, scale=mean / shape)
    if family == "negative_binomial":
        phi = model.overdispersion_**-2
        return stats.nbinom(phi, phi / (phi + mean))
    return stats.poisson(mean) if family == "poisson" else stats.bernoulli(mean)


@pytest.mark.parametrize("family", FAMILIES)
@BOTH
def test_outcomes_have_the_familys_own_distribution(family, baseline):
    X, y, weight = shops(family)
    model = model_of(baseline, family).fit(X, y, weight)
    X, y = X[:40], y[:40].round() if family == "binomial" else y[:40]
    known = distribution(family, model, X)
    expected = known.logpdf(y) if family == "gamma" else known.logpmf(y)
    np.testing.assert_allclose(model.log_predictive_density(X, y), expected, rtol=1e-7, atol=1e-9)
    assert model.joint_log_density(X, y) == pytest.approx(expected.sum(), rel=1e-9)
    ends = np.column_stack([known.ppf(0.05), known.ppf(0.95)])
    np.testing.assert_allclose(model.predict_interval(X), ends, rtol=1e-7)
    np.testing.assert_allclose(model.predict_quantiles(X, [0.05, 0.95]), ends, rtol=1e-7)
    grid = np.arange(3000.0) if family != "gamma" else np.linspace(0, 600, 300_001)
    step = grid[1]
    for i in (0, 7):
        F = distribution(family, model, X[i : i + 1]).cdf(grid)
        score = np.sum((F - (grid >= y[i])) ** 2) * step
        found = model.crps(X[i : i + 1], y[i : i + 1])[0]
        assert found == pytest.approx(score, rel=1e-3, abs=step if family == "gamma" else 1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@BOTH
def test_intervals_of_the_mean_are_walds(family, baseline):
    """Standard errors by second differences of the log likelihood in the coefficients."""
    X, y, weight = shops(family)
    model = model_of(baseline, family).fit(X, y, weight)
    row = X[X["shop"] == 2][:1].assign(price=5.0)
    own = np.ones(400, dtype=bool) if baseline is PooledRegressor else (X["shop"] == 2).to_numpy()
    A = np.column_stack([np.ones(own.sum()), X.loc[own, ["price", "size"]]])
    mean, trials = model.predict(X)[own], weight[own]
    information = {
        "poisson": lambda: mean,
        "negative_binomial": lambda: mean / (1 + model.overdispersion_**2 * mean),
        "gamma": lambda: np.full(len(mean), model.cv_**-2),
        "binomial": lambda: trials * mean * (1 - mean),
    }[family]()
    covariance = np.linalg.inv(A.T @ (information[:, None] * A))
    x = np.array([1.0, 5.0, row["size"].item()])
    half = stats.norm.ppf(0.95) * np.sqrt(x @ covariance @ x)
    link = special.logit if family == "binomial" else np.log
    middle = link(model.predict(row)[0])
    expected = [middle - half, middle + half]
    np.testing.assert_allclose(model.predict_interval(row, kind="link")[0], expected, rtol=1e-5)
    on_scale = link(model.predict_interval(row, kind="mean")[0])
    np.testing.assert_allclose(on_scale, expected, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@BOTH
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_are_repetitions(family, baseline, fit_intercept):
    X, y, _ = shops(family)
    times = np.random.default_rng(1).integers(0, 4, len(X))
    model = model_of(baseline, family, fit_intercept=fit_intercept)
    weighted = clone(model).fit(X, y, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = clone(model).fit(X.iloc[again], y[again])
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))
    np.testing.assert_array_equal(
        weighted.predict_interval(X[:20], kind="mean"),
        repeated.predict_interval(X[:20], kind="mean"),
    )


def test_trials_are_rows_of_zeros_and_ones():
    X, y, trials = shops("binomial")
    again = np.repeat(np.arange(len(X)), trials)
    k = np.rint(y * trials).astype(int)
    ones = np.concatenate([np.arange(m) < s for s, m in zip(k, trials, strict=True)]).astype(float)
    shares = model_of(UnpooledRegressor, "binomial").fit(X, y, trials)
    rows = model_of(UnpooledRegressor, "binomial").fit(X.iloc[again], ones)
    np.testing.assert_allclose(shares.predict(X), rows.predict(X), rtol=1e-6)


@BOTH
def test_exposure_is_what_the_mean_is_proportional_to(baseline):
    X, y, _ = shops("poisson")
    model = model_of(baseline, "poisson").fit(X, y)
    twice = model.predict(X.assign(days=2 * X["days"]))
    np.testing.assert_allclose(twice, 2 * model.predict(X), rtol=1e-12)
    weeks = model_of(baseline, "poisson").fit(X.assign(days=X["days"] / 7), y)
    np.testing.assert_allclose(
        weeks.predict(X.assign(days=X["days"] / 7)), model.predict(X), rtol=1e-7
    )
    rates = PoissonRegressor(alpha=0, tol=1e-9, max_iter=1000)
    rates.fit(X[["price", "size"]], y / X["days"], X["days"])
    pooled = model_of(PooledRegressor, "poisson").fit(X, y)
    np.testing.assert_allclose(pooled.coef_, rates.coef_, atol=1e-4)


def test_shops_without_events_or_with_few_rows_are_pooled():
    X, y, _ = shops("poisson")
    y = np.where(X["shop"] == 3, 0, y)
    few = (X["shop"] != 5) | (np.arange(400) < 24)  # three rows of shop 5, for three coefficients
    X, y = X[few], y[few]
    model = model_of(UnpooledRegressor, "poisson").fit(X, y)
    pooled = model_of(PooledRegressor, "poisson").fit(X, y)
    assert np.flatnonzero(model.fallback_).tolist() == [3, 5] and model.n_fallback_ == 2
    fallen = X["shop"].isin([3, 5]) | (np.arange(len(X)) == 0)
    rows = X[fallen].assign(shop=X["shop"].where(X["shop"] != 0, 99))
    np.testing.assert_array_equal(model.predict(rows), pooled.predict(rows))
    np.testing.assert_array_equal(model.coef_[3], pooled.coef_)
    assert model.lent_[[3, 5]].all()


@pytest.mark.parametrize("family", FAMILIES)
def test_where_all_shops_have_few_rows_everything_is_pooled(family):
    X, y, weight = shops(family, n=16)  # two rows of each, for three coefficients
    weight = np.minimum(weight, 1)
    y = np.rint(y) if family == "binomial" else y
    model = model_of(UnpooledRegressor, family).fit(X, y, weight)
    pooled = model_of(PooledRegressor, family).fit(X, y, weight)
    assert model.n_fallback_ == 8
    for name in ("predict", "predict_interval", "crps", "log_predictive_density"):
        asked = (X, y) if name in ("crps", "log_predictive_density") else (X,)
        np.testing.assert_array_equal(getattr(model, name)(*asked), getattr(pooled, name)(*asked))
    assert model.joint_log_density(X, y) == pooled.joint_log_density(X, y)
    for name in ("overdispersion_", "cv_"):
        assert getattr(model, name, None) == getattr(pooled, name, None)


def test_a_predictor_of_the_shops_leaves_them_their_own_regressions():
    X, y, _ = shops("poisson")
    with_area = X.assign(area=np.random.default_rng(2).normal(size=8)[X["shop"]])
    model = model_of(UnpooledRegressor, "poisson").fit(with_area, y)
    alone = model_of(UnpooledRegressor, "poisson").fit(X, y)
    pooled = model_of(PooledRegressor, "poisson").fit(with_area, y)
    assert model.n_fallback_ == 0
    np.testing.assert_array_equal(model.lent_, [[False, False, True]] * 8)
    np.testing.assert_allclose(model.predict(with_area), alone.predict(X), rtol=1e-8)
    np.testing.assert_allclose(model.coef_[:, 2], pooled.coef_[2], rtol=1e-8)
    further = with_area.assign(area=with_area["area"] + 1)
    np.testing.assert_allclose(
        model.predict(further), alone.predict(X) * np.exp(pooled.coef_[2]), rtol=1e-8
    )


def test_no_event_at_all_is_half_of_one():
    X = pd.DataFrame({"x": np.arange(10.0), "days": np.full(10, 4.0)})
    model = PooledRegressor(family="poisson", exposure="days").fit(X, np.zeros(10))
    np.testing.assert_array_equal(model.coef_, [0.0])
    np.testing.assert_allclose(model.predict(X), 0.05, rtol=1e-12)
    shares = PooledRegressor(family="binomial").fit(X, np.ones(10))
    np.testing.assert_allclose(shares.predict(X), 10.5 / 11, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_change_nothing(scale):
    X, y, _ = shops("gamma")
    model = model_of(UnpooledRegressor, "gamma").fit(X, y)
    other = model_of(UnpooledRegressor, "gamma").fit(X.assign(price=X["price"] * scale), y * scale)
    found = other.predict_interval(X.assign(price=X["price"] * scale)[:50])
    np.testing.assert_allclose(found / scale, model.predict_interval(X[:50]), rtol=1e-6)


@BOTH
@pytest.mark.parametrize(
    ("family", "y", "message"),
    [
        ("poisson", -1.0, "Poisson counts are not negative"),
        ("negative_binomial", 0.5, "whole numbers"),
        ("gamma", 0.0, "above zero"),
        ("binomial", 1.5, "shares of successes"),
    ],
)
def test_outcomes_that_cannot_be_are_named(baseline, family, y, message):
    X, good, _ = shops(family)
    bad = np.r_[good[:-1], y]
    with pytest.raises(ValueError, match=message):
        model_of(baseline, family).fit(X, bad)
    with pytest.raises(ValueError, match=message):
        model_of(baseline, family).fit(X, good).crps(X, bad)


@BOTH
def test_what_cannot_be_asked_for(baseline):
    X, y, _ = shops("gamma")
    with pytest.raises(ValueError, match="family: there is no"):
        baseline(family="student_t").fit(X, y)
    with pytest.raises(ValueError, match="exposure: got 'days'"):
        baseline("shop", exposure="days").fit(X, y)
    with pytest.raises(ValueError, match="leave nothing of 3 rows to estimate 'cv' from"):
        baseline("shop", family="gamma", exposure="days").fit(X[:3], y[:3])


@BOTH
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of scikit-learn's solver on its way
@pytest.mark.parametrize("seed", range(4))
def test_amounts_of_all_sizes_have_numbers(baseline, seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"shop": np.arange(80) % 8, "x": rng.normal(size=80)})
    model = baseline("shop", family="gamma").fit(X, 10 ** rng.uniform(-140, 140, 80))
    assert np.isfinite(model.cv_)
    assert np.isfinite(model.predict(X)).all()
    assert not np.isnan(model.predict_interval(X)).any()

"""Checks of a fitted model: rows remembered and given again, and what is said of others."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skhlm import HLMClassifier, HLMRegressor, compare_loo, load, save
from skhlm.html_report.rows import rows_of_fit
from skhlm.priors import Normal
from tests.chance import assert_near
from tests.link_models import shares


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_loo_of_remembered_rows_is_that_of_the_same_rows_given(fitted, campaigns):
    X, y = campaigns
    remembered = fitted.loo()
    order = np.random.default_rng(0).permutation(len(y))
    given = fitted.loo(X.iloc[order], np.asarray(y)[order])
    assert given.elpd == remembered.elpd
    assert given.rows.equals(remembered.rows)
    assert given.pointwise.equals(remembered.pointwise)
    assert set(remembered.rows.columns) == set(X.columns)
    assert remembered.n == len(y)
    # every row that was fitted is among those shown
    table = remembered.rows.assign(outcome=remembered.pointwise["y"])
    merged = X.assign(outcome=np.asarray(y)).merge(table, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()


@pytest.mark.parametrize("method", ["loo", "bayes_r2"])
def test_rows_must_be_those_of_fit(fitted, campaigns, method):
    X, y = campaigns
    check = getattr(fitted, method)
    with pytest.raises(ValueError, match="has not the rows of fit"):
        check(X.iloc[:-1], y[:-1])
    with pytest.raises(ValueError, match="has not the rows of fit"):
        check(X, y, sample_weight=np.full(len(y), 2.0))
    with pytest.raises(ValueError, match="not seen at fit"):
        check(X.assign(region="Atlantis"), y)
    with pytest.raises(ValueError, match="Give both X and y"):
        check(X)
    with pytest.raises(ValueError, match="Give both X and y"):
        check(sample_weight=np.ones(len(y)))


def other_data(X, y):
    """Rows of the same levels as those of fit, and nothing else the same."""
    one = np.arange(len(y)) == 7
    yield "outcomes", X, y + 1
    yield "one outcome", X, np.where(one, np.asarray(y) * (1 + 1e-8), y)
    yield "a predictor", X.assign(spend_1=0.0), y
    yield "one value", X.assign(spend_2=X["spend_2"].where(~one, X["spend_2"] + 1e-6)), y
    yield "paired otherwise", X, np.asarray(y)[::-1]
    yield "predictors exchanged", X.assign(spend_1=X["spend_2"], spend_2=X["spend_1"]), y


@pytest.mark.parametrize("method", ["loo", "bayes_r2"])
@pytest.mark.parametrize("place", ["process", "pickle", "file"])
def test_other_data_of_the_same_levels_are_refused(fitted, campaigns, method, place, tmp_path):
    model = fitted
    if place == "pickle":
        model = pickle.loads(pickle.dumps(fitted))
    if place == "file":
        save(fitted.compact(40), tmp_path / "model.skhlm")
        model = load(tmp_path / "model.skhlm")
    for what, X, y in other_data(*campaigns):
        with pytest.raises(ValueError, match="have not the rows of fit: predictors, outcomes or"):
            getattr(model, method)(X, y)
            pytest.fail(what)


def test_rounding_elsewhere_makes_no_other_rows(fitted, campaigns):
    X, y = campaigns
    X = X.assign(spend_1=np.nextafter(X["spend_1"].to_numpy(), np.inf))
    fitted.bayes_r2(X, np.nextafter(np.asarray(y), -np.inf))


def test_a_file_without_fingerprint_cannot_tell(fitted, campaigns):
    X, y = campaigns
    model = fitted.compact(8)
    model._fit = replace(model._fit, fingerprint="")
    model.bayes_r2(X, y + 1)


def test_a_pickled_model_asks_for_the_rows(fitted, campaigns):
    model = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="does not remember the rows"):
        model.bayes_r2()
    np.testing.assert_array_equal(model.bayes_r2(*campaigns).draws, fitted.bayes_r2().draws)


@pytest.mark.parametrize("duplicate", [copy, deepcopy])
def test_copies_in_the_same_process_remember_the_rows(fitted, duplicate):
    model = duplicate(fitted)
    np.testing.assert_array_equal(model.bayes_r2().draws, fitted.bayes_r2().draws)
    assert (model._fit.statistics is fitted._fit.statistics) == (duplicate is copy)
    assert vars(model).keys() == vars(fitted).keys()
    model.set_params(unseen="error")
    model.coef_ = model.coef_ + 1
    assert fitted.unseen == "population"
    assert not np.array_equal(fitted.coef_, model.coef_)
    assert pickle.dumps(duplicate(fitted)) == pickle.dumps(fitted)
    assert fitted.compact(8)._fit.rows is None
    assert not hasattr(duplicate(clone(fitted)), "coef_")


def test_a_deep_copy_shares_no_numbers(fitted):
    model = deepcopy({"a": fitted, "b": fitted})
    assert model["a"] is model["b"]
    assert not np.shares_memory(model["a"].coef_, fitted.coef_)
    assert not np.shares_memory(model["a"]._fit.rows.X, fitted._fit.rows.X)


@pytest.mark.parametrize("method", ["loo", "bayes_r2"])
def test_an_unfitted_model_says_so(method):
    with pytest.raises(ValueError, match="not fitted"):
        getattr(HLMRegressor(), method)()


def test_checks_do_not_change_the_model(fitted):
    before = dict(vars(fitted))
    fitted.bayes_r2()
    assert vars(fitted) == before


def test_prior_predictive_needs_no_fit_and_changes_nothing(campaigns):
    X, y = campaigns
    model = HLMRegressor(
        ["region/country", "industry/vertical"], family="normal", covariance="full"
    )
    before = dict(vars(model))
    draws = model.prior_predictive(X, y, n_samples=300)
    assert draws.shape == (len(X), 300)
    assert np.isfinite(draws).all()
    assert vars(model) == before
    np.testing.assert_array_equal(draws, model.prior_predictive(X, y, n_samples=300))
    assert (draws != model.prior_predictive(X, y, n_samples=300, random_state=1)).any()
    with pytest.raises(NotFittedError, match="units of the priors: pass y"):
        model.prior_predictive(X)


def test_prior_predictive_of_a_classifier_needs_no_outcome(campaigns):
    X, y = campaigns
    model = HLMClassifier(["region/country", "industry/vertical"], priors={"kappa": Normal(0, 1)})
    draws = model.prior_predictive(X, n_samples=50)
    np.testing.assert_array_equal(draws, model.prior_predictive(X, y > y.max() / 2, n_samples=50))
    assert set(np.unique(draws)) == {0.0, 1.0}


def test_prior_predictive_is_that_of_its_priors():
    x = np.linspace(-1, 1, 41)
    y = 100 + 5 * x[::-1] / x.std()
    priors = {
        "kappa": {"Intercept": Normal(1, 2), "x": Normal(3, 0.5)},
        "tau": Normal(0, 1),
        "sigma": Normal(0, 0.1),
    }
    X = pd.DataFrame({"x": x / x.std(), "g": np.arange(41) % 2})
    model = HLMRegressor("g", varying="intercept", family="normal", priors=priors)
    mean = model.prior_predictive(X, y, n_samples=20000, kind="mean")
    center = X["x"].to_numpy()
    exact_mean = 100 + 5 * (1 + 3 * center)
    exact_sd = 5 * np.sqrt(2**2 + (0.5 * center) ** 2 + 1)  # E tau^2 = 1
    error = exact_sd / 20000**0.5
    assert_near(mean.mean(axis=1), exact_mean, error)
    np.testing.assert_allclose(mean.std(axis=1), exact_sd, rtol=0.03)  # errors: 0.005
    shared = np.cov(mean[20], mean[22])[0, 1] / 25  # same level
    apart = np.cov(mean[20], mean[21])[0, 1] / 25
    expected = 4 + 0.25 * center[20] * center[[22, 21]]
    np.testing.assert_allclose([shared, apart], [expected[0] + 1, expected[1]], atol=0.3)
    noise = model.prior_predictive(X, y, n_samples=20000) - mean
    np.testing.assert_allclose(noise.std(), 5 * 0.1, rtol=0.03)  # its error is 0.005


def test_prior_predictive_of_a_fitted_model_knows_the_units(fitted, campaigns):
    X, y = campaigns
    few = X.iloc[:50]
    known = fitted.prior_predictive(few, n_samples=8000)
    again = clone(fitted).prior_predictive(X, y, n_samples=8000)[:50]
    quartiles = [np.quantile(draws, [0.25, 0.5, 0.75]) for draws in (known, again)]
    # A quartile's error is 0.015 of the range between them.
    np.testing.assert_allclose(quartiles[0], quartiles[1], atol=0.1 * np.ptp(quartiles[1]))
    unseen = few.assign(country="Atlantis")
    assert np.isfinite(fitted.prior_predictive(unseen, n_samples=10)).all()
    with pytest.raises(ValueError, match="kind"):
        fitted.prior_predictive(few, kind="median")


def test_posterior_predictive_check_of_a_right_model(fitted, campaigns):
    check = fitted.posterior_predictive_check(n_samples=1000)
    assert check["statistic"].tolist() == ["mean", "sd", "min", "max", "skewness"]
    assert check["p_value"].between(0.005, 0.995).all()
    np.testing.assert_allclose(check["observed"][0], np.mean(campaigns[1]))
    given = fitted.posterior_predictive_check(*campaigns, n_samples=1000, coverage=0.5)
    np.testing.assert_allclose(given["observed"], check["observed"])
    # A share of 1000 has an error of 0.016.
    np.testing.assert_allclose(given["p_value"], check["p_value"], atol=0.15)
    assert (given["lower"] > check["lower"]).all()


def test_posterior_predictive_check_by_level(fitted, campaigns):
    X, y = campaigns
    check = fitted.posterior_predictive_check(statistics="mean", by="region/country", n_samples=200)
    expected = pd.Series(np.asarray(y)).groupby([X["region"], X["country"]]).mean()
    assert check["level"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(check["observed"], expected)
    assert check["p_value"].between(0.01, 0.99).mean() > 0.9
    other = X.assign(country=X["country"].where(X["region"] == X["region"][0], "Atlantis"))
    levels = fitted.posterior_predictive_check(other, y, by="region/country", n_samples=10)["level"]
    assert levels.isna().any()
    with pytest.raises(ValueError, match="by: there is no grouping factor 'country'"):
        fitted.posterior_predictive_check(by="country")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_wrong_family_shows_in_the_extremes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(300)
    y = x + rng.standard_t(1.5, 300)
    model = HLMRegressor(family="normal", chains=2, iter_sampling=300, random_state=0)
    check = model.fit(x[:, None], y).posterior_predictive_check(n_samples=500)
    p = check.set_index("statistic")["p_value"]
    assert p["max"] < 0.01 or p["min"] > 0.99
    assert 0.2 < p["mean"] < 0.8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_whole_weights_are_repeated_rows():
    rng = np.random.default_rng(1)
    X, weight = rng.standard_normal((20, 1)), np.arange(20) % 3
    y = X[:, 0] + rng.standard_normal(20)
    model = HLMRegressor(family="normal", chains=2, iter_sampling=300, random_state=0)
    model.fit(X, y, sample_weight=weight)
    check = model.posterior_predictive_check(statistics=["mean", "sd"], n_samples=50)
    repeated = y.repeat(weight)
    np.testing.assert_allclose(check["observed"], [repeated.mean(), repeated.std(ddof=1)])
    given = model.posterior_predictive_check(X, y, weight, statistics=["mean", "sd"], n_samples=50)
    np.testing.assert_allclose(given["observed"], check["observed"])
    model.fit(X, y, sample_weight=weight / 2)
    with pytest.raises(ValueError, match="no whole numbers"):
        model.posterior_predictive_check()


def test_shares_given_are_checked_by_their_trials():
    """At the rows of fit the check is the same, whoever gives them: draws are of the same seed."""
    model = shares()
    rows, asked = model._fit.rows, {"statistics": ["mean", "sd"], "n_samples": 50}
    check = model.posterior_predictive_check(*rows_of_fit(model), rows.weight, **asked)
    mean = np.average(rows.y, weights=rows.weight)
    sd = np.sqrt(mean * (1 - mean) * 3600 / 3599)
    np.testing.assert_allclose(check["observed"], [mean, sd])
    pd.testing.assert_frame_equal(check, model.posterior_predictive_check(**asked))
    with pytest.raises(ValueError, match="y holds shares, and sample_weight has not"):
        model.posterior_predictive_check(*rows_of_fit(model))


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_loo_warns_of_a_fit_that_has_not_converged(fitted, campaigns):
    model = copy(fitted)
    bad = replace(fitted.diagnostics_, max_rhat=1.2, rhat_excess=20.0)
    model._fit = replace(fitted._fit, diagnostics=bad)
    with pytest.warns(ConvergenceWarning, match="The fit has not converged"):
        assert not model.loo(*campaigns).converged
    assert fitted.loo().converged


@pytest.fixture(scope="module")
def schools():
    """Scores of pupils by school and year, one of them twice."""
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {"school": rng.integers(6, size=n), "year": rng.integers(2000, 2005, n)}
    ).assign(x=rng.normal(size=n))
    X.loc[n] = X.loc[0]
    y = X["x"] + 0.3 * (X["year"] - 2002) + rng.normal(size=6)[X["school"].astype(int)]
    y += rng.normal(size=n + 1)
    y[n] = y[0]
    return X.astype({"school": int, "year": int}), y


def _loo_of(X, y, groups="school", **parameters):
    fixed = {"varying": "intercept", "family": "normal", "algorithm": "laplace"}
    model = HLMRegressor(groups, **(fixed | parameters), random_state=0).fit(X, y)
    return model.loo(X, y)


@pytest.mark.parametrize(
    "other",
    [
        lambda X, y: _loo_of(X, y, ["school", "year"]),
        lambda X, y: _loo_of(X, y, None),
        lambda X, y: _loo_of(X.drop(columns="year"), y),
        lambda X, y: _loo_of(X[["school"]], y),
        lambda X, y: _loo_of(X[["x", "year", "school"]] * [2, 1, 1], y),
        lambda X, y: _loo_of(X, y.astype(np.float32)),
    ],
    ids=["group", "no groups", "a predictor less", "none", "other columns", "float32"],
)
def test_models_with_other_columns_are_compared_row_by_row(schools, other):
    X, y = schools
    first, second = _loo_of(X, y), other(X, y)
    difference = _by_row(first) - _by_row(second)
    found = compare_loo(first, second)
    np.testing.assert_allclose(found.elpd_diff, first.elpd - second.elpd, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.se, np.sqrt(len(y) * difference.var()), rtol=1e-9)
    np.testing.assert_allclose(first.pointwise["y"].iloc[first.given["row"]], y)


def _by_row(result):
    return result.pointwise["elpd"].to_numpy()[result.given["row"]]


def test_rows_in_another_order_are_compared_where_their_columns_are_the_same(schools):
    X, y = schools
    order = np.random.default_rng(1).permutation(len(y))
    first, shuffled = _loo_of(X, y), _loo_of(X.iloc[order], y.iloc[order])
    assert compare_loo(first, shuffled).se < 1e-9  # the same problem, so the same draws
    fewer = _loo_of(X.iloc[order].drop(columns="x"), y.iloc[order])
    with pytest.raises(ValueError, match=r"different rows.*in the same order"):
        compare_loo(first, fewer)

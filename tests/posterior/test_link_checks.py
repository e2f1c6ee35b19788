"""Leave-one-out, R^2 and predictive checks of counts, shares and positive outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logsumexp

from skhlm.families import find_family
from skhlm.inputs.design import canonical_rows
from skhlm.numerics.importance import smooth
from skhlm.posterior import prediction
from skhlm.posterior.explained_variance import r2_draws
from skhlm.posterior.leave_one_out import leave_one_out
from skhlm.posterior.loo_comparison import compare_loo
from skhlm.posterior.predictive_checks import parse_statistics
from tests.posterior.link_posteriors import CURVED, make_posterior, make_rows, some_outcomes


def independent(name, n_draws=1000):
    """A posterior whose draws are one chain's, so that r_eff is what the draws say."""
    return replace(make_posterior(name, n_draws), n_chains=0)


def eta_of(posterior, X, codes):
    eta = np.empty((len(X), posterior.n_draws))
    for rows, values in prediction.draws_of_eta(posterior, X, codes):
        eta[rows] = values
    return eta


def loo_of(posterior, X, codes, y, weight):
    rows = canonical_rows(X, y, weight, codes)
    table = pd.DataFrame({"x": rows.X[:, 0]})
    return leave_one_out(posterior, rows, table)


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.filterwarnings("ignore:Pareto k")
def test_rows_of_weight_are_left_out_one_copy_at_a_time(name):
    posterior = independent(name)
    X, codes = make_rows(30, new=False)
    y = some_outcomes(posterior, len(X))
    weight = np.random.default_rng(0).integers(1, 4, 30).astype(np.float64)
    found = loo_of(posterior, X, codes, y, weight)
    log_p = posterior.family.log_density(
        y[:, None], eta_of(posterior, X, codes), posterior.auxiliary
    )
    each = logsumexp(smooth(-log_p).log_weights + log_p, axis=1)
    assert found.elpd == pytest.approx(weight @ each)
    assert found.n == weight.sum()


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_shares_are_left_out_whole():
    """With the ways to have so many successes; equal shares of other trials are other rows."""
    posterior = independent("binomial")
    X, codes = np.array([[1.0], [1.0], [1.0], [0.5], [0.0]]), np.zeros((5, 2), dtype=np.int64)
    y, trials = np.array([0.5, 0.5, 0.5, 0.25, 1.0]), np.array([4.0, 2.0, 4.0, 8.0, 3.0])
    found = loo_of(posterior, X, codes, y, trials)
    eta = eta_of(posterior, X, codes)
    log_p = stats.binom.logpmf(np.round(y * trials)[:, None], trials[:, None], expit(eta))
    each = logsumexp(smooth(-log_p).log_weights + log_p, axis=1)
    assert found.elpd == pytest.approx(each.sum())
    assert found.n == 5
    at = found.given["row"].to_numpy()
    np.testing.assert_allclose(found.pointwise["elpd"].to_numpy()[at], each)
    np.testing.assert_array_equal(found.rows["x"].to_numpy()[at], X[:, 0])
    assert sorted(found.pointwise["weight"]) == [1, 1, 1, 2]
    difference = compare_loo(found, loo_of(posterior, X, codes, y, trials))
    assert difference.elpd_diff == 0


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_families_of_counts_are_compared_but_no_densities_with_probabilities():
    """A count has a probability by the one, a density by the other."""
    X, codes = make_rows(20, new=False)
    y, weight = some_outcomes(independent("poisson"), 20) + 1, np.ones(20)
    found = {
        name: loo_of(independent(name), X, codes, y, weight)
        for name in ("poisson", "negative_binomial", "gamma")
    }
    assert {name for name, result in found.items() if result.is_discrete} == {
        "poisson",
        "negative_binomial",
    }
    ours, theirs = found["poisson"], found["negative_binomial"]
    difference = compare_loo(ours, theirs)
    assert difference.elpd_diff == pytest.approx(ours.elpd - theirs.elpd)
    with pytest.warns(UserWarning, match="first result has probabilities of whole numbers"):
        compare_loo(ours, found["gamma"])
    with pytest.warns(UserWarning, match="second result has probabilities of whole numbers"):
        compare_loo(found["gamma"], theirs)


@pytest.mark.parametrize("name", CURVED)
def test_r2_takes_the_model_variance_for_what_is_left(name):
    posterior = make_posterior(name)
    X, codes = make_rows(50, new=False)
    y = some_outcomes(posterior, len(X))
    weight = np.random.default_rng(0).integers(1, 4, 50).astype(np.float64)
    eta, family = eta_of(posterior, X, codes), posterior.family
    mu, variance = family.link.inverse(eta), family.variance(eta, posterior.auxiliary)
    fit = np.average((mu - np.average(mu, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    expected = fit / (fit + np.average(variance, axis=0, weights=weight))
    found = r2_draws(posterior, canonical_rows(X, y, weight, codes))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_statistics_of_counts():
    y = np.array([[0.0, 3.0], [0.0, 5.0], [4.0, 4.0]])
    values = {
        name: function(y) for name, function in parse_statistics(["zeros", "dispersion", "max"])
    }
    np.testing.assert_allclose(values["zeros"], [2 / 3, 0])
    np.testing.assert_allclose(values["dispersion"], [(16 / 3) / (4 / 3), 1 / 4])
    np.testing.assert_array_equal(values["max"], [4, 5])


@pytest.mark.parametrize("name", CURVED)
def test_statistics_of_the_family_are_known(name):
    statistics = find_family(name).statistics
    assert [known for known, _ in parse_statistics(statistics)] == list(statistics)

"""Predictions where the mean is a curve in eta: against formulas, quadrature and other batches."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from joblib import parallel_config
from scipy import stats

from skhlm.families import find_family
from skhlm.posterior import NEW, Posterior, prediction, scoring
from skhlm.posterior.joint_density import joint_log_density
from tests.posterior import test_posterior as residual
from tests.posterior.link_posteriors import (
    COUNTS,
    CURVED,
    UNITS,
    VARYING,
    make_draws,
    make_posterior,
    make_rows,
    some_outcomes,
)


def eta_and_variance(posterior, X, codes):
    """Draws of eta without new levels, and what these add to its variance: (n, S) each."""
    known = prediction.without_new(codes)
    eta = np.empty((len(X), posterior.n_draws))
    for rows, values in prediction.draws_of_eta(posterior, X, known):
        eta[rows] = values
    return eta, prediction.variance_of_new(posterior, posterior.units.centred(X), codes)


def over_new(function, eta, variance, n=60):
    """Mean of a function of eta over draws and new effects, by Gauss-Hermite quadrature: (b,)."""
    z, weight = np.polynomial.hermite_e.hermegauss(n)
    total = sum(w * function(eta + x * np.sqrt(variance)) for x, w in zip(z, weight, strict=True))
    return total.mean(axis=-1) / np.sqrt(2 * np.pi)


def exact_cdf(posterior, X, codes, y):
    """P(Y <= y) of each row by quadrature, (n,)."""
    family, aux = posterior.family, posterior.auxiliary
    eta, variance = eta_and_variance(posterior, X, codes)
    return over_new(lambda at: family.cdf(y[:, None], at, aux), eta, variance)


@pytest.mark.parametrize("name", CURVED)
def test_expected_value_is_the_mean_over_draws_and_new_levels(name):
    posterior = make_posterior(name)
    X, codes = make_rows(40)
    eta, variance = eta_and_variance(posterior, X, codes)
    expected = over_new(posterior.family.link.inverse, eta, variance)
    found = prediction.expected_value(posterior, X, codes)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    known = ~(codes == NEW).any(axis=1)
    at_draws = posterior.family.link.inverse(eta[known]).mean(axis=1)
    np.testing.assert_allclose(found[known], at_draws, rtol=1e-13)


@pytest.mark.parametrize("name", CURVED)
def test_expected_values_without_groups(name):
    draws = replace(make_draws(name, 200, 0.5, 0.6, seed=0), delta=(), tau=())
    posterior = Posterior.from_draws(draws, (), UNITS, find_family(name))
    X, codes = make_rows(7)[0], np.empty((7, 0), dtype=np.int64)
    eta, _ = eta_and_variance(posterior, X, codes)
    expected = posterior.family.link.inverse(eta).mean(axis=1)
    found = prediction.expected_value(posterior, X, codes)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_typical_value_leaves_new_effects_out():
    posterior = make_posterior("poisson")
    X, codes = make_rows(20)
    eta = prediction.linear_predictor(posterior, X, codes)
    draws, _ = eta_and_variance(posterior, X, codes)
    np.testing.assert_allclose(eta, draws.mean(axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(prediction.typical_value(posterior, X, codes), np.exp(eta))
    assert (prediction.expected_value(posterior, X, codes) > np.exp(eta)).all()  # Jensen


def test_the_mode_stands_for_the_mean():
    draws, mode = (make_draws("poisson", n, 0.5, 0.6, seed=n) for n in (200, 1))
    family = find_family("poisson")
    posterior = Posterior.from_draws(draws, VARYING, UNITS, family, mode=mode)
    alone = Posterior.from_draws(mode, VARYING, UNITS, family)
    X, codes = make_rows(30)
    np.testing.assert_array_equal(
        prediction.expected_value(posterior, X, codes), prediction.expected_value(alone, X, codes)
    )
    smaller = posterior.thinned(20)
    np.testing.assert_array_equal(
        prediction.expected_value(smaller, X, codes), prediction.expected_value(alone, X, codes)
    )


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("new", [False, True])
def test_predictive_std(name, new):
    posterior = make_posterior(name)
    X, codes = make_rows(20)
    if not new:
        codes = np.abs(codes)
    eta, variance = eta_and_variance(posterior, X, codes)
    family, aux = posterior.family, posterior.auxiliary
    mean = over_new(family.link.inverse, eta, variance)
    square = over_new(
        lambda at: family.link.inverse(at) ** 2 + family.variance(at, aux), eta, variance
    )
    found = prediction.predictive_std(posterior, X, codes)
    np.testing.assert_allclose(found, np.sqrt(square - mean**2), rtol=1e-5)


def test_std_of_eta_adds_new_levels():
    posterior = make_posterior("poisson")
    X, codes = make_rows(20)
    eta, variance = eta_and_variance(posterior, X, codes)
    expected = np.sqrt(eta.var(axis=1) + variance.mean(axis=1))
    np.testing.assert_allclose(prediction.std_of_eta(posterior, X, codes), expected, rtol=1e-12)


P = [0.01, 0.05, 0.5, 0.95, 0.99]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("shift", [-2.0, 0.5, 4.0])
def test_quantiles_of_counts_are_the_smallest_that_reach(name, shift):
    """Known levels: exactly. New ones: for a probability some 1e-4 off, as for 200 draws."""
    posterior = make_posterior(name, shift=shift)
    X, codes = make_rows(12)
    found = prediction.quantiles(posterior, X, codes, P)
    np.testing.assert_array_equal(found, np.round(found))
    slack = np.where((codes == NEW).any(axis=1), 8e-4, 1e-13)
    for q, p in zip(found.T, P, strict=True):
        assert (exact_cdf(posterior, X, codes, q) >= p - slack).all()
        assert (exact_cdf(posterior, X, codes, q - 1) < p + slack).all()


def test_quantiles_of_large_counts_without_uncertainty_are_scipys():
    posterior = make_posterior("poisson", 200, shift=13.0)
    draws = posterior.draws
    same = replace(draws, kappa=0 * draws.kappa + 13.0, delta=tuple(0 * d for d in draws.delta))
    posterior = replace(posterior, draws=same)
    X, codes = np.ones((1, 1)), np.zeros((1, 2), dtype=np.int64)
    found = prediction.quantiles(posterior, X, codes, P)
    np.testing.assert_array_equal(found[0], stats.poisson.ppf(P, np.exp(13.0)))


def test_quantiles_of_gamma_outcomes():
    posterior = make_posterior("gamma")
    X, codes = make_rows(12)
    found = prediction.quantiles(posterior, X, codes, P)
    tolerance = np.where((codes == NEW).any(axis=1), 8e-4, 1e-10)
    for q, p in zip(found.T, P, strict=True):
        assert (np.abs(exact_cdf(posterior, X, codes, q) - p) < tolerance).all()


def test_quantiles_of_a_trial():
    posterior = make_posterior("binomial")
    X, codes = make_rows(20)
    ones = prediction.expected_value(posterior, X, codes)
    found = prediction.quantiles(posterior, X, codes, [0.3, 0.6])
    clear = np.abs(ones[:, None] - [0.7, 0.4]) > 1e-3
    np.testing.assert_array_equal(found[clear], (ones[:, None] > [0.7, 0.4])[clear])


@pytest.mark.parametrize("name", CURVED)
def test_quantiles_of_the_mean_are_those_of_eta_on_its_scale(name):
    posterior = make_posterior(name)
    X, codes = make_rows(12)
    eta = prediction.quantiles(posterior, X, codes, [0.05, 0.5, 0.95], "link")
    found = prediction.quantiles(posterior, X, codes, [0.05, 0.5, 0.95], "mean")
    np.testing.assert_array_equal(found, posterior.family.link.inverse(eta))
    values, variance = eta_and_variance(posterior, X, codes)
    new = (codes == NEW).any(axis=1)
    reached = stats.norm.cdf(eta[new, :, None], values[new, None], np.sqrt(variance[new, None]))
    np.testing.assert_allclose(
        reached.mean(axis=-1), np.tile([0.05, 0.5, 0.95], (new.sum(), 1)), rtol=1e-4
    )


@pytest.mark.parametrize("name", CURVED)
def test_joint_draws_have_the_predictive_distribution(name):
    posterior = make_posterior(name, 4000)
    X, codes = make_rows(10)
    new = np.where(codes == NEW, 0, -1)
    draws = prediction.joint_draws(posterior, X, codes, new, 4000, np.random.default_rng(0))
    y = np.median(draws, axis=1)
    p = exact_cdf(posterior, X, codes, y)
    share = (draws <= y[:, None]).mean(axis=1)
    assert (np.abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / 4000) + 1e-12).all()
    rng = np.random.default_rng(0)
    mean = prediction.joint_draws(posterior, X, codes, new, 50, rng, "mean")
    eta = prediction.joint_draws(posterior, X, codes, new, 50, np.random.default_rng(0), "link")
    np.testing.assert_array_equal(mean, posterior.family.link.inverse(eta))


@pytest.mark.parametrize("name", CURVED)
def test_a_row_does_not_depend_on_its_batch(name):
    posterior = make_posterior(name, 100)
    X, codes = make_rows(10)
    y = some_outcomes(posterior, len(X))

    def everything(rows):
        some = posterior, X[rows], codes[rows]
        return np.column_stack(
            [
                prediction.expected_value(*some),
                prediction.linear_predictor(*some),
                prediction.predictive_std(*some),
                prediction.quantiles(*some, [0.1, 0.9]),
                prediction.quantiles(*some, [0.1, 0.9], "mean"),
                scoring.log_predictive_density(*some, y[rows]),
                scoring.crps(*some, y[rows]),
                scoring.pit_ends(*some, y[rows]),
            ]
        )

    whole = everything(np.arange(10))
    parts = [everything(np.array(part)) for part in ([4], [7, 3], range(10)[::-1])]
    np.testing.assert_array_equal(whole[[4]], parts[0])
    np.testing.assert_array_equal(whole[[7, 3]], parts[1])
    np.testing.assert_array_equal(whole[::-1], parts[2])


def test_equal_rows_are_worked_out_once_and_memory_is_bounded():
    posterior = make_posterior("binomial", 2000)
    X, codes = make_rows(18000)
    tracemalloc.start()
    with parallel_config(n_jobs=2):
        found = prediction.expected_value(posterior, X, codes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # 288 MB are the draws of all rows; by 2 threads at most
    twice = prediction.expected_value(posterior, np.r_[X, X], np.r_[codes, codes])
    np.testing.assert_array_equal(twice, np.r_[found, found])


@pytest.mark.parametrize("name", CURVED)
def test_threads_work_out_the_same(name, monkeypatch):
    """Pieces of seven rows, of which two may be worked out at a time."""
    posterior = make_posterior(name, 100)
    X, codes = make_rows(50)
    X = np.abs(X).round(1)
    whole = prediction.expected_value(posterior, X, codes)
    monkeypatch.setattr(prediction, "_PIECE", 7)
    np.testing.assert_array_equal(prediction.expected_value(posterior, X, codes), whole)
    with parallel_config(n_jobs=1):
        np.testing.assert_array_equal(prediction.expected_value(posterior, X, codes), whole)


def test_expected_values_that_hardly_exist_are_warned_of():
    posterior = make_posterior("poisson", 2000, tau=1.0)
    X, codes = make_rows(10)
    prediction.warn_of_few_draws(posterior, X, codes)  # there is none
    heavy = tuple(t * np.random.default_rng(0).gamma(1, 3, t.shape) for t in posterior.tau)
    with pytest.warns(UserWarning, match="rest on a few draws .*kind='typical'"):
        prediction.warn_of_few_draws(replace(posterior, tau=heavy), X, codes)
    prediction.warn_of_few_draws(replace(posterior, tau=heavy), X, np.abs(codes))


# --- the densities ------------------------------------------------------------------------------


def density_by_quadrature(posterior, eta, variance, y):
    """Log mean over draws of p(y | eta + N(0, v)) of one row, eta and variance (S,)."""
    logs = []
    for s, (at, v) in enumerate(zip(eta, variance, strict=True)):
        aux = {name: values[s] for name, values in posterior.auxiliary.items()}
        u = np.linspace(-20 - 20 * np.sqrt(v), 20 + 20 * np.sqrt(v), 20_001)
        for _ in range(3):
            log_p = posterior.family.log_density(np.array([y]), at + u, aux)
            log_p += stats.norm.logpdf(u, 0, np.sqrt(v))
            inside = np.flatnonzero(log_p > log_p.max() - 40)
            ends = u[max(inside[0] - 1, 0)], u[min(inside[-1] + 1, len(u) - 1)]
            u = np.linspace(*ends, 20_001)
        log_p = posterior.family.log_density(np.array([y]), at + u, aux)
        log_p += stats.norm.logpdf(u, 0, np.sqrt(v))
        logs.append(np.log(np.trapezoid(np.exp(log_p - log_p.max()), u)) + log_p.max())
    return np.logaddexp.reduce(logs) - np.log(len(logs))


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("tau", [0.05, 1.0, 5.0])
def test_density_at_a_new_level(name, tau):
    """Also far from what draws foresee: large counts, and none."""
    posterior = make_posterior(name, 4, tau=tau)
    values = {"binomial": [0.0, 1.0], "gamma": [1e-3, 1.0, 1e4]}.get(name, [0.0, 3.0, 1e6])
    y = np.array(values)
    X, codes = np.full((len(y), 1), 1.7), np.full((len(y), 2), NEW)
    eta, variance = eta_and_variance(posterior, X, codes)
    expected = [
        density_by_quadrature(posterior, *row) for row in zip(eta, variance, y, strict=True)
    ]
    found = scoring.log_predictive_density(posterior, X, codes, y)
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=1e-9)


@pytest.mark.parametrize("name", CURVED)
def test_densities_are_proper(name):
    """Over all outcomes they sum to one, at known and new levels."""
    posterior = make_posterior(name, 40)
    X, codes = np.ones((2, 1)), np.array([[0, 1], [NEW, NEW]])
    for x, code in zip(X, codes, strict=True):
        y = np.arange(2.0 if name == "binomial" else 500.0)
        if name == "gamma":
            y = np.exp(np.linspace(-20, 8, 801))
        rows = np.tile(x, (len(y), 1)), np.tile(code, (len(y), 1))
        density = np.exp(scoring.log_predictive_density(posterior, *rows, y))
        total = np.trapezoid(density * y, np.log(y)) if name == "gamma" else density.sum()
        assert total == pytest.approx(1, abs=1e-3)


def test_joint_density_of_one_row_is_its_own():
    for name in CURVED:
        posterior = make_posterior(name, 400)
        X, codes = np.ones((1, 1)), np.array([[NEW, NEW]])
        y = some_outcomes(posterior, len(X))
        alone = scoring.log_predictive_density(posterior, X, codes, y)[0]
        joint = joint_log_density(
            posterior, X, codes, np.zeros((1, 2), dtype=np.int64), y, np.ones(1)
        )
        assert joint == pytest.approx(alone, abs=0.02)


@pytest.mark.parametrize("name", CURVED)
def test_joint_density_of_rows_that_share_a_new_level(name):
    """By quadrature over the one effect that they share."""
    posterior = make_posterior(name, 400)
    X, n = np.ones((4, 1)), 4  # at the centre: only the intercept's effect counts
    codes = np.column_stack([np.zeros(n, dtype=np.int64), np.full(n, NEW)])
    new = np.where(codes == NEW, 0, -1)
    y = {"binomial": [1.0, 1, 0, 1], "gamma": [2.0, 5, 1, 9]}.get(name, [4.0, 9, 2, 3])
    weight, family, aux = np.array([1.0, 2, 1, 3]), posterior.family, posterior.auxiliary
    eta, variance = eta_and_variance(posterior, X[:1], codes[:1])
    z, share = np.polynomial.hermite_e.hermegauss(80)
    at = eta[0] + z[:, None] * np.sqrt(variance[0])
    log_p = sum(
        w * family.log_density(np.array([v]), at, aux) for v, w in zip(y, weight, strict=True)
    )
    expected = np.log((np.exp(log_p) * share[:, None]).sum(axis=0).mean() / np.sqrt(2 * np.pi))
    found = joint_log_density(posterior, X, codes, new, np.array(y), weight)
    assert found == pytest.approx(expected, abs=0.02)


def test_joint_density_far_from_zero():
    """Counts of a million at eta of 0: a step of Newton's method would overflow."""
    posterior = make_posterior("poisson", 50, shift=0.0, tau=5.0)
    X, codes = np.ones((2, 1)), np.array([[0, NEW]] * 2)
    y = np.array([1.0e6, 1.001e6])
    new = np.where(codes == NEW, 0, -1)
    eta, variance = eta_and_variance(posterior, X[:1], codes[:1])
    logs = []
    for at, v in zip(eta[0], variance[0], strict=True):
        u = np.log(y.mean()) - at + np.linspace(-0.01, 0.01, 20_001)
        log_p = posterior.family.log_density(y[:, None], at + u, {}).sum(axis=0)
        log_p += stats.norm.logpdf(u, 0, np.sqrt(v))
        logs.append(np.log(np.trapezoid(np.exp(log_p - log_p.max()), u)) + log_p.max())
    expected = np.logaddexp.reduce(logs) - np.log(len(logs))
    found = joint_log_density(posterior, X, codes, new, y, np.ones(2))
    assert found == pytest.approx(expected, abs=0.1)


def test_a_share_of_trials_is_their_order_forgotten():
    """k of m in one row: the density of the m rows times the ways to order them."""
    posterior = make_posterior("binomial")
    X, codes = np.ones((2, 1)), np.array([[NEW, 0], [NEW, 1]])
    new = np.where(codes == NEW, 0, -1)
    share = joint_log_density(posterior, X, codes, new, np.array([0.25, 0.5]), np.array([8.0, 4.0]))
    ones = np.repeat([0, 0, 1, 1], [2, 6, 2, 2])
    y = np.repeat([1.0, 0, 1, 0], [2, 6, 2, 2])
    each = joint_log_density(posterior, X[ones], codes[ones], new[ones], y, np.ones(12))
    assert share == pytest.approx(each + np.log(28 * 6), abs=1e-9)


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(("shift", "most"), [(0.5, 400), (4.0, 20_000)])
def test_crps_of_counts(name, shift, most):
    """The sum of (F(k) - 1{y <= k})^2, at known levels."""
    posterior = make_posterior(name, 60, shift=shift)
    X, codes = make_rows(5, new=False)
    y = np.round(np.exp(shift) * np.array([0.2, 0.7, 1, 2, 4]))
    k = np.arange(most)
    for i in range(5):
        eta, _ = eta_and_variance(posterior, X[[i]], codes[[i]])
        F = posterior.family.cdf(k[:, None], eta, posterior.auxiliary).mean(axis=1)
        expected = np.square(F - (k >= y[i])).sum()
        found = scoring.crps(posterior, X[[i]], codes[[i]], y[[i]])[0]
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", COUNTS)
def test_crps_of_large_counts(name):
    """By a sum over every twentieth, between which the distribution function hardly moves."""
    posterior = make_posterior(name, 300, shift=8.0)
    X, codes = make_rows(3, new=False)
    y = 20 * np.round(np.exp(8.0) / 20 * np.array([0.2, 1, 3]))
    k = np.arange(10.0, 60_000, 20)
    for i in range(3):
        eta, _ = eta_and_variance(posterior, X[[i]], codes[[i]])
        F = posterior.family.cdf(k[:, None], eta, posterior.auxiliary).mean(axis=1)
        expected = 20 * np.square(F - (k >= y[i])).sum()
        found = scoring.crps(posterior, X[[i]], codes[[i]], y[[i]])[0]
        assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("name", COUNTS)
def test_crps_of_an_outcome_beyond_all_that_is_foreseen(name):
    """Each whole number up to it costs one; at a tenth of the numbers it is so much less."""
    posterior = make_posterior(name, 60)
    X, codes = make_rows(4)
    far, near = (scoring.crps(posterior, X, codes, np.full(4, y)) for y in (1e6, 1e5))
    np.testing.assert_allclose(far - near, 9e5, rtol=1e-9)


def test_crps_of_gamma_outcomes():
    posterior = make_posterior("gamma", 60)
    X, codes = make_rows(5, new=False)
    y = np.array([0.05, 0.5, 1, 2, 6])
    t = np.linspace(0, 60, 40_001)
    eta, _ = eta_and_variance(posterior, X, codes)
    found = scoring.crps(posterior, X, codes, y)
    for i in range(5):
        F = np.zeros(len(t))
        for s in range(60):
            F += posterior.family.cdf(t, eta[i, s], {"cv": posterior.auxiliary["cv"][s]}) / 60
        expected = np.trapezoid(np.square(F - (t >= y[i])), t)
        assert found[i] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("new", [False, True])
def test_crps_of_a_trial_is_briers_score(new):
    posterior = make_posterior("binomial")
    X, codes = make_rows(20, new=new)
    p = prediction.expected_value(posterior, X, codes)
    for y in (0.0, 1.0):
        found = scoring.crps(posterior, X, codes, np.full(20, y))
        np.testing.assert_allclose(found, (p - y) ** 2, rtol=1e-12)
    mixed = scoring.crps(posterior, X, codes, np.full(20, 0.25))
    np.testing.assert_allclose(mixed, 0.25 * (1 - p) ** 2 + 0.75 * p**2, rtol=1e-12)


@pytest.mark.parametrize("name", CURVED)
def test_pit_is_uniform_where_the_model_is_right(name):
    posterior = make_posterior(name, 400)
    X, codes = make_rows(400)
    rng = np.random.default_rng(3)
    alone = [
        prediction.joint_draws(
            posterior, X[[i]], codes[[i]], np.where(codes[[i]] == NEW, 0, -1), 1, rng
        )
        for i in range(400)
    ]
    low, high = scoring.pit_ends(posterior, X, codes, np.concatenate(alone)[:, 0]).T
    assert stats.kstest(low + rng.random(400) * (high - low), "uniform").pvalue > 1e-4


def test_pit_of_residuals_is_the_distribution_function():
    posterior = residual.make_posterior(draws=500)
    X, codes = residual.make_rows(20)
    q = prediction.quantiles(posterior, X, codes, [0.1, 0.8])
    for y, p in zip(q.T, (0.1, 0.8), strict=True):
        low, high = scoring.pit_ends(posterior, X, codes, y).T
        np.testing.assert_array_equal(low, high)
        np.testing.assert_allclose(low, p, atol=0.01)  # of the mixture's components


@pytest.mark.parametrize("name", ["binomial", *COUNTS])
def test_the_ends_of_the_transform_are_those_of_the_distribution_function(name):
    posterior = make_posterior(name)
    X, codes = make_rows(8, new=False)
    y = some_outcomes(posterior, 8)
    found = scoring.pit_ends(posterior, X, codes, y)
    for end, at in zip(found.T, (y - 1, y), strict=True):
        np.testing.assert_allclose(end, exact_cdf(posterior, X, codes, at), rtol=1e-11, atol=1e-15)

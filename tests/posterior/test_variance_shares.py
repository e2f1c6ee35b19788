"""Shares of variance against their definition, closed forms and simulated outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skhlm.families import FAMILIES, find_family
from skhlm.inputs.design import canonical_rows
from skhlm.posterior import prediction, variance_shares
from skhlm.posterior.explained_variance import r2_draws
from skhlm.posterior.posterior import NEW
from skhlm.posterior.variance_shares import VarianceParts, variance_by_row, variance_over_rows
from tests.chance import SHIFT
from tests.posterior import link_posteriors
from tests.posterior.posteriors import VARYING, make_posterior, make_rows

N = 200_000  # simulated pairs
FIVE = 5.0  # standard errors, of fewer than 20 comparisons: one run in 100,000 fails by chance


def weights_of(n):
    return np.random.default_rng(3).integers(1, 5, n).astype(float)


def posterior_and_rows(name):
    if name == "student_t":
        return make_posterior(), make_rows(40)[0]
    return link_posteriors.make_posterior(name), link_posteriors.make_rows(40)[0]


ONE_OF_EACH = ["student_t", *link_posteriors.CURVED]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_parts_are_their_definition(name, monkeypatch):
    posterior, X = posterior_and_rows(name)
    weight, Z = weights_of(len(X)), posterior.units.centred(X)
    V = [posterior.covariance(g) for g in range(len(posterior.varying))]
    eta = Z @ posterior.draws.kappa
    by_row = np.array(
        [
            np.einsum("ni,ijs,nj->ns", Z[:, columns], V[g], Z[:, columns])
            for g, columns in enumerate(posterior.varying)
        ]
    )
    mean = np.average(eta, axis=0, weights=weight)
    population = np.average((eta - mean) ** 2, axis=0, weights=weight)
    with np.errstate(over="ignore"):  # of residuals, which ask for no mean
        means = np.exp(eta + by_row.sum(axis=0) / 2)
        expected = np.average(means, axis=0, weights=weight)
    for block_bytes in (2**22, 1):
        monkeypatch.setattr(variance_shares, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(prediction, "BLOCK_BYTES", block_bytes)
        parts = variance_over_rows(posterior, X, weight)
        assert_allclose(parts.population, population, rtol=1e-9)
        assert_allclose(parts.factors, np.average(by_row, axis=1, weights=weight), rtol=1e-9)
        own = posterior.family.own_variance(expected, posterior.auxiliary)
        assert_allclose(np.broadcast_to(parts.own, own.shape), own, rtol=1e-9)
        rows = list(variance_by_row(posterior, X))
        found = np.concatenate([of_rows.factors for _, of_rows in rows], axis=1)
        assert_allclose(found, by_row, rtol=1e-9)
        own = posterior.family.own_variance(means, posterior.auxiliary)
        found = np.concatenate([of_rows.own for _, of_rows in rows])
        assert_allclose(found, np.broadcast_to(own, found.shape), rtol=1e-9)


def test_a_weight_is_a_number_of_equal_rows():
    posterior, X = posterior_and_rows("poisson")
    weight = weights_of(len(X))
    merged = variance_over_rows(posterior, X, weight)
    every = X.repeat(weight.astype(int), axis=0)
    repeated = variance_over_rows(posterior, every, np.ones(len(every)))
    for name, values in vars(merged).items():
        assert_allclose(values, getattr(repeated, name), rtol=1e-9)


# --- what is the outcome's own --------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_own_variance_is_that_of_a_distribution_on_the_scale_of_eta(name):
    family, mean = find_family(name), np.array([0.1, 1.0, 30.0])
    aux = {"sigma": 1.3, "nu": 5.0, "overdispersion": 0.8, "cv": 0.4}
    aux = {key: np.array(value) for key, value in aux.items()}
    own = np.broadcast_to(family.own_variance(mean, aux), mean.shape)
    closed = {
        "normal": 1.3**2 + 0 * mean,
        "student_t": stats.t(5, scale=1.3).var() + 0 * mean,
        "binomial": stats.logistic().var() + 0 * mean,
        "poisson": np.log(1 + 1 / mean),
        "negative_binomial": np.log(1 + 1 / mean + 0.8**2),
        "gamma": np.log(1 + 0.4**2) + 0 * mean,
    }
    assert_allclose(own, closed[name], rtol=1e-12)
    if family.link.scale.startswith("log ") and not family.is_binary:
        same = stats.lognorm(np.sqrt(own), scale=mean * np.exp(-own / 2))
        assert_allclose(same.mean(), mean, rtol=1e-9)
        assert_allclose(same.var(), family.variance(np.log(mean), aux), rtol=1e-9)


# --- simulation -----------------------------------------------------------------------------------


def correlation_error(r):
    """Standard error of a correlation of N pairs, of tails no heavier than logistic ones."""
    return 1.2 * (1 - r**2) / np.sqrt(N) + 1e-4


@pytest.mark.parametrize("name", ["normal", "binomial"])
def test_icc_is_the_correlation_of_two_outcomes_of_a_level(name):
    """Of log odds that of what is above zero where the outcome is one."""
    rng = np.random.default_rng(21 + SHIFT)
    posterior = make_posterior(draws=1, chains=1, student=False, seed=4)
    x, aux = np.array([[7.0, -1.5]]), posterior.auxiliary
    if name == "binomial":
        posterior = replace(posterior, family=find_family(name))
    ((_, parts),) = variance_by_row(posterior, x)
    z = posterior.units.centred(x)[0]
    effects = [
        rng.multivariate_normal(np.zeros(len(k)), posterior.covariance(g)[..., 0], N) @ z[k]
        for g, k in enumerate(VARYING)
    ]
    scale = aux["sigma"][0]
    noise = rng.normal(scale=scale, size=(2, N)) if name == "normal" else rng.logistic(size=(2, N))
    shares = parts.shares(adjusted=True)[1:, 0, 0]
    for g in range(len(VARYING)):
        other = sum(
            rng.permutation(e) if h != g else e for h, e in enumerate(effects)
        )  # shares the level of g alone
        pair = sum(effects) + noise[0], other + noise[1]
        found = np.corrcoef(*pair)[0, 1]
        assert abs(found - shares[g]) < FIVE * correlation_error(shares[g])
    together = np.corrcoef(sum(effects) + noise[0], sum(effects) + noise[1])[0, 1]
    assert abs(together - shares[-2]) < FIVE * correlation_error(shares[-2])
    assert_allclose(shares[-2] + shares[-1], 1)
    if name == "binomial":
        above = (0.7 + noise[0] > 0).mean()
        assert abs(above - posterior.family.link.inverse(np.array(0.7))) < FIVE / (2 * N**0.5)


def test_r2_is_the_share_of_the_variance_of_simulated_outcomes():
    rng = np.random.default_rng(22 + SHIFT)
    posterior = make_posterior(draws=1, chains=1, student=False, seed=4)
    X = rng.normal(size=(N, 2)) @ np.array([[2.0, 0.1], [0.0, 0.4]]) + [5.0, -2.0]
    Z = posterior.units.centred(X)
    fixed = Z @ posterior.draws.kappa[:, 0]
    y = fixed + rng.normal(scale=posterior.auxiliary["sigma"][0], size=N)
    for g, k in enumerate(VARYING):
        V = posterior.covariance(g)[..., 0]
        y += (rng.multivariate_normal(np.zeros(len(k)), V, N) * Z[:, k]).sum(axis=1)
    shares = variance_over_rows(posterior, X, np.ones(N)).shares()[:, 0]
    r2 = 1 - (y - fixed).var() / y.var()
    kurtosis = 9  # of products of normal numbers, at most
    assert abs(r2 - shares[0]) < FIVE * 2 * np.sqrt(kurtosis / N)
    assert_allclose(shares[0] + shares[-2] + shares[-1], 1)


# --- edges ----------------------------------------------------------------------------------------


def test_an_infinite_variance_is_all_there_is():
    parts = VarianceParts(np.array([2.0, 1.0]), np.array([[3.0, 1.0]]), np.array([np.inf, 2.0]))
    assert_allclose(parts.shares(), [[0, 0.25], [0, 0.25], [0, 0.25], [1, 0.5]])
    assert_allclose(parts.shares(adjusted=True), [[0, 0], [0, 1 / 3], [0, 1 / 3], [1, 2 / 3]])


def test_expected_counts_beyond_all_bounds_leave_shares_between_0_and_1():
    X, _ = link_posteriors.make_rows(5)
    for shift in (900.0, -900.0):
        posterior = link_posteriors.make_posterior("poisson", shift=shift)
        shares = variance_over_rows(posterior, X, np.ones(5)).shares()
        assert ((shares >= 0) & (shares <= 1)).all()


# --- marginal R² of the outcome -------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_marginal_r2_integrates_effects_out(name):
    posterior, X = posterior_and_rows(name)
    codes = np.zeros((len(X), len(posterior.varying)), dtype=np.int64)
    weight = weights_of(len(X))
    y = X.sum(axis=1) if name == "student_t" else link_posteriors.some_outcomes(posterior, len(X))
    rows = canonical_rows(X, y, weight, codes)
    Z, family = posterior.units.centred(X), posterior.family
    eta = Z @ posterior.draws.kappa
    spread = prediction.VarianceOfNew(posterior)(Z, np.full_like(codes, NEW))
    at, w = np.polynomial.hermite_e.hermegauss(60)
    effects = eta[..., None] + np.sqrt(spread)[..., None] * at
    w = w / w.sum()
    aux = {key: values[:, None] for key, values in posterior.auxiliary.items()}
    means = family.mean(effects, aux)
    mu = means @ w
    fit = np.average((mu - np.average(mu, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    if name == "student_t":
        residual = y[:, None] - mu
        residual = residual - np.average(residual, axis=0, weights=weight)
        left = np.average(residual**2, axis=0, weights=weight)
    else:
        total = (np.broadcast_to(family.variance(effects, aux), effects.shape) + means**2) @ w
        left = np.average(total - mu**2, axis=0, weights=weight)
    found = r2_draws(posterior, rows, marginal=True)
    assert_allclose(found, fit / (fit + left), rtol=1e-5)

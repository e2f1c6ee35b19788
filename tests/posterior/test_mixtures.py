"""Mixtures over draws of normal and Student-t distributions, against scipy and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.posterior.mixtures import Mixture, normal_tail
from tests.draws import auxiliary, family_of


def make_mixture(mean, variance, sigma, nu=None):
    """Rows of these means and variances, draws of these residuals."""
    mean = np.atleast_2d(np.asarray(mean, dtype=np.float64))
    variance = np.broadcast_to(np.asarray(variance, dtype=np.float64), mean.shape).copy()
    errors = auxiliary(np.broadcast_to(sigma, mean.shape[1:]), nu)
    return Mixture(mean, variance, family_of(errors).residuals(errors))


def test_normal_density_is_exact():
    mixture = make_mixture([[1.0, 2.0]], [[4.0, 0.0]], [3.0, 1e-3])
    expected = stats.norm.logpdf(2.5, [1.0, 2.0], [np.sqrt(13), 1e-3])
    np.testing.assert_allclose(mixture.log_density(np.array([2.5]))[0], expected, rtol=1e-12)


TAILS = [1e-6, 5e-5, 0.005, 0.05, 0.3, 0.5]


@pytest.mark.parametrize("variance", [0.0, 2.0])
def test_quantiles_of_normal_mixtures_are_exact(variance):
    rng = np.random.default_rng(0)
    mean, sigma = rng.normal(size=(5, 300)), rng.gamma(4, 0.1, 300)
    found = make_mixture(mean, variance, sigma).quantiles(TAILS + [1 - p for p in TAILS])
    sd = np.sqrt(variance + sigma**2)
    for q, p in zip(found[:, : len(TAILS)].T, TAILS, strict=True):
        reached = stats.norm.cdf(q[:, None], mean, sd).mean(axis=1)
        np.testing.assert_allclose(reached, p, rtol=1e-4)
    for q, p in zip(found[:, len(TAILS) :].T, TAILS, strict=True):
        beyond = stats.norm.sf(q[:, None], mean, sd).mean(axis=1)
        np.testing.assert_allclose(beyond, p, rtol=1e-4)


@pytest.mark.parametrize("nu", [1.0, 2.0, 5.0, 40.0, 1e4])
@pytest.mark.parametrize("n_draws", [1, 400, 4800])
def test_quantiles_of_student_t_reach_into_its_tails(nu, n_draws):
    found = make_mixture(np.full((1, n_draws), 3.0), 0.0, 2.0, nu).quantiles(TAILS)[0]
    expected = 3 + 2 * stats.t.ppf(TAILS, nu)
    np.testing.assert_allclose(stats.t.cdf((found - 3) / 2, nu), TAILS, rtol=0.02)
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("ratio", [1e-3, 1.0, 1e3])
def test_quantiles_of_a_new_level_with_student_t(ratio):
    """Of a sum of which one part hardly counts; in between against a simulation-free integral."""
    found = make_mixture(np.zeros((1, 500)), 1.0, ratio, 4.0).quantiles([0.001, 0.05])[0]
    w, weight = np.polynomial.hermite_e.hermegauss(80)
    cdf = stats.t.cdf((found[:, None] - w) / ratio, 4.0) @ weight / np.sqrt(2 * np.pi)
    if ratio == 1e-3:
        cdf = stats.norm.cdf(found)
    np.testing.assert_allclose(cdf, [0.001, 0.05], rtol=0.02)


def test_quantiles_do_not_saturate_and_grow_with_the_probability():
    rng = np.random.default_rng(1)
    for nu in (None, 1.2, 6.0):
        mixture = make_mixture(rng.normal(size=(3, 40)), 0.5, rng.gamma(9, 0.1, 40), nu)
        p = np.r_[np.geomspace(1e-7, 0.4, 60), 0.5, 1 - np.geomspace(0.4, 1e-7, 60)]
        assert (np.diff(mixture.quantiles(p.tolist())) > 0).all()


def test_quantiles_of_clumps_far_apart():
    """Residuals that are tiny beside what lies between the draws."""
    mixture = make_mixture([[0.0, 0.0, 1.0, 5.0]], 0.0, 1e-6)
    found = mixture.quantiles([0.25, 0.6, 0.9])[0]
    np.testing.assert_allclose(found, [0.0, 1.0, 5.0], atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_quantiles_of_few_draws_with_tiny_and_large_residuals(seed):
    """No regime in which the search ends elsewhere than at the quantile."""
    rng = np.random.default_rng(seed)
    n_draws = int(rng.choice([1, 4, 40]))
    mean = rng.normal(size=(4, n_draws))
    sigma = 10 ** rng.uniform(-5, 1) * rng.gamma(2, 1, n_draws)
    p = np.array([1e-4, 0.05, 0.3, 0.5])
    found = make_mixture(mean, 10 ** rng.uniform(-10, 1), sigma).quantiles(p.tolist())
    assert (np.diff(found) > 0).all()
    mixture = make_mixture(mean, 0.0, sigma)
    for q, goal in zip(mixture.quantiles(p.tolist()).T, p, strict=True):
        reached = stats.norm.cdf(q[:, None], mean, sigma).mean(axis=1)
        np.testing.assert_allclose(reached, goal, rtol=1e-3)


def test_a_new_level_has_a_distribution_without_residuals():
    spread = Mixture(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[4.0, 4.0], [0, 0]]), None)
    assert spread.is_smooth.tolist() == [True, False]
    found = spread.some(spread.is_smooth).quantiles([0.05, 0.5])
    np.testing.assert_allclose(found, [[1 + 2 * stats.norm.ppf(0.05), 1.0]], atol=1e-6)


def test_a_row_does_not_depend_on_the_others():
    rng = np.random.default_rng(2)
    mean, variance = rng.normal(size=(40, 200)), rng.gamma(1, 1, (40, 200))
    whole = make_mixture(mean, variance, 0.3, 3.0)
    y = rng.normal(size=40) * np.geomspace(0.1, 1e4, 40)
    density, quantiles = whole.log_density(y), whole.quantiles([0.001, 0.6])
    for rows in (slice(3, 4), slice(10, 25)):
        part = Mixture(mean[rows], variance[rows], whole.residuals)
        assert np.array_equal(part.log_density(y[rows]), density[rows])
        assert np.array_equal(part.quantiles([0.001, 0.6]), quantiles[rows])


def test_normal_tail_is_that_of_scipy():
    z = np.linspace(-37, 37, 4001)
    kernel, above = normal_tail(z)
    np.testing.assert_allclose(above, stats.norm.sf(z), rtol=2e-7)
    np.testing.assert_allclose(kernel, np.exp(-0.5 * z**2), rtol=1e-12)

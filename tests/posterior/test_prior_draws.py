"""Draws from priors against the distributions they are said to have; every seed is fixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import beta, cauchy, gamma, halfcauchy, halfnorm, kstest, norm, t, truncnorm

from skhlm.families import Normal, StudentT
from skhlm.posterior.prior_draws import draw_priors
from skhlm.priors import Gamma, LocationScale, Priors

N = 4000


def _numbers(df, loc, scale):
    return LocationScale(*(np.array(value, dtype=float) for value in (df, loc, scale)))


PRIORS = Priors(
    kappa=_numbers([np.inf, 1.0, 4.0], [1.0, -2.0, 0.0], [10.0, 3.0, 0.5]),
    tau=(_numbers([1.0, np.inf], [0.0, 0.0], [2.5, 0.1]), _numbers([np.inf] * 3, [0] * 3, [1] * 3)),
    auxiliary={"sigma": _numbers([np.inf], [-2.0], [1.0]), "nu": Gamma(2.0, 0.1)},
    lkj=2.0,
)


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    return draw_priors(PRIORS, (3, 2), N, rng, family=StudentT(), covariance="full")


def _agrees(values, distribution):
    """Whether draws come from a distribution; false once in a thousand seeds."""
    return kstest(values, distribution.cdf).pvalue > 1e-3


def test_shapes(draws):
    assert draws.shape == (1, N)
    assert [d.shape[2:] for d in draws.delta] == [(3, 2), (2, 3)]
    assert [t.shape[2:] for t in draws.tau] == [(2,), (3,)]
    assert [o.shape[2:] for o in draws.omega] == [(2, 2), (3, 3)]


def test_population_level_coefficients(draws):
    for k, prior in enumerate([norm(1, 10), cauchy(-2, 3), t(4, 0, 0.5)]):
        assert _agrees(draws.kappa[0, :, k], prior)
    ranks = draws.kappa[0].argsort(axis=0).argsort(axis=0)
    assert_allclose(np.corrcoef(ranks.T), np.eye(3), atol=4 / N**0.5)


def test_scales_are_cut_at_zero(draws):
    assert _agrees(draws.tau[0][0, :, 0], halfcauchy(0, 2.5))
    assert _agrees(draws.tau[0][0, :, 1], halfnorm(0, 0.1))
    sigma = draws.auxiliary["sigma"][0]
    assert _agrees(sigma, truncnorm(2, np.inf, loc=-2, scale=1))
    assert (sigma > 0).all()


def test_degrees_of_freedom_are_cut_at_one(draws):
    prior, below = gamma(2, scale=10), gamma(2, scale=10).cdf(1)
    nu = draws.auxiliary["nu"][0]
    uniform = (prior.cdf(nu) - below) / (1 - below)
    assert kstest(uniform, "uniform").pvalue > 1e-3
    assert nu.min() >= 1


def test_correlations_are_lkj(draws):
    for omega, size in zip(draws.omega, (2, 3), strict=True):
        assert_allclose(np.diagonal(omega[0], axis1=1, axis2=2), 1, rtol=1e-12)
        a = PRIORS.lkj - 1 + size / 2
        for i, j in zip(*np.tril_indices(size, -1), strict=True):
            assert _agrees((omega[0, :, i, j] + 1) / 2, beta(a, a))
    # under LKJ(2) in three dimensions the mean of the determinant is that of its beta factors
    a = np.array([2.5, 2.5, 2.0])
    expected = np.prod(1 - 1 / (2 * a + 1))
    determinant = np.linalg.det(draws.omega[1][0])
    assert_allclose(determinant.mean(), expected, atol=4 * determinant.std() / N**0.5)


def test_effects_have_the_covariance_of_their_draw(draws):
    tau, omega, delta = draws.tau[1][0], draws.omega[1][0], draws.delta[1][0]
    L = np.linalg.cholesky(omega)
    z = np.linalg.solve(L[:, None], (delta / tau[:, None])[..., None])[..., 0]
    flat = z.reshape(N, -1)
    for column in flat.T:
        assert _agrees(column, norm())
    assert_allclose(np.corrcoef(flat.T), np.eye(6), atol=4 / N**0.5)


def test_independent_effects_and_normal_residuals():
    rng = np.random.default_rng(1)
    draws = draw_priors(PRIORS, (3, 2), N, rng, family=Normal(), covariance="diagonal")
    assert draws.omega == ()
    assert list(draws.auxiliary) == ["sigma"]
    z = (draws.delta[1][0] / draws.tau[1][0][:, None]).reshape(N, -1)
    assert_allclose(np.corrcoef(z.T), np.eye(6), atol=4 / N**0.5)


def test_priors_far_on_the_wrong_side_give_numbers():
    rng = np.random.default_rng(2)
    auxiliary = {"sigma": _numbers([np.inf], [-30.0], [1.0]), "nu": Gamma(1.0, 600.0)}
    far = replace(PRIORS, tau=(), auxiliary=auxiliary)
    draws = draw_priors(far, (), 100, rng, family=StudentT(), covariance="diagonal")
    assert_allclose(draws.auxiliary["sigma"].mean(), 1 / 30, rtol=0.3)
    assert (draws.auxiliary["nu"] >= 1).all()
    assert (draws.auxiliary["nu"] < 1.05).all()

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.engine.problem import Priors
from skhlm.engine.quick_fit.error_scale import SquaredErrors, bin_errors, error_scale, vague_scale
from skhlm.numerics.grids import TAILS
from tests.engine.problems import location_scale

PRIORS = Priors(
    kappa=location_scale(0, 1, 0, 1),
    tau=(),
    sigma=location_scale(1, 1, 0, 2.5),
    nu=(2.0, 0.1),
    lkj=2.0,
)
RNG = np.random.default_rng(0)


def dense_student(r, weight):
    """Brute-force marginal tails of log(nu - 1), and moments of log sigma, on a fixed fine grid."""
    u, x = np.linspace(-1, 6, 141), np.linspace(np.log(1.3), np.log(3.2), 121)
    nu, sigma = 1 + np.exp(u)[:, None, None], np.exp(x)[None, :, None]
    density = (stats.t(nu, scale=sigma).logpdf(r) * weight).sum(axis=-1)
    density += (np.log(nu) - 0.1 * nu)[..., 0] + u[:, None]
    density += (stats.cauchy(0, 2.5).logpdf(sigma))[..., 0] + x
    mass = np.exp(density - density.max())
    cumulative = np.cumsum(mass.sum(axis=1))
    mean = mass.sum(axis=0) @ x / mass.sum()
    sd = np.sqrt(mass.sum(axis=0) @ (x - mean) ** 2 / mass.sum())
    return np.interp(TAILS, cumulative / cumulative[-1], u), mean, sd


def test_student_scale_is_the_posterior():
    r, weight = 2 * RNG.standard_t(4, 300), RNG.integers(1, 3, 300)
    errors = bin_errors(r**2, weight, 1e-12)
    found = error_scale(errors, PRIORS, True, vague_scale(1.0, True), 25)
    tails, mean, sd = dense_student(r, weight)
    np.testing.assert_allclose(found.log_nu, tails, atol=0.06)
    assert found.log_sigma[0] == pytest.approx(mean, abs=0.2 * sd)
    assert np.hypot(*found.log_sigma[1:]) == pytest.approx(sd, rel=0.15)
    assert found.log_sigma[2] > 0  # sigma and nu go together


def test_normal_scale_is_the_posterior():
    errors = SquaredErrors(np.array([4.0]), np.array([30.0]))
    found = error_scale(errors, PRIORS, False, vague_scale(0.1, False), 25)
    x = np.linspace(-1, 3, 20001)
    density = -30 * x - 60 * np.exp(-2 * x) + stats.cauchy(0, 2.5).logpdf(np.exp(x)) + x
    mass = np.cumsum(np.exp(density - density.max()))
    low, middle, high = np.interp(TAILS, mass / mass[-1], x)
    assert found.log_nu is None
    assert found.log_sigma[0] == pytest.approx(middle, abs=0.002)
    assert found.log_sigma[1] == pytest.approx((high - low) / 2 / stats.norm.ppf(0.95), rel=0.01)


def test_bins_keep_the_total_and_the_count():
    squared, weight = np.exp(5 * RNG.normal(size=1000)), RNG.uniform(0, 3, 1000)
    errors = bin_errors(squared, weight, 1e-9)
    assert len(errors.value) < 800
    assert errors.count.sum() == pytest.approx(weight.sum())
    assert errors.value @ errors.count == pytest.approx(weight @ squared)
    log_terms = np.log1p(errors.value / 3) @ errors.count
    assert log_terms == pytest.approx(weight @ np.log1p(squared / 3), rel=1e-3)


def test_zero_errors_count_as_rounding():
    errors = bin_errors(np.zeros(5), np.ones(5), 1e-12)
    np.testing.assert_allclose(errors.value, [1e-12])
    np.testing.assert_allclose(errors.count, [5])

"""The quick fit of Student-t residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.families import Evidence, StudentT
from skhlm.families.location import ErrorScale
from skhlm.families.student_t import bin_errors
from skhlm.numerics.quantiles import TAILS
from skhlm.priors import Gamma
from tests.engine.problems import location_scale

PRIORS = {"sigma": location_scale(1, 1, 0, 2.5), "nu": Gamma(2.0, 0.1)}
RNG = np.random.default_rng(0)


def evidence(weight):
    """Rows of which only the weights matter, and outcomes of size one."""
    n = len(weight)
    y = np.linspace(-1, 1, n)
    return Evidence.of_rows(np.ones((n, 1)), y, weight, np.zeros(n, dtype=np.int64), 1)


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
    start = ErrorScale.vague(1.0, np.log([0.3, 7.0, 300.0]), 0.0)
    found = StudentT().fit_scale(evidence(weight), r**2, 1.0, PRIORS, start, 25)
    tails, mean, sd = dense_student(r, weight)
    np.testing.assert_allclose(found.log_nu, tails, atol=0.06)
    assert found.log_sigma[0] == pytest.approx(mean, abs=0.2 * sd)
    assert np.hypot(*found.log_sigma[1:]) == pytest.approx(sd, rel=0.15)
    assert found.log_sigma[2] > 0  # sigma and nu go together


def test_bins_keep_the_total_and_the_count():
    squared, weight = np.exp(5 * RNG.normal(size=1000)), RNG.uniform(0, 3, 1000)
    value, count = bin_errors(squared, weight, 1e-9)
    assert len(value) < 800
    assert count.sum() == pytest.approx(weight.sum())
    assert value @ count == pytest.approx(weight @ squared)
    log_terms = np.log1p(value / 3) @ count
    assert log_terms == pytest.approx(weight @ np.log1p(squared / 3), rel=1e-3)


def test_zero_errors_count_as_rounding():
    value, count = bin_errors(np.zeros(5), np.ones(5), 1e-12)
    np.testing.assert_allclose(value, [1e-12])
    np.testing.assert_allclose(count, [5])

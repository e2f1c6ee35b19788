"""Student-t residuals as mixtures of normal ones, against quadrature and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from skhlm.families.student_t_residuals import StudentTResiduals

NU = [1.0, 1.5, 4.0, 30.0, 1e3, 1e5]
RATIOS = [1e-4, 5e-3, 0.3, 1.0, 20.0, 1e3]  # sigma / tau


def log_density(at, sigma, nu, variance=1.0):
    """Log density of N(0, variance) + sigma t_nu at some places, (n,)."""
    residuals = StudentTResiduals(np.array([sigma]), np.array([nu]))
    square = np.square(at)[:, None]
    return residuals.log_density(square, np.full(square.shape, variance))[:, 0]


def density_by_quadrature(at, sigma, nu):
    """Density of N(0, 1) + sigma t_nu at some places, on a grid fine at both."""
    found = []
    for r in at:
        places = [np.sinh(np.linspace(-45, 45, 20_001)) * sigma, r + np.linspace(-40, 40, 20_001)]
        e = np.unique(np.concatenate(places))
        f = stats.t.pdf(e / sigma, nu) / sigma * stats.norm.pdf(r - e)
        found.append(integrate.trapezoid(f, e))
    return np.array(found)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("nu", NU)
def test_density_of_normal_and_student_t_together(nu, ratio):
    """A relative error below 1e-3, in the middle and 300 standard deviations out."""
    at = np.array([0.0, 0.3, 1, 3, 6, 12, 40, 300]) * np.hypot(1, ratio)
    found, expected = np.exp(log_density(at, ratio, nu)), density_by_quadrature(at, ratio, nu)
    seen = expected > 1e-280
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-3)


@pytest.mark.parametrize(("nu", "sigma"), [(1.0, 0.5), (3.0, 2.0), (50.0, 0.1)])
def test_density_agrees_with_adaptive_quadrature(nu, sigma):
    at = np.array([0.0, 0.7, 2.5])
    expected = [
        integrate.quad(
            lambda w, r=r: stats.t.pdf((r - w) / sigma, nu) / sigma * stats.norm.pdf(w),
            *(-40, 40),
            points=[r],
            limit=200,
        )[0]
        for r in at
    ]
    np.testing.assert_allclose(np.exp(log_density(at, sigma, nu)), expected, rtol=1e-3)


def test_density_without_an_effect_is_that_of_student_t_however_far_out():
    at = np.array([0.0, 1.0, 1e3, 1e8])
    for nu in (1.0, 5.0, 200.0):
        found = log_density(at, 1.0, nu, variance=0.0)
        np.testing.assert_allclose(found, stats.t.logpdf(at, nu), atol=1e-3)


@pytest.mark.parametrize("nu", [1.0, 2.0, 5.0, 40.0, 1e4])
def test_components_have_the_tails_of_student_t_together(nu):
    residuals = StudentTResiduals(np.full(400, 2.0), np.full(400, nu))
    variance, weight = residuals.components
    assert weight.sum() == pytest.approx(1)
    p = np.array([1e-6, 5e-5, 0.005, 0.05, 0.3])
    quantiles = 2 * stats.t.ppf(p, nu)
    found = stats.norm.cdf(quantiles[:, None], scale=np.sqrt(variance)) @ weight
    np.testing.assert_allclose(found, p, rtol=0.02)

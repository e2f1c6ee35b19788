"""Effects of new levels that vary widely: densities, means and variances against quadrature."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit

from skhlm.families import find_family
from skhlm.posterior.joint_likelihoods import LinkLikelihood
from skhlm.posterior.link_mixtures import LinkMixture
from skhlm.posterior.new_effects import log_integral
from tests.posterior.link_posteriors import CURVED

AUXILIARY = {
    "binomial": {},
    "poisson": {},
    "negative_binomial": {"overdispersion": np.array([0.5])},
    "gamma": {"cv": np.array([0.3])},
}
OUTCOMES = {
    "binomial": [0.0, 0.3, 1.0],
    "poisson": [0.0, 3.0, 1e6],
    "negative_binomial": [0.0, 3.0, 1e6],
    "gamma": [1e-3, 1.0, 1e4],
}
ETA, SD = (-300.0, -5.0, 2.0, 100.0, 200.0, 390.0), (0.3, 10.0, 100.0, 390.0)


def oracle(name, y, eta, sd):
    """Log of the integral of p(y | eta + u) N(u; 0, sd^2), by a grid that closes in on it."""

    def log_integrand(u):
        with np.errstate(divide="ignore", over="ignore"):
            log_p = find_family(name).log_density(np.array([y]), eta + u, AUXILIARY[name])
        return log_p + stats.norm.logpdf(u, 0, sd)

    u = np.linspace(-1, 1, 40_001) * (40 * sd + abs(eta) + 40)
    for _ in range(5):
        inside = np.flatnonzero((at := log_integrand(u)) > at.max() - 45)
        u = np.linspace(u[max(inside[0] - 1, 0)], u[min(inside[-1] + 1, len(u) - 1)], 40_001)
    at = log_integrand(u)
    return np.log(np.trapezoid(np.exp(at - at.max()), u)) + at.max()


def column(value):
    return np.array([[value]])


@pytest.mark.parametrize("name", CURVED)
def test_densities_whatever_eta_and_the_width(name):
    cases = [(y, eta, sd) for y in OUTCOMES[name] for eta in ETA for sd in SD]
    y, eta, sd = np.array(cases).T
    found = log_integral(
        find_family(name), AUXILIARY[name], y, eta[:, None], np.square(sd)[:, None]
    )
    expected = [oracle(name, *case) for case in cases]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9, atol=1e-3)
    if name != "gamma":
        assert (found <= 0).all()


def test_a_trial_fails_with_the_probability_that_it_does_not_succeed():
    family, eta, v = find_family("binomial"), np.array([[-80.0, 0.0, 3.0, 100.0]]), np.ones((1, 4))
    for sd in (1.0, 40.0, 1000.0):
        for y, sign in ((0.0, -1), (1.0, 1)):
            found = log_integral(family, {}, np.array([y]), eta, sd**2 * v)
            mean = family.link.mean_over_normal(sign * eta, sd**2 * v)
            np.testing.assert_allclose(np.exp(found), mean, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "y", "eta", "sd"),
    [
        ("poisson", 3.0, 200.0, 100.0),
        ("poisson", 3.0, 390.0, 390.0),
        ("negative_binomial", 2.0, 300.0, 100.0),
        ("poisson", 5.0, 1.0, 0.5),
    ],
)
def test_the_mode_of_a_likelihood_is_found_however_far(name, y, eta, sd):
    """One row alone: sampled about its mode it is the integral of that row."""
    likelihood = LinkLikelihood(
        AUXILIARY[name], np.ones(1), column(eta), np.array([y]), find_family(name)
    )
    B = np.full((1, 1, 1), sd)
    rng = np.random.default_rng(0)
    found = np.mean([np.exp(likelihood.integral(B, rng)) for _ in range(200)])
    np.testing.assert_allclose(np.log(found), oracle(name, y, eta, sd), atol=0.05)


@pytest.mark.parametrize("sd", [0.3, 0.99, 1.01, 3.0, 30.0, 1e4])
def test_means_of_the_logistic_function(sd):
    """Adaptive quadrature over the probability scale of a logistic variable L, eta + u > L."""
    link = find_family("binomial").link
    for eta in (-40.0, -2.0, 0.5, 9.0, 100.0):
        mean = integrate.quad(
            lambda L, eta=eta: stats.norm.cdf((eta - L) / sd) * expit(L) * expit(-L),
            -45,
            45,
            points=[eta] if abs(eta) < 45 else None,
            epsabs=1e-12,
            limit=500,
        )[0]
        square = integrate.quad(
            lambda z, eta=eta: stats.norm.pdf(z) * expit(eta + sd * z) ** 2,
            -9,
            9,
            points=np.clip((np.array([-30, 0, 30]) - eta) / sd, -9, 9),
            epsabs=1e-12,
            limit=500,
        )[0]
        at = column(eta), column(sd**2)
        assert link.mean_over_normal(*at).item() == pytest.approx(mean, abs=1e-8)
        variance = link.variance_over_normal(*at).item()
        assert variance == pytest.approx(square - mean**2, abs=3e-8)


def test_no_value_depends_on_those_beside_it():
    link, rng = find_family("binomial").link, np.random.default_rng(0)
    eta, variance = 3 * rng.normal(size=50), rng.gamma(0.5, 5, size=50)
    variance[[3, 7]] = 0.0, 1e6

    def everything(at):
        return np.array(
            [
                link.mean_over_normal(eta[at], variance[at]),
                *link.slopes_over_normal(eta[at], variance[at]),
                link.variance_over_normal(eta[at], variance[at]),
            ]
        )

    alone = np.concatenate([everything(np.array([i])) for i in range(50)], axis=1)
    np.testing.assert_array_equal(everything(np.arange(50)), alone)


@pytest.mark.parametrize("name", CURVED)
def test_variances_are_those_of_quadrature(name):
    family, aux = find_family(name), AUXILIARY[name]
    z, weight = np.polynomial.hermite_e.hermegauss(100)
    weight /= weight.sum()
    for eta, sd in ((0.3, 0.0), (-1.0, 0.5), (2.0, 1.5)):
        at = eta + sd * z
        within, of_mean = weight @ family.variance(at, aux), weight @ family.link.inverse(at) ** 2
        mean = weight @ family.link.inverse(at)
        where = column(eta), column(sd**2)
        found = family.variance_over_normal(*where, aux).item()
        assert found == pytest.approx(within, rel=1e-6)
        found = family.link.variance_over_normal(*where).item()
        assert found == pytest.approx(of_mean - mean**2, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("name", CURVED)
def test_variances_of_any_size_without_complaint(name):
    """Above 1e154 the square overflows: infinite; at a mean of 1e-9 nothing cancels."""
    family, S = find_family(name), 5
    aux = {k: np.repeat(v, S) for k, v in AUXILIARY[name].items()}
    eta = np.array([[400.0], [1200.0], [-1200.0], [-20.0]]) + np.zeros(S)
    spread = np.array([[0.0], [1e4], [1e3], [0.0]]) + np.zeros(S)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = LinkMixture(family, aux, eta, spread).variance()
    assert not np.isnan(found).any()
    assert (found >= 0).all()
    assert found[3] == pytest.approx(family.variance(eta[3], aux)[0], rel=1e-9)
    if not family.is_binary:
        assert np.isinf(found[1])

"""The posterior of expected values behind a logarithm, against closed forms and simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.families.log_normal import ShiftedLog
from skhlm.posterior import prediction
from skhlm.posterior.log_outcomes import Exponential, of_outcome
from skhlm.posterior.posterior import without_new
from tests.chance import assert_near
from tests.posterior.posteriors import make_posterior, make_rows

Z = np.linspace(-4, 4, 9)
BACK = Exponential(-1.0, 2.0, 0.1)


@pytest.fixture(scope="module")
def posterior():
    """Normal residuals about some hundred draws."""
    return make_posterior(student=False, full=False)


@pytest.mark.parametrize(
    ("inverse", "expected"),
    [
        (np.exp, (0, 1, 1)),
        (np.expm1, (-1, 1, 1)),
        (lambda z: 10**z, (0, 1, np.log(10))),
        (lambda z: 5 * np.exp(-0.01 * z + 3) + 7, (7, 5 * np.exp(3), -0.01)),
    ],
)
def test_an_exponential_function_is_found(inverse, expected):
    for middle in (0.0, 3.0):
        found = Exponential.through(Z + middle, inverse(Z + middle))
        numbers = [found.shift, found.factor, found.rate]
        np.testing.assert_allclose(numbers, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("inverse", [np.square, np.cbrt, lambda z: 2 * z, np.sinh, np.sign])
def test_other_functions_are_none(inverse):
    assert Exponential.through(Z, inverse(Z)) is None
    assert Exponential.through(Z + 5, inverse(Z + 5)) is None


def test_falling_from_above_is_none():
    """1 - exp(-z) has outcomes below one: no shifted logarithm has these."""
    assert Exponential.through(Z, 1 - np.exp(-Z)) is None


def test_expected_values_are_those_of_log_normal_outcomes(posterior):
    """c + a exp(b eta + (b sigma)^2 / 2) in each draw: rows of known levels, by hand."""
    X, codes = make_rows(20, new=False)
    eta = posterior.draws.expected_value(posterior.units.centred(X), codes)
    log_mean = 0.1 * eta + 0.5 * (0.1 * posterior.auxiliary["sigma"]) ** 2
    found = of_outcome(posterior, BACK)
    mean = prediction.expected_value(found, X, codes)
    np.testing.assert_allclose(mean, (-1 + 2 * np.exp(log_mean)).mean(axis=1), rtol=1e-10)
    ends = prediction.interval(found, X, codes, 0.8, "mean")
    between = np.quantile(log_mean, [0.1, 0.9], axis=1).T  # of logarithms, which are in order
    np.testing.assert_allclose(ends, -1 + 2 * np.exp(between), rtol=1e-9)


def test_outcomes_that_are_drawn_have_this_mean(posterior):
    """By simulation of y itself, new levels and residuals included, from every draw."""
    X, codes = make_rows(6)
    rng, n = np.random.default_rng(0), 2000
    Z = posterior.units.centred(X)
    eta = posterior.draws.expected_value(Z, without_new(codes))[:, None]
    sd = np.sqrt(prediction.variance_of_new(posterior, Z, codes))[:, None]
    size = (len(X), n, posterior.n_draws)
    z = eta + sd * rng.standard_normal(size)
    z += posterior.auxiliary["sigma"] * rng.standard_normal(size)
    y = -1 + 2 * np.exp(0.01 * z)
    back = replace(BACK, rate=0.01)  # so small that means of y settle
    found = prediction.expected_value(of_outcome(posterior, back), X, codes)
    error = (y - y.mean(axis=1, keepdims=True)).std(axis=(1, 2)) / np.sqrt(n * posterior.n_draws)
    assert_near(y.mean(axis=(1, 2)), found, error)


def test_without_an_intercept_there_is_one_for_the_rest(posterior):
    """Coefficients move one place on, those that vary, too."""
    units = replace(posterior.units, fit_intercept=False, x_center=np.zeros(3))
    bare = replace(posterior, units=units)
    X = np.random.default_rng(1).normal(size=(5, 3))
    codes = make_rows(5, new=False)[1]
    eta = bare.draws.expected_value(X, codes)
    draws = -1 + 2 * np.exp(0.1 * eta + 0.5 * (0.1 * bare.auxiliary["sigma"]) ** 2)
    mean = prediction.expected_value(of_outcome(bare, BACK), X, codes)
    np.testing.assert_allclose(mean, draws.mean(axis=1), rtol=1e-10)


def test_a_rate_below_zero_turns_effects_round(posterior):
    X, codes = make_rows(5)
    found = of_outcome(posterior, replace(BACK, rate=-0.1))
    eta = posterior.draws.expected_value(posterior.units.centred(X), without_new(codes))
    variance = prediction.variance_of_new(posterior, posterior.units.centred(X), codes)
    lift = 0.005 * (posterior.auxiliary["sigma"] ** 2 + variance)
    draws = -1 + 2 * np.exp(-0.1 * eta + lift)
    np.testing.assert_allclose(
        prediction.expected_value(found, X, codes), draws.mean(axis=1), rtol=1e-10
    )


def test_the_link_is_a_logarithm_of_what_is_above_the_shift():
    link, eta, v = ShiftedLog(-1.0), np.array([[-1.0, 0.5, 2.0]]), np.full((1, 3), 0.3)
    np.testing.assert_allclose(link.link(link.inverse(eta)), eta)
    np.testing.assert_allclose(link.mean_over_normal(eta, v), np.exp(eta + 0.15) - 1)
    first, second = link.slopes_over_normal(eta, v)
    np.testing.assert_allclose([first, second], [np.exp(eta + 0.15)] * 2)
    np.testing.assert_allclose(link.derivative(eta), np.exp(eta))
    average = link.averaging_over_normal()(eta.copy(), v.copy())
    np.testing.assert_allclose(average, (np.exp(eta + 0.15) - 1).mean(axis=1))
    np.testing.assert_allclose(link.average(eta.copy()), (np.exp(eta) - 1).mean(axis=1))
    np.testing.assert_allclose(
        link.variance_over_normal(eta, v), np.exp(2 * eta + 0.3) * np.expm1(0.3)
    )

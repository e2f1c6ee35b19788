"""Binomial, poisson, negative binomial, gamma: against scipy, each other, and far out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from skhlm.families import Binomial, Gamma, NegativeBinomial, Poisson

RNG = np.random.default_rng(4)
ETA = np.array([-4.0, 0.0, 2.5])[:, None]
COUNTS = np.array([0.0, 1, 2, 7, 15, 16, 17, 60])
FAR = np.array([0.0, 1e-9, 0.01, 0.5, 0.99, 1 - 1e-9])


@pytest.mark.parametrize("trials", [1, 7, 1_000_000])
def test_binomial_rows_are_scipys(trials):
    k = np.floor(np.linspace(0, trials, 12))
    y, weight, nothing = k / trials, np.full(12, float(trials)), {}
    density = weight * Binomial().log_density(y, ETA, nothing) + Binomial().log_constant(y, weight)
    expected = stats.binom.logpmf(k, trials, 1 / (1 + np.exp(-ETA)))
    np.testing.assert_allclose(density, expected, rtol=1e-8, atol=1e-9)


def test_the_constant_of_shares_is_that_of_whole_successes():
    trials = np.arange(1.0, 200)
    for k in (0, 1, 49):
        m = trials[trials >= k]
        exact = Binomial().log_constant(k / m, m)
        found = Binomial().log_constant((k / m) * (1 + 4e-16), m)
        np.testing.assert_array_equal(found, exact)
    assert Binomial().log_constant(np.ones(1), np.array([2.5])) == pytest.approx(0, abs=1e-14)


def test_poisson_counts_are_scipys():
    expected = stats.poisson.logpmf(COUNTS, np.exp(ETA))
    np.testing.assert_allclose(Poisson().log_density(COUNTS, ETA, {}), expected, rtol=1e-12)


@pytest.mark.parametrize("overdispersion", [0.05, 0.7, 20.0])
def test_negative_binomial_counts_are_scipys(overdispersion):
    aux = {"overdispersion": np.float64(overdispersion)}
    phi = overdispersion**-2
    share = phi / (phi + np.exp(ETA))
    expected = stats.nbinom.logpmf(COUNTS, phi, share)
    found = NegativeBinomial().log_density(COUNTS, ETA, aux)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("overdispersion", [0.2, 1.5])
def test_negative_binomial_counts_are_poisson_counts_of_gamma_rates(overdispersion):
    rate = stats.gamma(overdispersion**-2, scale=overdispersion**2)
    aux, eta = {"overdispersion": np.float64(overdispersion)}, 1.1
    for y in (0.0, 3.0, 12.0):
        mass, _ = integrate.quad(
            lambda p, y=y: np.exp(Poisson().log_density(y, eta + np.log(rate.ppf(p)), {})), 0, 1
        )
        assert np.exp(NegativeBinomial().log_density(y, eta, aux)) == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize("mean", [0.01, 3.0, 1e4])
def test_without_overdispersion_the_counts_are_poisson(mean):
    aux, eta = {"overdispersion": np.float64(1e-8)}, np.log(mean)
    y = Poisson().quantile(np.array([0.01, 0.5, 0.99]), eta, {})
    one, other = NegativeBinomial(), Poisson()
    for name in ("log_density", "score", "curvature", "cdf"):
        found, expected = (getattr(f, name)(y, eta, aux) for f in (one, other))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(one.quantile(FAR, eta, aux), other.quantile(FAR, eta, aux))
    assert one.variance(eta, aux) == pytest.approx(mean)


@pytest.mark.parametrize("overdispersion", [0.0, 1e-120, 1e-60])
def test_so_little_overdispersion_that_its_square_is_none(overdispersion):
    aux, y = {"overdispersion": np.float64(overdispersion)}, np.arange(30.0)
    for name in ("log_density", "cdf"):
        found, expected = (getattr(f, name)(y, 1.3, aux) for f in (NegativeBinomial(), Poisson()))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cv", [0.01, 0.6, 3.0])
def test_gamma_outcomes_are_scipys(cv):
    aux, y = {"cv": np.float64(cv)}, np.exp(ETA) * np.array([0.3, 0.97, 1.0, 1.2, 5.0])
    expected = stats.gamma.logpdf(y, cv**-2, scale=cv**2 * np.exp(ETA))
    np.testing.assert_allclose(Gamma().log_density(y, ETA, aux), expected, rtol=1e-9, atol=1e-9)


def test_gamma_of_cv_one_is_exponential():
    y = np.array([1e-6, 0.4, 30.0])
    found = Gamma().log_density(y, ETA, {"cv": np.float64(1)})
    np.testing.assert_allclose(found, -ETA - y * np.exp(-ETA), rtol=1e-13, atol=1e-14)


def test_densities_of_large_counts_do_not_cancel():
    """At the mode of a billion the density is 1 / sqrt(2 pi variance) but for 1e-10 of it."""
    y, eta = np.array(1e9), np.log(1e9)
    assert Poisson().log_density(y, eta, {}) == pytest.approx(
        -0.5 * np.log(2 * np.pi * y), abs=1e-9
    )
    for overdispersion in (1e-8, 1e-4):
        aux = {"overdispersion": np.float64(overdispersion)}
        expected = -0.5 * np.log(2 * np.pi * NegativeBinomial().variance(eta, aux))
        found = NegativeBinomial().log_density(y, eta, aux)
        assert found == pytest.approx(expected, abs=2e-8)  # skewness: overdispersion^2 of it


def test_far_out_nothing_is_lost():
    eta = np.array([-800.0, -40.0, 40.0, 800.0])
    for y, side in ((1.0, 1), (0.0, -1)):
        expected = -np.logaddexp(0, -side * eta)
        np.testing.assert_allclose(Binomial().log_density(y, eta, {}), expected, rtol=1e-15)
    score = Binomial().score(np.ones(4), eta, {})
    np.testing.assert_allclose(score[1:3], [1.0, np.exp(-40.0)], rtol=1e-15)
    np.testing.assert_array_equal(score[[0, 3]], [1.0, 0.0])
    near = Poisson().log_density(np.array([0.0, 3.0]), -700.0, {})
    np.testing.assert_allclose(near, [-np.exp(-700.0), -2100 - np.log(6)], rtol=1e-14)


@pytest.mark.parametrize("mean", [1e-3, 0.9, 40.0, 1e9])
@pytest.mark.parametrize("overdispersion", [None, 1e-3, 0.8, 30.0])
def test_quantiles_of_counts_are_the_smallest_with_the_probability(mean, overdispersion):
    family = Poisson() if overdispersion is None else NegativeBinomial()
    aux, eta = {"overdispersion": np.float64(overdispersion or 0)}, np.log(mean)
    y = family.quantile(FAR, eta, aux)
    assert (y == np.floor(y)).all()
    assert (family.cdf(y, eta, aux) >= FAR).all()
    assert ((family.cdf(y - 1, eta, aux) < FAR) | (y == 0)).all()
    assert family.quantile(np.float64(1), eta, aux) == np.inf


def test_draws_are_never_impossible():
    eta, rng = np.array([-900.0, 0.0, 60.0, 900.0]), np.random.default_rng(5)
    for size in (1e-120, 1.0, 1e3):
        aux = {name: np.full(4, size) for name in ("overdispersion", "cv")}
        for family in (Binomial(), Poisson(), NegativeBinomial(), Gamma()):
            y = family.draw(eta, aux, rng)
            assert np.isfinite(y).all()
            assert family.find_flaw(y) is None


@pytest.mark.parametrize(
    ("family", "y", "wrong", "remedy"),
    [
        (Poisson(), [0, -1, 2.5, -3], [1, 3], "Poisson counts are not negative. Take what is"),
        (Poisson(), [0, 2.5], [1], "Poisson counts are whole numbers: round, or family='gamma'."),
        (NegativeBinomial(), [0.5, 2], [0], "negative binomial counts are whole numbers"),
        (Binomial(), [0.2, 3], [1], "divide by the trials and give these as sample_weight"),
        (Binomial(), [-0.1, 0.3], [0], "binomial outcomes are shares"),
        (Gamma(), [1, 0.0], [1], "gamma outcomes are above zero"),
    ],
)
def test_what_an_outcome_may_not_be(family, y, wrong, remedy):
    flaw = family.find_flaw(np.array(y, dtype=float))
    assert np.flatnonzero(flaw.wrong).tolist() == wrong
    assert remedy in flaw.remedy


@pytest.mark.parametrize("family", [Poisson(), NegativeBinomial()])
@pytest.mark.parametrize("n", [1, 4, 10_000])
def test_counts_are_too_many_where_rounding_takes_their_digits(family, n):
    y, weight = np.full(n, 1.0), np.ones(n)
    y[-1] = 2.9e14 / np.sqrt(n)
    assert family.find_extreme(y, weight) is None
    weight[-1] = 2
    flaw = family.find_extreme(y, weight)
    assert np.flatnonzero(flaw.wrong).tolist() == [n - 1]
    assert "events in all" in flaw.remedy and "family='gamma'" in flaw.remedy
    assert family.find_extreme(np.full(n, 1.7e308), weight).wrong[-1]


def test_trials_are_too_many_where_rounding_takes_their_digits():
    y, weight = np.array([0.5, 0.2]), np.array([1.0, 6e15])
    assert Binomial().find_extreme(y, weight) is None
    flaw = Binomial().find_extreme(y, 1.2 * weight)
    assert flaw.wrong.tolist() == [False, True]
    assert "7.2e+15 trials" in flaw.remedy


def test_amounts_whose_squares_are_no_doubles_are_too_extreme():
    y = np.array([1e-150, 1.0, 1e150])
    assert Gamma().find_extreme(y, np.ones(3)) is None
    flaw = Gamma().find_extreme(y * [0.9, 1, 1.1], np.ones(3))
    assert flaw.wrong.tolist() == [True, False, True]
    assert "Change the unit" in flaw.remedy


def test_the_centre_is_the_rate():
    y, weight, offset = np.array([3.0, 0, 5]), np.array([1.0, 2, 1]), np.log([1.0, 4, 2])
    for family, events in ((Poisson(), 8.5), (NegativeBinomial(), 8.5), (Gamma(), 8)):
        rate = np.log(events / 11)
        assert family.centre(y, weight, offset) == pytest.approx(rate)
        assert family.centre(y, weight, offset + 2000) == pytest.approx(rate - 2000)
    unit = Gamma().centre(1e-40 * y, weight, offset)
    assert unit == pytest.approx(np.log(8 / 11) - 40 * np.log(10))
    assert Binomial().centre(y, weight, offset) == 0

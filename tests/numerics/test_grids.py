"""Grids that find a density, wherever it is, and its quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.numerics.grids import home_in, joint_tails, quantiles, tails
from skhlm.numerics.quantiles import TAILS


@pytest.mark.parametrize("box", [(-1.0, 1.0), (900.0, 1000.0), (2.999, 3.001)])
def test_a_grid_homes_in_from_anywhere(box):
    (x,), log_density = home_in(stats.norm(3, 0.2).logpdf, [box], 25)
    assert log_density[[0, -1]].max() < log_density.max() - 7
    assert np.count_nonzero(log_density > log_density.max() - 7) >= 12
    np.testing.assert_allclose(quantiles(x, log_density), stats.norm(3, 0.2).ppf(TAILS), atol=1e-3)


def test_a_grid_of_two_axes_that_go_together():
    covariance = np.array([[1.0, 1.8], [1.8, 4.0]])
    law = stats.multivariate_normal([2, -5], covariance)

    def log_density(x, y):
        return law.logpdf(np.stack(np.broadcast_arrays(x, y), axis=-1))

    axes, values = home_in(log_density, [(-1, 1), (-1, 1)], 41)
    mass = np.exp(values - values.max())
    mass /= mass.sum()
    mean = [mass.sum(axis=1 - i) @ axis for i, axis in enumerate(axes)]
    np.testing.assert_allclose(mean, [2, -5], atol=0.01)
    product = (axes[0] - mean[0]) @ mass @ (axes[1] - mean[1])
    assert product == pytest.approx(1.8, rel=0.02)


def test_quantiles_of_a_skewed_density():
    law = stats.gumbel_l(1.0, 0.8)
    x = np.linspace(*law.ppf([1e-6, 1 - 1e-9]), 41)
    np.testing.assert_allclose(quantiles(x, law.logpdf(x)), law.ppf(TAILS), atol=1e-3)


def test_tails_follow_the_density_wherever_it_is():
    for loc, scale in [(0.0, 1.0), (40.0, 1e-6), (-30.0, 5.0)]:
        found = tails(stats.norm(loc, scale).logpdf, np.array([-1.0, 0.0, 1.0]), 13)
        expected = stats.norm(loc, scale).ppf(TAILS)
        np.testing.assert_allclose(found, expected, atol=0.01 * scale)


def test_tails_of_a_skewed_density():
    density = stats.gumbel_l(1.0, 0.8)  # long to the left, as log tau near zero
    guess = density.ppf(TAILS) + np.array([0.2, -0.2, 0.1])
    np.testing.assert_allclose(tails(density.logpdf, guess, 25), density.ppf(TAILS), atol=0.01)


def test_where_a_density_is_no_number_nothing_counts():
    """As sums of squares may overflow at scales that nobody asks for."""
    guess = np.array([-40.0, 0.0, 40.0])  # so wide that the grid begins far out

    def density(x):
        return np.where(np.abs(x) > 60, np.inf, stats.norm(1, 2).logpdf(x))

    found = tails(density, guess, 25)
    np.testing.assert_allclose(found, stats.norm(1, 2).ppf(TAILS), atol=0.05)
    nowhere = tails(lambda x: np.full_like(x, np.nan), guess, 25)
    np.testing.assert_array_equal(nowhere, guess)


def test_joint_tails_are_those_of_the_marginals():
    """Of two that go together, and of two skewed ones, from a guess that is off."""
    law = stats.multivariate_normal([2, -5], [[1.0, 1.2], [1.2, 4.0]])
    curve = stats.gumbel_l(0.0, 1.0)

    def log_density(x, y):
        return law.logpdf(np.stack(np.broadcast_arrays(x, y), axis=-1))

    guess = np.array([[0.0, -8.0], [1.5, -5.5], [4.0, -1.0]])
    expected = np.stack([stats.norm(2, 1).ppf(TAILS), stats.norm(-5, 2).ppf(TAILS)], axis=1)
    found = joint_tails(log_density, guess, 15)
    np.testing.assert_allclose(found, expected, atol=0.03)
    independent = joint_tails(lambda x, y: curve.logpdf(x) + curve.logpdf(y), guess, 21)
    np.testing.assert_allclose(independent[:, 0], curve.ppf(TAILS), atol=0.03)
    np.testing.assert_allclose(independent[:, 1], curve.ppf(TAILS), atol=0.03)


def test_joint_tails_of_one_variable_are_its_tails():
    curve, guess = stats.gumbel_l(1.0, 0.8), np.array([-1.0, 0.5, 2.0])
    found = joint_tails(curve.logpdf, guess[:, None], 17)
    np.testing.assert_allclose(found[:, 0], tails(curve.logpdf, guess, 17), atol=1e-12)


def test_a_joint_density_that_is_no_number_leaves_the_guess():
    guess = np.array([[-1.0, -2.0], [0.0, 0.0], [1.0, 2.0]])
    found = joint_tails(lambda x, y: x + y + np.nan, guess, 9)
    np.testing.assert_array_equal(found, guess)

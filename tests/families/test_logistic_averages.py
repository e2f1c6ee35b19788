"""Averages of the logistic function against its mean at each draw."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.families.links import LOGIT


def averages(eta, variance):
    """What `averaging_over_normal` says, which may overwrite what it is given."""
    return LOGIT.averaging_over_normal()(eta.copy(), variance.copy())


@pytest.mark.parametrize("n_draws", [1, 200, 4800])
@pytest.mark.parametrize("sd", [0.0, 0.2, 0.49, 0.9, 1.2, 1.4, 1.9, 2.4, 2.9, 3.8, 5.7, 7.0, 20.0])
def test_averages_are_those_of_each_draw(n_draws, sd):
    """Near and far, narrow and wide, few draws and many."""
    rng = np.random.default_rng(n_draws)
    eta = np.array([-200.0, -100, -20, -5, -1, 0, 2, 8, 30, 100])[:, None]
    eta = eta + rng.normal(size=(10, n_draws))
    variance = np.square(sd * rng.uniform(0.5, 1.1, (10, n_draws)))
    expected = LOGIT.mean_over_normal(eta, variance).mean(axis=1)
    np.testing.assert_allclose(averages(eta, variance), expected, rtol=0, atol=1e-8)


def test_no_number_is_too_far_out():
    eta = np.array([[1e200, -1e200], [-1e200, 1e5], [1.0, 2.0], [1e300, 1.0]]).repeat(500, axis=1)
    variance = np.array([[0.0, 1.0], [4.0, 1e300], [np.inf, np.inf], [1e-300, 1e-3]])
    variance = variance.repeat(500, axis=1)
    expected = LOGIT.mean_over_normal(eta, variance).mean(axis=1)
    np.testing.assert_allclose(averages(eta, variance), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("eta", [-3.0, -8.0, -14.0, -25.0, -60.0])
@pytest.mark.parametrize("spread", [0.02, 0.2])
def test_rare_events_keep_their_digits(eta, spread):
    rng = np.random.default_rng(0)
    eta, variance = rng.normal(eta, 1, (1, 4800)), rng.gamma(20, spread, (1, 4800))
    expected = LOGIT.mean_over_normal(eta, variance).mean()
    assert averages(eta, variance)[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_draws", [300, 1500, 9000])
def test_no_row_depends_on_the_others(n_draws):
    """Whose draws ask for other polynomials, or for none."""
    rng = np.random.default_rng(1)
    eta = rng.normal(0, 2, (12, n_draws))
    sd = rng.choice([0.1, 0.9, 1.4, 5.0, 9.0], (12, 1))
    variance = np.square(sd) * rng.gamma(40, 1 / 40, (12, n_draws))
    whole = averages(eta, variance)
    for rows in ([3], [7, 2], range(12)[::-1]):
        at = np.array(rows)
        np.testing.assert_array_equal(averages(eta[at], variance[at]), whole[at])


def test_known_levels_have_the_average_of_the_curve():
    eta = np.random.default_rng(2).normal(0, 3, (4, 100))
    expected = LOGIT.inverse(eta).mean(axis=1)
    np.testing.assert_array_equal(LOGIT.average(eta.copy()), expected)

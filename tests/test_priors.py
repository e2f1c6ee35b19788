"""Prior distributions, and the numbers of many of them."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from scipy import stats

from skhlm.priors import Cauchy, Gamma, LocationScale, Normal, StudentT

LOG_SCALE = np.linspace(-5, 3, 9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Normal(0, 0), ValueError, "Normal: scale must be above zero, got 0"),
        (lambda: Normal(0, -1), ValueError, "scale must be above zero, got -1"),
        (lambda: Normal(inf, 1), ValueError, "loc must be finite, got inf"),
        (lambda: Normal(0, nan), ValueError, "scale must be finite, got nan"),
        (lambda: Cauchy("a", 1), TypeError, "Cauchy: loc must be a number, got 'a'"),
        (lambda: Cauchy(0, True), TypeError, "scale must be a number, got True"),
        (lambda: StudentT(0, 0, 1), ValueError, "StudentT: df must be above zero, got 0"),
        (lambda: StudentT(nan, 0, 1), ValueError, "df must be finite, got nan"),
        (lambda: Gamma(0, 1), ValueError, "Gamma: shape must be above zero"),
        (lambda: Gamma(2, inf), ValueError, "rate must be finite"),
    ],
)
def test_a_prior_that_is_no_distribution(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_one_location_scale_family_holds_them_all():
    numbers = LocationScale.of([Normal(0, 10), StudentT(3, 1, 2), Cauchy(4, 5)])
    np.testing.assert_array_equal(numbers.df, [inf, 3, 1])
    np.testing.assert_array_equal(numbers.loc, [0, 1, 4])
    np.testing.assert_array_equal(numbers.scale, [10, 2, 5])


@pytest.mark.parametrize("df", [1.0, 4.0, inf])
def test_density_of_a_log_scale(df):
    prior = LocationScale.of([Normal(), StudentT(df, 0.4, 1.7)])
    density = stats.norm(0.4, 1.7) if df == inf else stats.t(df, 0.4, 1.7)
    expected = density.logpdf(np.exp(LOG_SCALE)) + LOG_SCALE
    found = prior.log_density_of_log(LOG_SCALE, 1)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-12)


def test_a_normal_stand_in_has_the_prior_s_information():
    prior = LocationScale.of([Normal(1, 0.5), StudentT(3, -2, 2)])
    precision, score = prior.normal_stand_in(about=np.array([0.25, 1]))
    np.testing.assert_allclose(precision, [4, 4 / 6 / 4])
    np.testing.assert_allclose(score, [4 * 0.75, -3 * 4 / 6 / 4])

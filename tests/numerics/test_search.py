"""Searches for where a distribution function reaches a probability, against scipy."""

from __future__ import annotations

import pytest
from scipy import stats

from skhlm.numerics.search import reach_positive, reach_whole

P = [1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9]


@pytest.mark.parametrize("mean", [1e-3, 0.5, 7.0, 1e4, 1e9])
@pytest.mark.parametrize("start", [0.0, 50.0, 1e10])
def test_whole_numbers(mean, start):
    d = stats.poisson(mean)
    for p in P:
        found = reach_whole(d.cdf, d.pmf, p, start)
        assert d.cdf(found) >= p > d.cdf(found - 1)


def test_a_rate_of_zero_or_a_wrong_one_costs_steps_alone():
    d = stats.poisson(1000)
    for rate in (0.0, 1e9, 1e-9):
        assert reach_whole(d.cdf, lambda _, rate=rate: rate, 0.2, 3.0) == d.ppf(0.2)


@pytest.mark.parametrize("shape", [0.01, 0.5, 3.0, 1e4])
@pytest.mark.parametrize("start", [1e-5, 1.0, 1e6])
def test_positive_numbers(shape, start):
    d = stats.gamma(shape)
    for p in [0.01, 0.3, 0.5, 0.9, 1 - 1e-6]:
        found = reach_positive(d.cdf, d.pdf, p, start)
        assert found == pytest.approx(d.ppf(p), rel=1e-6)

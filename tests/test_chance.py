"""Bounds on numbers whose law is known, and seeds that move."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.random_state import seed_of
from tests import chance
from tests.chance import RATE, assert_near, at_most, largest, mean_error, sd_error


@pytest.mark.parametrize("n", [1, 100])
def test_the_largest_of_some_errors_is_beyond_its_bound_once_in_ten_thousand(n):
    exact = 1 - (1 - 2 * stats.norm.sf(largest(n))) ** n  # of independent ones
    assert exact == pytest.approx(RATE, rel=1e-4)


def test_near_is_a_matter_of_standard_errors():
    assert_near([1.0, 2.0], [1.3, 2.0], 0.1)
    assert_near(1.0, 1.0, 0.0)
    with pytest.raises(AssertionError, match=r"-0\.5 is more than chance"):
        assert_near([1.0, 2.0], [1.5, 2.0], [0.1, 9.0])


def test_counts_stay_below_their_bound():
    assert stats.binom.sf(at_most(50, 0.005), 50, 0.005) <= RATE
    assert stats.binom.sf(at_most(50, 0.005) - 1, 50, 0.005) > RATE


def test_errors_of_chains_are_those_of_independent_draws():
    """Of 400 parameters, whose errors are estimated to some 5% each."""
    chains = np.random.default_rng(0).normal(3, 2, size=(4, 1000, 400))
    np.testing.assert_allclose(mean_error(chains).mean(), 2 / 4000**0.5, rtol=0.02)
    np.testing.assert_allclose(sd_error(chains).mean(), 2 / 8000**0.5, rtol=0.03)


def test_a_shift_gives_another_seed_to_whatever_is_drawn(monkeypatch):
    monkeypatch.setattr(chance, "SHIFT", 0)
    first = seed_of(0)
    assert first == np.random.RandomState(0).randint(1, 2**31 - 1)
    monkeypatch.setattr(chance, "SHIFT", 3)
    assert seed_of(0) != first
    assert seed_of(0) == seed_of(0)
    assert seed_of(np.random.RandomState(0)) == seed_of(0)

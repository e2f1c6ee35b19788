"""What a posterior holds."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from skhlm.posterior.posterior import NEW
from tests.draws import posterior_of, with_auxiliary
from tests.posterior.posteriors import (
    UNITS,
    VARYING,
    constant_draws,
    make_posterior,
    make_rows,
    rowwise,
)


def test_residual_variance_of_student_t() -> None:
    sigma, nu = np.array([1.0, 2.0, 1.0, 3.0]), np.array([1.5, 4.0, 3.0, 6.0])
    posterior = with_auxiliary(make_posterior(chains=1, draws=4), sigma=sigma, nu=nu)
    assert posterior.outcome.error_variance == pytest.approx((8 + 13.5) / 2)
    assert with_auxiliary(posterior, nu=nu - 3).outcome.error_variance == np.inf
    steady = posterior_of(constant_draws(10, nu=5.0), VARYING, UNITS)
    assert steady.outcome.error_variance == pytest.approx(4.5**2 * 5 / 3)


def test_pickle_is_small_and_exact() -> None:
    posterior = make_posterior()
    data = pickle.dumps(posterior)
    X, codes = make_rows(50)
    assert np.array_equal(rowwise(pickle.loads(data), X, codes), rowwise(posterior, X, codes))
    numbers = sum(delta.size for delta in posterior.draws.delta)
    assert len(data) < 8 * (1.5 * numbers + 30 * posterior.n_draws) + 5000


def test_omega_within_rounding_of_singular() -> None:
    """Correlations of one have no Cholesky factor, but new levels all the same."""
    draws = constant_draws(1000, nu=None, full=True)
    ones = tuple(np.ones_like(omega) for omega in draws.omega)
    posterior = posterior_of(replace(draws, omega=ones), VARYING, UNITS)
    new = posterior.draws.delta[0][NEW]
    np.testing.assert_allclose(
        new[0] / posterior.tau[0][0], new[1] / posterior.tau[0][1], atol=1e-7
    )


def test_a_stored_sample_of_errors_is_taken_for_as_long_as_it_belongs() -> None:
    posterior = make_posterior()
    noise = posterior.outcome.sample
    stored = replace(posterior, sample=noise + 1)
    assert np.array_equal(stored.outcome.sample, noise + 1)
    assert np.array_equal(pickle.loads(pickle.dumps(stored)).outcome.sample, noise + 1)
    assert np.array_equal(stored.thinned(10).outcome.sample, posterior.thinned(10).outcome.sample)

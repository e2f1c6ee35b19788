"""Intercepts moved to x = 0 against what they are at the means."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.posterior import at_zero, prediction
from tests.posterior.posteriors import (
    UNITS,
    VARYING,
    expected_value_draws,
    make_posterior,
    make_rows,
)


@pytest.mark.parametrize("full", [True, False])
def test_coefficients_at_zero(full: bool) -> None:
    posterior = make_posterior(full=full)
    X, codes = make_rows(40)
    beta = at_zero.coefficients(posterior, codes)
    lines = beta[:, 0] + np.einsum("nk,nks->ns", X, beta[:, 1:])
    np.testing.assert_allclose(lines, expected_value_draws(posterior, X, codes), rtol=1e-9)
    described = at_zero.describe_coefficients(posterior, codes, (0.05, 0.95))
    mean = described[:, 0, 0] + (X * described[:, 1:, 0]).sum(axis=1)
    np.testing.assert_allclose(mean, prediction.expected_value(posterior, X, codes), rtol=1e-9)
    np.testing.assert_allclose(described[:, :, 1], beta.std(axis=-1), rtol=1e-9)
    np.testing.assert_allclose(described[:, :, 3], np.quantile(beta, 0.95, axis=-1), rtol=1e-9)


def test_some_effects_are_those_of_all() -> None:
    posterior = make_posterior()
    for g, n_levels in enumerate(posterior.n_levels):
        levels = np.arange(n_levels)[::-2]
        whole = at_zero.describe_effects(posterior, g, (0.05, 0.95))
        some = at_zero.describe_effects(posterior, g, (0.05, 0.95), levels)
        np.testing.assert_array_equal(some, whole[levels])
        np.testing.assert_allclose(at_zero.mean_effects(posterior, g), whole[:, :, 0], rtol=1e-9)


def test_effects_at_zero_add_up_where_the_intercept_varies() -> None:
    posterior = make_posterior(varying=VARYING[:2])
    codes = make_rows(40, new=False)[1][:, :2]
    beta = np.repeat(at_zero.kappa(posterior)[None], len(codes), axis=0)
    for g in (0, 1):
        beta[:, VARYING[g]] += at_zero.delta(posterior, g)[codes[:, g]]
    np.testing.assert_allclose(beta, at_zero.coefficients(posterior, codes), rtol=1e-9)


def test_covariance_at_zero_is_that_of_the_effects_at_zero() -> None:
    """z' Sigma z at the centre is x' Sigma_raw x at zero; slopes alone do not change."""
    posterior = make_posterior()
    X, _ = make_rows(30)
    Z, raw = UNITS.centred(X), np.column_stack([np.ones(len(X)), X])
    for g in (0, 1):
        z, x = Z[:, VARYING[g]], raw[:, VARYING[g]]
        expected = np.einsum("ni,ijs,nj->ns", z, posterior.covariance(g), z)
        found = np.einsum("ni,ijs,nj->ns", x, at_zero.covariance(posterior, g), x)
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        tau, omega = at_zero.tau(posterior, g), at_zero.omega(posterior, g)
        np.testing.assert_allclose(tau[:, None] * tau * omega, at_zero.covariance(posterior, g))
    assert np.array_equal(at_zero.covariance(posterior, 2), posterior.covariance(2))

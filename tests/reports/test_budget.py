"""The parts of a prediction's variance against covariances of draws, and their sum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from skhlm.posterior import NEW, prediction
from skhlm.posterior.outcomes import residuals_of
from skhlm.reports.budget import shares, shares_of, variance_parts
from tests.draws import with_auxiliary
from tests.posterior.posteriors import FACTORS, VARYING, make_posterior, make_rows


@pytest.mark.parametrize("student", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_parts_add_up_to_the_predictive_variance(student: bool, full: bool) -> None:
    posterior = make_posterior(student=student, full=full)
    X, codes = make_rows(60)
    variance = variance_parts(posterior, X, codes)
    assert variance.shape == (60, 5)
    total = prediction.predictive_std(posterior, X, codes) ** 2
    np.testing.assert_allclose(variance.sum(axis=1), total, rtol=1e-12)
    np.testing.assert_allclose(shares(variance).sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(shares(variance) * total[:, None], variance, rtol=1e-10, atol=1e-12)


def test_parts_of_levels_seen_are_covariances_with_the_sum() -> None:
    posterior = make_posterior()
    X, codes = make_rows(20, new=False)
    Z = posterior.units.centred(X)
    parts = [Z @ posterior.draws.kappa]
    for g in FACTORS:
        effects = posterior.draws.delta[g][codes[:, g]]
        parts.append(np.einsum("nk,nks->ns", Z[:, VARYING[g]], effects))
    eta = sum(parts)
    found = variance_parts(posterior, X, codes)
    for j, part in enumerate(parts):
        expected = [np.cov(p, e, ddof=0)[0, 1] for p, e in zip(part, eta, strict=True)]
        np.testing.assert_allclose(found[:, j], expected, rtol=1e-10)


def test_a_new_level_has_the_variance_of_its_factor() -> None:
    posterior = make_posterior()
    X, codes = make_rows(10, new=False)
    codes[:, 1] = NEW
    z = posterior.units.centred(X)[:, VARYING[1]]
    expected = np.einsum("ni,ijs,nj->ns", z, posterior.covariance(1), z).mean(axis=1)
    np.testing.assert_allclose(variance_parts(posterior, X, codes)[:, 2], expected, rtol=1e-10)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = make_posterior()
    X, codes = make_rows(10)
    whole = variance_parts(posterior, X, codes)
    monkeypatch.setattr("skhlm.reports.budget.BLOCK_BYTES", 1)
    np.testing.assert_allclose(variance_parts(posterior, X, codes), whole, rtol=1e-10)


def test_a_residual_without_variance_has_the_share_of_its_half_width() -> None:
    """Between parts of coefficients and a Cauchy-like residual shares stay of use."""
    posterior, nu, sigma = make_posterior(), 1.5, 0.4
    n = posterior.n_draws
    heavy = with_auxiliary(posterior, nu=np.full(n, nu), sigma=np.full(n, sigma))
    X, codes = make_rows(4)
    variance = variance_parts(heavy, X, codes)
    assert np.isinf(variance[:, -1]).all()
    assert np.isfinite(variance[:, :-1]).all()
    share = shares_of(heavy, X, codes, variance)
    half_width = sigma * t(nu).ppf(norm.cdf(1))
    expected = np.column_stack([variance[:, :-1], np.full(4, half_width**2)])
    np.testing.assert_allclose(share, shares(expected), rtol=0.01)  # of 2000 strata


def test_half_widths_of_residuals_are_sds_of_normal_ones() -> None:
    posterior = make_posterior()
    n = posterior.n_draws
    light = with_auxiliary(posterior, nu=np.full(n, 1e6), sigma=np.full(n, 0.4))
    outcome = residuals_of(light.outcome)
    np.testing.assert_allclose(outcome.error_half_width, np.sqrt(outcome.error_variance), rtol=5e-3)


def test_what_is_infinite_beside_the_residual_is_all_there_is() -> None:
    assert np.array_equal(shares(np.array([[1.0, np.inf, 2.0]])), [[0, 1, 0]])

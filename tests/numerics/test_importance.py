"""Pareto smoothed importance sampling against ArviZ, known tails and known expectations."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import genpareto, multivariate_normal

from skhlm.numerics import importance
from skhlm.numerics.importance import k_threshold, smooth


@pytest.mark.parametrize("n_draws", [50, 100, 224, 1000, 4800])
@pytest.mark.parametrize("r_eff", [0.3, 1.0, 1.4])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0, 50.0])
def test_weights_and_k_are_those_of_arviz(n_draws, r_eff, spread):
    x = spread * np.random.default_rng(n_draws).standard_normal((3, n_draws))
    expected_weights, expected_k = array_stats.psislw(-x, r_eff=r_eff)
    result = smooth(x, r_eff)
    assert_allclose(result.pareto_k, expected_k, rtol=0, atol=1e-8)
    assert_allclose(result.log_weights, expected_weights, rtol=0, atol=1e-8)
    assert_allclose(result.ess, r_eff / np.exp(2 * expected_weights).sum(axis=-1), rtol=1e-8)


def test_leading_axes_and_blocks_make_no_difference(monkeypatch):
    x = np.random.default_rng(0).standard_t(3, (4, 5, 300))
    whole = smooth(x)
    monkeypatch.setattr(importance, "BLOCK_BYTES", 1)
    single = smooth(x[2, 3])
    assert whole.pareto_k.shape == whole.ess.shape == (4, 5)
    assert single.pareto_k.shape == ()
    np.testing.assert_array_equal(smooth(x).log_weights, whole.log_weights)
    np.testing.assert_array_equal(single.log_weights, whole.log_weights[2, 3])
    assert single.pareto_k == whole.pareto_k[2, 3]


@pytest.mark.parametrize("k", [0.2, 0.5, 0.9, 1.5])
def test_k_of_pareto_ratios_is_found(k):
    ratios = genpareto(k).rvs((400, 2000), random_state=np.random.default_rng(1))
    estimates = smooth(np.log1p(ratios)).pareto_k
    tail = 3 * 2000**0.5
    drawn = (tail * k + 10 * 0.5) / (tail + 10)  # the estimate's own prior
    error = (1 + k) / tail**0.5 / 20
    assert abs(estimates.mean() - drawn) < 4 * error + 0.02


def test_weights_estimate_the_target():
    rng = np.random.default_rng(2)
    target = multivariate_normal([0.5, -0.5], [[1.0, 0.3], [0.3, 1.0]])
    proposal = multivariate_normal([0, 0], np.eye(2))
    x = proposal.rvs((200, 1000), random_state=rng)
    result = smooth(target.logpdf(x) - proposal.logpdf(x))
    means = (np.exp(result.log_weights)[:, :, None] * x).sum(axis=1)
    error = means.std(axis=0, ddof=1) / 200**0.5
    assert (np.abs(means.mean(axis=0) - [0.5, -0.5]) < 4 * error).all()
    assert_allclose(means.std(axis=0), 1 / np.sqrt(result.ess.mean()), rtol=0.35)


def test_weights_sum_to_one_and_keep_the_order_of_the_ratios():
    x = 3 * np.random.default_rng(3).standard_normal((20, 500))
    weights = smooth(x).log_weights
    assert_allclose(logsumexp(weights, axis=-1), 0, atol=1e-12)
    order = np.argsort(x, axis=-1)
    assert (np.diff(np.take_along_axis(weights, order, axis=-1), axis=-1) >= 0).all()


def test_a_constant_added_to_the_log_ratios_changes_nothing():
    x = np.random.default_rng(4).integers(-1024, 1024, (2, 400)) / 256
    for shift in (-(2.0**20), 2.0**20):
        np.testing.assert_array_equal(smooth(x + shift).log_weights, smooth(x).log_weights)


def test_equal_ratios_have_equal_weights_and_k_zero():
    result = smooth(np.full((2, 100), -7.0))
    np.testing.assert_array_equal(result.pareto_k, 0)
    assert_allclose(result.log_weights, -np.log(100))
    assert_allclose(result.ess, 100)


@pytest.mark.parametrize("n_draws", [1, 2, 24])
def test_too_few_draws_are_not_smoothed(n_draws):
    x = np.random.default_rng(5).standard_normal(n_draws) + np.arange(n_draws)
    result = smooth(x)
    assert_allclose(result.log_weights, x - logsumexp(x))
    assert result.pareto_k == (0 if n_draws == 1 else np.inf)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_ratio_that_is_no_number_spoils_its_row_alone(value):
    x = np.random.default_rng(6).standard_normal((2, 100))
    clean = smooth(x)
    x[0, 7] = value
    result = smooth(x)
    assert np.isnan(result.log_weights[0]).all()
    assert np.isnan(result.ess[0])
    assert result.pareto_k[0] == np.inf
    np.testing.assert_array_equal(result.log_weights[1], clean.log_weights[1])


def test_minus_infinity_is_a_weight_of_zero():
    x = np.random.default_rng(7).standard_normal((1, 500))
    x[0, :100] = -np.inf
    result = smooth(x)
    assert np.isneginf(result.log_weights[0, :100]).all()
    assert np.isfinite(result.pareto_k[0])
    nothing = smooth(np.full((1, 50), -np.inf))
    assert np.isnan(nothing.log_weights).all()
    assert nothing.pareto_k[0] == np.inf


@pytest.mark.parametrize("n_top", [1, 3, 60, 99])
def test_ties_are_not_smoothed_where_the_tail_is_one_value(n_top):
    x = np.zeros((1, 100))
    x[0, :n_top] = 2.0
    result = smooth(x)
    assert_allclose(result.log_weights, x - logsumexp(x))
    assert result.pareto_k[0] == np.inf


def test_one_draw_that_has_all_the_weight_is_told():
    x = np.random.default_rng(8).standard_normal((1, 1000)) * 400
    result = smooth(x)
    assert result.pareto_k[0] > 0.7
    assert result.ess[0] < 2
    assert_allclose(logsumexp(result.log_weights), 0, atol=1e-12)


def test_threshold_of_k():
    assert_allclose(k_threshold(100), 0.5)
    assert_allclose(k_threshold(1000), 1 - 1 / 3)
    assert k_threshold(4800) == 0.7
    assert k_threshold(1) == -np.inf

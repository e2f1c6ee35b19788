"""Transforms of outcomes against closed forms, and against the exact ones of scoring."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import binom, kstest, norm

from skhlm.methods.fitted_rows import rows_singly
from skhlm.posterior import prediction
from skhlm.posterior.scoring import pit_ends
from skhlm.posterior.transforms import (
    quantile_residuals,
    share_below,
    transform_ends,
    transform_ends_left_out,
)
from tests.chance import RATE
from tests.link_models import amounts, classifier, counts, shares
from tests.posterior.test_leave_one_out import _conjugate


def of_mean(y):
    """Predictors, levels, outcomes and trials of rows that have a mean alone."""
    n = len(y)
    return np.empty((n, 0)), np.zeros((n, 0), dtype=np.int64), y, np.ones(n)


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).standard_normal(30)


def test_transforms_of_a_mean_are_their_closed_form(y):
    """Errors of probabilities over 20,000 draws: below 0.005 by far."""
    n = len(y)
    posterior = _conjugate(y, n_draws=20_000)
    exact = norm(y.mean(), np.sqrt(1 + 1 / n)).cdf(y)
    ends = transform_ends(posterior, *of_mean(y))
    assert_allclose(ends, np.column_stack([exact, exact]), atol=0.005)


def test_transforms_of_rows_left_out_are_their_closed_form(y):
    n = len(y)
    without = (y.sum() - y) / (n - 1)
    exact = norm(without, np.sqrt(1 + 1 / (n - 1))).cdf(y)
    found = transform_ends_left_out(_conjugate(y, n_draws=20_000), *of_mean(y))
    assert_allclose(found.ends[:, 0], exact, atol=0.005)
    assert_allclose(found.ends[:, 1], found.ends[:, 0])
    in_sample = norm(y.mean(), np.sqrt(1 + 1 / n)).cdf(y)
    assert np.abs(found.ends[:, 0] - exact).max() < np.abs(in_sample - exact).max() / 2
    assert (found.pareto_k < 0.5).all()


@pytest.mark.parametrize("make", [classifier, counts, lambda: counts("negative_binomial"), amounts])
def test_transforms_are_those_of_scores(make):
    model = make()
    rows = rows_singly(model, None, None, None)
    some = slice(None, None, 17)
    X, codes, y, trials = rows.X[some], rows.codes[some], rows.y[some], rows.trials[some]
    exact = pit_ends(model._posterior, X, codes, y)
    assert_allclose(transform_ends(model._posterior, X, codes, y, trials), exact, atol=2e-4)


def test_shares_are_transformed_as_successes():
    model = shares()
    rows = rows_singly(model, None, None, None)
    assert (rows.trials == 10).all()
    some = np.arange(0, 360, 40)
    X, codes, k = rows.X[some], rows.codes[some], rows.y[some]
    ends = transform_ends(model._posterior, X, codes, k, rows.trials[some])
    for i in range(len(some)):
        _, eta = next(prediction.draws_of_eta(model._posterior, X[[i]], codes[[i]]))
        below = binom.cdf([[k[i] - 1], [k[i]]], 10, expit(eta)).mean(axis=1)
        assert_allclose(ends[i], below, atol=1e-12)


@pytest.mark.parametrize("make", [counts, shares])
def test_quantile_residuals_of_what_the_model_draws_are_normal(make):
    model = make()
    rows = rows_singly(model, None, None, None)
    rng = np.random.default_rng(0)
    pick = rng.integers(model._posterior.n_draws)
    posterior = model._posterior.thinned(model._posterior.n_draws)
    y = np.empty(len(rows.y))
    for at, eta in prediction.draws_of_eta(posterior, rows.X, rows.codes):
        chance = posterior.family.link.inverse(eta[:, pick])
        trials = rows.trials[at].astype(int)
        y[at] = rng.binomial(trials, chance) if make is shares else rng.poisson(chance)
    ends = transform_ends(posterior, rows.X, rows.codes, y, rows.trials)
    residuals = quantile_residuals(ends, rng)
    assert kstest(residuals, "norm").pvalue > RATE
    assert np.isfinite(residuals).all()


def test_outcomes_that_cannot_be_have_finite_residuals():
    ends = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    low, high, middle = quantile_residuals(ends, np.random.default_rng(0))
    assert -8.4 < low < -8 and 8 < high < 8.4 and middle == 0


def test_shares_below_by_hand():
    ends = np.array([[0.2, 0.2], [0.4, 0.8]])
    found = share_below(ends, np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.8, 1.0]))
    assert_allclose(found, [0, 0, 0.5, 0.625, 0.75, 1, 1])

"""Leave-one-out densities against ArviZ, closed forms and repeated rows."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from numpy.testing import assert_allclose
from scipy.stats import norm
from scipy.stats import t as student_t
from sklearn.exceptions import ConvergenceWarning

from skhlm.draws import Draws
from skhlm.inputs.design import Rows, Units
from skhlm.posterior.leave_one_out import leave_one_out, relative_efficiency
from skhlm.posterior.loo_comparison import compare_loo
from skhlm.posterior.scoring import log_likelihood
from tests.draws import auxiliary, posterior_of, with_auxiliary

_UNITS = Units(True, 0.0, 1.0, np.zeros(0), np.ones(0))


def _mean_only(mu, sigma, nu=None):
    """A posterior of y_i ~ mu + noise from draws (chains, draws) of mu."""
    shape = np.shape(mu)
    draws = Draws(
        kappa=np.asarray(mu)[..., None],
        delta=(),
        tau=(),
        omega=(),
        auxiliary=auxiliary(np.full(shape, sigma), nu),
    )
    return posterior_of(draws, (), _UNITS)


def _rows(y, weight=None):
    y = np.asarray(y, dtype=float)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    return Rows(
        np.empty((len(y), 0)), y, weight, np.zeros(len(y), dtype=int), np.zeros((1, 0), dtype=int)
    )


def _loo(posterior, rows):
    return leave_one_out(posterior, rows, pd.DataFrame(index=range(len(rows.y))))


def _conjugate(y, weight=None, n_draws=4000, seed=0):
    """Exact draws of the mean of y_i ~ normal(mu, 1) under a flat prior."""
    weight = np.ones(len(y)) if weight is None else weight
    n = np.sum(weight)
    z = np.random.default_rng(seed).standard_normal((4, n_draws // 4))
    return _mean_only(np.average(y, weights=weight) + z / n**0.5, 1.0)


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).standard_normal(30)


def test_elpd_of_a_mean_is_its_closed_form(y):
    n = len(y)
    without = (y.sum() - y) / (n - 1)
    exact = norm(without, np.sqrt(1 + 1 / (n - 1))).logpdf(y)
    result = _loo(_conjugate(y, n_draws=20000), _rows(y))
    assert_allclose(result.pointwise["elpd"], exact, atol=0.01)
    in_sample = norm(y.mean(), np.sqrt(1 + 1 / n)).logpdf(y)
    assert_allclose(result.p_loo, (in_sample - exact).sum(), rtol=0.05)
    assert_allclose(result.se, np.sqrt(n * exact.var()), rtol=0.02)


def test_the_expected_y_is_the_mean_of_the_others(y):
    """Within 6 Monte Carlo errors of 20000 draws of a mean, whose weights vary little."""
    result = _loo(_conjugate(y, n_draws=20000), _rows(y))
    without = (y.sum() - y) / (len(y) - 1)
    error = 1 / np.sqrt(len(y) * 20000)
    assert_allclose(result.pointwise["mean"], without, atol=6 * error * np.abs(y).max())


def test_predictions_come_in_the_order_given():
    rows = _rows([1.0, 2.0, 5.0], [2, 1, 1])
    rows = replace(rows, given=np.array([2, 0, 1, 0]), given_weight=np.ones(4))
    result = _loo(_conjugate(np.array([1.0, 1.0, 2.0, 5.0])), rows)
    mean = result.pointwise["mean"].to_numpy()
    assert result.predictions.tolist() == mean[[2, 0, 1, 0]].tolist()
    assert mean[0] > mean[2]  # without a 1 the others' mean is higher than without the 5


@pytest.mark.parametrize("nu", [None, 3.0])
def test_agrees_with_arviz(y, nu):
    posterior = _conjugate(y)
    posterior = with_auxiliary(posterior, **auxiliary(posterior.auxiliary["sigma"], nu))
    result = _loo(posterior, _rows(y))
    residual = y[:, None] - posterior.draws.kappa
    log_p = norm.logpdf(residual) if nu is None else student_t(nu).logpdf(residual)
    elpd, k, p_loo = array_stats.loo(
        log_p.reshape(len(y), 4, -1), chain_axis=1, draw_axis=2, r_eff=result.r_eff
    )
    assert_allclose(result.pointwise["elpd"], elpd, rtol=0, atol=1e-9)
    assert_allclose(result.pointwise["p_loo"], p_loo, rtol=0, atol=1e-9)
    assert_allclose(result.pointwise["pareto_k"], k, rtol=0, atol=1e-8)
    assert_allclose(result.elpd, elpd.sum(), atol=1e-6)
    assert_allclose(result.se, np.sqrt(len(y) * elpd.var()), rtol=1e-9)


def test_efficiency_is_the_mean_over_rows_of_that_of_their_densities(y):
    rng = np.random.default_rng(2)
    steps = rng.standard_normal((4, 1000))
    for i in range(1, 1000):
        steps[:, i] = 0.8 * steps[:, i - 1] + 0.6 * steps[:, i]
    posterior = _mean_only(steps / 5, 1.0)
    p = norm(0, 1).pdf(y[:, None, None] - steps / 5)
    expected = [array_stats.ess(row, method="mean") / 4000 for row in p]
    assert_allclose(relative_efficiency(posterior, _rows(y)), np.mean(expected), rtol=1e-8)
    assert np.mean(expected) < 0.5


def test_independent_draws_have_efficiency_one(y):
    posterior = replace(_conjugate(y), n_chains=0)
    assert relative_efficiency(posterior, _rows(y)) == 1.0
    assert relative_efficiency(_conjugate(y, n_draws=8), _rows(y)) == 1.0


def test_a_weight_is_a_number_of_equal_rows(y):
    weight = np.arange(30) % 3 + 1
    posterior = _conjugate(y, weight)
    merged = _loo(posterior, _rows(y, weight))
    repeated = _loo(posterior, _rows(np.repeat(y, weight)))
    assert merged.n == repeated.n == weight.sum()
    for name in ("elpd", "se", "p_loo"):
        assert_allclose(getattr(merged, name), getattr(repeated, name), rtol=0.002)


def test_a_weight_below_one_is_left_out_whole(y):
    weight = np.full(30, 0.5)
    n = weight.sum()
    without = (0.5 * y.sum() - 0.5 * y) / (n - 0.5)
    exact = norm(without, np.sqrt(1 + 1 / (n - 0.5))).logpdf(y)
    result = _loo(_conjugate(y, weight, n_draws=20000), _rows(y, weight))
    assert_allclose(result.pointwise["elpd"], exact, atol=0.015)
    assert_allclose(result.elpd, 0.5 * result.pointwise["elpd"].sum())


def test_an_influential_row_is_told():
    y = np.r_[np.zeros(9), 12.0]
    with pytest.warns(UserWarning, match=r"Pareto k is above 0\.70 for 1 of 10 distinct rows"):
        result = _loo(_conjugate(y), _rows(y))
    assert result.n_unreliable == 1
    assert result.pointwise["pareto_k"].idxmax() == 9
    assert "1 of 10 distinct rows above 0.70" in repr(result)


def test_log_likelihood_comes_once_for_each_row(y):
    posterior = _conjugate(y)
    rows = _rows(y)
    found = log_likelihood(posterior, rows.X, rows.codes[rows.cell], rows.y, width=10**6)
    seen, blocks = zip(*found, strict=True)
    assert sorted(np.concatenate(seen)) == list(range(30))
    assert {len(block) for block in blocks} == {1}


def test_models_of_the_same_rows_are_compared(y):
    good, bad = _conjugate(y), _mean_only(_conjugate(y).draws.kappa.reshape(4, -1), 3.0)
    rows = _rows(y)
    first, second = _loo(good, rows), _loo(bad, rows)
    difference = (first.pointwise["elpd"] - second.pointwise["elpd"]).to_numpy()
    comparison = compare_loo(first, second)
    assert_allclose(comparison.elpd_diff, first.elpd - second.elpd)
    assert_allclose(comparison.se, np.sqrt(len(y) * difference.var()))
    assert comparison.elpd_diff > 2 * comparison.se
    backwards = compare_loo(second, first)
    assert_allclose([backwards.elpd_diff, backwards.se], [-comparison.elpd_diff, comparison.se])
    order = np.random.default_rng(0).permutation(30)
    shuffled = _loo(bad, _rows(y[order]))
    assert_allclose(compare_loo(first, shuffled).se, comparison.se, rtol=0.02)


def test_models_of_other_rows_are_not_compared(y):
    first = _loo(_conjugate(y), _rows(y))
    for other in (_rows(y + 1), _rows(y[:-1]), _rows(y, np.full(30, 2.0))):
        with pytest.raises(ValueError, match="different rows"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compare_loo(first, _loo(_conjugate(y), other))


def test_a_fit_that_has_not_converged_is_never_compared_in_silence(y):
    posterior, rows = _conjugate(y), _rows(y)
    table = pd.DataFrame(index=range(len(y)))
    good = leave_one_out(posterior, rows, table)
    with pytest.warns(ConvergenceWarning, match="has not converged.*not of the model"):
        poor = leave_one_out(posterior, rows, table, converged=False)
    assert "not converged" in repr(poor) and "converged" not in repr(good)
    with pytest.warns(ConvergenceWarning, match="The second result is of a fit"):
        assert compare_loo(good, poor).elpd_diff == 0
    compare_loo(good, good)


def test_models_are_no_results(y):
    good = _loo(_conjugate(y), _rows(y))
    with pytest.raises(TypeError, match=r"second is of type str.*compare_loo\(model_a.loo\(\)"):
        compare_loo(good, "model")

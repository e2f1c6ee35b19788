"""Predictions against the model's formulas, row by row and jointly."""

from __future__ import annotations

import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from skhlm._typing import Floats
from skhlm.inputs.design import Units
from skhlm.numerics.threads import n_workers
from skhlm.posterior import at_zero, prediction
from skhlm.posterior.outcomes import residuals_of
from skhlm.posterior.posterior import NEW, NO_EFFECT, Posterior
from tests.draws import posterior_of, with_auxiliary
from tests.posterior.posteriors import (
    FACTORS,
    UNITS,
    VARYING,
    constant_draws,
    expected_value_draws,
    make_draws,
    make_posterior,
    make_rows,
    naive_expected_value,
    rowwise,
)


@pytest.mark.parametrize("full", [True, False])
def test_expected_value_is_that_of_the_model(full: bool) -> None:
    posterior = make_posterior(full=full)
    X, codes = make_rows(50, new=False)
    expected = naive_expected_value(make_draws(full=full), X, codes)
    np.testing.assert_allclose(expected_value_draws(posterior, X, codes), expected, rtol=1e-11)
    np.testing.assert_allclose(
        prediction.expected_value(posterior, X, codes), expected.mean(axis=1), rtol=1e-11
    )


def test_expected_value_is_linear_in_the_mean_coefficients() -> None:
    posterior = make_posterior()
    X, codes = make_rows(50)
    doubled = replace(
        posterior.mean,
        kappa=2 * posterior.mean.kappa,
        delta=tuple(2 * delta for delta in posterior.mean.delta),
    )
    twice = prediction.expected_value(replace(posterior, mean=doubled), X, codes)
    assert np.array_equal(twice, 2 * prediction.expected_value(posterior, X, codes))


def test_new_level_has_mean_zero() -> None:
    posterior = make_posterior()
    X, codes = make_rows(50, new=False)
    for g in FACTORS:
        new, without = codes.copy(), codes.copy()
        new[:, g], without[:, g] = NEW, NO_EFFECT
        expected = prediction.expected_value(posterior, X, without)
        assert np.array_equal(prediction.expected_value(posterior, X, new), expected)
        draws = expected_value_draws(posterior, X, without)
        np.testing.assert_allclose(draws.mean(axis=1), expected, rtol=1e-11)


@pytest.mark.parametrize("draws", [1, 3, 100])
def test_a_row_does_not_depend_on_the_others(draws: int, monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = make_posterior(chains=1 if draws == 1 else 4, draws=draws)
    X, codes = make_rows(200)
    whole = rowwise(posterior, X, codes)
    order = np.random.default_rng(2).permutation(200)
    assert np.array_equal(rowwise(posterior, X[order], codes[order]), whole[order])
    for rows in [slice(0, 1), slice(7, 8), slice(3, 20), slice(100, 200)]:
        assert np.array_equal(rowwise(posterior, X[rows], codes[rows]), whole[rows])
    monkeypatch.setattr("skhlm.posterior.prediction.BLOCK_BYTES", 8 * 13 * posterior.n_draws)
    assert np.array_equal(rowwise(posterior, np.asfortranarray(X), np.asfortranarray(codes)), whole)


def test_no_rows_and_no_factors() -> None:
    X, codes = make_rows(5)
    assert rowwise(make_posterior(), X[:0], codes[:0]).shape[0] == 0
    posterior = make_posterior(varying=())
    expected = prediction.expected_value(posterior, X, codes[:, :0])
    draws = expected_value_draws(posterior, X, codes[:, :0])
    np.testing.assert_allclose(draws.mean(axis=1), expected, rtol=1e-11)
    assert rowwise(posterior, X, codes[:, :0]).shape[0] == 5


def test_no_intercept() -> None:
    units = Units(False, 0.0, 3.0, np.zeros(2), np.array([2.0, 0.25]))
    draws = make_draws(varying=(np.array([1]),), n_coefficients=2)
    posterior = posterior_of(draws, (np.array([1]),), units)
    X, codes = make_rows(20, new=False)
    flat = draws.map(lambda x: x.reshape(-1, *x.shape[2:]))
    slopes = np.repeat(flat.kappa[None], 20, axis=0)
    slopes[:, :, 1] += np.moveaxis(flat.delta[0], 0, 1)[codes[:, 0], :, 0]
    expected = np.einsum("nk,nsk->ns", X * 3.0 / units.x_scale, slopes)
    found = expected_value_draws(posterior, X, codes[:, :1])
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    assert np.array_equal(at_zero.kappa(posterior), posterior.draws.kappa)


@pytest.mark.parametrize("power", [-40, 3])
def test_powers_of_two_change_only_units(power: int) -> None:
    X, codes = make_rows(50)
    draws = make_draws()
    factor = 2.0**power
    y_units = replace(UNITS, y_center=UNITS.y_center * factor, y_scale=UNITS.y_scale * factor)
    x_units = replace(UNITS, x_center=UNITS.x_center * factor, x_scale=UNITS.x_scale * factor)
    before = rowwise(posterior_of(draws, VARYING, UNITS), X, codes)
    in_y = rowwise(posterior_of(draws, VARYING, y_units), X, codes)
    in_x = rowwise(posterior_of(draws, VARYING, x_units), X * factor, codes)
    assert np.array_equal(in_y, before * factor)
    assert np.array_equal(in_x, before)


@pytest.mark.parametrize("nu", [None, 1.2, 5.0])
def test_outcome_quantiles_without_uncertainty_are_those_of_the_noise(nu: float | None) -> None:
    posterior = posterior_of(constant_draws(4000, nu=nu), VARYING, UNITS)
    probabilities = [0.05, 0.3, 0.5, 0.9]
    X, codes = np.array([[1.0, 2.0]]), np.array([[0, NO_EFFECT, 1]])
    noise = stats.norm(scale=4.5) if nu is None else stats.t(nu, scale=4.5)
    expected = prediction.expected_value(posterior, X, codes) + noise.ppf(probabilities)
    step = 1 / 4000 / noise.pdf(noise.ppf(probabilities))  # between neighbouring strata
    found = prediction.quantiles(posterior, X, codes, probabilities)
    assert (np.abs(found[0] - expected) < step).all()


def test_outcome_quantiles_are_those_of_the_mixture() -> None:
    posterior = make_posterior(draws=500)
    X, codes = make_rows(20, new=False)
    probabilities = np.array([0.05, 0.5, 0.95])
    found = prediction.quantiles(posterior, X, codes, probabilities.tolist())
    values = expected_value_draws(posterior, X, codes)
    sigma, nu = posterior.auxiliary["sigma"], posterior.auxiliary["nu"]
    reached = np.stack(
        [stats.t.cdf((q[:, None] - values) / sigma, nu).mean(axis=1) for q in found.T]
    )
    mcse = np.sqrt(probabilities * (1 - probabilities) / posterior.n_draws)
    assert (np.abs(reached - probabilities[:, None]) < 4 * mcse[:, None]).all()


def test_few_draws_still_give_smooth_outcome_quantiles() -> None:
    posterior = posterior_of(constant_draws(6, nu=5.0), VARYING, UNITS)
    assert residuals_of(posterior.outcome).noise.size >= 2000
    found = prediction.interval(posterior, np.array([[5.0, -2.0]]), np.full((1, 3), NO_EFFECT), 0.9)
    half_width = 4.5 * stats.t.ppf(0.95, 5)
    np.testing.assert_allclose(found - 13, [[-half_width, half_width]], rtol=0.01)


def test_mean_quantiles_are_those_of_the_draws() -> None:
    posterior = make_posterior()
    X, codes = make_rows(20, new=False)
    expected = np.quantile(expected_value_draws(posterior, X, codes), [0.05, 0.95], axis=1).T
    np.testing.assert_allclose(
        prediction.interval(posterior, X, codes, 0.9, "mean"), expected, rtol=1e-12
    )


@pytest.mark.parametrize("nu", [None, 4.0])
def test_intervals_reach_beyond_the_draws(nu: float | None) -> None:
    """Also those of few draws: the ends are in the tails of normal and Student-t distributions."""
    posterior = posterior_of(constant_draws(100, nu=nu), VARYING, UNITS).thinned(10)
    X, codes = np.array([[5.0, -2.0]] * 2), np.array([[0, 0, 0], [0, NEW, 0]])
    found = prediction.interval(posterior, X, codes, 0.9999)
    noise = stats.norm(13, 4.5) if nu is None else stats.t(nu, 13, 4.5)
    np.testing.assert_allclose(found[0], noise.interval(0.9999), rtol=0.02)
    if nu is None:
        tau = posterior.tau[1][0, 0]
        new = stats.norm(13, np.hypot(4.5, tau)).interval(0.9999)
        np.testing.assert_allclose(found[1], new, rtol=1e-4)
    means = prediction.interval(posterior, X[1:], codes[1:], 0.9999, "mean")
    np.testing.assert_allclose(means[0], stats.norm(13, posterior.tau[1][0, 0]).interval(0.9999))


@pytest.mark.parametrize("n_draws", [4, 40, 400])
def test_an_expected_value_has_no_quantiles_beyond_its_draws(n_draws: int) -> None:
    posterior = make_posterior(draws=n_draws // 4)
    X, codes = make_rows(3, new=False)
    most = 1 - 2 / n_draws
    assert prediction.interval(posterior, X, codes, most, "mean").shape == (3, 2)
    with pytest.raises(ValueError, match=rf"{n_draws} draws.*largest coverage.*= {most:.6g}"):
        prediction.interval(posterior, X, codes, (most + 3) / 4, "mean")
    prediction.interval(posterior, X, codes, 1 - 1e-6, "outcome")
    prediction.quantiles(posterior, X, codes, [0.5], "mean")


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("new", [[0], [1], [2], [0, 1], [0, 1, 2]])
def test_variance_of_new_levels(full: bool, new: list[int]) -> None:
    """Nested or crossed, each new level adds z' Sigma_g z."""
    n_draws = 40_000
    posterior = posterior_of(constant_draws(n_draws, nu=None, full=full), VARYING, UNITS)
    X = np.array([[1.0, 2.0], [7.0, -2.5]])
    codes = np.zeros((2, 3), dtype=np.int64)
    codes[:, new] = NEW
    Z = UNITS.centred(X)
    expected = np.zeros(2)
    for g in new:
        sigma = posterior.covariance(g)[:, :, 0]
        expected += np.einsum("ni,ij,nj->n", Z[:, VARYING[g]], sigma, Z[:, VARYING[g]])
    found = expected_value_draws(posterior, X, codes).var(axis=1)
    assert (np.abs(found / expected - 1) < 4 * np.sqrt(2 / n_draws)).all()
    exact = np.sqrt(expected + 4.5**2)
    np.testing.assert_allclose(prediction.predictive_std(posterior, X, codes), exact, rtol=1e-12)


@pytest.mark.parametrize(("nu", "told"), [(1.5, True), (2.5, False)])
def test_an_infinite_std_is_told_with_what_is_finite(nu: float, told: bool) -> None:
    made = make_posterior()
    posterior = with_auxiliary(made, nu=np.full(made.n_draws, nu))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prediction.warn_of_infinite_std(posterior)
    assert len(caught) == told
    if told:
        assert "predict_interval(X)" in str(caught[0].message)
        assert "nu is near 1.5" in str(caught[0].message)
    assert np.isinf(prediction.predictive_std(posterior, *make_rows(3))).all() == told


def test_predictive_std_of_the_normal_family() -> None:
    posterior = make_posterior(student=False)
    X, codes = make_rows(30, new=False)
    variance = expected_value_draws(posterior, X, codes).var(axis=1)
    variance += np.mean(posterior.auxiliary["sigma"] ** 2)
    np.testing.assert_allclose(
        prediction.predictive_std(posterior, X, codes) ** 2, variance, rtol=1e-12
    )


def joint(posterior: Posterior, codes: list[list[int]], new: list[list[int]], n: int) -> Floats:
    """Joint draws of the expected values of rows at x = (1, 2)."""
    X = np.tile([1.0, 2.0], (len(codes), 1))
    rng = np.random.default_rng(3)
    return prediction.joint_draws(posterior, X, np.array(codes), np.array(new), n, rng, "mean")


def test_joint_draws_share_new_levels() -> None:
    """Rows of one new level move together, rows of different ones do not."""
    n = 20_000
    posterior = posterior_of(constant_draws(100, nu=None, full=True), VARYING, UNITS)
    codes = [[NEW, NEW, 0], [NEW, NEW, 0], [NEW, NEW, 0], [1, NEW, 0], [NEW, 1, 0]]
    new = [[0, 0, -1], [0, 1, -1], [1, 2, -1], [-1, 0, -1], [0, -1, -1]]
    draws = joint(posterior, codes, new, n)
    z = UNITS.centred(np.array([[1.0, 2.0]]))[0]
    by_factor = [z[VARYING[g]] @ posterior.covariance(g)[:, :, 0] @ z[VARYING[g]] for g in (0, 1)]
    same = [(np.array(new)[:, None, g] == np.array(new)[None, :, g]) for g in (0, 1)]
    both_new = [
        np.outer(np.array(codes)[:, g] == NEW, np.array(codes)[:, g] == NEW) for g in (0, 1)
    ]
    expected = sum(by_factor[g] * same[g] * both_new[g] for g in (0, 1))
    variances = np.diag(expected)
    mcse = np.sqrt((np.outer(variances, variances) + expected**2) / n)
    assert (np.abs(np.cov(draws) - expected) < 4 * mcse + 1e-12).all()


def test_joint_draws_agree_with_rowwise_quantiles() -> None:
    posterior = make_posterior(draws=500)
    X, codes = make_rows(30)
    ids = np.where(codes == NEW, 0, -1)
    n = 20_000
    draws = prediction.joint_draws(posterior, X, codes, ids, n, np.random.default_rng(4))
    for probability, quantile in zip(
        [0.1, 0.9], prediction.interval(posterior, X, codes, 0.8).T, strict=True
    ):
        reached = (draws <= quantile[:, None]).mean(axis=1)
        mcse = np.sqrt(probability * (1 - probability) * (1 / n + 1 / posterior.n_draws))
        assert (np.abs(reached - probability) < 4 * mcse).all()


def test_joint_draws_pick_posterior_draws_without_replacement() -> None:
    posterior = make_posterior()
    X, codes = make_rows(3, new=False)
    ids = np.full_like(codes, -1)
    every = expected_value_draws(posterior, X, codes)
    rng = np.random.default_rng(5)
    picked = prediction.joint_draws(posterior, X, codes, ids, posterior.n_draws, rng, "mean")
    assert np.array_equal(np.sort(picked, axis=1), np.sort(every, axis=1))
    more = prediction.joint_draws(posterior, X, codes, ids, 3 * posterior.n_draws, rng, "mean")
    assert more.shape == (3, 3 * posterior.n_draws)
    assert np.isin(more, every).all()


@pytest.mark.parametrize("student", [True, False])
def test_joint_draws_are_reproducible_and_noisy(student: bool) -> None:
    posterior = make_posterior(student=student)
    X, codes = make_rows(20)
    codes[3] = NO_EFFECT
    ids = np.where(codes == NEW, np.arange(20)[:, None], -1)
    one, other = (
        prediction.joint_draws(posterior, X, codes, ids, 7, np.random.default_rng(6))
        for _ in range(2)
    )
    assert one.shape == (20, 7)
    assert np.array_equal(one, other)
    assert len(np.unique(one)) == one.size


def test_joint_draws_leave_out_what_has_no_effect() -> None:
    posterior = posterior_of(constant_draws(10, nu=None), VARYING, UNITS)
    draws = joint(posterior, [[NO_EFFECT] * 3, [NEW] * 3], [[-1] * 3, [0] * 3], 5)
    X = np.array([[1.0, 2.0]])
    np.testing.assert_allclose(
        draws[0], prediction.expected_value(posterior, X, np.full((1, 3), NO_EFFECT))[0], rtol=1e-13
    )
    assert draws[1].std() > 0


def test_memory_does_not_grow_with_rows() -> None:
    posterior = make_posterior(draws=500)
    X, codes = make_rows(40_000)
    tracemalloc.start()
    try:
        prediction.interval(posterior, X, codes)
        prediction.predictive_std(posterior, X, codes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6 * n_workers()  # all draws at once would be 640 MB


def test_memory_of_joint_draws_is_that_of_the_result() -> None:
    posterior = make_posterior(draws=500)
    X, codes = make_rows(5_000)
    ids = np.where(codes == NEW, np.arange(5_000)[:, None], -1)  # every new level is another one
    tracemalloc.start()
    try:
        prediction.joint_draws(posterior, X, codes, ids, 1000, np.random.default_rng(7))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6 + 2.5 * 2**26


def test_interval_narrows_to_the_mixture_median() -> None:
    posterior = make_posterior(student=False)
    X, codes = make_rows(3, new=False)
    values, sigma = expected_value_draws(posterior, X, codes), posterior.auxiliary["sigma"]
    for row, draws in enumerate(values):
        median = optimize.brentq(
            lambda q, draws=draws: stats.norm.cdf((q - draws) / sigma).mean() - 0.5,
            draws.min() - 50,
            draws.max() + 50,
        )
        low, high = prediction.interval(posterior, X[row : row + 1], codes[row : row + 1], 0.02)[0]
        spread = prediction.predictive_std(posterior, X[row : row + 1], codes[row : row + 1])[0]
        assert low - 4 * 1.25 * spread / 20 < median < high + 4 * 1.25 * spread / 20

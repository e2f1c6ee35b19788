"""Densities and scores against closed forms, quadrature and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from skhlm.draws import Draws
from skhlm.inputs.design import Units
from skhlm.posterior import NEW, Posterior
from skhlm.posterior.joint_density import joint_log_density
from skhlm.posterior.scores import crps_of_draws, crps_of_normals
from skhlm.posterior.scoring import (
    crps,
    crps_of_student_t,
    inside,
    interval_score,
    log_predictive_density,
    share_inside,
)
from tests.draws import auxiliary, posterior_of, with_auxiliary


def make_posterior(n_draws: int, *, nu: float | None, spread: float = 0.0) -> Posterior:
    """An intercept about 1 that varies by a factor of two levels with tau = 3; sigma = 2."""
    rng = np.random.default_rng(0)
    shape = (1, n_draws)
    draws = Draws(
        kappa=1 + spread * rng.normal(size=(*shape, 1)),
        delta=(np.broadcast_to([[0.5], [-0.5]], (*shape, 2, 1)),),
        tau=(np.full((*shape, 1), 3.0),),
        omega=(),
        auxiliary=auxiliary(np.full(shape, 2.0), nu),
    )
    units = Units(True, 0.0, 1.0, np.empty(0), np.empty(0))
    return posterior_of(draws, (np.array([0]),), units)


Y = np.array([-9.0, 0.0, 1.5, 4.0])
NO_PREDICTORS = np.empty((4, 0))
KNOWN, UNSEEN = np.zeros((4, 1), dtype=np.int64), np.full((4, 1), NEW)


def crps_by_quadrature(cdf, y: float) -> float:
    """The integral of (F(x) - 1{x >= y})^2 over x."""
    below, _ = integrate.quad(lambda x: cdf(x) ** 2, -np.inf, y)
    above, _ = integrate.quad(lambda x: (1 - cdf(x)) ** 2, y, np.inf)
    return float(below + above)


@pytest.mark.parametrize("nu", [None, 4.0])
def test_density_of_one_draw_is_that_of_the_noise(nu):
    found = log_predictive_density(make_posterior(1, nu=nu), NO_PREDICTORS, KNOWN, Y)
    noise = stats.norm(1.5, 2) if nu is None else stats.t(nu, 1.5, 2)
    np.testing.assert_allclose(found, noise.logpdf(Y), rtol=1e-12)


def test_density_is_the_mean_over_draws():
    posterior = make_posterior(50, nu=5.0, spread=2.0)
    found = log_predictive_density(posterior, NO_PREDICTORS, KNOWN, Y)
    centre = posterior.draws.kappa[0] + 0.5
    expected = np.log(stats.t.pdf(Y[:, None], 5, centre, 2).mean(axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_density_of_a_new_level_is_as_wide_as_levels_differ():
    found = log_predictive_density(make_posterior(2, nu=None), NO_PREDICTORS, UNSEEN, Y)
    np.testing.assert_allclose(found, stats.norm.logpdf(Y, 1, np.sqrt(13)), rtol=1e-12)


@pytest.mark.parametrize("nu", [None, 4.0])
@pytest.mark.parametrize("sigma", [1e-5, 1e-2, 1e2])
def test_density_of_a_new_level_where_residuals_are_tiny_or_large(nu, sigma):
    """One draw is enough, as nothing of the new effect is drawn."""
    posterior = with_auxiliary(make_posterior(1, nu=nu), sigma=np.full(1, sigma))
    found = log_predictive_density(posterior, NO_PREDICTORS, UNSEEN, Y)
    joint = [
        joint_log_density(
            posterior,
            *(NO_PREDICTORS[:1], UNSEEN[:1], np.zeros((1, 1), dtype=np.int64), Y[[i]], np.ones(1)),
        )
        for i in range(len(Y))
    ]
    # The joint density of Student-t residuals is importance sampling with 32 points a draw.
    np.testing.assert_allclose(found, joint, rtol=1e-9 if nu is None else 0.1)
    if nu is None or sigma < 1:
        expected = stats.norm.logpdf(Y, 1, np.hypot(3, sigma))
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_density_far_out_is_not_lost():
    found = log_predictive_density(make_posterior(9, nu=None), NO_PREDICTORS, KNOWN, Y * 1e4)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("nu", [None, 4.0])
def test_crps_is_that_of_the_predictive_distribution(nu):
    posterior = make_posterior(500, nu=nu)
    noise = stats.norm(1.5, 2) if nu is None else stats.t(nu, 1.5, 2)
    expected = [crps_by_quadrature(noise.cdf, y) for y in Y]
    found = crps(posterior, NO_PREDICTORS, KNOWN, Y)
    np.testing.assert_allclose(found, expected, atol=0.005)  # 2000 stratified draws


def test_crps_of_a_new_level():
    found = crps(make_posterior(20, nu=None), NO_PREDICTORS, UNSEEN, Y)
    expected = [crps_by_quadrature(stats.norm(1, np.sqrt(13)).cdf, y) for y in Y]
    np.testing.assert_allclose(found, expected, atol=0.005)  # 2000 stratified residuals


def test_crps_of_a_normal_distribution_is_its_closed_form():
    z = (Y - 1) / 2
    expected = 2 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    found = crps_of_normals(np.ones((4, 30)), np.full((4, 30), 2.0), Y)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    points = np.random.default_rng(0).normal(size=(4, 30))
    error = np.abs(points - Y[:, None]).mean(axis=1)
    assert (crps_of_normals(points, np.zeros((4, 30)), Y) < error).all()


def test_scores_of_a_row_do_not_depend_on_the_others(monkeypatch):
    posterior = make_posterior(50, nu=5.0, spread=2.0)
    codes = np.array([[0], [NEW], [1], [NEW]])
    whole = [f(posterior, NO_PREDICTORS, codes, Y) for f in (log_predictive_density, crps)]
    monkeypatch.setattr("skhlm.posterior.prediction.BLOCK_BYTES", 1)
    again = [f(posterior, NO_PREDICTORS, codes, Y) for f in (log_predictive_density, crps)]
    np.testing.assert_array_equal(again, whole)


def test_crps_of_draws_is_its_definition():
    rng = np.random.default_rng(0)
    draws, y = rng.normal(size=(5, 30)) + 1e6, rng.normal(size=5) + 1e6
    pairs = np.abs(draws[:, :, None] - draws[:, None, :]).mean(axis=(1, 2))
    expected = np.abs(draws - y[:, None]).mean(axis=1) - pairs / 2
    np.testing.assert_allclose(crps_of_draws(draws, y), expected, rtol=1e-9)


def test_crps_of_a_point_is_the_absolute_error():
    np.testing.assert_allclose(crps_of_draws(np.full((4, 7), 2.0), Y), np.abs(Y - 2))


@pytest.mark.parametrize("df", [1.5, 3.0, 200.0])
def test_crps_of_student_t_is_the_integral(df):
    expected = [crps_by_quadrature(stats.t(df).cdf, z) for z in Y]
    np.testing.assert_allclose(crps_of_student_t(Y, df), expected, rtol=1e-6)


def test_crps_of_a_distribution_without_mean_is_infinite():
    assert np.isinf(crps_of_student_t(Y, 1.0)).all()


def test_interval_score_is_width_and_penalty():
    found = interval_score(np.array([0.0, 3.0, -1.0]), np.array([[-1.0, 2.0]] * 3), 0.8)
    np.testing.assert_allclose(found, [3, 3 + 10, 3])
    np.testing.assert_array_equal(inside(np.array([2.0, 2.1]), np.array([[0, 2.0]] * 2)), [1, 0])


@pytest.mark.parametrize("scale", [0.6, 1.6])
@pytest.mark.parametrize("score", ["density", "crps", "interval"])
def test_expected_scores_are_best_at_the_truth(score, scale):
    y = stats.t(5).rvs(4000, random_state=0)

    def loss(s: float):
        if score == "density":
            return -stats.t.logpdf(y, 5, scale=s)
        if score == "crps":
            return s * crps_of_student_t(y / s, 5)
        ends = np.tile(stats.t.ppf([0.05, 0.95], 5, scale=s), (len(y), 1))
        return interval_score(y, ends, 0.9)

    gain = loss(scale) - loss(1.0)
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(y))


def test_the_share_inside_is_that_of_randomised_transforms():
    """By hand, and on average over numbers drawn between the ends."""
    ends = np.array([[0.0, 0.5], [0.2, 0.9], [0.45, 0.55], [0.98, 1.0], [0.3, 0.3], [0.9, 0.9]])
    found = share_inside(ends, np.array([0.5, 0.9]))
    expected = [[0.5, 0.9], [5 / 7, 1], [1, 1], [0, 0], [1, 1], [0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    u = ends[:, :1] + np.diff(ends) * (np.arange(100_000) + 0.5) / 100_000
    for share, coverage in zip(found.T, (0.5, 0.9), strict=True):
        np.testing.assert_allclose((abs(2 * u - 1) <= coverage).mean(axis=1), share, atol=1e-5)


@pytest.mark.parametrize("mean", [0.02, 0.7, 30.0])
def test_the_share_inside_is_the_coverage_where_the_model_is_right(mean):
    """Over all outcomes by their probabilities: without noise, however few rows there are."""
    below = np.r_[0.0, stats.poisson.cdf(np.arange(200), mean)]
    coverage = np.linspace(0.05, 0.95, 19)
    inside_of_each = share_inside(np.column_stack([below[:-1], below[1:]]), coverage)
    np.testing.assert_allclose(np.diff(below) @ inside_of_each, coverage, rtol=1e-12)

"""Curves, slopes and differences behind a link: against predictions, quadrature and simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skhlm.posterior import NEW, Posterior, prediction
from skhlm.posterior.posterior import without_new
from skhlm.reports.curves import (
    Points,
    band_along,
    compare_points,
    points_along,
    slopes_along,
    straight_path,
)
from tests.posterior.link_posteriors import CURVED, UNITS, VARYING, make_posterior, make_rows

GRID = np.linspace(-1.0, 3.0, 5)
PATH = straight_path(GRID, 0)
NONE = np.zeros((1, 2), dtype=np.bool_)


def moved(X, codes):
    """Rows of X at each point of the grid, and their levels."""
    return np.tile(GRID, len(X))[:, None], np.repeat(codes, len(GRID), axis=0)


def eta_at(posterior, X, codes):
    """Draws of eta without new levels, (n, S)."""
    return posterior.draws.expected_value(posterior.units.centred(X), without_new(codes))


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("kind", ["mean", "outcome", "link"])
def test_a_curve_is_the_prediction_at_each_point(name, kind):
    posterior = make_posterior(name, 60)
    X, codes = make_rows(4)
    codes[0] = [NEW, 1]
    band = band_along(posterior, X, codes, PATH, 0.8, kind)
    rows, levels = moved(X, codes)
    middle = prediction.linear_predictor if kind == "link" else prediction.expected_value
    np.testing.assert_allclose(band[..., 0].ravel(), middle(posterior, rows, levels), rtol=1e-10)
    ends = prediction.interval(posterior, rows, levels, 0.8, kind)
    np.testing.assert_allclose(band[..., 1:].reshape(-1, 2), ends, rtol=1e-10)


@pytest.mark.parametrize("name", CURVED)
def test_slopes_of_known_levels_are_by_the_chain_rule_in_each_draw(name):
    posterior = make_posterior(name)
    X, codes = make_rows(5, new=False)
    found = slopes_along(posterior, X, codes, PATH, 0.8)
    rows, levels = moved(X, codes)
    eta, slope = eta_at(posterior, rows, levels), posterior.draws.at(levels, 1)
    draws = posterior.family.link.derivative(eta) * slope
    expected = [draws.mean(axis=1), *np.quantile(draws, [0.1, 0.9], axis=1)]
    np.testing.assert_allclose(found.reshape(-1, 3).T, expected, rtol=1e-9)
    straight = slopes_along(posterior, X, codes, PATH, 0.8, "link")
    expected = [slope.mean(axis=1), *np.quantile(slope, [0.1, 0.9], axis=1)]
    np.testing.assert_allclose(straight.reshape(-1, 3).T, expected, rtol=1e-9)


@pytest.mark.parametrize("name", CURVED)
def test_slopes_are_the_derivative_of_what_is_predicted(name):
    """New levels too: differences of predictions, good to the cube of their step."""
    posterior = make_posterior(name)
    X, codes = make_rows(8)
    codes[0], codes[1] = [NEW, NEW], [NEW, 2]
    found = slopes_along(posterior, X, codes, PATH, 0.8)[..., 0].ravel()
    rows, levels = moved(X, codes)
    step = 1e-3
    up, down = (prediction.expected_value(posterior, rows + h, levels) for h in (step, -step))
    np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["binomial", "poisson"])
def test_intervals_with_new_levels_are_those_of_simulated_ones(name):
    """Of slopes, and of differences of a new level from another; to the noise of 2 x 400,000 draws.

    The package's sample is stratified and has 16,384 values: its quantiles, and those simulated,
    have probabilities that are off by sqrt(p (1 - p) / n) at most.
    """
    posterior = make_posterior(name)
    X, codes = np.array([[0.3], [2.0]]), np.array([[NEW, NEW], [NEW, 1]])
    path = straight_path(np.array([0.3]), 0)
    points = Points(posterior.units.centred(X)[:, None], codes)
    reference = Points(posterior.units.centred(X - 1.0)[:, None], codes)
    apart = np.array([[False, True], [True, False]])
    slope = slopes_along(posterior, X, codes, path, 0.8)
    difference = compare_points(posterior, points, reference, apart, 0.8)
    rng = np.random.default_rng(5)
    inverse, derivative = posterior.family.link.inverse, posterior.family.link.derivative
    for i in range(2):
        z, z_other = points.Z[i, 0], reference.Z[i, 0]
        own, other = (effects(posterior, codes[i], rng) for _ in range(2))
        other = np.where(apart[i][:, None, None, None], other, own)
        known = (
            posterior.draws.at(without_new(codes[[i]]), 0),
            posterior.draws.at(without_new(codes[[i]]), 1),
        )
        at = {
            who: [known[k] + u[:, :, k].sum(axis=0) for k in (0, 1)]
            for who, u in (("own", own), ("other", other))
        }
        eta = at["own"][0] + z[1] * at["own"][1]
        rate = derivative(at["own"][0] + (0.3 - 1.0) * at["own"][1]) * at["own"][1]
        gap = inverse(eta) - inverse(at["other"][0] + z_other[1] * at["other"][1])
        for sample, found in ((rate, slope[i, 0]), (gap, difference[i, 0, :3])):
            error = 4.5 * sample.std() * np.sqrt(1 / sample.size)
            assert found[0] == pytest.approx(sample.mean(), abs=error)
            below = [(sample < end).mean() for end in found[1:]]
            noise = 4.5 * 0.3 * (2**-7 + sample.size**-0.5)
            np.testing.assert_allclose(below, [0.1, 0.9], atol=noise)
        above = difference[i, 0, 3]
        assert above == pytest.approx((gap > 0).mean(), abs=4.5 * 0.5 / np.sqrt(gap.size))


def effects(posterior, codes, rng, n=2000):
    """Effects of the new levels of a row on both coefficients, (G, n, 2, S)."""
    result = np.zeros((2, n, 2, posterior.n_draws))
    for g, columns in enumerate(VARYING):
        if codes[g] == NEW:
            z = rng.standard_normal((n, len(columns), posterior.n_draws))
            result[g][:, columns] = posterior.tau[g] * z
    return result


@pytest.mark.parametrize("name", CURVED)
def test_differences_of_known_levels_are_taken_draw_by_draw(name):
    posterior = make_posterior(name)
    X, codes = make_rows(6, new=False)
    other, other_codes = make_rows(6, new=False, seed=5)
    points = Points(posterior.units.centred(X)[:, None], codes)
    reference = Points(posterior.units.centred(other)[:, None], other_codes)
    apart = np.zeros(codes.shape, dtype=np.bool_)
    eta, eta_other = eta_at(posterior, X, codes), eta_at(posterior, other, other_codes)
    inverse = posterior.family.link.inverse
    for kind, draws in (("mean", inverse(eta) - inverse(eta_other)), ("link", eta - eta_other)):
        found = compare_points(posterior, points, reference, apart, 0.8, kind)[:, 0]
        expected = [draws.mean(axis=1), *np.quantile(draws, [0.1, 0.9], axis=1)]
        np.testing.assert_allclose(found[:, :3].T, expected, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found[:, 3], (draws > 0).mean(axis=1))


@pytest.mark.parametrize("name", CURVED)
def test_differences_are_those_of_predictions(name):
    """Means, of new levels too, whether they are the same in both rows or not."""
    posterior = make_posterior(name)
    X, codes = make_rows(8)
    codes[0] = [NEW, NEW]
    points = Points(posterior.units.centred(X)[:, None], codes)
    reference = Points(posterior.units.centred(X + 1)[:, None], codes)
    expected = prediction.expected_value(posterior, X, codes)
    expected -= prediction.expected_value(posterior, X + 1, codes)
    for apart in (codes == NEW, np.zeros(codes.shape, dtype=np.bool_)):
        found = compare_points(posterior, points, reference, apart, 0.8)
        np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-6)


def test_at_a_mode_means_are_those_of_the_mode():
    posterior = make_posterior("binomial")
    mode = make_posterior("binomial", 1, seed=4)
    posterior = replace(posterior, mode=mode, mean=mode.mean)
    X, codes = make_rows(3, new=False)
    found = slopes_along(posterior, X, codes, PATH, 0.8)[..., 0]
    rows, levels = moved(X, codes)
    derivative = mode.family.link.derivative(eta_at(mode, rows, levels))
    expected = derivative * mode.draws.at(levels, 1)
    np.testing.assert_allclose(found.ravel(), expected[:, 0], rtol=1e-10)


def test_an_offset_is_part_of_each_point():
    """Rates are in proportion to the exposure, and so are slopes and differences of counts."""
    posterior = make_posterior("poisson")
    posterior = replace(posterior, units=replace(UNITS, has_offset=True))
    X, codes = make_rows(4)
    found = []
    for offset in (0.0, np.log(3.0)):
        rows = np.column_stack([X, np.full(4, offset)])
        points = points_along(posterior.units, rows, codes, PATH)
        first = Points(points.Z[:, :1], codes)
        same = np.zeros(codes.shape, dtype=np.bool_)
        found.append(
            [
                band_along(posterior, rows, codes, PATH, 0.8, "mean"),
                slopes_along(posterior, rows, codes, PATH, 0.8),
                compare_points(posterior, points, first, same, 0.8)[..., :3],
            ]
        )
    for one, three in zip(*found, strict=True):
        np.testing.assert_allclose(three, 3 * one, rtol=1e-9, atol=1e-12)


def test_averaged_derivatives_of_links_are_those_of_averaged_means():
    """Against quadrature of `scipy`, and differences."""
    eta, variance = np.array([-3.0, 0.2, 2.0]), np.array([0.0, 0.5, 9.0])
    for name in ("binomial", "poisson"):
        link = make_posterior(name, 2).family.link
        first, second = link.slopes_over_normal(eta, variance)
        h = 1e-4
        up, here, down = (link.mean_over_normal(eta + d, variance) for d in (h, 0.0, -h))
        np.testing.assert_allclose(first, (up - down) / (2 * h), rtol=1e-6)
        np.testing.assert_allclose(second, (up - 2 * here + down) / h**2, rtol=1e-4, atol=1e-6)
        wider, narrower = (link.mean_over_normal(eta[1:], variance[1:] + d) for d in (h, -h))
        np.testing.assert_allclose(second[1:] / 2, (wider - narrower) / (2 * h), rtol=1e-5)
    grid = np.linspace(-12, 12, 4001)
    weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
    logit = make_posterior("binomial", 2).family.link
    exact = (weight * logit.derivative(2.0 + 3.0 * grid)).sum()
    assert logit.slopes_over_normal(eta, variance)[0][2] == pytest.approx(exact, rel=1e-6)


def test_blocks_make_no_difference(monkeypatch):
    posterior = make_posterior("negative_binomial", 60)
    X, codes = make_rows(6)

    def everything() -> list[Posterior]:
        points = points_along(posterior.units, X, codes, PATH)
        first = Points(points.Z[:, :1], codes)
        same = np.zeros(codes.shape, dtype=np.bool_)
        return [
            slopes_along(posterior, X, codes, PATH, 0.8),
            compare_points(posterior, points, first, same, 0.8),
        ]

    whole = everything()
    monkeypatch.setattr("skhlm.reports.curves.BLOCK_BYTES", 1)
    for one, other in zip(whole, everything(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)

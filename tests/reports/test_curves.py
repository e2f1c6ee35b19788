"""Curves against predictions at the same rows; slopes and differences against draws."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from skhlm._typing import Floats
from skhlm.inputs.design import Ranges
from skhlm.posterior import NEW, Kind, prediction
from skhlm.reports.curves import (
    Path,
    Points,
    band_along,
    check_grid,
    compare_points,
    derived_path,
    place_stencil,
    slopes_along,
    straight_path,
)
from tests.posterior.posteriors import VARYING, expected_value_draws, make_posterior, make_rows

GRID = np.linspace(-4.0, 9.0, 7)
RANGES = Ranges(np.zeros(2), np.array([2.5, 6.0]), np.ones(2))


def moved(X: Floats, path: Path) -> Floats:
    """Rows of X at each point of a path, (n T, p)."""
    result = np.repeat(X[:, None], len(path.grid), axis=1)
    result[:, :, path.columns] = path.values
    return result.reshape(-1, X.shape[1])


def powers(spend: Floats) -> dict[str, Floats]:
    """Logarithm and its square."""
    return {"log2": np.log1p(spend) ** 2, "log": np.log1p(spend)}


@pytest.mark.parametrize("kind", ["mean", "outcome"])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("block", [2**22, 1])
def test_a_curve_is_the_prediction_at_each_point(
    kind: Kind, column: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skhlm.posterior.prediction.BLOCK_BYTES", block)
    posterior = make_posterior()
    X, codes = make_rows(12)
    path = straight_path(GRID, column)
    band = band_along(posterior, X, codes, path, 0.8, kind)
    rows, levels = moved(X, path), np.repeat(codes, len(GRID), axis=0)
    mean = prediction.expected_value(posterior, rows, levels).reshape(12, -1)
    ends = prediction.interval(posterior, rows, levels, 0.8, kind).reshape(12, -1, 2)
    np.testing.assert_allclose(band[..., 0], mean, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(band[..., 1:], ends, rtol=1e-10, atol=1e-9)


def test_a_curve_over_an_input_that_predictors_are_derived_from() -> None:
    posterior = make_posterior()
    X, codes = make_rows(5)
    grid = np.array([0.0, 0.5, 3.0, 10.0])
    path = derived_path(grid, powers, ["log", "log2"], RANGES)
    rows = np.tile(np.column_stack([np.log1p(grid), np.log1p(grid) ** 2]), (5, 1))
    assert np.array_equal(moved(X, path), rows)
    band = band_along(posterior, X, codes, path, 0.9, "mean")
    levels = np.repeat(codes, 4, axis=0)
    ends = prediction.interval(posterior, rows, levels, 0.9, "mean").reshape(5, 4, 2)
    np.testing.assert_allclose(band[..., 1:], ends, rtol=1e-10, atol=1e-9)


def test_the_slope_of_a_predictor_is_its_coefficient() -> None:
    posterior = make_posterior()
    X, codes = make_rows(12, new=False)
    found = slopes_along(posterior, X, codes, straight_path(GRID, 1), 0.9)
    assert found.shape == (12, 7, 3)
    draws = posterior.draws.at(codes, 2)
    np.testing.assert_allclose(found[:, 3, 0], posterior.mean.at(codes, 2)[:, 0])
    np.testing.assert_allclose(found[:, 6, 1:], np.quantile(draws, [0.05, 0.95], axis=1).T)


def test_the_slope_of_an_input_is_by_the_chain_rule() -> None:
    posterior = make_posterior()
    X, codes = make_rows(3, new=False)
    grid = np.array([0.0, 1.0, 4.0, 9.0])
    path = derived_path(grid, powers, ["log", "log2"], RANGES)
    found = slopes_along(posterior, X, codes, path, 0.9)
    log, log2 = (posterior.draws.at(codes, k)[:, None] for k in (1, 2))
    draws = (log + 2 * np.log1p(grid)[:, None] * log2) / (1 + grid[:, None])
    expected = np.quantile(draws, [0.05, 0.95], axis=-1)
    np.testing.assert_allclose(found[:, 1:-1, 1:], np.moveaxis(expected, 0, -1)[:, 1:-1], rtol=1e-7)
    np.testing.assert_allclose(found[..., 1:], np.moveaxis(expected, 0, -1), rtol=1e-3, atol=1e-3)


def slopes(grid: list[float], function: Callable[[Floats], Floats], width: float) -> Floats:
    """Numerical slopes of a predictor whose training range is so wide."""
    points = np.asarray(grid, dtype=np.float64)
    stencil = place_stencil(points, lambda x: function(x)[:, None], np.array([width]))
    return stencil.slopes(function(stencil.nodes)[..., None])[:, 0]


@pytest.mark.parametrize("grid", [[1.1e-5], [1.1e-5, 4e-5], [1.1e-5, 4e-5, 10.0], [1e-12, 1e3]])
def test_steps_follow_the_scale_of_the_input(grid: list[float]) -> None:
    """In mol/l, or beside points that are larger by many orders of magnitude."""
    found = slopes(grid, np.log, 2.3)
    np.testing.assert_allclose(found, 1 / np.array(grid), rtol=1e-7)


@pytest.mark.parametrize("grid", [[0.0], [0.0, 3e5], [1.2e3, 8e8]])
def test_steps_follow_the_scale_of_timestamps(grid: list[float]) -> None:
    points = 1.7e9 + np.array(grid)
    rate = 2 * np.pi / 86400
    found = slopes(points.tolist(), lambda t: np.sin(rate * (t - 1.7e9)), 2.0)
    np.testing.assert_allclose(found, rate * np.cos(rate * np.array(grid)), rtol=1e-6)


@pytest.mark.parametrize(
    ("grid", "width"),
    [
        ([0.0], 1.0),
        ([3.0], 2.0),
        ([1.7e9], 1e7),
        ([1e-9, 0.3, 1e6], 1e6),
        ([-4.0, -3.999, 9], 13.0),
    ],
)
def test_slopes_of_lines_and_parabolas_are_exact(grid: list[float], width: float) -> None:
    points = np.array(grid)
    np.testing.assert_allclose(slopes(grid, lambda x: 0.3 * x, width), 0.3, rtol=1e-9)
    found = slopes(grid, lambda x: x**2, width**2)
    np.testing.assert_allclose(found, 2 * points, rtol=1e-6, atol=1e-6 * width)


def test_there_is_no_slope_where_a_predictor_jumps() -> None:
    found = slopes([1.0, 1.5, 2.0], lambda x: (x == 1.0) * 1.0, 1.0)
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.0, 0.0]


def test_differences_stay_inside_the_grid() -> None:
    seen = []

    def predictors(points: Floats) -> Floats:
        seen.append(points)
        return np.sqrt(points)[:, None]

    stencil = place_stencil(np.array([0.0, 2.0, 10.0]), predictors, np.array([3.0]))
    assert min(map(np.min, seen)) == stencil.nodes.min() == 0.0
    assert max(map(np.max, seen)) == stencil.nodes.max() == 10.0
    single = place_stencil(np.array([3.0]), predictors, np.array([3.0])).nodes
    assert single[0, 0] < 3.0 == single[0, 1] < single[0, 2]


def test_where_a_curve_extrapolates() -> None:
    ranges = Ranges(np.array([-1.0, 0.0]), np.array([5.0, 1.0]), np.array([2.0, 0.5]))
    outside = straight_path(np.array([-1.1, -1.0, 5.0 + 1e-12, 5.1]), 0).outside(ranges)
    assert outside.tolist() == [True, False, False, True]
    path = derived_path(np.array([0.0, 1.0, 9.0]), powers, ["log", "log2"], RANGES)
    assert path.outside(ranges).tolist() == [False, False, True]  # log2 is above 1


def test_differences_are_taken_draw_by_draw() -> None:
    posterior = make_posterior()
    X, codes = make_rows(6, new=False)
    other, other_codes = make_rows(6, new=False, seed=5)
    found = compare_points(
        posterior,
        Points(posterior.units.centred(X)[:, None], codes),
        Points(posterior.units.centred(other)[:, None], other_codes),
        np.zeros(codes.shape, dtype=bool),
        0.8,
    )[:, 0]
    draws = expected_value_draws(posterior, X, codes)
    draws -= expected_value_draws(posterior, other, other_codes)
    np.testing.assert_allclose(found[:, 0], draws.mean(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found[:, 1:3], np.quantile(draws, [0.1, 0.9], axis=1).T, rtol=1e-10)
    np.testing.assert_allclose(found[:, 3], (draws > 0).mean(axis=1))


@pytest.mark.parametrize("block", [2**22, 1])
def test_other_new_levels_are_independent(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skhlm.reports.curves.BLOCK_BYTES", block)
    posterior = make_posterior(draws=1000)
    X, codes = make_rows(2)
    X[1], codes[:] = X[0], [0, NEW, 2]
    points = Points(posterior.units.centred(X)[:, None], codes)
    apart = np.array([[False, False, False], [False, True, False]])
    same, different = compare_points(posterior, points, points, apart, 0.9)[:, 0]
    assert not same.any()
    z = posterior.units.centred(X)[0, VARYING[1]]
    sd = np.sqrt(2 * np.einsum("i,ijs,j->s", z, posterior.covariance(1), z))
    rng = np.random.default_rng(0)
    expected = np.quantile(sd * rng.normal(size=(400, 4000)), [0.05, 0.95])
    assert different[0] == 0.0
    scale = expected[1]
    np.testing.assert_allclose(different[1:3], expected, atol=0.1 * scale)
    assert different[3] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize("grid", [[], [[1.0, 2.0]], [1.0, np.nan], [np.inf], 5, "auto", ["a"]])
def test_grids_that_are_none(grid: object) -> None:
    with pytest.raises(ValueError, match=r"grid must be a list of finite .* np.linspace\(a, b, n"):
        check_grid(grid)


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        ({"lag": GRID}, r"no predictor 'lag'\. Its predictors are 'log', 'log2'\. Did you mean"),
        ({}, "the mapping is empty"),
        ({"log": GRID[:-1]}, "'log' must have one number for each of the 7 values"),
        ({"log": np.full(7, np.nan)}, "'log' must have one finite number"),
    ],
)
def test_what_a_callable_must_not_return(derived: dict[str, Floats], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        derived_path(GRID, lambda _: derived, ["log", "log2"], RANGES)


def test_memory_does_not_grow_with_the_rows() -> None:
    """The draws of these points are 160 MB."""
    posterior = make_posterior(draws=500)
    X, codes = make_rows(200)
    path = straight_path(np.linspace(0.0, 1.0, 50), 0)
    tracemalloc.start()
    band_along(posterior, X, codes, path, 0.9, "outcome")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e7

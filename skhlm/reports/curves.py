"""Response curves: the expected value or a new observation as one input moves, by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.blocks import blocks
from skhlm.engine.small_matrices import apply, cholesky
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.design import Ranges
from skhlm.posterior.posterior import (
    BLOCK_BYTES,
    NO_EFFECT,
    Coefficients,
    Kind,
    Posterior,
    central,
    quantiles_of,
)

Derive = Callable[[Floats], Mapping[str, Any]]

N_POINTS = 50
_STEP = 1e-5  # of the grid's range: half the step of a difference


@dataclass(frozen=True)
class Path:
    """Where an input goes, T points, and what it does to the predictors on its way.

    ===========  ==========  ====================================================================
    ``grid``     (T,)        values of the input
    ``columns``  (m,)        the predictors that it moves
    ``values``   (T, m)      their values
    ``slopes``   (T', m)     their derivatives in the input; T' is 1 where they are constant
    ===========  ==========  ====================================================================
    """

    grid: Floats
    columns: Ints
    values: Floats
    slopes: Floats

    def outside(self, ranges: Ranges) -> Bools:
        """Whether a predictor that moves is outside its training range, (T,)."""
        X = np.tile(ranges.mean, (len(self.grid), 1))
        X[:, self.columns] = self.values
        outside: Bools = np.any(ranges.outside(X), axis=1)
        return outside


def check_grid(grid: Any) -> Floats:
    """Values of the input, (T,): finite numbers."""
    try:
        points = np.asarray(grid, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or not points.size or not np.isfinite(points).all():
        raise ValueError(
            f"grid must be a list of finite numbers, the values of the feature, got {grid!r}: for "
            "n points from a to b give np.linspace(a, b, n), for a single one [a], and None for "
            f"{N_POINTS} over the training range."
        )
    return points


def straight_path(grid: Floats, column: int) -> Path:
    """Path of a predictor itself."""
    return Path(grid, np.array([column]), grid[:, None], np.ones((1, 1)))


def derived_path(grid: Floats, derive: Derive, predictors: Sequence[str]) -> Path:
    """Path of an input from which predictors are derived; derivatives by differences.

    Parameters
    ----------
    grid : ndarray of shape (T,)
    derive : callable
        From an array of values of the input to a mapping, or frame, of predictors.
    predictors : sequence of str
        Names of all predictors of the model.
    """
    values = _derived(grid, derive, predictors)
    below, above = difference_points(grid)
    rise = np.column_stack(list(_derived(above, derive, predictors).values()))
    rise -= np.column_stack(list(_derived(below, derive, predictors).values()))
    return Path(
        grid=grid,
        columns=np.array([predictors.index(name) for name in values]),
        values=np.column_stack(list(values.values())),
        slopes=rise / (above - below)[:, None],
    )


def difference_points(grid: Floats) -> tuple[Floats, Floats]:
    """Points below and above those of a grid, to take differences; never outside it."""
    span = float(np.ptp(grid))
    if span == 0:
        step = _STEP * np.maximum(np.abs(grid), 1.0)
        return grid - step, grid + step
    below, above = grid - _STEP * span, grid + _STEP * span
    return np.maximum(below, grid.min()), np.minimum(above, grid.max())


def band_along(
    posterior: Posterior, X: Floats, codes: Ints, path: Path, coverage: float, kind: Kind
) -> Floats:
    """Mean and interval of E[y | x], or of a new observation, along a path.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
        Predictors of the rows; those that the path moves are not looked at.
    codes : ndarray of shape (n, G)
        Their levels.
    path : Path
    coverage : float
    kind : {"outcome", "mean"}

    Returns
    -------
    ndarray of shape (n, T, 3)
        Mean, lower, upper.

    Notes
    -----
    In each draw the expected value is a + b' phi(g), so that a row costs two vectors of draws and
    one product for each point; a point costs two selections. The draws, those of new levels and the
    noise of new observations are the same at all points and for all rows: curves are smooth.
    """
    centre = posterior.units.x_center[path.columns]
    start = X.copy()
    start[:, path.columns] = centre
    moves = path.values - centre
    noise = posterior.noise if kind == "outcome" else None
    width = len(moves) * (1 if noise is None else len(noise))
    result = np.empty((len(X), len(moves), 3))
    for rows, base in posterior.blocks(start, codes, width):
        values = _along(posterior, codes[rows], path.columns, moves, base)
        if noise is not None:
            values = (values[:, :, None] + noise).reshape(*values.shape[:2], -1)
        result[rows, :, 1:] = quantiles_of(values, central(coverage))
    mean = posterior.expected_value(start, codes)
    result[:, :, 0] = _mean_along(posterior, codes, path.columns, moves, mean)
    return result


def slopes_along(posterior: Posterior, codes: Ints, path: Path, coverage: float) -> Floats:
    """Mean and interval of dE[y | x]/dg along a path, (n, T, 3), for rows of codes (n, G)."""
    result = np.empty((len(codes), len(path.slopes), 3))
    size = BLOCK_BYTES // (8 * posterior.n_draws * len(path.slopes))
    for rows in blocks(len(codes), size):
        none = np.zeros((len(codes[rows]), posterior.n_draws))
        values = _along(posterior, codes[rows], path.columns, path.slopes, none)
        result[rows, :, 1:] = quantiles_of(values, central(coverage))
    mean = np.zeros(len(codes))
    result[:, :, 0] = _mean_along(posterior, codes, path.columns, path.slopes, mean)
    return np.broadcast_to(result, (len(codes), len(path.grid), 3))


@dataclass(frozen=True)
class Points:
    """Some points for each of n rows: centred predictors ``Z`` (n, T, K), ``codes`` (n, G)."""

    Z: Floats
    codes: Ints

    def expected_value(self, coefficients: Coefficients, rows: slice) -> Floats:
        """z' beta at the points of some rows, (b, T, S)."""
        Z, codes = self.Z[rows], self.codes[rows]
        cell = np.repeat(np.arange(len(Z)), Z.shape[1])
        values = coefficients.expected_value(Z.reshape(len(cell), -1), codes, cell)
        return values.reshape(*Z.shape[:2], -1)


def compare_points(
    posterior: Posterior, points: Points, reference: Points, apart: Bools, coverage: float
) -> Floats:
    """Differences of expected values, draw by draw.

    Parameters
    ----------
    posterior : Posterior
    points, reference : Points
        Their differences are taken point by point, the first less the second.
    apart : ndarray of shape (n, G)
        Where both have a new level, whether it is another one: its effects are independent.
    coverage : float

    Returns
    -------
    ndarray of shape (n, T, 4)
        Mean, lower, upper and the probability that the difference is above zero.
    """
    shared = Points(reference.Z, np.where(apart, NO_EFFECT, reference.codes))
    n, T, _ = points.Z.shape
    result = np.empty((n, T, 4))
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws * T)):
        of, mean = posterior.draws, posterior.mean
        values = points.expected_value(of, rows) - shared.expected_value(of, rows)
        for g in np.flatnonzero(apart[rows].any(axis=0)):
            others = _of_another_new_level(posterior, int(g), reference.Z[rows])
            values -= apart[rows, g, None, None] * others
        means = points.expected_value(mean, rows) - shared.expected_value(mean, rows)
        result[rows, :, :1] = means
        result[rows, :, 1:3] = quantiles_of(values, central(coverage))
        result[rows, :, 3] = (values > 0).mean(axis=-1)
    return result


def _derived(grid: Floats, derive: Derive, predictors: Sequence[str]) -> dict[str, Floats]:
    """What ``derive`` makes of values of the input: predictors by name, (T,) each."""
    found = derive(grid)
    if unknown := [name for name in found if name not in predictors]:
        raise ValueError(
            f"derive: the model has no predictor {unknown[0]!r}. Its predictors are "
            f"{listed(predictors)}.{suggestion(unknown[0], predictors)}"
        )
    values = {name: np.asarray(found[name], dtype=np.float64) for name in found}
    if not values:
        raise ValueError("derive: the mapping is empty; it must hold at least one predictor.")
    for name, value in values.items():
        if value.shape != grid.shape or not np.isfinite(value).all():
            raise ValueError(
                f"derive: predictor {name!r} must have one finite number for each of the "
                f"{len(grid)} values that were passed. Choose a grid on which it has."
            )
    return values


def _along(
    posterior: Posterior, codes: Ints, columns: Ints, weights: Floats, base: Floats
) -> Floats:
    """Draws of base + sum_j weights_tj beta_j for rows of codes, (b, T, S); base (b, S)."""
    value = np.repeat(base[:, None], len(weights), axis=1)
    for j, column in enumerate(columns + posterior.units.fit_intercept):
        value += weights[:, j, None] * posterior.draws.at(codes, int(column))[:, None]
    return value


def _mean_along(
    posterior: Posterior, codes: Ints, columns: Ints, weights: Floats, base: Floats
) -> Floats:
    """`_along` at the mean coefficients, (n, T); base (n,)."""
    value = np.repeat(base[:, None], len(weights), axis=1)
    for j, column in enumerate(columns + posterior.units.fit_intercept):
        value += weights[:, j] * posterior.mean.at(codes, int(column))
    return value


def _of_another_new_level(posterior: Posterior, g: int, Z: Floats) -> Floats:
    """Draws of z' delta for a new level that is not the one of `Posterior.draws`, (b, T, S)."""
    standard = np.random.default_rng((2, g)).standard_normal(posterior.tau[g].shape)
    effects = apply(cholesky(posterior.covariance(g)), standard)
    draws: Floats = Z[:, :, posterior.varying[g]] @ effects
    return draws

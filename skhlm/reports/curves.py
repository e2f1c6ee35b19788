"""Response curves: the expected value or a new observation as one input moves, by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.blocks import blocks
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.design import Ranges
from skhlm.posterior.mixtures import Mixture
from skhlm.posterior.posterior import (
    BLOCK_BYTES,
    NEW,
    NO_EFFECT,
    Coefficients,
    Kind,
    Posterior,
    central,
    quantiles_of_mixture,
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
    one product for each point; a point costs what a row of `Posterior.quantiles` does. The draws
    are the same at all points and for all rows: curves are smooth.
    """
    centre = posterior.units.x_center[path.columns]
    start = X.copy()
    start[:, path.columns] = centre
    moves = path.values - centre
    known = np.where(codes == NEW, NO_EFFECT, codes)
    result = np.empty((len(X), len(moves), 3))
    for rows, base in posterior.blocks(start, known, 4 * len(moves)):
        values = _along(posterior, known[rows], path.columns, moves, base)
        points = np.repeat(start[rows], len(moves), axis=0)
        points[:, path.columns] = np.tile(path.values, (len(rows), 1))
        at = np.repeat(codes[rows], len(moves), axis=0)
        mixture = posterior.mixture(values.reshape(len(points), -1), points, at, kind)
        ends = quantiles_of_mixture(mixture, central(coverage))
        result[rows, :, 1:] = ends.reshape(len(rows), len(moves), 2)
    mean = posterior.expected_value(start, codes)
    result[:, :, 0] = _mean_along(posterior, codes, path.columns, moves, mean)
    return result


def slopes_along(posterior: Posterior, codes: Ints, path: Path, coverage: float) -> Floats:
    """Mean and interval of dE[y | x]/dg along a path, (n, T, 3), for rows of codes (n, G)."""
    result = np.empty((len(codes), len(path.slopes), 3))
    Z = np.zeros((len(path.slopes), len(posterior.draws.kappa)))
    Z[:, path.columns + posterior.units.fit_intercept] = path.slopes
    known = np.where(codes == NEW, NO_EFFECT, codes)
    size = BLOCK_BYTES // (8 * posterior.n_draws * len(path.slopes))
    for rows in blocks(len(codes), size):
        none = np.zeros((len(codes[rows]), posterior.n_draws))
        values = _along(posterior, known[rows], path.columns, path.slopes, none)
        at = np.repeat(codes[rows], len(Z), axis=0)
        variance = posterior.variance_of_new(np.tile(Z, (len(values), 1)), at)
        mixture = Mixture(values.reshape(variance.shape), variance, None)
        ends = quantiles_of_mixture(mixture, central(coverage))
        result[rows, :, 1:] = ends.reshape(*values.shape[:2], 2)
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
    n, T, _ = points.Z.shape
    result = np.empty((n, T, 4))
    known = [
        replace(p, codes=np.where(p.codes == NEW, NO_EFFECT, p.codes)) for p in (points, reference)
    ]
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws * T)):
        values, means = (
            known[0].expected_value(of, rows) - known[1].expected_value(of, rows)
            for of in (posterior.draws, posterior.mean)
        )
        variance = _variance_of_difference(posterior, points, reference, apart, rows)
        mixture = Mixture(values.reshape(variance.shape), variance, None)
        ends = quantiles_of_mixture(mixture, central(coverage))
        result[rows, :, :1] = means
        result[rows, :, 1:3] = ends.reshape(*values.shape[:2], 2)
        result[rows, :, 3] = mixture.above_zero().reshape(values.shape[:2])
    return result


def _variance_of_difference(
    posterior: Posterior, points: Points, reference: Points, apart: Bools, rows: slice
) -> Floats:
    """Variance that new levels add to differences, (b T, S): shared ones to z - z_reference."""
    new, of_reference = points.codes == NEW, reference.codes == NEW
    shared = new & of_reference & ~apart
    parts = [
        (points.Z - reference.Z, shared),
        (points.Z, new & ~shared),
        (np.broadcast_to(reference.Z, points.Z.shape), of_reference & ~shared),
    ]
    T, K = points.Z.shape[1:]
    variances = [
        posterior.variance_of_new(
            Z[rows].reshape(-1, K), np.repeat(np.where(is_new[rows], NEW, NO_EFFECT), T, axis=0)
        )
        for Z, is_new in parts
    ]
    total: Floats = np.sum(variances, axis=0)
    return total


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

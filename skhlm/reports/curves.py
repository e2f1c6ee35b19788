"""Response curves: the expected value or a new observation as one input moves, by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from skhlm._typing import Bools, Floats, Ints
from skhlm.inputs.columns import listed, suggestion
from skhlm.inputs.design import Ranges, Units
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.numerics.quantiles import central
from skhlm.posterior import Kind, prediction
from skhlm.posterior.mixtures import Mixture
from skhlm.posterior.posterior import NEW, NO_EFFECT, Coefficients, Posterior, without_new
from skhlm.reports.pairs import Differences, Pairs, Slopes, covariance_of_new

Derive = Callable[[Floats], Mapping[str, Any]]
Scale = Literal["mean", "link"]  # what differences are of

N_POINTS = 50
SLOPE = ("slope", "slope_lower", "slope_upper")  # columns of frames
_MOVE = 3e-5  # of its training range: how far a step moves a predictor


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


def check_grid(grid: Any, name: str = "grid") -> Floats:
    """Values of the input, (T,): finite numbers; ``name`` is who asked."""
    try:
        points = np.asarray(grid, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or not points.size or not np.isfinite(points).all():
        raise ValueError(
            f"{name} must be a list of finite numbers, the values of the feature, got {grid!r}: "
            "for n points from a to b give np.linspace(a, b, n), for a single one [a], and None "
            f"for {N_POINTS} over the training range."
        )
    return points


def straight_path(grid: Floats, column: int) -> Path:
    """Path of a predictor itself."""
    return Path(grid, np.array([column]), grid[:, None], np.ones((1, 1)))


def derived_path(grid: Floats, derive: Derive, predictors: Sequence[str], ranges: Ranges) -> Path:
    """Path of an input from which predictors are derived; derivatives by differences.

    Parameters
    ----------
    grid : ndarray of shape (T,)
    derive : callable
        From an array of values of the input to a mapping, or frame, of predictors.
    predictors : sequence of str
        Names of all predictors of the model.
    ranges : Ranges
        Where these were seen.
    """
    columns, values = derived_values(grid, derive, predictors)

    def near(points: Floats) -> Floats:
        return derived_values(points, derive, predictors)[1]

    stencil = place_stencil(grid, near, ranges.widths[columns])
    at_nodes = near(stencil.nodes.ravel()).reshape(len(grid), 3, -1)
    return Path(grid, columns, values, stencil.slopes(at_nodes))


def derived_values(
    points: Floats, derive: Derive, predictors: Sequence[str]
) -> tuple[Ints, Floats]:
    """Which predictors are derived, (m,), and what they are at values of the input, (N, m)."""
    found = _derived(points, derive, predictors)
    columns = np.array([predictors.index(name) for name in found])
    order = np.argsort(columns)
    return columns[order], np.column_stack(list(found.values()))[:, order]


@dataclass(frozen=True)
class Stencil:
    """Three points about each of T, a step apart, and the weights that make a slope of them.

    The slope is that of the parabola through the three: exact where a function is one, or a line.
    NaN where it jumps.

    ===========  ======  ==================================
    ``nodes``    (T, 3)  the points
    ``weights``  (T, 3)  of the values there; they add to 0
    ===========  ======  ==================================
    """

    nodes: Floats
    weights: Floats

    def slopes(self, values: Floats) -> Floats:
        """Slopes (..., T, m) from values (..., T, 3, m) at the nodes."""
        result: Floats = np.einsum("tk,...tkm->...tm", self.weights, values)
        return result


def place_stencil(grid: Floats, predictors: Callable[[Floats], Floats], ranges: Floats) -> Stencil:
    """Points for slopes of the predictors at a grid, never outside it unless it is one point.

    Parameters
    ----------
    grid : ndarray of shape (T,)
    predictors : callable
        From N values of the input, (N,), to the predictors there, (N, m).
    ranges : ndarray of shape (m,)
        The width of their training ranges.

    Notes
    -----
    Steps follow what predictors make of the input: they grow from almost nothing until a predictor
    moves by 3e-5 of its training range, so that neither the unit of the input nor how far the grid
    goes matters. Errors are of the order of 1e-9 of the slope, for a predictor as curved as its
    range is wide.
    """
    here = predictors(grid)
    span = float(np.ptp(grid)) or max(float(np.abs(grid).max()), 1.0)
    step = np.maximum(np.abs(grid) * 2.0**-40, span * 2.0**-80)
    ends = (-np.inf, np.inf) if np.ptp(grid) == 0 else (grid.min(), grid.max())

    def moved(step: Floats) -> Floats:
        """How far predictors go between the nodes, in their ranges, (T,)."""
        values = predictors(_nodes(grid, step, ends).ravel()).reshape(len(grid), 3, -1)
        far: Floats = (np.abs(values - here[:, None]) / ranges).max(axis=(1, 2), initial=0.0)
        return far

    far = moved(step)
    jumps = far >= _MOVE
    while (short := (far < _MOVE) & (step < span / 4)).any():
        step = np.where(short, np.minimum(8 * step, span / 4), step)
        far = moved(step)
    step = np.maximum(step / 8, step * np.minimum(_MOVE / np.maximum(far, _MOVE), 1.0))
    nodes = _nodes(grid, step, ends)
    return Stencil(nodes, np.where(jumps[:, None], np.nan, _weights(nodes - grid[:, None])))


def band_along(
    posterior: Posterior, X: Floats, codes: Ints, path: Path, coverage: float, kind: Kind
) -> Floats:
    """Mean and interval of E[y | x], of a new observation, or of eta, along a path.

    Parameters
    ----------
    posterior : Posterior
    X : ndarray of shape (n, p)
        Predictors of the rows; those that the path moves are not looked at.
    codes : ndarray of shape (n, G)
        Their levels.
    path : Path
    coverage : float
    kind : {"outcome", "mean", "link"}

    Returns
    -------
    ndarray of shape (n, T, 3)
        Mean, lower, upper.

    Notes
    -----
    In each draw eta is a + b' phi(g), so that a row costs two vectors of draws and one product for
    each point; a point costs what a row of `prediction.quantiles` does. The draws are the same at
    all points and for all rows: curves are smooth.
    """
    centre = posterior.units.x_center[path.columns]
    start = X.copy()
    start[:, path.columns] = centre
    moves = path.values - centre
    known, straight = without_new(codes), _is_straight(posterior, kind)
    result = np.empty((len(X), len(moves), 3))
    for rows, base in prediction.draws_of_eta(posterior, start, known, 4 * len(moves)):
        values = _along(posterior, known[rows], path.columns, moves, base)
        points = np.repeat(start[rows], len(moves), axis=0)
        points[:, path.columns] = np.tile(path.values, (len(rows), 1))
        at = np.repeat(codes[rows], len(moves), axis=0)
        distribution = prediction.distribution_of(
            posterior, values.reshape(len(points), -1), points, at, kind
        )
        ends = distribution.quantiles(central(coverage))
        result[rows, :, 1:] = ends.reshape(len(rows), len(moves), 2)
        if not straight:
            mean = prediction.expected_value(posterior, points, at)
            result[rows, :, 0] = mean.reshape(len(rows), -1)
    if straight:
        mean = prediction.linear_predictor(posterior, start, codes)
        result[:, :, 0] = _mean_along(posterior, codes, path.columns, moves, mean)
    return result


@dataclass(frozen=True)
class Points:
    """Some points for each of n rows: centred predictors ``Z`` (n, T, K), ``codes`` (n, G)."""

    Z: Floats
    codes: Ints

    def expected_value(self, coefficients: Coefficients, rows: slice) -> Floats:
        """z' beta at the points of some rows, without new levels: (b, T, S)."""
        Z, codes = self.Z[rows], without_new(self.codes[rows])
        cell = np.repeat(np.arange(len(Z)), Z.shape[1])
        values = coefficients.expected_value(Z.reshape(len(cell), -1), codes, cell)
        return values.reshape(*Z.shape[:2], -1)

    def variance_of_new(self, posterior: Posterior, rows: slice) -> Floats:
        """Variance that new levels add to that, (b T, S)."""
        Z, codes = self.Z[rows], np.repeat(self.codes[rows], self.Z.shape[1], axis=0)
        return prediction.variance_of_new(posterior, Z.reshape(len(codes), -1), codes)


def points_along(units: Units, X: Floats, codes: Ints, path: Path) -> Points:
    """Centred predictors of each row of X (n, p) at each point of a path."""
    n, T = len(X), len(path.grid)
    moved = np.repeat(X[:, None], T, axis=1)
    moved[:, :, path.columns] = path.values
    Z = units.centred(moved.reshape(n * T, -1))
    return Points(Z.reshape(n, T, -1), codes)


def slopes_along(
    posterior: Posterior, X: Floats, codes: Ints, path: Path, coverage: float, kind: Kind = "mean"
) -> Floats:
    """Mean and interval of dE[y | x]/dg, or of d eta/dg, along a path: (n, T, 3).

    For rows of predictors X (n, p) and codes (n, G).
    """
    rate = np.zeros((len(path.slopes), len(posterior.draws.kappa) + posterior.units.has_offset))
    rate[:, path.columns + posterior.units.fit_intercept] = path.slopes
    shape = (len(codes), len(path.grid), 3)
    if _is_straight(posterior, kind):
        rates = Points(np.broadcast_to(rate, (len(codes), *rate.shape)), codes)
        return np.broadcast_to(slopes_at(posterior, rates, rates, coverage, kind), shape)
    rates = Points(np.broadcast_to(rate, (*shape[:2], rate.shape[1])), codes)
    points = points_along(posterior.units, X, codes, path)
    return slopes_at(posterior, points, rates, coverage, kind)


def slopes_at(
    posterior: Posterior, points: Points, rates: Points, coverage: float, kind: Kind = "mean"
) -> Floats:
    """Mean and interval of the rate of E[y | x], or of eta, at points whose Z has these rates.

    Behind a link, by the chain rule in each draw, the link's derivative at eta times eta's rate,
    with the effects of new levels integrated out. Returns (n, T, 3).
    """
    n, T, _ = rates.Z.shape
    result, same = np.empty((n, T, 3)), np.zeros(rates.codes.shape, dtype=np.bool_)
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws * T)):
        if not _is_straight(posterior, kind):
            both = points, rates, same
            result[rows] = _behind_link(Slopes, posterior, *both, rows, coverage)
            continue
        values, means = (rates.expected_value(of, rows) for of in (posterior.draws, posterior.mean))
        mixture = _mixture(values, rates.variance_of_new(posterior, rows))
        result[rows, :, :1] = means
        result[rows, :, 1:] = mixture.quantiles(central(coverage)).reshape(*values.shape[:2], 2)
    return result


def mean_slopes(posterior: Posterior, points: Points, rates: Points, kind: Kind = "mean") -> Floats:
    """The means of `slopes_at` alone, (n, T)."""
    n, T, _ = rates.Z.shape
    result, same = np.empty((n, T)), np.zeros(rates.codes.shape, dtype=np.bool_)
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws * T)):
        if _is_straight(posterior, kind):
            result[rows] = rates.expected_value(posterior.mean, rows)[..., 0]
        else:
            pairs = _pairs(Slopes, posterior.averaged, points, rates, same, rows)
            result[rows] = pairs.mean().reshape(-1, T)
    return result


def compare_points(
    posterior: Posterior,
    points: Points,
    reference: Points,
    apart: Bools,
    coverage: float,
    kind: Kind = "mean",
) -> Floats:
    """Differences of expected values, or of eta, draw by draw.

    Parameters
    ----------
    posterior : Posterior
    points, reference : Points
        Their differences are taken point by point, the first less the second; the reference may
        have a single point a row.
    apart : ndarray of shape (n, G)
        Where both have a new level, whether it is another one: its effects are independent.
    coverage : float
    kind : {"mean", "link"}, default "mean"

    Returns
    -------
    ndarray of shape (n, T, 4)
        Mean, lower, upper and the probability that the difference is above zero, which is that of
        the difference of eta, as links increase.
    """
    n, T, _ = points.Z.shape
    reference = replace(reference, Z=np.broadcast_to(reference.Z, points.Z.shape))
    result = np.empty((n, T, 4))
    for rows in blocks(n, BLOCK_BYTES // (8 * posterior.n_draws * T)):
        values, means = (
            points.expected_value(of, rows) - reference.expected_value(of, rows)
            for of in (posterior.draws, posterior.mean)
        )
        variance = _variance_of_difference(posterior, points, reference, apart, rows)
        mixture = _mixture(values, variance)
        result[rows, :, 3] = mixture.above_zero().reshape(values.shape[:2])
        if not _is_straight(posterior, kind):
            both = points, reference, apart
            result[rows, :, :3] = _behind_link(Differences, posterior, *both, rows, coverage)
            continue
        result[rows, :, :1] = means
        result[rows, :, 1:3] = mixture.quantiles(central(coverage)).reshape(*values.shape[:2], 2)
    return result


def _is_straight(posterior: Posterior, kind: Kind) -> bool:
    """Whether what is asked for is linear in the coefficients."""
    return kind == "link" or posterior.family.link.linear


def _mixture(values: Floats, variance: Floats) -> Mixture:
    """Distributions of eta at points, from draws (b, T, S) and what new levels add (b T, S)."""
    return Mixture(values.reshape(variance.shape), variance, None)


def _behind_link(
    of: type[Pairs],
    posterior: Posterior,
    points: Points,
    others: Points,
    apart: Bools,
    rows: slice,
    coverage: float,
) -> Floats:
    """Mean and interval of a function of eta at points and of eta at others, (b, T, 3)."""
    draws, averaged = (
        _pairs(of, some, points, others, apart, rows) for some in (posterior, posterior.averaged)
    )
    found = np.column_stack([averaged.mean(), draws.quantiles(central(coverage))])
    return found.reshape(-1, points.Z.shape[1], 3)


def _pairs(
    of: type[Pairs], posterior: Posterior, points: Points, others: Points, apart: Bools, rows: slice
) -> Pairs:
    """Eta at points and at others, which share the new levels of a row that are not apart."""
    both, T = (points, others), points.Z.shape[1]
    shared = (points.codes == NEW) & (others.codes == NEW) & ~apart
    Z, Z_others = (p.Z[rows].reshape(-1, p.Z.shape[2]) for p in both)
    first, second = (
        p.expected_value(posterior.draws, rows).reshape(-1, posterior.n_draws) for p in both
    )
    first_var, second_var = (p.variance_of_new(posterior, rows) for p in both)
    covariance = covariance_of_new(posterior, Z, Z_others, np.repeat(shared[rows], T, axis=0))
    return of(posterior.family.link, first, second, first_var, second_var, covariance)


def _variance_of_difference(
    posterior: Posterior, points: Points, reference: Points, apart: Bools, rows: slice
) -> Floats:
    """Variance that new levels add to differences, (b T, S): shared ones to z - z_reference."""
    new, of_reference = points.codes == NEW, reference.codes == NEW
    shared = new & of_reference & ~apart
    parts = [
        (points.Z - reference.Z, shared),
        (points.Z, new & ~shared),
        (reference.Z, of_reference & ~shared),
    ]
    variances = [
        Points(Z, np.where(is_new, NEW, NO_EFFECT)).variance_of_new(posterior, rows)
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
        if value.shape != grid.shape:
            raise ValueError(
                f"derive: predictor {name!r} must have one number for each of the {len(grid)} "
                f"values that were passed, and has shape {value.shape}."
            )
        wrong = np.flatnonzero(~np.isfinite(value))
        if len(wrong):
            raise ValueError(
                f"derive: predictor {name!r} must have one finite number at each value of the "
                f"input, and is {value[wrong[0]]} at {grid[wrong[0]]:.6g}. Choose values at which "
                "it has one: a logarithm has none at 0, log1p has."
            )
    return values


def _nodes(grid: Floats, step: Floats, ends: tuple[float, float]) -> Floats:
    """Three points a step apart, (T, 3): about each of the grid, or inwards from its ends."""
    shift = np.where(grid - step < ends[0], 1, np.where(grid + step > ends[1], -1, 0))
    nodes: Floats = grid[:, None] + step[:, None] * (np.array([-1, 0, 1]) + shift[:, None])
    return nodes


def _weights(offsets: Floats) -> Floats:
    """Weights (T, 3) of values at offsets from a point in the slope there of their parabola."""
    weights = np.empty_like(offsets)
    for i in range(3):
        j, k = offsets[:, (i + 1) % 3], offsets[:, (i + 2) % 3]
        weights[:, i] = -(j + k) / ((offsets[:, i] - j) * (offsets[:, i] - k))
    return weights


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

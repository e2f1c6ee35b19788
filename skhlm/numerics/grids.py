"""Densities of one or two scales on a grid that homes in on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import Akima1DInterpolator
from scipy.special import logsumexp

from skhlm._typing import Floats
from skhlm.numerics.quantiles import TAILS
from skhlm.numerics.scale_maps import bent, bent_slope, match_quantiles

_DEPTH = 7.0  # log density below the maximum at which a point no longer counts
_MAX_ROUNDS = 80
_EPS = 64 * np.finfo(np.float64).eps
_FINE = 801
_REACH = 4.5  # of a grid, in sds
_FARTHEST = 150.0  # logarithm of the largest scale whose square and inverse square are numbers

Interval = tuple[float, float]


def home_in(
    log_density: Callable[..., Floats], box: Sequence[Interval], n: int
) -> tuple[list[Floats], Floats]:
    """Axes (n,) of a grid on which the density is resolved, and the log density on it.

    The grid is moved, widened and refined until on every axis at least half of the points carry
    the density and its ends do not. ``log_density`` takes one broadcasting array for each axis.
    """
    for _ in range(_MAX_ROUNDS):
        axes = [np.linspace(low, high, n) for low, high in box]
        values = log_density(*np.meshgrid(*axes, indexing="ij", sparse=True))
        ends = _ends_of_mass(values)
        if all(i > 0 and j < n - 1 and j - i + 1 >= n // 2 for i, j in ends):
            break
        box = [_around(axis, i, j) for axis, (i, j) in zip(axes, ends, strict=True)]
        if any(high - low <= n * _EPS * max(abs(low), abs(high)) for low, high in box):
            break
    return axes, values


def _ends_of_mass(values: Floats) -> list[tuple[int, int]]:
    """First and last index on each axis at which the density counts."""
    counts = np.argwhere(values >= values.max() - _DEPTH)
    return list(zip(counts.min(axis=0).tolist(), counts.max(axis=0).tolist(), strict=True))


def _around(axis: Floats, first: int, last: int) -> Interval:
    """The interval one step wider than the points that count, or much wider at the grid's end."""
    step, span = axis[1] - axis[0], axis[-1] - axis[0]
    low = axis[first] - (step if first > 0 else span)
    high = axis[last] + (step if last < len(axis) - 1 else span)
    return float(low), float(high)


def tails(log_density: Callable[[Floats], Floats], guess: Floats, n: int) -> Floats:
    """5%, 50% and 95% points (3,) of a density on n points, laid out by a guess (3,) of them.

    The grid is even in the coordinate of the bent map through the guess, in which a skewed density
    is nearly normal: with a good guess a dozen points are enough. A density that is a number
    nowhere tells nothing, and leaves the guess.
    """
    coefficients = match_quantiles(guess)
    (z,), density = home_in(_bent_density(log_density, [coefficients]), [(-_REACH, _REACH)], n)
    return bent(coefficients, quantiles(z, density)) if np.isfinite(density).any() else guess


def joint_tails(log_density: Callable[..., Floats], guess: Floats, n: int) -> Floats:
    """5%, 50% and 95% points (3, P) of each of P variables under their joint density.

    As `tails`, on n points an axis. ``log_density`` takes one broadcasting array for each axis.
    """
    coefficients = match_quantiles(guess)
    density_of_z = _bent_density(log_density, list(coefficients.T))
    axes, density = home_in(density_of_z, [(-_REACH, _REACH)] * guess.shape[1], n)
    if not np.isfinite(density).any():
        return guess
    found = np.empty_like(guess)
    for i, z in enumerate(axes):
        others = tuple(j for j in range(len(axes)) if j != i)
        found[:, i] = bent(coefficients[:, i], quantiles(z, logsumexp(density, axis=others)))
    return found


def _bent_density(
    log_density: Callable[..., Floats], coefficients: Sequence[Floats]
) -> Callable[..., Floats]:
    """The log density of the coordinates of bent maps, -inf where it is no number."""

    def log_density_of_z(*z: Floats) -> Floats:
        x = [bent(map_, at) for map_, at in zip(coefficients, z, strict=True)]
        with np.errstate(over="ignore", invalid="ignore"):  # so far out nothing counts
            density = log_density(*(np.clip(at, -_FARTHEST, _FARTHEST) for at in x))
        for map_, at in zip(coefficients, z, strict=True):
            density = density + np.log(bent_slope(map_, at))
        known = np.isfinite(density)
        for at in x:
            known = known & (np.abs(at) <= _FARTHEST)
        return np.where(known, density, -np.inf)

    return log_density_of_z


def quantiles(x: Floats, log_density: Floats) -> Floats:
    """5%, 50% and 95% points (3,) of a density known on a grid that resolves it."""
    fine = np.linspace(x[0], x[-1], _FINE)
    curve = Akima1DInterpolator(x, np.maximum(log_density - log_density.max(), -4 * _DEPTH))
    mass = np.exp(np.minimum(curve(fine), 1.0))
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (mass[1:] + mass[:-1]))])
    return np.interp(TAILS, cumulative / cumulative[-1], fine)

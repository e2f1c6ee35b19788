"""Densities of draws, which may lie on one side of a bound."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from skhlm._typing import Floats

_NORMAL_QUARTILES = 1.34  # between those of the standard normal distribution
_BINS = 512


def density(draws: Floats, at: Floats, bounds: tuple[float, float]) -> Floats:
    """Gaussian kernel estimate at some points, (T,), of draws (S,) between two bounds.

    The bandwidth is Silverman's by the interquartile range, which no tail moves. What kernels have
    beyond a bound is put back by mirrors at it.
    """
    width = bandwidth(draws)
    if width == 0:
        return np.zeros_like(at)
    mirrors = [2 * bound - at for bound in bounds if np.isfinite(bound)]
    found: Floats = np.sum([_kernels(draws, x, width) for x in (at, *mirrors)], axis=0)
    return np.where((at < bounds[0]) | (at > bounds[1]), 0.0, found)


def bandwidth(draws: Floats) -> float:
    """Silverman's rule: 0.9 min(sd, IQR / 1.34) n^(-1/5), without the sd, which may be infinite."""
    spread = float(np.diff(np.quantile(draws, [0.25, 0.75]))[0]) / _NORMAL_QUARTILES
    return 0.9 * spread * float(len(draws) ** -0.2)


def _kernels(draws: Floats, at: Floats, width: float) -> Floats:
    """Mean of normal densities about the draws, at points (T,): from counts in narrow bins.

    The bins are as wide as the points are apart, and draws far from all points are left out.
    """
    low, high = at.min() - 6 * width, at.max() + 6 * width
    near = draws[(draws >= low) & (draws <= high)]
    n_bins = _BINS
    counts, edges = np.histogram(near, n_bins, (low, high))
    upper = 0.5 * erf((at[:, None] - edges) / (np.sqrt(2) * width))
    inside = upper[:, :-1] - upper[:, 1:]  # of the kernel at each point, in each bin
    found: Floats = inside @ counts / (len(draws) * np.diff(edges)[0])
    return found

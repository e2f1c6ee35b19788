"""Proper scores of distributions that are given by draws or as normal mixtures."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.numerics.blocks import blocks
from skhlm.posterior.mixtures import CHUNK, normal_tail

_SHIFTS = (0.06, 0.19, 0.31, 0.44)  # of the order of draws: pairs that are compared


def crps_of_draws(draws: Floats, y: Floats) -> Floats:
    """CRPS of the distribution of m draws, E|Y - y| - E|Y - Y'| / 2: (n, m) and (n,) -> (n,).

    The second term is sum_i (2 i - m - 1) Y_(i) / m^2 over ordered draws Y_(1) <= ... <= Y_(m).
    """
    m = draws.shape[1]
    error = np.sort(draws - y[:, None], axis=1)
    rank = (2 * np.arange(1, m + 1) - m - 1) / m**2
    score: Floats = np.abs(error).mean(axis=1) - (rank * error).sum(axis=1)
    return score


def crps_of_normals(mean: Floats, sd: Floats, y: Floats) -> Floats:
    """CRPS of mixtures of m normal distributions, (n, m) each, at y (n,).

        E|Y - y| - E|Y - Y'| / 2

    Of the m^2 pairs of components in the second term a few m are looked at, far apart in the order
    given.
    """
    m = mean.shape[1]
    score = np.empty(len(y))
    for rows in blocks(len(y), CHUNK // m):
        score[rows] = _mean_size(mean[rows] - y[rows, None], sd[rows])
        variance = sd[rows] ** 2
        for k in (int(shift * m) for shift in _SHIFTS):
            apart = mean[rows] - np.roll(mean[rows], k, axis=1)
            spread = np.sqrt(variance + np.roll(variance, k, axis=1))
            score[rows] -= _mean_size(apart, spread) / (2 * len(_SHIFTS))
    return score


def _mean_size(mean: Floats, sd: Floats) -> Floats:
    """E|Y| of normal distributions, averaged over the last axis: (n, m) -> (n,)."""
    z = np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0)
    kernel, above = normal_tail(np.abs(z))
    size = np.abs(mean) * (1 - 2 * above) + sd * kernel * np.sqrt(2 / np.pi)
    sizes: Floats = np.where(sd > 0, size, np.abs(mean)).mean(axis=1)
    return sizes

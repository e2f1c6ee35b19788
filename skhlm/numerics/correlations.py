"""Correlation matrices from canonical partial correlations tanh(z)."""

from __future__ import annotations

import math

import numpy as np

from skhlm._typing import Floats
from skhlm.numerics.small_matrices import gram


def correlation_factor(z: Floats, n: int) -> Floats:
    """Cholesky factor (n, n, D) with partial correlations tanh(z); the identity if z is empty."""
    L = np.zeros((n, n, z.shape[-1]))
    partial = iter(np.tanh(z))
    for i in range(n):
        room = np.ones(z.shape[-1])  # 1 - sum of the row's squares so far
        for j, p in zip(range(i), partial, strict=False):
            L[i, j] = p * np.sqrt(room)
            room = room * (1 - p**2)
        L[i, i] = np.sqrt(room)
    return L


def correlations(z: Floats, n: int) -> Floats:
    """Correlations (..., n, n) from a factor's coordinates (..., n (n - 1) / 2)."""
    flat = np.moveaxis(z.reshape(math.prod(z.shape[:-1]), z.shape[-1]), 0, -1)
    omega: Floats = np.moveaxis(gram(correlation_factor(flat, n).swapaxes(0, 1)), -1, 0)
    return omega.reshape(*z.shape[:-1], n, n)

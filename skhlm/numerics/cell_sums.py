"""Sums over the rows of each cell."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats, Ints


def sum_by_cell(values: Floats, cell: Ints, n_cells: int) -> Floats:
    """Sums (C,) of values (N,) of rows that lie in these cells."""
    total: Floats = np.bincount(cell, values, n_cells).astype(np.float64, copy=False)
    return total


def sum_products(X: Floats, weight: Floats, cell: Ints, n_cells: int) -> Floats:
    """Sums of w x x', (K, K, C), for rows X (K, N) of weights w."""
    K = len(X)
    total = np.empty((K, K, n_cells))
    for j in range(K):
        weighted = weight * X[j]
        for k in range(j + 1):
            total[j, k] = total[k, j] = sum_by_cell(weighted * X[k], cell, n_cells)
    return total

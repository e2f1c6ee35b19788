"""Normal family: the rows of a cell reduced to at most K rows that say the same."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.engine.problem import Problem


def compress_cells(problem: Problem) -> tuple[Floats, Floats, Ints, float]:
    """Replace each cell's weighted rows by the R factor of its (X, y).

    Returns ``X`` (M, K), ``y`` (M,), ``start`` (C + 1,) the first row of each cell, from 0, and the
    residual sum of squares ``rss`` that no coefficient can change: for every set of coefficients,
    sum w (y - eta)^2 over the original rows = rss + sum (y - eta)^2 over the new ones.
    """
    K = problem.X.shape[1]
    rows = np.sqrt(problem.weight)[:, None] * np.column_stack([problem.X, problem.y])
    size = np.bincount(problem.cell)
    first = np.cumsum(size) - size
    kept = np.minimum(size, K)
    start = np.concatenate([[0], np.cumsum(kept)])
    compressed = np.empty((start[-1], K + 1))
    rss = 0.0
    for n in np.unique(size):
        cells = np.flatnonzero(size == n)
        block: Floats = rows[first[cells, None] + np.arange(n)]  # (cells, n, K + 1)
        if n > K:
            block = np.asarray(np.linalg.qr(block, mode="r"), dtype=np.float64)
            rss += float(np.square(block[:, K, K]).sum())
        compressed[start[cells, None] + np.arange(min(n, K))] = block[:, :K]
    return compressed[:, :K].copy(), compressed[:, K].copy(), start, rss

"""The rows as the likelihood reads them, and their sums over cells and over levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.sufficient import compress_cells
from skhlm.engine.tree_map.trees import Tree

_NEGLIGIBLE = 1e-6  # of the outcome's spread
_LOST = 1e-8  # of the outcome itself: squared, what double precision loses
_RIDGE = 1e-12  # of information: what rounding takes from it stays a small share of that


@dataclass(frozen=True)
class Rows:
    """Rows sorted by cell; for the normal family already compressed, with weights of one.

    ===========  ========  =======================================================================
    field        shape     what it is
    ===========  ========  =======================================================================
    ``X``        (K, N)    predictors, a row for each
    ``y``        (N,)      outcome
    ``weight``   (N,)      frequency weights
    ``cell``     (N,)      cell of each row
    ``n_cells``  ()
    ``n_obs``    ()        sum of the original weights
    ``rss``      ()        residual sum of squares lost by the compression
    ``rounding`` ()        residuals below this size are taken for rounding errors, > 0
    ===========  ========  =======================================================================
    """

    X: Floats
    y: Floats
    weight: Floats
    cell: Ints
    n_cells: int
    n_obs: float
    rss: float
    rounding: float


def learn_rows(problem: Problem) -> Rows:
    """The problem's rows, or for the normal family what its likelihood sees of them."""
    if problem.family == "student_t":
        X, y, weight, cell, rss = problem.X, problem.y, problem.weight, problem.cell, 0.0
    else:
        X, y, start, rss = compress_cells(problem)
        weight, cell = np.ones(len(y)), np.repeat(np.arange(len(start) - 1), np.diff(start))
    return Rows(
        X=np.ascontiguousarray(X.T),
        y=y,
        weight=weight,
        cell=cell,
        n_cells=len(problem.codes),
        n_obs=float(problem.weight.sum()),
        rss=rss,
        rounding=_rounding(problem),
    )


def _rounding(problem: Problem) -> float:
    """Size of residuals that mean nothing: a fixed share of the outcome's spread."""
    mean = np.average(problem.y, weights=problem.weight)
    spread = np.sqrt(np.average(np.square(problem.y - mean), weights=problem.weight))
    size = max(_NEGLIGIBLE * spread, _LOST * np.abs(problem.y).max())
    return float(size) or _NEGLIGIBLE * float(problem.priors.sigma.scale[0])


def linear_predictor(rows: Rows, coefficients: Floats) -> Floats:
    """x_i' b of each row (N,), for coefficients b of each cell (K, C)."""
    eta = np.zeros(len(rows.y))
    for x, b in zip(rows.X, coefficients, strict=True):
        eta += x * b[rows.cell]
    return eta


def cell_information(rows: Rows, precision: Floats) -> Floats:
    """Sum over each cell of p x x', (K, K, C), positive definite where nothing is zero.

    A cell may tell nothing of some directions and, of nearly exact outcomes, nearly everything of
    the others: elimination would leave rounding errors of any sign. With a ridge they are less than
    what is left, at every scale, and further elimination does not let them grow: what it makes of
    two matrices keeps their order.
    """
    K = len(rows.X)
    information = np.empty((K, K, rows.n_cells))
    for j in range(K):
        px = precision * rows.X[j]
        for k in range(j + 1):
            information[j, k] = information[k, j] = cell_sum(rows, px * rows.X[k])
        information[j, j] *= 1 + _RIDGE
    return information


def cell_score(rows: Rows, psi: Floats) -> Floats:
    """Sum over each cell of psi x, (K, C)."""
    score = np.empty((len(rows.X), rows.n_cells))
    for k, x in enumerate(rows.X):
        score[k] = cell_sum(rows, psi * x)
    return score


def cell_sum(rows: Rows, values: Floats) -> Floats:
    """Sums (C,) over the rows of each cell."""
    total: Floats = np.bincount(rows.cell, values, rows.n_cells).astype(np.float64, copy=False)
    return total


def to_leaves(values: Floats, tree: Tree) -> Floats:
    """Cells' numbers (..., C) summed over the leaf levels of a tree, (..., J, 1)."""
    total = np.empty((*values.shape[:-1], tree.n_leaves, 1))
    for index in np.ndindex(values.shape[:-1]):
        total[index][:, 0] = np.bincount(tree.leaf, values[index], tree.n_leaves)
    return total

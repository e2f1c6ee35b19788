"""Sums of the rows over cells and over levels."""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.tree_map import Tree
from skhlm.families import Evidence
from skhlm.numerics.cell_sums import sum_by_cell, sum_products

_RIDGE = 1e-12  # of information: what rounding takes from it stays a small share of that


def linear_predictor(rows: Evidence, coefficients: Floats) -> Floats:
    """x_i' b of each row (N,), for coefficients b of each cell (K, C)."""
    eta = np.zeros(len(rows.y))
    for x, b in zip(rows.X, coefficients, strict=True):
        eta += x * b[rows.cell]
    return eta


def cell_information(rows: Evidence, precision: Floats) -> Floats:
    """Sum over each cell of p x x', (K, K, C), positive definite where nothing is zero.

    A cell may tell nothing of some directions and, of nearly exact outcomes, nearly everything of
    the others: elimination would leave rounding errors of any sign. With a ridge they are less than
    what is left, at every scale, and further elimination does not let them grow: what it makes of
    two matrices keeps their order.
    """
    information = sum_products(rows.X, precision, rows.cell, rows.n_cells)
    for j in range(len(information)):
        information[j, j] *= 1 + _RIDGE
    return information


def cell_score(rows: Evidence, psi: Floats) -> Floats:
    """Sum over each cell of psi x, (K, C)."""
    score = np.empty((len(rows.X), rows.n_cells))
    for k, x in enumerate(rows.X):
        score[k] = cell_sum(rows, psi * x)
    return score


def cell_sum(rows: Evidence, values: Floats) -> Floats:
    """Sums (C,) over the rows of each cell."""
    return sum_by_cell(values, rows.cell, rows.n_cells)


def to_leaves(values: Floats, tree: Tree) -> Floats:
    """Cells' numbers (..., C) summed over the leaf levels of a tree, (..., J, 1)."""
    total = np.empty((*values.shape[:-1], tree.n_leaves, 1))
    for index in np.ndindex(values.shape[:-1]):
        total[index][:, 0] = sum_by_cell(values[index], tree.leaf, tree.n_leaves)
    return total

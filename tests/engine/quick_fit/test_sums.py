"""Sums over cells and leaves against loops."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.quick_fit.sums import (
    cell_information,
    cell_score,
    cell_sum,
    linear_predictor,
    to_leaves,
)
from skhlm.engine.tree_map.forest import learn_forest
from skhlm.engine.tree_map.trees import learn_trees
from tests.engine.problems import make_problem

RNG = np.random.default_rng(0)
N, C = 60, 6
CELL = np.r_[np.arange(C), RNG.integers(C, size=N - C)]
PROBLEM = make_problem(RNG.normal(size=(N, 3)), RNG.normal(size=N), [CELL // 2, CELL], "student_t")
ROWS = PROBLEM.evidence
VALUES = RNG.uniform(0.5, 2, N)


def of_cell(c):
    """X (n, K) and values (n,) of the rows of a cell."""
    return ROWS.X.T[ROWS.cell == c], VALUES[ROWS.cell == c]


@pytest.mark.parametrize("c", range(C))
def test_sums_over_a_cell(c):
    X, values = of_cell(c)
    np.testing.assert_allclose(cell_sum(ROWS, VALUES)[c], values.sum())
    np.testing.assert_allclose(cell_score(ROWS, VALUES)[:, c], values @ X)
    information = (values * X.T) @ X
    found = cell_information(ROWS, VALUES)[:, :, c]
    np.testing.assert_allclose(found, information, rtol=1e-10, atol=1e-10)
    assert (np.diag(found) > np.diag(information)).all()  # by the ridge


def test_a_cell_of_one_row_has_information_that_stays_positive_definite():
    X = RNG.normal(size=(4, 3))
    rows = make_problem(X, X[:, 0], [np.arange(4)], "student_t").evidence
    information = np.moveaxis(cell_information(rows, np.full(4, 1e12)), -1, 0)
    size = np.sqrt(np.einsum("cii->ci", information))
    assert np.linalg.eigvalsh(information / size[:, :, None] / size[:, None, :]).min() > 0


def test_linear_predictor_of_coefficients_by_cell():
    B = RNG.normal(size=(3, C))
    expected = [x @ B[:, c] for x, c in zip(ROWS.X.T, ROWS.cell, strict=True)]
    np.testing.assert_allclose(linear_predictor(ROWS, B), expected)


def test_leaves_have_the_sums_of_their_cells():
    problem = make_problem(np.ones((N, 1)), VALUES, [CELL, np.arange(N) % 4])  # many cells a leaf
    numbers = RNG.normal(size=(2, 2, len(problem.codes)))
    for tree in learn_trees(problem, learn_forest(problem.codes, problem.n_levels)):
        found = to_leaves(numbers, tree)
        assert found.shape == (2, 2, tree.n_leaves, 1)
        for j in range(tree.n_leaves):
            expected = numbers[..., tree.leaf == j].sum(axis=-1)
            np.testing.assert_allclose(found[..., j, 0], expected)

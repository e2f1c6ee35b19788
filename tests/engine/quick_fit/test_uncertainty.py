"""How uncertain effects are, against dense normal posteriors."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.engine.quick_fit.sums import cell_information
from skhlm.engine.quick_fit.uncertainty import degrees_of_freedom, leaf_conditionals, row_variance
from skhlm.engine.tree_map.forest import learn_forest
from skhlm.engine.tree_map.trees import learn_trees
from tests.engine.problems import make_problem

N, J, TAU = 40, 5, np.array([0.7, 0.3])
RNG = np.random.default_rng(0)
LEVEL = np.arange(N) % J
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
PROBLEM = make_problem(X, RNG.normal(size=N), [LEVEL], "student_t")
ROWS = PROBLEM.evidence
PRECISION = RNG.uniform(0.5, 4, N)


def uncertainty(problem, log_tau):
    """Degrees of freedom, and variances (N,), of a problem at the precisions of its rows."""
    rows, trees = (
        problem.evidence,
        learn_trees(problem, learn_forest(problem.codes, problem.n_levels)),
    )
    leaves = leaf_conditionals(trees, cell_information(rows, PRECISION), log_tau)
    return degrees_of_freedom(rows, leaves), row_variance(rows, trees, leaves)


def test_of_one_factor_they_are_the_dense_ones():
    effective, variance = 2.0, np.empty(N)
    for c in range(J):
        own = ROWS.cell == c
        Z = ROWS.X.T[own]
        F = (PRECISION[own] * Z.T) @ Z
        V = np.linalg.inv(F + np.diag(TAU**-2.0))
        effective += np.trace(V @ F)
        variance[own] = np.einsum("ni,ij,nj->n", Z, V, Z)
    dof, found = uncertainty(PROBLEM, [np.tile(np.log(TAU), (3, 1))])
    assert dof == pytest.approx(N - effective)
    np.testing.assert_allclose(found, variance, rtol=1e-9)


def test_some_degrees_of_freedom_are_left_however_many_effects_there_are():
    problem = make_problem(X, RNG.normal(size=N), [np.arange(N)], "student_t")
    dof, _ = uncertainty(problem, [np.full((3, 2), 10.0)])
    assert dof == 0.2 * N


def test_without_factors_kappa_alone_is_uncertain():
    problem = make_problem(X, RNG.normal(size=N), [], "student_t")
    dof, variance = uncertainty(problem, [])
    assert dof == N - 2
    assert not variance.any()

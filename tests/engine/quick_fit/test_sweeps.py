"""The quick fit where its answer is known: dense normal posteriors, and what need not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.engine.quick_fit.sweeps import (
    degrees_of_freedom,
    empirical_bayes,
    first_estimate,
    has_settled,
    leaf_conditionals,
    residuals,
    row_variance,
    sweep,
    working_precision,
)
from skhlm.families import FAMILIES
from tests.engine.problems import make_problem, simulate, trees_of

RNG = np.random.default_rng(0)
N, J = 200, 8
LEVEL = np.arange(N) % J
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
Y = X @ [2, -1] + RNG.normal(size=J)[LEVEL] + 0.5 * RNG.normal(size=N)
PRECISION = RNG.uniform(0.5, 4, N)


def test_the_first_estimate_is_complete_pooling():
    problem = make_problem(X, Y, [LEVEL])
    expected = np.linalg.lstsq(X, Y, rcond=None)[0]
    np.testing.assert_allclose(first_estimate(problem).kappa, expected, atol=0.01)


def test_effects_are_the_dense_means_at_the_scales_found():
    problem = make_problem(X, Y, [LEVEL])
    trees = trees_of(problem)
    before = empirical_bayes(problem, trees)
    after = sweep(problem, trees, before)
    precision = np.repeat(working_precision(problem, before)[0], N)
    D = np.column_stack([X, *(X * (j == LEVEL)[:, None] for j in range(J))])
    tau = np.exp(after.log_tau[0][1])
    prior = np.r_[np.full(2, 1 / 100), np.tile(tau**-2, J)]
    mean = np.linalg.solve((precision * D.T) @ D + np.diag(prior), (precision * D.T) @ Y)
    np.testing.assert_allclose(after.kappa, mean[:2], rtol=1e-6)
    np.testing.assert_allclose(after.delta[0].T.ravel(), mean[2:], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_settles_near_the_truth(family):
    problem, truth = simulate(1000, 2, 4, 20, 4, 20, seed=0, family=family)
    trees = trees_of(problem)
    estimate = empirical_bayes(problem, trees)
    assert has_settled(estimate, sweep(problem, trees, estimate))
    for tails, tau in zip(estimate.log_tau, truth["tau"], strict=True):
        width = tails[2] - tails[0]
        assert (np.abs(tails[1] - np.log(tau)) < 2 * width).all()
    r = residuals(problem, trees, estimate)
    assert problem.evidence.size(r) == pytest.approx(np.sqrt(5 / 3), rel=0.2)


def test_what_moves_by_much_has_not_settled():
    problem = make_problem(X, Y, [LEVEL])
    estimate = empirical_bayes(problem, trees_of(problem))
    assert has_settled(estimate, estimate)
    moved = replace(estimate, delta=(estimate.delta[0] + estimate.sd[0],))
    assert not has_settled(estimate, moved)
    wider = replace(estimate, log_tau=(estimate.log_tau[0] + 1,))
    assert not has_settled(estimate, wider)


# --- how uncertain the effects are, against dense normal posteriors ------------------------------


def uncertainty(problem, log_tau):
    """Degrees of freedom, and variances (N,), of a problem at the precisions of its rows."""
    rows, trees = problem.evidence, trees_of(problem)
    leaves = leaf_conditionals(trees, rows.cell_information(PRECISION), log_tau)
    return degrees_of_freedom(rows, leaves), row_variance(rows, trees, leaves)


def test_of_one_factor_they_are_the_dense_ones():
    problem = make_problem(X, Y, [LEVEL], "student_t")
    rows, tau = problem.evidence, np.array([0.7, 0.3])
    effective, variance = 2.0, np.empty(N)
    for c in range(J):
        own = rows.cell == c
        Z = rows.X.T[own]
        F = (PRECISION[own] * Z.T) @ Z
        V = np.linalg.inv(F + np.diag(tau**-2.0))
        effective += np.trace(V @ F)
        variance[own] = np.einsum("ni,ij,nj->n", Z, V, Z)
    dof, found = uncertainty(problem, [np.tile(np.log(tau), (3, 1))])
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

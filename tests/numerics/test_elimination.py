"""Elimination where rows tell nearly everything of some directions and nothing of the others."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.elimination import (
    Layer,
    Message,
    downward,
    log_root_determinants,
    upward,
)
from tests.engine.problems import make_problem

LEVELS, ROWS = 8, 20
CHAIN = [np.arange(4) // 2, np.arange(LEVELS) // 2]  # parents of the second and the third factor


def leaf_information(K):
    """Information (K, K, J) of levels in which no predictor changes: of rank one."""
    rng = np.random.default_rng(K)
    level = np.repeat(np.arange(LEVELS), ROWS)
    X = np.column_stack([np.ones(LEVELS), rng.normal(size=(LEVELS, K - 1))])[level]
    problem = make_problem(X, rng.normal(size=len(X)), [level], "student_t")
    return problem.evidence.cell_information(np.ones(len(X)))


def prior_precision(K, correlated, rng):
    """P (K, K, 1, 1) of effects with sds from 1e-3 to 1e2."""
    root = rng.normal(size=(K, K)) if correlated else np.eye(K)
    scale = 10.0 ** rng.uniform(-2, 3, K)
    return (scale[:, None] * (root @ root.T + 0.1 * np.eye(K)) * scale)[..., None, None]


@pytest.mark.parametrize("c", 10.0 ** np.arange(-6, 18, 3))
@pytest.mark.parametrize("varying", ["intercept", "all"])
@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("K", [2, 3, 4])
def test_what_is_left_stays_positive_definite(K, correlated, varying, c):
    """The Stan program refuses any other; eigenvalues with the diagonal scaled to one."""
    rng = np.random.default_rng(0)
    a = np.arange(K if varying == "all" else 1)
    F = c * leaf_information(K)[..., None]
    factors = [Layer(a, p) for p in (np.zeros(2, dtype=np.int64), *CHAIN)]
    P = [prior_precision(len(a), correlated, rng) for _ in factors]
    conditionals, root = upward(Message(F, np.zeros(F.shape[1:])), factors, P)
    for F in (root.F, *(conditional.below.F for conditional in conditionals)):
        blocks = np.moveaxis(F[..., 0], -1, 0)
        size = np.sqrt(np.einsum("lii->li", blocks))
        assert np.linalg.eigvalsh(blocks / size[:, :, None] / size[:, None, :]).min() > 1e-13


def test_effects_and_determinants_of_a_chain_are_the_dense_ones():
    """Of two nested factors, whose levels' totals are known by F and s, below a root."""
    rng = np.random.default_rng(4)
    K, parents = 2, (np.zeros(3, dtype=np.int64), np.arange(6) // 2)
    half = rng.normal(size=(6, K, K))
    F, s, root = half @ half.swapaxes(1, 2), rng.normal(size=(6, K)), rng.normal(size=K)
    P = [np.diag(rng.uniform(0.5, 2, K)) for _ in parents]
    layers = [Layer(np.arange(K), p) for p in parents]
    message = Message(np.moveaxis(F, 0, -1)[..., None], s.T[..., None])
    conditionals, _ = upward(message, layers, [p[..., None, None] for p in P])
    delta, total = downward(conditionals, root[:, None, None])

    design = np.zeros((6, K, 9, K))  # of the leaf levels' totals less the root, in all 9 effects
    for leaf in range(6):
        design[leaf, :, parents[1][leaf]] = design[leaf, :, 3 + leaf] = np.eye(K)
    A = design.reshape(6, K, 9 * K)
    prior = np.kron(np.diag([1] * 3 + [0] * 6), P[0]) + np.kron(np.diag([0] * 3 + [1] * 6), P[1])
    H = np.einsum("lia,lij,ljb->ab", A, F, A) + prior
    mean = np.linalg.solve(H, np.einsum("lia,li->a", A, s - F @ root)).reshape(9, K)
    np.testing.assert_allclose(np.concatenate(delta, axis=1)[..., 0].T, mean, atol=1e-12)
    np.testing.assert_allclose(total[..., 0].T, root + mean[parents[1]] + mean[3:], atol=1e-12)
    found = sum(log_root_determinants(conditional) for conditional in conditionals)
    np.testing.assert_allclose(found, -0.5 * np.linalg.slogdet(H)[1], atol=1e-12)

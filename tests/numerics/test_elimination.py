"""Elimination where rows tell nearly everything of some directions and nothing of the others."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.elimination import Layer, Message, upward
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

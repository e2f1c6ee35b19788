"""Squared errors from residuals, widened for the effects' uncertainty.

Raw residuals of many effects fitted to few rows are too small, and those of a Student-t family
would drive nu to one. With few parameters a row they are widened by N/(N - p), p the effective
number of parameters; with many, half of that gives way to each row's own variance x'V x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.quick_fit.evidence import Rows, to_leaves
from skhlm.engine.quick_fit.tau_marginals import diagonal_precision
from skhlm.engine.tree_map.messages import Conditional, Message, condition
from skhlm.engine.tree_map.trees import Tree

_FEWEST_DOF = 0.2  # of the rows: what sigma keeps however many effects there are
_MANY_PARAMETERS = 0.1  # a row: from here on the widening turns to the rows' variances


def leaf_conditionals(
    trees: Sequence[Tree], information: Floats, log_tau: Sequence[Floats]
) -> list[Conditional]:
    """The leaf factors' conditionals at the median scales, from cell information (K, K, C)."""
    conditionals = []
    for tree in (tree for tree in trees if tree.factors):
        F = to_leaves(information, tree)
        below = Message(F, np.zeros(F.shape[1:]))
        P = diagonal_precision(log_tau[tree.members[-1]][1])
        conditionals.append(condition(tree.factors[-1], below, P))
    return conditionals


def degrees_of_freedom(rows: Rows, leaves: Sequence[Conditional]) -> float:
    """Rows less the effective number of parameters, kappa and the leaves' tr(V A F A')."""
    effective = float(len(rows.X))
    for leaf in leaves:
        a = leaf.factor.varying
        effective += float(np.einsum("ijld,jild->", leaf.V, leaf.below.F[np.ix_(a, a)]))
    return max(rows.n_obs - effective, _FEWEST_DOF * rows.n_obs)


def widen(
    rows: Rows, residual: Floats, dof: float, trees: Sequence[Tree], leaves: Sequence[Conditional]
) -> Floats:
    """Squared errors (N,) of Student-t rows."""
    squared, inflation = np.square(residual), rows.n_obs / dof - 1
    crowding = (1 - dof / rows.n_obs) / _MANY_PARAMETERS
    blend = 1 - 0.5 * float(np.clip(crowding - 1, 0, 1))
    widened = squared * (1 + blend * inflation)
    return widened if blend == 1 else widened + (1 - blend) * row_variance(rows, trees, leaves)


def row_variance(rows: Rows, trees: Sequence[Tree], leaves: Sequence[Conditional]) -> Floats:
    """Sum over trees of x'V x (N,), V the conditional variance of the row's leaf effects."""
    K = len(rows.X)
    V = np.zeros((K, K, rows.n_cells))
    crossed = [tree for tree in trees if tree.factors]
    for tree, leaf in zip(crossed, leaves, strict=True):
        a = leaf.factor.varying
        V[np.ix_(a, a)] += leaf.V[..., tree.leaf, 0]
    variance = np.zeros(len(rows.y))
    for j, k in np.ndindex(K, K):
        variance += rows.X[j] * rows.X[k] * V[j, k][rows.cell]
    return variance

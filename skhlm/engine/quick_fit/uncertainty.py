"""How uncertain the effects are: degrees of freedom, and the variance of each row's eta."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.quick_fit.sums import to_leaves
from skhlm.engine.quick_fit.tau_marginals import diagonal_precision
from skhlm.engine.tree_map import Tree
from skhlm.engine.tree_map.messages import Conditional, Message, condition
from skhlm.families import Evidence

_FEWEST_DOF = 0.2  # of the rows: what sigma keeps however many effects there are


def leaf_conditionals(
    trees: Sequence[Tree], information: Floats, log_tau: Sequence[Floats]
) -> list[Conditional]:
    """The leaf factors' conditionals at the median scales, from cell information (K, K, C)."""
    conditionals = []
    for tree in (tree for tree in trees if tree.layers):
        F = to_leaves(information, tree)
        below = Message(F, np.zeros(F.shape[1:]))
        P = diagonal_precision(log_tau[tree.members[-1]][1])
        conditionals.append(condition(tree.layers[-1], below, P))
    return conditionals


def degrees_of_freedom(rows: Evidence, leaves: Sequence[Conditional]) -> float:
    """Rows less the effective number of parameters, kappa and the leaves' tr(V A F A')."""
    effective = float(len(rows.X))
    for leaf in leaves:
        a = leaf.layer.varying
        effective += float(np.einsum("ijld,jild->", leaf.V, leaf.below.F[np.ix_(a, a)]))
    return max(rows.n_obs - effective, _FEWEST_DOF * rows.n_obs)


def row_variance(rows: Evidence, trees: Sequence[Tree], leaves: Sequence[Conditional]) -> Floats:
    """Sum over trees of x'V x (N,), V the conditional variance of the row's leaf effects."""
    K = len(rows.X)
    V = np.zeros((K, K, rows.n_cells))
    crossed = [tree for tree in trees if tree.layers]
    for tree, leaf in zip(crossed, leaves, strict=True):
        a = leaf.layer.varying
        V[np.ix_(a, a)] += leaf.V[..., tree.leaf, 0]
    variance = np.zeros(len(rows.y))
    for j, k in np.ndindex(K, K):
        variance += rows.X[j] * rows.X[k] * V[j, k][rows.cell]
    return variance

"""The tree map backwards: from the model's parameters to the sampler's coordinates z.

The auxiliary roots of the trees t >= 2 are no parameters of the model: they are put at their
conditional means, q_t = ybar_t - e_t with e_t = sum over the tree's leaf levels W_l (B_l - q_t).
"""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import Draws
from skhlm.engine.problem import Problem
from skhlm.engine.tree_map.forward import (
    Coordinates,
    MapConstants,
    contrast,
    leaf_message,
    prior_precision,
    root_conditional,
)
from skhlm.numerics.elimination import standardised, upward
from skhlm.numerics.forest import Forest, Tree, build_trees
from skhlm.numerics.scale_maps import unbent
from skhlm.numerics.small_matrices import cholesky

_SMALLEST = 1e-12  # excess of sigma over its smallest value, of sigma
_LARGEST = 1 - 1e-12  # partial correlation


def to_coordinates(
    draws: Draws, problem: Problem, forest: Forest, constants: MapConstants
) -> Coordinates:
    """Coordinates that the tree map takes to these draws."""
    shape = draws.shape
    flat = draws.map(lambda x: np.moveaxis(x.reshape(-1, *x.shape[2:]), 0, -1))
    z_tau = [unbent(constants.log_tau[g], np.log(flat.tau[g])) for g in forest.order]
    L = [cholesky(omega) for omega in flat.omega]
    z_root, z_delta = _whitened(flat, L, problem, forest, constants)

    def draws_first(z: Floats) -> Floats:
        return np.moveaxis(z, -1, 0).reshape(*shape, *z.shape[:-1])

    return Coordinates(
        z_tau=draws_first(_stacked(z_tau, flat)),
        z_aux=draws_first(_auxiliary(flat, problem, constants)),
        z_omega=draws_first(_stacked([_partial(L[g]) for g in forest.order if L], flat)),
        z_root=draws_first(z_root),
        z_delta=draws_first(z_delta),
    )


def _auxiliary(flat: Draws, problem: Problem, constants: MapConstants) -> Floats:
    """Coordinates of the auxiliary parameters (n_aux, D), the last first: the others lean on it."""
    z = np.zeros((len(problem.cuts), flat.kappa.shape[-1]))
    for i in reversed(range(len(z))):
        parameter = problem.family.auxiliary[i]
        value, least = flat.auxiliary[parameter.name], parameter.lower + problem.cuts[i]
        log_excess = np.log(np.maximum(value - least, _SMALLEST * value))
        z[i] = unbent(constants.log_aux[:, i], log_excess, constants.aux_lean[i] @ z)
    return z


def _stacked(blocks: list[Floats], flat: Draws) -> Floats:
    """Blocks (n, D) under each other; (0, D) where there are none."""
    return np.concatenate([np.zeros((0, flat.kappa.shape[-1])), *blocks])


def _partial(L: Floats) -> Floats:
    """Inverse hyperbolic tangents of the partial correlations (n, D) of L L', (K_g, K_g, D)."""
    z = []
    for i in range(len(L)):
        room = np.ones(L.shape[-1])  # 1 - sum of the row's squares so far
        for j in range(i):
            z.append(np.arctanh(np.clip(L[i, j] / np.sqrt(room), -_LARGEST, _LARGEST)))
            room = room - L[i, j] ** 2
    return np.array(z).reshape(-1, L.shape[-1])


def _whitened(
    flat: Draws, L: list[Floats], problem: Problem, forest: Forest, constants: MapConstants
) -> tuple[Floats, Floats]:
    """Coordinates of the roots (K, R, D) and of the effects (E, D), from draws (..., D)."""
    logs = [np.log(flat.auxiliary[a.name] - a.lower) for a in problem.family.auxiliary]
    c = np.exp(problem.family.log_information(logs) - constants.log_c)
    delta = [effects.swapaxes(0, 1) for effects in flat.delta]  # (K_g, J_g, D)
    trees = build_trees(forest, problem.codes, problem.varying)
    totals = [_totals(tree, delta, flat) for tree in trees]
    e = [contrast(W, T[-1]) for W, T in zip(constants.contrast_weight, totals, strict=False)]
    z_root, z_delta = [], []
    for t, tree in enumerate(trees):
        q = flat.kappa + sum(e[1:]) if t == 0 else constants.auxiliary_mean[t][:, None] - e[t]
        P = [_prior_precision(flat, L, g) for g in tree.members]
        leaf = leaf_message(constants, t, c)
        conditionals, message = upward(leaf, tree.layers, P)
        root = root_conditional(message, constants, t)
        z_root.append(standardised(root, np.zeros((len(q), 1, 1)), q[:, None])[:, 0])
        for g, conditional, above in zip(tree.members, conditionals, totals[t], strict=False):
            B = (q[:, None] + above)[:, conditional.layer.parents]
            z = standardised(conditional, B, delta[g])
            z_delta.append(z.swapaxes(0, 1).reshape(-1, z.shape[-1]))
    return np.stack(z_root, axis=1), _stacked(z_delta, flat)


def _prior_precision(flat: Draws, L: list[Floats], g: int) -> Floats:
    """P (K_g, K_g, 1, D) of factor g."""
    n, n_draws = flat.tau[g].shape
    no_correlations = np.broadcast_to(np.eye(n)[:, :, None], (n, n, n_draws))
    return prior_precision(flat.tau[g], L[g] if L else no_correlations)


def _totals(tree: Tree, delta: list[Floats], flat: Draws) -> list[Floats]:
    """Sums of the effects (K, J, D) above each factor of a chain, and last those of its leaves."""
    totals = [np.zeros((flat.kappa.shape[0], 1, flat.kappa.shape[-1]))]
    for g, layer in zip(tree.members, tree.layers, strict=True):
        T = totals[-1][:, layer.parents]
        T[layer.varying] += delta[g]
        totals.append(T)
    return totals

"""Marginals of each log tau, the effects of its tree and the root integrated out exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skhlm._typing import Floats
from skhlm.numerics.elimination import (
    Layer,
    Message,
    condition,
    condition_root,
    diagonal_precision,
    integrate,
    log_integral,
    raised,
)
from skhlm.numerics.forest import Tree
from skhlm.numerics.grids import tails
from skhlm.priors import LocationScale, Priors

RootPrior = tuple[Floats, Floats]  # precision (K,) and score (K,)


@dataclass(frozen=True)
class Collapsed:
    """The scales of one factor of a tree, with everything else integrated out or fixed."""

    layer: Layer
    below: Message  # what the data and the finer factors say about its levels
    log_tau: Floats  # (K_g,) where its scales are
    above: tuple[tuple[Layer, Floats], ...]  # coarser factors, the next one first; precisions
    root: RootPrior
    prior: LocationScale  # of tau


def marginal_scales(
    message: Message, tree: Tree, priors: Priors, root: RootPrior, log_tau: Sequence[Floats], n: int
) -> tuple[Floats, ...]:
    """5/50/95% points (3, K_g) of each log tau of the tree, the other scales at their medians.

    Coefficient by coefficient, the finest factor first, on grids of ``n`` points laid out by the
    present points ``log_tau``, G x (3, K_g). The message comes from the leaf levels.
    """
    updated = list(log_tau)
    for i in reversed(range(len(tree.members))):
        g = tree.members[i]
        above = tuple(
            (layer, diagonal_precision(log_tau[h][1]))
            for h, layer in zip(tree.members[:i], tree.layers[:i], strict=True)
        )
        collapsed = Collapsed(
            tree.layers[i], message, log_tau[g][1], above[::-1], root, priors.tau[g]
        )
        updated[g] = _factor_scales(collapsed, log_tau[g], n)
        message = integrate(condition(tree.layers[i], message, diagonal_precision(updated[g][1])))
    return tuple(updated)


def _factor_scales(collapsed: Collapsed, guess: Floats, n: int) -> Floats:
    """5/50/95% points (3, K_g) of one factor's scales, one after the other."""
    found = guess.copy()
    for k in range(found.shape[1]):
        present = replace(collapsed, log_tau=found[1])
        found[:, k] = tails(partial(log_marginal, k=k, collapsed=present), guess[:, k], n)
    return found


def log_marginal(log_tau_k: Floats, k: int, collapsed: Collapsed) -> Floats:
    """Log density (D,) of one log tau at the points (D,), up to a constant."""
    log_tau, widest = collapsed.log_tau.copy(), log_tau_k.max()
    log_tau[k] = widest
    conditional = condition(collapsed.layer, collapsed.below, diagonal_precision(log_tau))
    density, message = raised(conditional, k, np.exp(-2 * log_tau_k) - np.exp(-2 * widest))
    density = density - len(collapsed.layer.parents) * log_tau_k
    for layer, precision in collapsed.above:
        conditional = condition(layer, message, precision)
        message = integrate(conditional)
        density = density + log_integral(conditional)
    root = condition_root(message, *collapsed.root)
    return density + log_integral(root) + collapsed.prior.log_density_of_log(log_tau_k, k)

"""Marginals of each log tau, the effects of its tree and the root integrated out exactly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.densities import log_prior, tails
from skhlm.engine.messages import Message, condition, condition_root, integrate, log_integral
from skhlm.engine.problem import LocationScale, Problem
from skhlm.engine.small_matrices import diagonal
from skhlm.engine.trees import Tree


def kappa_stand_in(prior: LocationScale) -> tuple[Floats, Floats]:
    """Precision (K,) and score (K,) of the normal stand-in for kappa's prior: its information."""
    share = np.array([1.0 if np.isinf(df) else (df + 1) / (df + 3) for df in prior.df])
    precision = share / np.square(prior.scale)
    return precision, precision * prior.loc


def marginal_scales(
    message: Message, tree: Tree, problem: Problem, log_tau: Sequence[Floats], n: int
) -> tuple[Floats, ...]:
    """5/50/95% points of each log tau of the tree, effects and root integrated out and the other
    scales at their medians; finest factor first, on grids of n points about the old ones."""
    updated = list(log_tau)
    for i in reversed(range(len(tree.members))):
        g = tree.members[i]
        updated[g] = updated[g].copy()
        for k in range(updated[g].shape[1]):
            marginal = partial(
                log_marginal, k=k, i=i, below=message, tree=tree, problem=problem, log_tau=updated
            )
            updated[g][:, k] = tails(marginal, updated[g][:, k], n)
        medians = diagonal_precision(updated[g][1, :, None])
        message = integrate(condition(tree.factors[i], message, medians))
    return tuple(updated)


def log_marginal(
    x: Floats,
    k: int,
    i: int,
    below: Message,
    tree: Tree,
    problem: Problem,
    log_tau: Sequence[Floats],
) -> Floats:
    """Log density (n,) of log tau_k of the tree's factor i at x, given what lies below it."""
    g = tree.members[i]
    trial = np.repeat(log_tau[g][1, :, None], len(x), axis=1)
    trial[k] = x
    conditional = condition(tree.factors[i], below, diagonal_precision(trial))
    density = log_integral(conditional) - problem.n_levels[g] * x
    for h, factor in reversed(list(zip(tree.members[:i], tree.factors[:i], strict=True))):
        precision = diagonal_precision(log_tau[h][1, :, None])
        conditional = condition(factor, integrate(conditional), precision)
        density = density + log_integral(conditional)
    root = condition_root(integrate(conditional), *kappa_stand_in(problem.priors.kappa))
    return density + log_integral(root) + log_prior(problem.priors.tau[g], x, k)


def diagonal_precision(log_tau: Floats) -> Floats:
    """diag(tau^-2), (K_g, K_g, 1, D) from (K_g, D)."""
    return diagonal(np.exp(-2 * log_tau))[:, :, None]

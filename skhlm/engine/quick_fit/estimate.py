"""Where the quick fit is: kappa, effects, scales, and what the family made of the rows.

Steps of kappa and effects are shortened where they overshoot. Where a log density is concave in
eta, a step with any positive information goes up: what is too long is only long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.families import Evidence
from skhlm.families.family import AuxiliaryFit, Swept
from skhlm.numerics.forest import Tree, leaf_effects

_HALVINGS = 30  # after which a step is none
_ROUNDING = 1e-12  # of the log posterior


@dataclass(frozen=True)
class Estimate:
    """Where the sweeps are.

    ===========  ==================  ===============================================================
    field        shape               what it is
    ===========  ==================  ===============================================================
    ``kappa``    (K,)                population-level coefficients
    ``delta``    G x (K_g, J_g)      group effects
    ``sd``       G x (K_g, J_g)      their conditional sds
    ``log_tau``  G x (3, K_g)        5/50/95% points of each marginal
    ``seen``                         eta, and how uncertain it is, after the last sweep
    ``aux``                          the family's auxiliary parameters
    ===========  ==================  ===============================================================
    """

    kappa: Floats
    delta: tuple[Floats, ...]
    sd: tuple[Floats, ...]
    log_tau: tuple[Floats, ...]
    seen: Swept
    aux: AuxiliaryFit


def cell_effects(rows: Evidence, trees: Sequence[Tree], delta: Sequence[Floats]) -> Floats:
    """Summed effects (K, C) of some trees in each cell."""
    total = np.zeros((rows.n_coefficients, rows.n_cells))
    for tree in trees:
        total += leaf_effects(tree, delta, rows.n_coefficients)[:, tree.leaf]
    return total


def find_eta(rows: Evidence, trees: Sequence[Tree], estimate: Estimate) -> Floats:
    """Eta (N,) at the estimate's kappa and its effects in some trees."""
    return rows.eta(estimate.kappa[:, None] + cell_effects(rows, trees, estimate.delta))


def log_posterior(problem: Problem, eta: Floats, estimate: Estimate) -> float:
    """Log density of kappa and effects given the scales, up to a constant; eta (N,) is theirs."""
    family, rows = problem.family, problem.evidence
    precision, score = problem.priors.kappa.normal_stand_in()
    value = family.log_likelihood(rows, eta, family.central(estimate.aux))
    value += float((score - 0.5 * precision * estimate.kappa) @ estimate.kappa)
    for delta, (_, log_tau, _) in zip(estimate.delta, estimate.log_tau, strict=True):
        value -= 0.5 * float(np.square(delta * np.exp(-log_tau)[:, None]).sum())
    return value


def damped(problem: Problem, trees: Sequence[Tree], before: Estimate, after: Estimate) -> Estimate:
    """The estimate after a step, halved until the log posterior at the new scales does not fall."""
    start = replace(before, log_tau=after.log_tau, sd=after.sd)
    old, new = (find_eta(problem.evidence, trees, e) for e in (before, after))
    least = log_posterior(problem, old, start)
    least -= _ROUNDING * abs(least)
    for share in 0.5 ** np.arange(_HALVINGS):
        part = _between(start, after, share)
        with np.errstate(all="ignore"):  # far out, where it is not accepted
            value = log_posterior(problem, old + share * (new - old), part)
        if value >= least:
            return part
    return start


def _between(start: Estimate, end: Estimate, share: float) -> Estimate:
    """The estimate a share of the way from the start to the end."""

    def move(a: Floats, b: Floats) -> Floats:
        return b if share == 1 else a + share * (b - a)

    return replace(
        end,
        kappa=move(start.kappa, end.kappa),
        delta=tuple(move(a, b) for a, b in zip(start.delta, end.delta, strict=True)),
    )

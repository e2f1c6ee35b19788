"""Where the quick fit is: kappa, effects, scales, and what the family made of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.families import Evidence
from skhlm.families.family import AuxiliaryFit, Swept
from skhlm.numerics.forest import Tree, leaf_effects


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

"""The quick fit that the tree map is calibrated at: Gaussian sweeps over the trees, EM weights.

A sweep takes each tree in turn, kappa at its root and the other trees' effects as known: each tau
becomes the median of its collapsed marginal, then root and effects their conditional means. Then
the family's auxiliary parameters follow from the residuals and the effects' uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.sums import (
    cell_information,
    cell_score,
    linear_predictor,
    to_leaves,
)
from skhlm.engine.quick_fit.tau_marginals import diagonal_precision, kappa_stand_in, marginal_scales
from skhlm.engine.quick_fit.uncertainty import degrees_of_freedom, leaf_conditionals, row_variance
from skhlm.engine.tree_map import Tree, leaf_effects
from skhlm.engine.tree_map.messages import (
    Message,
    condition_root,
    effects,
    root_value,
    upward,
)
from skhlm.families import Evidence
from skhlm.families.family import AuxiliaryFit, RowErrors

_MAX_SWEEPS = 40
_TAU_GRID, _AUX_GRID = 17, 13  # points an axis; fewer, and a skewed tau never settles
_SETTLED = 0.2  # of a sd


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
    ``errors``   (N,)                what the family makes of the residuals
    ``dof``      ()                  rows less the effective number of parameters
    ``aux``                          the family's auxiliary parameters
    ===========  ==================  ===============================================================
    """

    kappa: Floats
    delta: tuple[Floats, ...]
    sd: tuple[Floats, ...]
    log_tau: tuple[Floats, ...]
    errors: Floats
    dof: float
    aux: AuxiliaryFit


def empirical_bayes(problem: Problem, trees: Sequence[Tree]) -> Estimate:
    """Sweep until effects, tau and the auxiliary parameters have settled."""
    estimate = first_estimate(problem)
    for _ in range(_MAX_SWEEPS):
        previous, estimate = estimate, sweep(problem, trees, estimate)
        if has_settled(previous, estimate):
            break
    return estimate


def first_estimate(problem: Problem) -> Estimate:
    """Complete pooling, and scales of the size of its residuals."""
    rows = problem.evidence
    size = rows.size(rows.y)
    information = cell_information(rows, rows.weight / size**2).sum(axis=-1)[..., None, None]
    score = cell_score(rows, rows.weight * rows.y / size**2).sum(axis=-1)[..., None, None]
    root = condition_root(Message(information, score), *kappa_stand_in(problem.priors.kappa))
    kappa = root_value(root)[:, 0, 0]
    residual = rows.y - kappa @ rows.X
    aux, errors = problem.family.first_fit(rows, residual, problem.cuts)
    shapes = [(len(a), J) for a, J in zip(problem.varying, problem.n_levels, strict=True)]
    return Estimate(
        kappa=kappa,
        delta=tuple(np.zeros(shape) for shape in shapes),
        sd=tuple(np.zeros(shape) for shape in shapes),
        log_tau=_first_scales(problem, rows.size(residual)),
        errors=errors,
        dof=rows.n_obs,
        aux=aux,
    )


def _first_scales(problem: Problem, spread: float) -> tuple[Floats, ...]:
    """Wide marginals (3, K_g) around half of what would explain the residuals alone."""
    rows = problem.evidence
    size = np.sqrt(np.square(rows.X) @ rows.weight / rows.n_obs)
    scales = []
    for a, prior in zip(problem.varying, problem.priors.tau, strict=True):
        seen = size[a] > 0
        explains = np.where(seen, spread / np.where(seen, size[a], 1.0), prior.scale)
        scales.append(np.log(0.5 * explains) + np.array([[-1.0], [0.0], [0.75]]))
    return tuple(scales)


def has_settled(before: Estimate, after: Estimate) -> bool:
    """Whether nothing moved by much: effects and log tau in units of their sds."""
    moved = zip(before.delta, after.delta, after.sd, strict=True)
    scaled = zip(before.log_tau, after.log_tau, strict=True)
    return (
        all(np.all(np.abs(new - old) < _SETTLED * sd) for old, new, sd in moved)
        and all(
            np.all(np.abs(new[1] - old[1]) < _SETTLED * (new[2] - new[0])) for old, new in scaled
        )
        and after.aux.is_near(before.aux)
    )


def sweep(problem: Problem, trees: Sequence[Tree], estimate: Estimate) -> Estimate:
    """Every tree's scales, root and effects once, then the auxiliary parameters."""
    rows, precision = problem.evidence, working_precision(problem, estimate)
    information = cell_information(rows, precision)
    for tree in trees:
        others = [other for other in trees if other is not tree]
        known = estimate.kappa[:, None] + cell_effects(rows, others, estimate.delta)
        score = cell_score(rows, precision * (rows.y - linear_predictor(rows, known)))
        message = Message(to_leaves(information, tree), to_leaves(score, tree))
        estimate = update_tree(message, tree, problem, estimate)
    return update_auxiliary(problem, trees, information, estimate)


def working_precision(problem: Problem, estimate: Estimate) -> Floats:
    """Weighted precision (N,) of each row's outcome as a Gaussian one."""
    precision: Floats = problem.evidence.weight * problem.family.working_precision(
        estimate.errors, estimate.aux
    )
    return precision


def update_tree(message: Message, tree: Tree, problem: Problem, estimate: Estimate) -> Estimate:
    """The tree's scales by their marginals, then kappa and effects by one pass up and down.

    The message tells of the tree's totals less the present kappa.
    """
    root = kappa_stand_in(problem.priors.kappa, about=estimate.kappa)
    log_tau = marginal_scales(message, tree, problem.priors, root, estimate.log_tau, _TAU_GRID)
    P = [diagonal_precision(log_tau[g][1]) for g in tree.members]
    conditionals, top = upward(message, tree.layers, P)
    shift = B = root_value(condition_root(top, *root))
    delta, sd = list(estimate.delta), list(estimate.sd)
    for g, conditional in zip(tree.members, conditionals, strict=True):
        B = B[:, conditional.layer.parents]
        d = effects(conditional, B)
        B[conditional.layer.varying] += d
        delta[g], sd[g] = d[..., 0], np.sqrt(np.einsum("iijd->ij", conditional.V))
    return replace(
        estimate,
        kappa=estimate.kappa + shift[:, 0, 0],
        delta=tuple(delta),
        sd=tuple(sd),
        log_tau=log_tau,
    )


def cell_effects(rows: Evidence, trees: Sequence[Tree], delta: Sequence[Floats]) -> Floats:
    """Summed effects (K, C) of some trees in each cell."""
    total = np.zeros((len(rows.X), rows.n_cells))
    for tree in trees:
        total += leaf_effects(tree, delta, len(rows.X))[:, tree.leaf]
    return total


def residuals(problem: Problem, trees: Sequence[Tree], estimate: Estimate) -> Floats:
    """Residuals y - eta (N,)."""
    rows = problem.evidence
    coefficients = estimate.kappa[:, None] + cell_effects(rows, trees, estimate.delta)
    return rows.y - linear_predictor(rows, coefficients)


def update_auxiliary(
    problem: Problem, trees: Sequence[Tree], information: Floats, estimate: Estimate
) -> Estimate:
    """New auxiliary parameters from the residuals; cell information (K, K, C) as it was."""
    rows = problem.evidence
    leaves = leaf_conditionals(trees, information, estimate.log_tau)
    dof = degrees_of_freedom(rows, leaves)
    seen = RowErrors(
        residuals(problem, trees, estimate), dof, partial(row_variance, rows, trees, leaves)
    )
    estimate = replace(estimate, errors=problem.family.errors(rows, seen), dof=dof)
    return replace(estimate, aux=fit_auxiliary(problem, estimate, _AUX_GRID))


def fit_auxiliary(problem: Problem, estimate: Estimate, n: int) -> AuxiliaryFit:
    """Posterior of the auxiliary parameters at the estimate, on a grid of n points an axis."""
    fit: AuxiliaryFit = problem.family.fit(
        problem.evidence,
        estimate.errors,
        estimate.dof,
        problem.priors.auxiliary,
        estimate.aux,
        n,
    )
    return fit

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
from skhlm.engine.quick_fit.tau_marginals import marginal_scales
from skhlm.families import Evidence
from skhlm.families.family import AuxiliaryFit, RowErrors
from skhlm.numerics.elimination import (
    Conditional,
    Message,
    condition,
    condition_root,
    diagonal_precision,
    effects,
    root_value,
    upward,
)
from skhlm.numerics.forest import Tree, leaf_effects, leaf_sums

_MAX_SWEEPS = 40
_TAU_GRID, _AUX_GRID = 17, 13  # points an axis; fewer, and a skewed tau never settles
_SETTLED = 0.2  # of a sd
_FEWEST_DOF = 0.2  # of the rows: what sigma keeps however many effects there are


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
    information = rows.cell_information(rows.weight / size**2).sum(axis=-1)[..., None, None]
    score = rows.cell_score(rows.weight * rows.y / size**2).sum(axis=-1)[..., None, None]
    root = condition_root(Message(information, score), *problem.priors.kappa.normal_stand_in())
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
    information = rows.cell_information(precision)
    for tree in trees:
        others = [other for other in trees if other is not tree]
        known = estimate.kappa[:, None] + cell_effects(rows, others, estimate.delta)
        score = rows.cell_score(precision * (rows.y - rows.linear_predictor(known)))
        message = Message(leaf_sums(tree, information), leaf_sums(tree, score))
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
    root = problem.priors.kappa.normal_stand_in(about=estimate.kappa)
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
    return rows.y - rows.linear_predictor(coefficients)


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


def leaf_conditionals(
    trees: Sequence[Tree], information: Floats, log_tau: Sequence[Floats]
) -> list[Conditional]:
    """The leaf factors' conditionals at the median scales, from cell information (K, K, C)."""
    conditionals = []
    for tree in (tree for tree in trees if tree.layers):
        F = leaf_sums(tree, information)
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

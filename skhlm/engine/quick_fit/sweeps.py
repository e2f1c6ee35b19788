"""The quick fit that the tree map is calibrated at: Gaussian sweeps over the trees.

A sweep takes each tree in turn, kappa at its root and the other trees' effects as known, and rows
as Gaussian ones with the family's information and score about the present eta: each tau becomes
the median of its collapsed marginal, then root and effects their conditional means, or as much of
the way there as the posterior gains from. Then the family's auxiliary parameters follow from what
the sweep leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.estimate import Estimate, damped, find_eta, log_posterior
from skhlm.engine.quick_fit.tau_marginals import marginal_scales
from skhlm.families import Evidence
from skhlm.families.family import AuxiliaryFit, Swept
from skhlm.numerics.elimination import (
    Conditional,
    Message,
    condition,
    condition_root,
    diagonal_precision,
    downward,
    log_root_determinants,
    root_value,
    upward,
)
from skhlm.numerics.forest import Tree, leaf_sums, lone_root

_MAX_SWEEPS = 40
_TAU_GRID, _AUX_GRID = 17, 13  # points an axis; fewer, and a skewed tau never settles
_SETTLED = 0.2  # of a sd
_LITTLE = 0.05  # of the log posterior: what a third of a sd gains
_FEWEST_DOF = 0.2  # of the rows: what sigma keeps however many effects there are


def empirical_bayes(problem: Problem, trees: Sequence[Tree]) -> Estimate:
    """Sweep until effects, tau and the auxiliary parameters have settled."""
    pooled = first_estimate(problem)
    eta = problem.family.own_eta(problem.evidence, pooled.seen.eta)
    estimate = sweep(problem, trees, pooled, eta)
    for _ in range(_MAX_SWEEPS - 1):
        previous, estimate = estimate, sweep(problem, trees, estimate)
        if has_settled(previous, estimate):
            break
    return estimate


def first_estimate(problem: Problem) -> Estimate:
    """Complete pooling, and scales of the size of what it leaves to explain."""
    rows, family = problem.evidence, problem.family
    of_rows, of_outcomes = family.start(rows)
    information = rows.cell_information(of_rows).sum(axis=-1)[..., None, None]
    score = rows.cell_score(of_outcomes).sum(axis=-1)[..., None, None]
    root = condition_root(Message(information, score), *problem.priors.kappa.normal_stand_in())
    kappa = root_value(root)[:, 0, 0]
    eta = rows.offset + kappa @ rows.X
    shapes = [(len(a), J) for a, J in zip(problem.varying, problem.n_levels, strict=True)]
    estimate = Estimate(
        kappa=kappa,
        delta=tuple(np.zeros(shape) for shape in shapes),
        sd=tuple(np.zeros(shape) for shape in shapes),
        log_tau=_first_scales(problem, family.spread(rows, eta)),
        seen=Swept(eta, rows.n_obs, partial(np.zeros, len(eta)), _no_volume),
        aux=family.first_fit(rows, eta, problem.cuts),
    )
    return estimate if family.exact_steps else _pooled(problem, estimate)


def _no_volume(row_information: Sequence[Floats]) -> Floats:
    """Of no coefficients."""
    return np.zeros(len(row_information))


def _pooled(problem: Problem, estimate: Estimate) -> Estimate:
    """Newton's steps of kappa alone, until they gain little."""
    rows, trees = problem.evidence, [lone_root(problem.evidence.n_cells)]
    value = log_posterior(problem, estimate.seen.eta, estimate)
    for _ in range(_MAX_SWEEPS):
        estimate, _ = step(problem, trees, estimate)
        eta = find_eta(rows, trees, estimate)
        estimate = replace(estimate, seen=replace(estimate.seen, eta=eta))
        before, value = value, log_posterior(problem, eta, estimate)
        if value - before < _LITTLE:
            break
    return estimate


def _first_scales(problem: Problem, spread: float) -> tuple[Floats, ...]:
    """Wide marginals (3, K_g) around half of what would explain that spread of eta alone."""
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


def sweep(
    problem: Problem, trees: Sequence[Tree], estimate: Estimate, eta: Floats | None = None
) -> Estimate:
    """Every tree's scales, root and effects once, then the auxiliary parameters.

    Rows are Gaussian about the present eta, or about the one (N,) that is given.
    """
    estimate, information = step(problem, trees, estimate, eta)
    return update_auxiliary(problem, trees, information, estimate)


def step(
    problem: Problem, trees: Sequence[Tree], estimate: Estimate, eta: Floats | None = None
) -> tuple[Estimate, Floats]:
    """Every tree's scales, root and effects once; the cells' information (K, K, C) it is made of.

    A tree's message tells of its totals less the present kappa.
    """
    rows, family = problem.evidence, problem.family
    for i, tree in enumerate(trees):
        if i == 0 or not family.exact_steps:
            about = find_eta(rows, trees, estimate) if eta is None else eta
            working = family.working_information(rows, about, estimate.aux)
            information = rows.cell_information(working)
        rest = find_eta(rows, [other for other in trees if other is not tree], estimate)
        score = rows.cell_score(family.working_score(rows, about, rest, working, estimate.aux))
        message = Message(leaf_sums(tree, information), leaf_sums(tree, score))
        proposed = update_tree(message, tree, problem, estimate)
        estimate = proposed if family.exact_steps else damped(problem, trees, estimate, proposed)
    return estimate, information


def update_tree(message: Message, tree: Tree, problem: Problem, estimate: Estimate) -> Estimate:
    """The tree's scales by their marginals, then kappa and effects by one pass up and down."""
    root = problem.priors.kappa.normal_stand_in(about=estimate.kappa)
    log_tau = marginal_scales(message, tree, problem.priors, root, estimate.log_tau, _TAU_GRID)
    P = [diagonal_precision(log_tau[g][1]) for g in tree.members]
    conditionals, top = upward(message, tree.layers, P)
    shift = root_value(condition_root(top, *root))
    found, _ = downward(conditionals, shift)
    delta, sd = list(estimate.delta), list(estimate.sd)
    for g, conditional, d in zip(tree.members, conditionals, found, strict=True):
        delta[g], sd[g] = d[..., 0], np.sqrt(np.einsum("iijd->ij", conditional.V))
    return replace(
        estimate,
        kappa=estimate.kappa + shift[:, 0, 0],
        delta=tuple(delta),
        sd=tuple(sd),
        log_tau=log_tau,
    )


def update_auxiliary(
    problem: Problem, trees: Sequence[Tree], information: Floats, estimate: Estimate
) -> Estimate:
    """New auxiliary parameters from what a sweep leaves; cell information (K, K, C) as it was."""
    rows = problem.evidence
    leaves = leaf_conditionals(trees, information, estimate.log_tau)
    seen = Swept(
        eta=find_eta(rows, trees, estimate),
        dof=degrees_of_freedom(rows, leaves),
        eta_variance=partial(row_variance, rows, trees, leaves),
        log_volume=partial(log_volume, problem, trees, estimate.log_tau),
    )
    estimate = replace(estimate, seen=seen)
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


def log_volume(
    problem: Problem,
    trees: Sequence[Tree],
    log_tau: Sequence[Floats],
    row_information: Sequence[Floats],
) -> Floats:
    """Minus the sums (D,) of log|R|, R R' the precision of a level's effects given its parent.

    Of the root, too, which all trees share. ``row_information`` is D times what rows tell, (N,).
    """
    informations = [problem.evidence.cell_information(w) for w in row_information]
    total = np.zeros(len(informations))
    for i, tree in enumerate(trees):
        F = np.concatenate([leaf_sums(tree, information) for information in informations], axis=-1)
        P = [diagonal_precision(log_tau[g][1]) for g in tree.members]
        conditionals, top = upward(Message(F, np.zeros(F.shape[1:])), tree.layers, P)
        root = [] if i else [condition_root(top, *problem.priors.kappa.normal_stand_in())]
        for conditional in (*conditionals, *root):
            total += log_root_determinants(conditional)
    return total


def fit_auxiliary(problem: Problem, estimate: Estimate, n: int) -> AuxiliaryFit:
    """Posterior of the auxiliary parameters at the estimate, on a grid of n points an axis."""
    fit: AuxiliaryFit = problem.family.fit(
        problem.evidence, estimate.seen, problem.priors.auxiliary, estimate.aux, n
    )
    return fit

"""The quick fit that the tree map is calibrated at: Gaussian sweeps over the trees, EM weights.

A sweep takes each tree in turn, kappa at its root and the other trees' effects as known: each tau
becomes the median of its collapsed marginal, then root and effects their conditional means. Then
sigma and nu follow from the residuals, widened for the effects' uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.error_scale import (
    ErrorScale,
    SquaredErrors,
    bin_errors,
    error_scale,
    vague_scale,
)
from skhlm.engine.quick_fit.evidence import (
    Rows,
    cell_information,
    cell_score,
    linear_predictor,
    to_leaves,
)
from skhlm.engine.quick_fit.tau_marginals import diagonal_precision, kappa_stand_in, marginal_scales
from skhlm.engine.quick_fit.widening import degrees_of_freedom, leaf_conditionals, widen
from skhlm.engine.tree_map.messages import Message, condition_root, effects, root_value, upward
from skhlm.engine.tree_map.trees import Tree, leaf_effects

_MAX_SWEEPS = 40
_TAU_GRID, _ERROR_GRID = 17, 13  # points an axis; fewer, and a skewed tau never settles
_SETTLED, _SETTLED_SIGMA = 0.2, 0.01
_NORMAL_MAD = 1.4826  # sd of a normal distribution over its median absolute deviation


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
    ``squared``  (N,)                squared residuals, widened for a Student-t family
    ``dof``      ()                  rows less the effective number of parameters
    ``error``                        sigma and nu
    ===========  ==================  ===============================================================
    """

    kappa: Floats
    delta: tuple[Floats, ...]
    sd: tuple[Floats, ...]
    log_tau: tuple[Floats, ...]
    squared: Floats
    dof: float
    error: ErrorScale


def empirical_bayes(rows: Rows, trees: Sequence[Tree], problem: Problem) -> Estimate:
    """Sweep until effects, tau and sigma have settled."""
    estimate = first_estimate(rows, problem)
    for _ in range(_MAX_SWEEPS):
        previous, estimate = estimate, sweep(rows, trees, problem, estimate)
        if has_settled(previous, estimate):
            break
    return estimate


def first_estimate(rows: Rows, problem: Problem) -> Estimate:
    """Complete pooling, and scales of the size of its residuals."""
    size = _spread(rows, rows.y)
    information = cell_information(rows, rows.weight / size**2).sum(axis=-1)[..., None, None]
    score = cell_score(rows, rows.weight * rows.y / size**2).sum(axis=-1)[..., None, None]
    root = condition_root(Message(information, score), *kappa_stand_in(problem.priors.kappa))
    kappa = root_value(root)[:, 0, 0]
    residual = rows.y - kappa @ rows.X
    spread = _spread(rows, residual)
    student = problem.family == "student_t"
    sigma = max(_NORMAL_MAD * _median_size(rows, residual), 1e-3 * spread) if student else spread
    shapes = [(len(a), J) for a, J in zip(problem.varying, problem.n_levels, strict=True)]
    return Estimate(
        kappa=kappa,
        delta=tuple(np.zeros(shape) for shape in shapes),
        sd=tuple(np.zeros(shape) for shape in shapes),
        log_tau=_first_scales(rows, problem, spread),
        squared=np.full(len(rows.y), sigma**2),
        dof=rows.n_obs,
        error=vague_scale(sigma, student, problem.sigma_min),
    )


def _first_scales(rows: Rows, problem: Problem, spread: float) -> tuple[Floats, ...]:
    """Wide marginals (3, K_g) around half of what would explain the residuals alone."""
    size = np.sqrt(np.square(rows.X) @ rows.weight / rows.n_obs)
    scales = []
    for a, prior in zip(problem.varying, problem.priors.tau, strict=True):
        seen = size[a] > 0
        explains = np.where(seen, spread / np.where(seen, size[a], 1.0), prior.scale)
        scales.append(np.log(0.5 * explains) + np.array([[-1.0], [0.0], [0.75]]))
    return tuple(scales)


def _spread(rows: Rows, residual: Floats) -> float:
    """Weighted root mean square of the residuals, never zero."""
    mean = (rows.rss + rows.weight @ np.square(residual)) / rows.n_obs
    return float(np.sqrt(mean + rows.rounding**2))


def _median_size(rows: Rows, values: Floats) -> float:
    """Weighted median of the absolute values."""
    size = np.abs(values)
    order = np.argsort(size, kind="stable")
    below = np.cumsum(rows.weight[order])
    return float(size[order[np.searchsorted(below, 0.5 * below[-1])]])


def has_settled(before: Estimate, after: Estimate) -> bool:
    """Whether nothing moved by much: effects and log tau in units of their sds, sigma relative."""
    moved = zip(before.delta, after.delta, after.sd, strict=True)
    scaled = zip(before.log_tau, after.log_tau, strict=True)
    return (
        all(np.all(np.abs(new - old) < _SETTLED * sd) for old, new, sd in moved)
        and all(
            np.all(np.abs(new[1] - old[1]) < _SETTLED * (new[2] - new[0])) for old, new in scaled
        )
        and bool(abs(after.error.centre - before.error.centre) < _SETTLED_SIGMA)
    )


def sweep(rows: Rows, trees: Sequence[Tree], problem: Problem, estimate: Estimate) -> Estimate:
    """Every tree's scales, root and effects once, then the error's scale."""
    precision = rows.weight * em_precision(estimate)
    information = cell_information(rows, precision)
    for tree in trees:
        others = [other for other in trees if other is not tree]
        known = estimate.kappa[:, None] + cell_effects(rows, others, estimate.delta)
        score = cell_score(rows, precision * (rows.y - linear_predictor(rows, known)))
        message = Message(to_leaves(information, tree), to_leaves(score, tree))
        estimate = update_tree(message, tree, problem, estimate)
    return update_error(rows, trees, problem, information, estimate)


def em_precision(estimate: Estimate) -> Floats:
    """Expected precision of each row given its residual: (nu + 1)/(nu sigma^2 + r^2), 1/sigma^2."""
    variance = np.exp(2 * estimate.error.centre)
    if estimate.error.log_nu is None:
        return np.full_like(estimate.squared, 1 / variance)
    nu = 1 + np.exp(estimate.error.log_nu[1])
    precision: Floats = (nu + 1) / (nu * variance + estimate.squared)
    return precision


def update_tree(message: Message, tree: Tree, problem: Problem, estimate: Estimate) -> Estimate:
    """The tree's scales by their marginals, then kappa and effects by one pass up and down.

    The message tells of the tree's totals less the present kappa.
    """
    root = kappa_stand_in(problem.priors.kappa, about=estimate.kappa)
    log_tau = marginal_scales(message, tree, problem.priors, root, estimate.log_tau, _TAU_GRID)
    P = [diagonal_precision(log_tau[g][1]) for g in tree.members]
    conditionals, top = upward(message, tree.factors, P)
    shift = B = root_value(condition_root(top, *root))
    delta, sd = list(estimate.delta), list(estimate.sd)
    for g, conditional in zip(tree.members, conditionals, strict=True):
        B = B[:, conditional.factor.parents]
        d = effects(conditional, B)
        B[conditional.factor.varying] += d
        delta[g], sd[g] = d[..., 0], np.sqrt(np.einsum("iijd->ij", conditional.V))
    return replace(
        estimate,
        kappa=estimate.kappa + shift[:, 0, 0],
        delta=tuple(delta),
        sd=tuple(sd),
        log_tau=log_tau,
    )


def cell_effects(rows: Rows, trees: Sequence[Tree], delta: Sequence[Floats]) -> Floats:
    """Summed effects (K, C) of some trees in each cell."""
    total = np.zeros((len(rows.X), rows.n_cells))
    for tree in trees:
        total += leaf_effects(tree, delta, len(rows.X))[:, tree.leaf]
    return total


def residuals(rows: Rows, trees: Sequence[Tree], estimate: Estimate) -> Floats:
    """Residuals y - eta (N,)."""
    coefficients = estimate.kappa[:, None] + cell_effects(rows, trees, estimate.delta)
    return rows.y - linear_predictor(rows, coefficients)


def update_error(
    rows: Rows, trees: Sequence[Tree], problem: Problem, information: Floats, estimate: Estimate
) -> Estimate:
    """New sigma and nu from the residuals; cell information (K, K, C) at the present weights."""
    leaves = leaf_conditionals(trees, information, estimate.log_tau)
    dof = degrees_of_freedom(rows, leaves)
    residual = residuals(rows, trees, estimate)
    if problem.family == "student_t":
        squared = widen(rows, residual, dof, trees, leaves)
    else:
        squared = np.square(residual)
    estimate = replace(estimate, squared=squared, dof=dof)
    return replace(estimate, error=fit_error(rows, problem, estimate, _ERROR_GRID))


def fit_error(rows: Rows, problem: Problem, estimate: Estimate, n: int) -> ErrorScale:
    """Posterior of sigma and nu at the estimate, on a grid of n points an axis."""
    student = problem.family == "student_t"
    if student:
        errors = bin_errors(estimate.squared, rows.weight, rows.rounding**2)
    else:
        mean = (rows.rss + estimate.squared.sum()) / estimate.dof
        errors = SquaredErrors(np.array([mean + rows.rounding**2]), np.array([estimate.dof]))
    return error_scale(errors, problem.priors, student, estimate.error, n)

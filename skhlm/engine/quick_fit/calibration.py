"""Constants of the tree map, from an expansion of the log likelihood about the quick fit.

Leaf information is the expected one, F0 = sum w W x x', and its score is one Fisher-scoring step
from the effects, s0 = F0 B + sum w score x, so that neither inherits the scales' estimates. W is c
for all rows alike where it does not depend on eta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem, may_be_exact
from skhlm.engine.quick_fit.estimate import Estimate, find_eta
from skhlm.engine.quick_fit.sparse_scales import SparseScales, is_sparse
from skhlm.engine.quick_fit.sweeps import empirical_bayes, fit_auxiliary, update_auxiliary
from skhlm.engine.quick_fit.tau_marginals import marginal_scales
from skhlm.engine.tree_map.forward import MapConstants
from skhlm.families.evidence import RIDGE
from skhlm.families.family import AuxiliaryFit
from skhlm.numerics.elimination import Message, diagonal_precision, upward
from skhlm.numerics.forest import Forest, Tree, build_trees, leaf_effects, leaf_sums
from skhlm.numerics.scale_maps import match_quantiles
from skhlm.numerics.small_matrices import cholesky, inverse_lower
from skhlm.priors import LocationScale

_TAU_GRID, _AUX_GRID = 25, 25
_PASSES = 2  # where auxiliary parameters move with the scales
_SMALLEST_EIGENVALUE = 1e-8  # of a tree's total information, its diagonal scaled to one
_NEGLIGIBLE = 1e-3  # of the precision of effects a priori


@dataclass(frozen=True)
class Expansion:
    """Log likelihood about the summed effects T of one tree's leaf levels, kappa aside."""

    effects: Floats  # (J, K) the point T
    information: Floats  # (J, K, K)
    gradient: Floats  # (J, K) at the point


@dataclass(frozen=True)
class ScaleMaps:
    """The map's constants that concern scales, as in `MapConstants`."""

    log_tau: tuple[Floats, ...]
    log_aux: Floats
    aux_lean: Floats
    log_c: float


def calibrate(problem: Problem, forest: Forest) -> MapConstants:
    """A quick fit of the problem, and the map's constants at it."""
    trees = build_trees(forest, problem.codes, problem.varying)
    estimate = empirical_bayes(problem, trees)
    if sparse := is_sparse(problem.family, problem.evidence, trees):
        estimate = _with_sparse_scales(problem, trees[0], estimate)
    aux = fit_auxiliary(problem, estimate, _AUX_GRID)
    expansions = _expand(problem, trees, estimate, aux)
    log_aux, aux_lean = aux.maps()
    log_tau = estimate.log_tau if sparse else _tau_tails(trees, problem, expansions, estimate)
    scales = ScaleMaps(
        log_tau=tuple(match_quantiles(tails) for tails in log_tau),
        log_aux=log_aux,
        aux_lean=aux_lean,
        log_c=float(problem.family.log_information(aux.logs)),
    )
    build = to_constants if forest.chains else to_rooted_constants
    return build(trees, expansions, estimate.kappa, problem.priors.kappa, scales)


def _with_sparse_scales(problem: Problem, tree: Tree, estimate: Estimate) -> Estimate:
    """The estimate with the scales' joint marginals, and what follows from these.

    Auxiliary parameters move with the scales, and move them in turn.
    """
    rows, family = problem.evidence, problem.family
    for _ in range(_PASSES if family.auxiliary else 1):
        scales = SparseScales(rows, family, problem.priors, tree, family.central(estimate.aux))
        log_tau, kappa, delta = scales.fit(estimate.log_tau, estimate.kappa, estimate.delta)
        estimate = replace(estimate, log_tau=log_tau, kappa=kappa, delta=delta)
        working = family.working_information(rows, find_eta(rows, [tree], estimate), estimate.aux)
        information = rows.cell_information(working)
        estimate = update_auxiliary(problem, [tree], information, estimate)
    return estimate


def _expand(
    problem: Problem, trees: Sequence[Tree], estimate: Estimate, aux: AuxiliaryFit
) -> list[Expansion]:
    """The log likelihood about the estimate, for the effects of each tree in turn."""
    rows = problem.evidence
    expected, score = problem.family.expansion(rows, estimate.seen.eta, aux)
    information, gradient = rows.cell_information(expected), rows.cell_score(score)
    return [
        Expansion(
            effects=leaf_effects(tree, estimate.delta, len(rows.X)).T,
            information=np.moveaxis(leaf_sums(tree, information)[..., 0], -1, 0),
            gradient=leaf_sums(tree, gradient)[..., 0].T,
        )
        for tree in trees
    ]


def _tau_tails(
    trees: Sequence[Tree], problem: Problem, expansions: Sequence[Expansion], estimate: Estimate
) -> tuple[Floats, ...]:
    """5/50/95% points (3, K_g) of every log tau's marginal, the expansions taken for the rows."""
    log_tau = estimate.log_tau
    root = problem.priors.kappa.normal_stand_in(about=estimate.kappa)
    for tree, expansion in zip(trees, expansions, strict=True):
        score = score_at_zero(expansion, np.zeros_like(estimate.kappa))
        message = Message(np.moveaxis(expansion.information, 0, -1)[..., None], score.T[..., None])
        log_tau = marginal_scales(message, tree, problem.priors, root, log_tau, _TAU_GRID)
    return log_tau


def to_constants(
    trees: Sequence[Tree],
    expansions: Sequence[Expansion],
    kappa: Floats,
    prior: LocationScale,
    scales: ScaleMaps,
) -> MapConstants:
    """Constants of the map, from one expansion for each tree.

    A tree's contrasts are weighted by W_l = (sum F0 + Pi)^-1 F0_l, Pi the precision of kappa's
    prior: the tree's mean effect goes to the first root as far as the data, not the prior, tell it
    from kappa. The first root is then q_1 = kappa + the other trees' contrasts, and so is its
    prior: kappa's, widened by theirs.
    """
    precision, prior_score = prior.normal_stand_in()
    first, *others = (_conditioned(expansion, precision) for expansion in expansions)
    contrasts = [_contrasts(expansion, precision) for expansion in others]
    root = kappa + sum((shift for _, shift, _ in contrasts), np.zeros_like(kappa))
    variance = sum(
        _contrast_variance(tree, expansion, weight, scales)
        for tree, expansion, (weight, _, _) in zip(trees[1:], others, contrasts, strict=True)
    )
    narrowing = 1 / (1 + precision * variance)
    unused = np.zeros_like(first.information)
    return MapConstants(
        leaf_information=(first.information, *(e.information for e in others)),
        leaf_score=(
            score_at_zero(first, root),
            *(score_at_zero(e, np.zeros_like(kappa)) for e in others),
        ),
        contrast_weight=(unused, *(weight for weight, _, _ in contrasts)),
        auxiliary_information=np.stack([unused[0], *(e.information.sum(axis=0) for e in others)]),
        auxiliary_mean=np.stack([np.zeros_like(kappa), *(mean for _, _, mean in contrasts)]),
        root_information=np.zeros_like(unused[0]),
        root_score=np.zeros_like(kappa),
        prior_precision=narrowing * precision,
        prior_score=narrowing * prior_score,
        **vars(scales),
    )


def to_rooted_constants(
    trees: Sequence[Tree],
    expansions: Sequence[Expansion],
    kappa: Floats,
    prior: LocationScale,
    scales: ScaleMaps,
) -> MapConstants:
    """Constants of the map without factors: the one expansion's only level is the root itself."""
    constants = to_constants(trees, expansions, kappa, prior, scales)
    return replace(
        constants,
        root_information=constants.leaf_information[0][0],
        root_score=constants.leaf_score[0][0],
        leaf_information=(),
        leaf_score=(),
        contrast_weight=(),
    )


def _conditioned(expansion: Expansion, fallback: Floats) -> Expansion:
    """The expansion with enough information in every direction to stay positive definite.

    Collinear columns get a ridge relative to their information, columns of zeros one relative to
    kappa's prior.
    """
    total = expansion.information.sum(axis=0)
    size = np.where(np.diag(total) > 0, np.diag(total), fallback)
    smallest = np.linalg.eigvalsh(total / np.sqrt(np.outer(size, size))).min(initial=1.0)
    lift = max(0.0, _SMALLEST_EIGENVALUE - smallest) / len(expansion.information)
    return replace(expansion, information=expansion.information + lift * np.diag(size))


def is_exact(problem: Problem, forest: Forest, constants: MapConstants) -> bool:
    """Whether the map's conditionals of effects are the posterior's own, whatever the scales are.

    They are with one tree of factors and a likelihood that is quadratic in the effects, unless what
    was added to information, against collinear columns and rounding, tells of the effects.
    """
    if not may_be_exact(problem, forest):
        return False
    (information,) = constants.leaf_information
    total = information.sum(axis=0)
    size = np.sqrt(np.diag(total))
    if not size.all():
        return False
    smallest = np.linalg.eigvalsh(total / np.outer(size, size)).min()
    ridge = RIDGE * np.einsum("lii->li", information).max()
    widest = max(np.exp(a + 2 * b).max(initial=0.0) for a, b, _ in constants.log_tau)
    return bool(smallest > 2 * _SMALLEST_EIGENVALUE and ridge * widest**2 < _NEGLIGIBLE)


def _contrasts(expansion: Expansion, precision: Floats) -> tuple[Floats, Floats, Floats]:
    """W (J, K, K), the contrasts sum W_l T_l (K,), and the auxiliary root's mean (K,)."""
    total = expansion.information.sum(axis=0) + np.diag(precision)
    weight = np.linalg.solve(total, expansion.information)
    shift = np.einsum("lij,lj->i", weight, expansion.effects)
    return weight, shift, shift + np.linalg.solve(total, expansion.gradient.sum(axis=0))


def _contrast_variance(
    tree: Tree, expansion: Expansion, weight: Floats, scales: ScaleMaps
) -> Floats:
    """Prior variance (K,) of the contrasts sum W_l T_l at the central scales.

    What a tree tells of its root has the variance of its mean effect; the data's own, small share
    of it does no harm.
    """
    F = np.moveaxis(expansion.information, 0, -1)[..., None]
    P = [diagonal_precision(scales.log_tau[g][0]) for g in tree.members]
    _, told = upward(Message(F, np.zeros(F.shape[1:])), tree.layers, P)
    Q = inverse_lower(cholesky(told.F))[:, :, 0, 0]
    total = weight.sum(axis=0)
    variance: Floats = np.square(Q @ total.T).sum(axis=0)
    return variance


def score_at_zero(expansion: Expansion, root: Floats) -> Floats:
    """s0 (J, K), the score at a total of zero, of an expansion about root + effects."""
    at = expansion.effects + root
    score: Floats = np.einsum("lij,lj->li", expansion.information, at) + expansion.gradient
    return score

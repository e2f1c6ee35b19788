"""Constants of the tree map from the empirical-Bayes start.

Leaf information is the expected one, F0 = c sum w x x', and its score is one Fisher-scoring step
from the effects, s0 = F0 B + sum w score x, so that neither inherits the scales' estimates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.expansion import (
    Expansion,
    ScaleMaps,
    score_at_zero,
    to_constants,
    to_rooted_constants,
)
from skhlm.engine.quick_fit.sweeps import Estimate, empirical_bayes, fit_auxiliary, residuals
from skhlm.engine.quick_fit.tau_marginals import marginal_scales
from skhlm.engine.tree_map.forward import MapConstants
from skhlm.families.family import AuxiliaryFit
from skhlm.numerics.elimination import Message
from skhlm.numerics.forest import Forest, Tree, build_trees, leaf_effects, leaf_sums
from skhlm.numerics.scale_maps import match_quantiles

_TAU_GRID, _AUX_GRID = 25, 25


def calibrate(problem: Problem, forest: Forest) -> MapConstants:
    """A quick fit of the problem, and the map's constants at it."""
    trees = build_trees(forest, problem.codes, problem.varying)
    estimate = empirical_bayes(problem, trees)
    aux = fit_auxiliary(problem, estimate, _AUX_GRID)
    expansions = _expand(problem, trees, estimate, aux)
    log_aux, aux_lean = aux.maps()
    scales = ScaleMaps(
        log_tau=_tau_maps(trees, problem, expansions, estimate),
        log_aux=log_aux,
        aux_lean=aux_lean,
        log_c=float(problem.family.log_information(aux.logs)),
    )
    build = to_constants if forest.chains else to_rooted_constants
    return build(trees, expansions, estimate.kappa, problem.priors.kappa, scales)


def _expand(
    problem: Problem, trees: Sequence[Tree], estimate: Estimate, aux: AuxiliaryFit
) -> list[Expansion]:
    """The log likelihood about the estimate, for the effects of each tree in turn."""
    rows, family = problem.evidence, problem.family
    expected = np.full(len(rows.y), np.exp(family.log_information(aux.logs)))
    score = family.working_score(residuals(problem, trees, estimate), aux)
    information = rows.cell_information(rows.weight * expected)
    gradient = rows.cell_score(rows.weight * score)
    return [
        Expansion(
            effects=leaf_effects(tree, estimate.delta, len(rows.X)).T,
            information=np.moveaxis(leaf_sums(tree, information)[..., 0], -1, 0),
            gradient=leaf_sums(tree, gradient)[..., 0].T,
        )
        for tree in trees
    ]


def _tau_maps(
    trees: Sequence[Tree], problem: Problem, expansions: Sequence[Expansion], estimate: Estimate
) -> tuple[Floats, ...]:
    """Coefficients (3, K_g) of the bent map of every log tau, matched to its marginal."""
    log_tau = estimate.log_tau
    root = problem.priors.kappa.normal_stand_in(about=estimate.kappa)
    for tree, expansion in zip(trees, expansions, strict=True):
        score = score_at_zero(expansion, np.zeros_like(estimate.kappa))
        message = Message(np.moveaxis(expansion.information, 0, -1)[..., None], score.T[..., None])
        log_tau = marginal_scales(message, tree, problem.priors, root, log_tau, _TAU_GRID)
    return tuple(match_quantiles(tails) for tails in log_tau)

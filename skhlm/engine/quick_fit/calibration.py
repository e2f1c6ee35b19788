"""Constants of the tree map from the empirical-Bayes start.

Leaf information is the expected one, F0 = c sum w x x', and its score is one Fisher-scoring step
from the effects, s0 = F0 B + sum w psi(r) x, so that neither inherits the scales' estimates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skhlm._typing import Floats
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.error_scale import ErrorScale, median_nu, nu_map
from skhlm.engine.quick_fit.evidence import Rows, cell_information, cell_score, to_leaves
from skhlm.engine.quick_fit.expansion import (
    Expansion,
    ScaleMaps,
    score_at_zero,
    to_constants,
    to_rooted_constants,
)
from skhlm.engine.quick_fit.sweeps import Estimate, empirical_bayes, fit_error, residuals
from skhlm.engine.quick_fit.tau_marginals import kappa_stand_in, marginal_scales
from skhlm.engine.tree_map.forest import Forest
from skhlm.engine.tree_map.forward import MapConstants
from skhlm.engine.tree_map.messages import Message
from skhlm.engine.tree_map.trees import Tree, leaf_effects, learn_trees
from skhlm.numerics.scale_maps import log_information, match_quantiles

_TAU_GRID, _ERROR_GRID = 25, 25


def calibrate(problem: Problem, forest: Forest, rows: Rows) -> MapConstants:
    """A quick fit of the problem, and the map's constants at it."""
    trees = learn_trees(problem, forest)
    estimate = empirical_bayes(rows, trees, problem)
    error = fit_error(rows, problem, estimate, _ERROR_GRID)
    expansions = _expand(rows, trees, estimate, error)
    scales = ScaleMaps(
        log_tau=_tau_maps(trees, problem, expansions, estimate),
        log_sigma=error.log_sigma,
        log_nu=nu_map(error),
        log_c=float(log_information(error.centre, median_nu(error))),
    )
    build = to_constants if forest.chains else to_rooted_constants
    return build(trees, expansions, estimate.kappa, problem.priors.kappa, scales)


def _expand(
    rows: Rows, trees: Sequence[Tree], estimate: Estimate, error: ErrorScale
) -> list[Expansion]:
    """The log likelihood about the estimate, for the effects of each tree in turn."""
    log_sigma, log_nu = error.centre, median_nu(error)
    expected = np.full(len(rows.y), np.exp(log_information(log_sigma, log_nu)))
    psi = influence(residuals(rows, trees, estimate), log_sigma, log_nu)
    information = cell_information(rows, rows.weight * expected)
    gradient = cell_score(rows, rows.weight * psi)
    return [
        Expansion(
            effects=leaf_effects(tree, estimate.delta, len(rows.X)).T,
            information=np.moveaxis(to_leaves(information, tree)[..., 0], -1, 0),
            gradient=to_leaves(gradient, tree)[..., 0].T,
        )
        for tree in trees
    ]


def _tau_maps(
    trees: Sequence[Tree], problem: Problem, expansions: Sequence[Expansion], estimate: Estimate
) -> tuple[Floats, ...]:
    """Coefficients (3, K_g) of the bent map of every log tau, matched to its marginal."""
    log_tau, root = (estimate.log_tau, kappa_stand_in(problem.priors.kappa, about=estimate.kappa))
    for tree, expansion in zip(trees, expansions, strict=True):
        score = score_at_zero(expansion, np.zeros_like(estimate.kappa))
        message = Message(np.moveaxis(expansion.information, 0, -1)[..., None], score.T[..., None])
        log_tau = marginal_scales(message, tree, problem.priors, root, log_tau, _TAU_GRID)
    return tuple(match_quantiles(tails) for tails in log_tau)


def influence(residual: Floats, log_sigma: Floats, log_nu: Floats | None) -> Floats:
    """psi(r), the derivative of a row's log likelihood by its expected value."""
    variance = np.exp(2 * log_sigma)
    if log_nu is None:
        return residual / variance
    nu = 1 + np.exp(log_nu)
    psi: Floats = (nu + 1) * residual / (nu * variance + np.square(residual))
    return psi

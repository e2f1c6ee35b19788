"""Constants of the tree map from the draws of a first run, for a second one.

Where the first map was right its coordinates are N(0, I). The scales' maps are matched to the
draws' own 5/50/95% points; each leaf level's information is changed until its z would have unit
covariance,

    F0 + P = R C^-1 R',   F0_old + P = R R',  C = cov(z), shrunk to I,

and its score until the mean of its effects' draws d is the conditional mean: its gradient is P d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.draws import Draws
from skhlm.engine.problem import Problem
from skhlm.engine.quick_fit.calibration import (
    Expansion,
    ScaleMaps,
    to_constants,
    to_rooted_constants,
)
from skhlm.engine.tree_map.forward import Coordinates, MapConstants
from skhlm.numerics.blocks import BLOCK_BYTES, blocks
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import Forest, Tree, build_trees, leaf_effects
from skhlm.numerics.quantiles import TAILS
from skhlm.numerics.scale_maps import match_quantiles

_PRIOR_DRAWS = 20  # draws' worth of the identity in the covariance of z
_NARROWEST = 0.05  # of the old width: what a chain that hardly moved may shrink a scale's map to
_LEAST_INFORMATION = 1e-3  # of the old, in every direction


def recalibrate(
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    coordinates: Coordinates,
    draws: Draws,
    scales_alone: bool = False,
) -> MapConstants:
    """The map's constants at the draws of a run that used ``constants``, which stay if that fails.

    Draws of a chain that went far astray may have no numbers to offer. Scales alone are learned
    where information and score are exact.
    """
    try:
        with np.errstate(all="ignore"):  # the outcome tells
            found = _learned(problem, forest, constants, coordinates, draws, scales_alone)
    except np.linalg.LinAlgError:
        return constants
    return found if found.is_finite else constants


def _learned(
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    coordinates: Coordinates,
    draws: Draws,
    scales_alone: bool,
) -> MapConstants:
    """The constants, finite or not."""
    scales = _scale_maps(problem, constants, draws)
    growth = float(np.exp(scales.log_c - constants.log_c))
    if scales_alone:
        return _with_scales(constants, scales, growth)
    kappa, prior = _mean(draws.kappa), problem.priors.kappa
    trees = build_trees(forest, problem.codes, problem.varying)
    if not forest.chains:
        z_root = Columns.in_memory(coordinates.z_root[..., 0])
        expansion = _root_expansion(constants, growth, kappa, z_root)
        return to_rooted_constants(trees, [expansion], kappa, prior, scales)
    delta = [_mean(d) for d in draws.delta]
    old = _old_expansions(constants, growth, trees, delta, kappa)
    z = _leaf_coordinates(coordinates.of_effects, problem, forest)
    expansions = []
    for t, chain in enumerate(forest.chains):
        leaf = chain[-1]
        P = _prior_precision(draws, leaf)
        expansions.append(_matched(old[t], problem.varying[leaf], P, delta[leaf], z[t]))
    return to_constants(trees, expansions, kappa, prior, scales)


def _with_scales(constants: MapConstants, scales: ScaleMaps, growth: float) -> MapConstants:
    """The same information and score at the new c, with other maps of scales."""
    return replace(
        constants,
        leaf_information=tuple(growth * F for F in constants.leaf_information),
        leaf_score=tuple(growth * s for s in constants.leaf_score),
        **vars(scales),
    )


def _mean(draws: Floats) -> Floats:
    """Mean over chains and draws, in double precision whatever they are kept in."""
    mean: Floats = draws.mean(axis=(0, 1), dtype=np.float64)
    return mean


def _leaf_coordinates(z: Columns, problem: Problem, forest: Forest) -> list[Columns]:
    """Coordinates of each tree's leaf factor, level by level, among those of all effects."""
    sizes = [problem.n_levels[g] * len(problem.varying[g]) for g in forest.order]
    ends = np.cumsum([0, *sizes]).tolist()
    by_factor = {g: z.part(*own) for g, own in zip(forest.order, pairwise(ends), strict=True)}
    return [by_factor[chain[-1]] for chain in forest.chains]


def _prior_precision(draws: Draws, g: int) -> Floats:
    """P (K_g, K_g) at the median scales and mean correlations of factor g."""
    tau = np.median(draws.tau[g], axis=(0, 1))
    omega = _mean(draws.omega[g]) if draws.omega else np.eye(len(tau))
    precision: Floats = np.linalg.inv(omega) / np.outer(tau, tau)
    return precision


def _old_expansions(
    constants: MapConstants,
    growth: float,
    trees: Sequence[Tree],
    delta: Sequence[Floats],
    kappa: Floats,
) -> list[Expansion]:
    """The old constants about the mean effects G x (J_g, K_g), at the new c."""
    transposed = [d.T for d in delta]
    effects = [leaf_effects(tree, transposed, len(kappa)).T for tree in trees]
    root = kappa + sum(map(_contrast, constants.contrast_weight, effects))
    expansions = []
    for t, (T, F, s) in enumerate(
        zip(effects, constants.leaf_information, constants.leaf_score, strict=True)
    ):
        at = T + root if t == 0 else T
        gradient = s - np.einsum("lij,lj->li", F, at)
        expansions.append(Expansion(T, growth * F, growth * gradient))
    return expansions


def _contrast(weight: Floats, effects: Floats) -> Floats:
    """Sum of W_l T_l (K,)."""
    total: Floats = np.einsum("lij,lj->i", weight, effects)
    return total


def _matched(old: Expansion, a: Ints, P: Floats, effect: Floats, z: Columns) -> Expansion:
    """The expansion with the part of the varying coefficients ``a`` matched to the draws.

    These are the mean effects (J, K_g) of the leaf factor and its coordinates, J K_g columns.
    """
    information, gradient = old.information.copy(), old.gradient.copy()
    block = information[:, a[:, None], a]
    information[:, a[:, None], a] = _matched_precision(block + P, z) - P
    gradient[:, a] = effect @ P
    return Expansion(old.effects, _bounded_below(information, old.information), gradient)


def _matched_precision(precision: Floats, z: Columns) -> Floats:
    """R C^-1 R' (J, k, k), from R R' and draws of z, J k columns."""
    n_draws, shape = z.shape[0] * z.shape[1], precision.shape[:2]
    C = _centred_products(z, shape) + _PRIOR_DRAWS * np.eye(shape[1])
    R = np.linalg.cholesky(precision)
    C_inverse_R = np.linalg.solve(C / (n_draws + _PRIOR_DRAWS), R.swapaxes(1, 2))
    return np.asarray(R @ C_inverse_R, dtype=np.float64)


def _centred_products(z: Columns, shape: tuple[int, int]) -> Floats:
    """Sum over draws of (z - mean) (z - mean)' of each of J levels, (J, k, k); J k columns.

    Some draws at a time, less the first of all: what hardly moves loses no digits.
    """
    n_draws, (J, k) = z.shape[0] * z.shape[1], shape
    first = z[0:1]
    total, products = np.zeros(shape), np.zeros((J, k, k))
    for block in blocks(n_draws, BLOCK_BYTES // (8 * J * k + 1)):
        moved = (z[block] - first).reshape(-1, J, k)
        total += moved.sum(axis=0)
        products += np.einsum("dli,dlj->lij", moved, moved)
    return products - total[:, :, None] * total[:, None, :] / n_draws


def _bounded_below(information: Floats, old: Floats) -> Floats:
    """Information (J, K, K) lifted to a small share of the old in every direction."""
    diagonal = np.einsum("lii->li", old)
    size = np.sqrt(diagonal + _LEAST_INFORMATION * diagonal.mean(axis=0))
    scaled = information / size[:, :, None] / size[:, None, :]
    values, vectors = np.linalg.eigh(0.5 * (scaled + scaled.swapaxes(1, 2)))
    lifted = (vectors * np.maximum(values, _LEAST_INFORMATION)[:, None]) @ vectors.swapaxes(1, 2)
    bounded: Floats = lifted * size[:, :, None] * size[:, None, :]
    return bounded


def _root_expansion(constants: MapConstants, growth: float, kappa: Floats, z: Columns) -> Expansion:
    """The root's own expansion, matched to kappa's mean (K,) and coordinates, K columns."""
    prior = np.diag(constants.prior_precision)
    old = growth * constants.root_information[None]
    precision = _matched_precision(old + prior, z)
    gradient = constants.prior_precision * kappa - constants.prior_score
    information = _bounded_below(precision - prior, old)
    return Expansion(np.zeros((1, len(kappa))), information, gradient[None])


def _scale_maps(problem: Problem, constants: MapConstants, draws: Draws) -> ScaleMaps:
    """Maps of the scales matched to their draws."""
    pairs = zip(draws.tau, constants.log_tau, strict=True)
    log_aux, aux_lean = _auxiliary_maps(problem, constants.log_aux, draws)
    parameters = problem.family.auxiliary
    logs = [np.median(np.log(draws.auxiliary[a.name] - a.lower)) for a in parameters]
    return ScaleMaps(
        log_tau=tuple(_match(np.log(tau), old) for tau, old in pairs),
        log_aux=log_aux,
        aux_lean=aux_lean,
        log_c=float(problem.family.log_information(logs)),
    )


def _auxiliary_maps(problem: Problem, old: Floats, draws: Draws) -> tuple[Floats, Floats]:
    """Maps (3, n_aux) of the auxiliary parameters, and their slopes on those after them."""
    parameters = problem.family.auxiliary
    maps, lean = old.copy(), np.zeros((len(parameters), len(parameters)))
    excess: list[Floats] = []  # of those after the present one
    for i in reversed(range(len(parameters))):
        value = draws.auxiliary[parameters[i].name]
        least = parameters[i].lower + problem.cuts[i]
        log_excess = np.log(np.maximum(value - least, np.finfo(float).tiny))
        if parameters[i].skewed:
            maps[:, i] = _match(log_excess, old[:, i])
        else:
            maps[:, i], slopes = _straight(log_excess, excess, old[:, i])
            lean[i, i + 1 :] = slopes * maps[1, i + 1 :]
        excess.insert(0, log_excess)
    return maps, lean


def _match(log_scale: Floats, old: Floats) -> Floats:
    """Bent map (3, ...) through the quantiles of draws (chains, draws, ...)."""
    matched = match_quantiles(np.quantile(log_scale, TAILS, axis=(0, 1)))
    matched[1] = np.maximum(matched[1], _NARROWEST * old[1])
    return matched


def _straight(log_scale: Floats, later: Sequence[Floats], old: Floats) -> tuple[Floats, Floats]:
    """Straight map (3,) with the draws' median and sd given the later ones; slopes on those."""
    slopes = np.zeros(len(later))
    for j, other in enumerate(later):
        if np.ptp(other) > 0:
            centred = other - other.mean()
            slopes[j] = np.mean(centred * log_scale) / np.mean(np.square(centred))
            log_scale = log_scale - slopes[j] * (other - np.median(other))
    spread = max(log_scale.std(), _NARROWEST * old[1])
    return np.array([np.median(log_scale), spread, 0.0]), slopes

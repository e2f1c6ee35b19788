"""Effects that need not be sampled: where their coordinates are N(0, I), whatever the rest is.

With one tree of factors and a likelihood that is quadratic in the effects, the tree map's
conditionals are those of the posterior: the density of all coordinates is that of the others times
N(z_delta | 0, I). So the others are sampled alone, a few for each factor however many levels it
has, and z_delta is drawn beside them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skhlm.engine.problem import Problem, may_collapse
from skhlm.engine.tree_map.forward import Coordinates, MapConstants
from skhlm.families.evidence import RIDGE
from skhlm.numerics.forest import Forest

_NEGLIGIBLE = 1e-3  # of the precision of effects a priori: what the ridge of information may add
_WELL_CONDITIONED = 2e-8  # eigenvalue of the information, below which the map was given some more


def can_collapse(problem: Problem, forest: Forest, constants: MapConstants) -> bool:
    """Whether the map's conditionals of effects are the posterior's, nothing added to the data."""
    if not may_collapse(problem, forest):
        return False
    (information,) = constants.leaf_information
    total = information.sum(axis=0)
    size = np.sqrt(np.diag(total))
    if not size.all() or np.linalg.eigvalsh(total / np.outer(size, size)).min() < _WELL_CONDITIONED:
        return False
    widest = max(
        np.exp(log_tau[0] + 2 * log_tau[1]).max(initial=0.0) for log_tau in constants.log_tau
    )
    ridge = RIDGE * np.einsum("lii->li", information).max()
    return bool(ridge * widest**2 < _NEGLIGIBLE)


def with_effects(z: Coordinates, problem: Problem, seed: int | None) -> Coordinates:
    """The coordinates with those of the effects drawn; without seed these are zero, their mode."""
    n_effects = sum(J * len(k) for J, k in zip(problem.n_levels, problem.varying, strict=True))
    shape = (*z.z_aux.shape[:2], n_effects)
    z_delta = (
        np.zeros(shape) if seed is None else np.random.default_rng(seed).standard_normal(shape)
    )
    return replace(z, z_delta=z_delta)

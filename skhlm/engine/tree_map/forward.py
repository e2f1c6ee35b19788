"""The tree map: from the sampler's coordinates z, near N(0, I), to draws of the model's parameters.

Each tree is a chain of nested factors. Its effects, and its root q, follow the exact Gaussian
conditional of a fixed approximation to the likelihood (`MapConstants`), with the current tau,
Omega and auxiliary parameters in it. The first root carries kappa; any other tree t enters by its
contrasts,

    kappa = q_1 - sum_{t >= 2} (a_t - q_t),   a_t - q_t = sum over its leaf levels W_l (B_l - q_t).

Whatever the constants, the map is a change of variables of the same posterior: bad ones cost speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np

from skhlm._typing import Floats
from skhlm.draws import Draws, are_many
from skhlm.engine.problem import Problem
from skhlm.numerics.blocks import blocks
from skhlm.numerics.columns import Columns
from skhlm.numerics.correlations import correlation_factor
from skhlm.numerics.elimination import (
    Conditional,
    Message,
    condition_root,
    downward,
    integrate_leaves,
    root_value,
    upward,
)
from skhlm.numerics.forest import Forest, build_trees
from skhlm.numerics.scale_maps import bent
from skhlm.numerics.small_matrices import gram, inverse_lower
from skhlm.numerics.threads import in_threads

_CHUNK = 1 << 18  # numbers in the largest array of one chunk of draws: stays near the cache


@dataclass(frozen=True)
class MapConstants:
    """Constants of the tree map. Trees and factors as in `Forest`; J is a leaf factor's n_levels.

    =========================  ==================  ================================================
    field                      shape               what it is
    =========================  ==================  ================================================
    ``leaf_information``       T x (J, K, K)       F0 of each leaf level, at c = 1
    ``leaf_score``             T x (J, K)          s0 of each leaf level, at c = 1
    ``contrast_weight``        T x (J, K, K)       W; zeros for the first tree
    ``auxiliary_information``  (R, K, K)           of the other trees' roots, R = max(T, 1)
    ``auxiliary_mean``         (R, K)              of the other trees' roots
    ``root_information``       (K, K)              what reaches the first root without a factor
    ``root_score``             (K,)                likewise: zeros when there is a factor
    ``prior_precision``        (K,)                Gaussian stand-in for the first root's prior
    ``prior_score``            (K,)                precision x location
    ``log_tau``                G x (3, K_g)        a, b, c of `bent`, factors in the user's order
    ``log_aux``                (3, n_aux)          a, b, c of `bent`, for the auxiliary parameters
    ``aux_lean``               (n_aux, n_aux)      their slopes on the z of those after them
    ``log_c``                  ()                  log information of a row at the centre
    =========================  ==================  ================================================
    """

    leaf_information: tuple[Floats, ...]
    leaf_score: tuple[Floats, ...]
    contrast_weight: tuple[Floats, ...]
    auxiliary_information: Floats
    auxiliary_mean: Floats
    root_information: Floats
    root_score: Floats
    prior_precision: Floats
    prior_score: Floats
    log_tau: tuple[Floats, ...]
    log_aux: Floats
    aux_lean: Floats
    log_c: float

    @property
    def is_finite(self) -> bool:
        """Whether all of them are numbers."""
        arrays = chain.from_iterable(
            value if isinstance(value, tuple) else (value,) for value in vars(self).values()
        )
        return all(np.isfinite(array).all() for array in arrays)


@dataclass(frozen=True)
class Coordinates:
    """The sampler's coordinates; leading axes ``(chains, draws)``, S and E sum K_g and J_g K_g.

    ===========  ===========  =====================================================================
    field        shape        order
    ===========  ===========  =====================================================================
    ``z_tau``    (..., S)     factors in tree order
    ``z_aux``    (..., n)     the family's auxiliary parameters
    ``z_omega``  (..., n)     factors in tree order, strict lower triangles row by row; n = 0 for a
                              diagonal covariance
    ``z_root``   (..., K, R)
    ``z_delta``  (..., E)     factors in tree order, level by level, coefficient fastest; may be
                              read when it is asked for
    ===========  ===========  =====================================================================
    """

    z_tau: Floats
    z_aux: Floats
    z_omega: Floats
    z_root: Floats
    z_delta: Floats | Columns

    @property
    def of_effects(self) -> Columns:
        """What ``z_delta`` has, chain after chain."""
        z = self.z_delta
        return z if isinstance(z, Columns) else Columns.in_memory(z)

    def in_memory(self) -> Coordinates:
        """The same with all of it read."""
        z = self.z_delta
        return replace(self, z_delta=z.array() if isinstance(z, Columns) else z)


@dataclass(frozen=True)
class _Scales:
    """Everything but the coefficients."""

    tau: tuple[Floats, ...]  # (K_g, D) of each factor
    L: tuple[Floats, ...]  # (K_g, K_g, D) of each factor, Omega = L L'
    aux: Floats  # (n_aux, D)
    c: Floats  # (D,) information of a row against the centre's


def with_effects(z: Coordinates, n_effects: int, seed: int | None) -> Coordinates:
    """The coordinates with z_delta drawn from N(0, I); without seed it is zero, its mode."""
    shape = (*z.z_aux.shape[:2], n_effects)
    if seed is None:
        return replace(z, z_delta=np.zeros(shape))
    return replace(z, z_delta=np.random.default_rng(seed).standard_normal(shape))


def to_draws(
    coordinates: Coordinates,
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    n_threads: int = 1,
    left_out: int | None = None,
    kappa: Floats | None = None,
) -> Draws:
    """Draws of the model's own parameters, factors in the user's order; threads share chunks.

    A factor that is left out, the leaf of the only tree, has no levels here, and none in z_delta.
    Where it is the only factor kappa (chains, draws, K) may be known, and no level is looked at.
    """
    shape = coordinates.z_aux.shape[:2]
    n_draws, K = shape[0] * shape[1], problem.n_coefficients
    n_levels = [J for g, J in enumerate(problem.n_levels) if g != left_out]
    step = max(1, _CHUNK // (max((1, *n_levels)) * max(1, K**2)))
    if left_out is not None:
        step = min(step, math.ceil(n_draws / n_threads))
    read = _draws_last(coordinates, n_draws)
    found = _no_draws(n_draws, problem, left_out)

    def fill(chunk: slice) -> None:
        known = None if kappa is None else kappa.reshape(n_draws, K)[chunk].T
        piece = _map_chunk(read(chunk), problem, forest, constants, left_out, known)
        with np.errstate(over="ignore"):  # of a run that went astray, in single precision
            for whole, part in zip(found.arrays, piece.arrays, strict=True):
                whole[chunk] = np.moveaxis(part, -1, 0)

    in_threads(fill, blocks(n_draws, step), n_threads)
    return found.map(lambda x: x.reshape(*shape, *x.shape[1:]))


def _draws_last(coordinates: Coordinates, n_draws: int) -> Callable[[slice], Coordinates]:
    """What reads some of the draws, chain after chain, as (..., D)."""
    flat = {
        name: values.reshape(n_draws, *values.shape[2:])
        for name, values in vars(coordinates).items()
        if name != "z_delta"
    }
    flat["z_delta"] = coordinates.of_effects

    def read(chunk: slice) -> Coordinates:
        some = {name: np.moveaxis(values[chunk], 0, -1) for name, values in flat.items()}
        return Coordinates(**{name: np.ascontiguousarray(z) for name, z in some.items()})

    return read


def _no_draws(n_draws: int, problem: Problem, left_out: int | None) -> Draws:
    """Room for draws, (D, ...)."""
    K_g = [len(columns) for columns in problem.varying]
    levels = [0 if g == left_out else J for g, J in enumerate(problem.n_levels)]
    types = [
        np.float32 if are_many(J, k, n_draws) else np.float64
        for J, k in zip(levels, K_g, strict=True)
    ]
    full = problem.covariance == "full"
    return Draws(
        kappa=np.empty((n_draws, problem.n_coefficients)),
        delta=tuple(
            np.empty((n_draws, J, k), dtype=dtype)
            for J, k, dtype in zip(levels, K_g, types, strict=True)
        ),
        tau=tuple(np.empty((n_draws, k)) for k in K_g),
        omega=tuple(np.empty((n_draws, k, k)) for k in K_g) if full else (),
        auxiliary={a.name: np.empty(n_draws) for a in problem.family.auxiliary},
    )


def _map_chunk(
    z: Coordinates,
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    left_out: int | None,
    kappa: Floats | None,
) -> Draws:
    """One chunk of draws, from coordinates (..., D) to parameters (..., D)."""
    scales = _scales(z, problem, forest, constants)
    if kappa is None:
        kappa, delta = _coefficients(z, scales, problem, forest, constants, left_out)
    else:
        delta = {0: np.zeros((len(problem.varying[0]), 0, len(scales.c)))}
    full = problem.covariance == "full"
    return Draws(
        kappa=kappa,
        delta=tuple(delta[g].swapaxes(0, 1) for g in sorted(delta)),
        tau=scales.tau,
        omega=tuple(gram(L.swapaxes(0, 1)) for L in scales.L) if full else (),
        auxiliary={a.name: x for a, x in zip(problem.family.auxiliary, scales.aux, strict=True)},
    )


def _scales(z: Coordinates, problem: Problem, forest: Forest, constants: MapConstants) -> _Scales:
    """All scales and correlations of some draws."""
    sizes = {g: len(problem.varying[g]) for g in forest.order}
    full = problem.covariance == "full"
    z_tau = _by_factor(z.z_tau, sizes)
    z_omega = _by_factor(z.z_omega, {g: full * k * (k - 1) // 2 for g, k in sizes.items()})
    log_excess = _log_excess(z.z_aux, constants)
    logs, aux = _auxiliary(log_excess, problem)
    return _Scales(
        tau=tuple(np.exp(bent(constants.log_tau[g], z_tau[g])) for g in sorted(sizes)),
        L=tuple(correlation_factor(z_omega[g], sizes[g]) for g in sorted(sizes)),
        aux=aux,
        c=np.broadcast_to(
            np.exp(problem.family.log_information(logs) - constants.log_c), z.z_aux.shape[-1:]
        ),
    )


def _log_excess(z: Floats, constants: MapConstants) -> Floats:
    """Logarithms of the auxiliary parameters above their cuts, (n_aux, D)."""
    values = bent(constants.log_aux, z)
    for i, j in zip(*np.nonzero(constants.aux_lean), strict=True):
        values[i] = values[i] + constants.aux_lean[i, j] * z[j]
    return values


def _auxiliary(log_excess: Floats, problem: Problem) -> tuple[list[Floats], Floats]:
    """Auxiliary parameters, and their logarithms above their bounds, from those above the cuts."""
    cut = np.array(problem.cuts)[:, None]
    bound = np.array([a.lower for a in problem.family.auxiliary])[:, None]
    excess = np.exp(log_excess)
    return list(np.where(cut > 0, np.log(cut + excess), log_excess)), (bound + cut) + excess


def _by_factor(values: Floats, sizes: dict[int, int]) -> dict[int, Floats]:
    """Consecutive blocks (size, D) of ``values``, one a factor in tree order."""
    ends = np.cumsum([0, *sizes.values()])
    return {g: values[i:j] for g, (i, j) in zip(sizes, pairwise(ends), strict=True)}


def _coefficients(
    z: Coordinates,
    scales: _Scales,
    problem: Problem,
    forest: Forest,
    constants: MapConstants,
    left_out: int | None,
) -> tuple[Floats, dict[int, Floats]]:
    """Population-level coefficients (K, D) and each factor's effects (K_g, J_g, D)."""
    n_draws = len(scales.c)
    n_levels = {g: 0 if g == left_out else problem.n_levels[g] for g in forest.order}
    shapes = {g: (J, len(problem.varying[g])) for g, J in n_levels.items()}
    flat = _by_factor(np.asarray(z.z_delta), {g: J * K_g for g, (J, K_g) in shapes.items()})
    z_delta = {g: z_g.reshape(*shapes[g], n_draws).swapaxes(0, 1) for g, z_g in flat.items()}
    P = {g: prior_precision(scales.tau[g], scales.L[g]) for g in shapes}
    kappa = np.zeros((problem.n_coefficients, n_draws))
    delta: dict[int, Floats] = {}
    for t, tree in enumerate(build_trees(forest, problem.codes, problem.varying)):
        members, layers = tree.members, tree.layers
        if left_out is None:
            leaf = leaf_message(constants, t, scales.c)
        else:
            at_one, members, layers = leaf_message(constants, t, 1.0), members[:-1], layers[:-1]
            leaf = integrate_leaves(at_one, scales.c, tree.layers[-1], P[left_out])
        conditionals, message = upward(leaf, layers, [P[g] for g in members])
        q = root_value(root_conditional(message, constants, t), z.z_root[:, t, None])
        d, B = downward(conditionals, q, [z_delta[g] for g in members])
        delta.update(zip(members, d, strict=True))
        kappa += q[:, 0] if t == 0 else -contrast(constants.contrast_weight[t], B - q)
    if left_out is not None:
        delta[left_out] = z_delta[left_out]
    return kappa, delta


def prior_precision(tau: Floats, L: Floats) -> Floats:
    """P = Sigma^-1 (K_g, K_g, 1, D) of Sigma = diag(tau) L L' diag(tau)."""
    return gram(inverse_lower(L) / tau)[:, :, None]


def leaf_message(constants: MapConstants, t: int, c: Floats | float) -> Message:
    """What the data say about the totals of a tree's leaf levels, (J, K, K) as (K, K, J, D)."""
    F0 = (constants.leaf_information or (constants.root_information[None],))[t]
    s0 = (constants.leaf_score or (constants.root_score[None],))[t]
    return Message(c * np.moveaxis(F0, 0, -1)[..., None], c * s0.T[..., None])


def root_conditional(message: Message, constants: MapConstants, t: int) -> Conditional:
    """Conditional of a tree's root; kappa's prior belongs to the first one."""
    first = float(t == 0)
    return condition_root(message, first * constants.prior_precision, first * constants.prior_score)


def contrast(W: Floats, T: Floats) -> Floats:
    """Sum over leaf levels of W_l T_l: (J, K, K) and (K, J, D) to (K, D)."""
    total: Floats = np.einsum("lij,jld->id", W, T)
    return total

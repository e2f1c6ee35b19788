"""What two blocks of ``stan/hlm.stan`` hold: ``data``, and ``parameters``, the coordinates z.

The first is made of a problem and the constants of its map; the second is written where chains
begin, and read from the columns of their output.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.engine.problem import Problem
from skhlm.engine.tree_map.forward import Coordinates, MapConstants
from skhlm.families import Evidence
from skhlm.numerics.columns import Columns
from skhlm.numerics.forest import Forest
from skhlm.priors import Gamma, LocationScale

Block = dict[str, Any]  # its variables by their names


def build_data_block(
    problem: Problem, forest: Forest, constants: MapConstants, is_collapsed: bool = False
) -> Block:
    """Everything the Stan program reads, under the names of its data block."""
    return {
        **_sizes(problem, forest),
        "collapsed": int(is_collapsed),
        **_structure(problem, forest),
        **_rows(problem.evidence),
        **_information(problem, forest, constants),
        **_scale_maps(forest, constants),
        **prior_numbers(problem, forest.order),
    }


def _sizes(problem: Problem, forest: Forest) -> Block:
    """Numbers that shape everything else, and the two choices of model."""
    return {
        "K": problem.n_coefficients,
        "C": len(problem.codes),
        "G": len(problem.n_levels),
        "T": len(forest.chains),
        "family": problem.family.code,
        "n_aux": len(problem.family.auxiliary),
        "full": int(problem.covariance == "full"),
    }


def _structure(problem: Problem, forest: Forest) -> Block:
    """Factors tree by tree, each level's parent, and the leaf of each cell in each tree."""
    offset = _level_offsets(problem, forest)
    leaves = [chain[-1] for chain in forest.chains]
    cell_leaves = problem.codes[:, leaves] + 1 + np.array([offset[g] for g in leaves], dtype=int)
    return {
        "J": [problem.n_levels[g] for g in forest.order],
        "n_varying": [len(problem.varying[g]) for g in forest.order],
        "varying": _join(problem.varying[g] + 1 for g in forest.order),
        "tree": [t + 1 for t, chain in enumerate(forest.chains) for _ in chain],
        "is_leaf": [int(g == chain[-1]) for chain in forest.chains for g in chain],
        "parent": _join(_parent_numbers(forest, offset, chain) for chain in forest.chains),
        "leaf": cell_leaves.ravel(),
    }


def _level_offsets(problem: Problem, forest: Forest) -> dict[int, int]:
    """Levels that come before each factor's own, in tree order."""
    sizes = [problem.n_levels[g] for g in forest.order]
    return dict(zip(forest.order, np.cumsum([0, *sizes]).tolist(), strict=False))


def _parent_numbers(forest: Forest, offset: dict[int, int], chain: tuple[int, ...]) -> Ints:
    """Running number, from 1, of each level's parent along one chain; 0 at its top."""
    top = np.zeros_like(forest.parents[chain[0]])
    below = [forest.parents[g] + offset[parent] + 1 for parent, g in pairwise(chain)]
    return np.concatenate([top, *below])


def _rows(rows: Evidence) -> Block:
    """Rows of the likelihood, and where each cell's begin."""
    return {
        "N": len(rows.y),
        "X": rows.X,
        "y": rows.y,
        "row_offset": rows.offset,
        "weight": rows.weight,
        "start": 1 + np.searchsorted(rows.cell, np.arange(rows.n_cells + 1)),
        "n_obs": rows.n_obs,
        "rss": rows.rss,
        "n_outcomes": len(rows.outcome),
        "outcome": rows.outcome,
        "outcome_weight": rows.count,
    }


def _information(problem: Problem, forest: Forest, constants: MapConstants) -> Block:
    """Information, score and contrast weights by level (zero away from the leaves) and by root."""
    K = problem.n_coefficients
    leaf_of = {chain[-1]: t for t, chain in enumerate(forest.chains)}

    def by_level(of_leaf: tuple[Floats, ...], *shape: int) -> Floats:
        return np.concatenate(
            [np.zeros((0, *shape))]
            + [
                of_leaf[leaf_of[g]] if g in leaf_of else np.zeros((problem.n_levels[g], *shape))
                for g in forest.order
            ]
        )

    return {
        "leaf_information": _side_by_side(by_level(constants.leaf_information, K, K)),
        "leaf_score": by_level(constants.leaf_score, K).T,
        "contrast_weight": _side_by_side(by_level(constants.contrast_weight, K, K)),
        "auxiliary_information": _side_by_side(constants.auxiliary_information),
        "auxiliary_mean": constants.auxiliary_mean.T,
        "root_information": constants.root_information,
        "root_score": constants.root_score,
        "prior_precision": constants.prior_precision,
        "prior_score": constants.prior_score,
    }


def _side_by_side(blocks: Floats) -> Floats:
    """(J, K, K) -> (K, J K), block j in columns j K, ..., j K + K - 1."""
    n_blocks, n_rows, n_columns = blocks.shape
    return blocks.transpose(1, 0, 2).reshape(n_rows, n_blocks * n_columns)


def _scale_maps(forest: Forest, constants: MapConstants) -> Block:
    """How the sampler's coordinates become tau, the auxiliary parameters, and c."""
    log_tau = [np.zeros((3, 0))] + [constants.log_tau[g] for g in forest.order]
    return {
        "log_tau": np.concatenate(log_tau, axis=1),
        "log_aux": constants.log_aux,
        "aux_lean": constants.aux_lean,
        "log_c": constants.log_c,
    }


def prior_numbers(problem: Problem, order: Sequence[int]) -> Block:
    """Numbers of all priors; those of tau factor by factor in this order."""
    priors = problem.priors
    return {
        **_location_scale("kappa", [priors.kappa]),
        **_location_scale("tau", [priors.tau[g] for g in order]),
        **_auxiliary(problem),
        "lkj_shape": priors.lkj,
    }


def _auxiliary(problem: Problem) -> Block:
    """Where the auxiliary parameters are cut; their priors, gamma where df is 0."""
    parameters = problem.family.auxiliary
    numbers = np.zeros((5, len(parameters)))
    for j, prior in enumerate(problem.priors.auxiliary[a.name] for a in parameters):
        if isinstance(prior, Gamma):
            numbers[3:, j] = prior.shape, prior.rate
        else:
            numbers[:3, j] = prior.df[0], prior.loc[0], prior.scale[0]
    names = ("aux_df", "aux_loc", "aux_scale", "aux_shape", "aux_rate")
    cuts = zip(parameters, problem.cuts, strict=True)
    return {"aux_min": [a.lower + cut for a, cut in cuts], **dict(zip(names, numbers, strict=True))}


def _location_scale(name: str, priors: list[LocationScale]) -> Block:
    """The three vectors of the student_t priors of one kind of parameter."""
    return {
        f"{name}_df": _join(prior.df for prior in priors),
        f"{name}_loc": _join(prior.loc for prior in priors),
        f"{name}_scale": _join(prior.scale for prior in priors),
    }


def _join(arrays: Iterable[Floats] | Iterable[Ints]) -> Any:
    """One array of all; empty where there is none."""
    parts = list(arrays)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=int)


def initial_values(coordinates: Coordinates) -> tuple[dict[str, Floats], ...]:
    """The program's parameters by name, for each chain at its first draw."""
    at = coordinates.in_memory()
    return tuple(
        {name: values[chain, 0] for name, values in vars(at).items()}
        for chain in range(len(coordinates.z_root))
    )


def read_coordinates(
    columns: Columns, problem: Problem, n_roots: int, is_collapsed: bool = False
) -> Coordinates:
    """Split the parameters' columns (chains, draws, P) in the order of the program's parameters.

    The coordinates of effects, which are the most, are read when they are asked for. What
    `read_kappa` reads follows.
    """
    K = problem.n_coefficients
    sizes = {
        "z_tau": problem.n_tau,
        "z_aux": len(problem.family.auxiliary),
        "z_omega": problem.n_omega,
        "z_root": K * n_roots,
        "z_delta": 0 if is_collapsed else problem.n_effects,
    }
    *ends, end = np.cumsum(list(sizes.values())).tolist()
    expected = end + K * _tells_kappa(problem, is_collapsed)
    if expected != columns.shape[-1]:
        raise ValueError(f"{columns.shape[-1]} columns of output where {expected} were expected")
    others = columns.part(0, ends[-1]).array()
    z_tau, z_aux, z_omega, z_root = np.split(others, ends[:-1], axis=-1)
    root = z_root.reshape(*columns.shape[:2], n_roots, K).swapaxes(-1, -2)
    return Coordinates(z_tau, z_aux, z_omega, root, z_delta=columns.part(ends[-1], end))


def read_kappa(columns: Columns, problem: Problem, is_collapsed: bool) -> Floats | None:
    """Kappa (chains, draws, K), which the program tells where the only factor is left out."""
    if not _tells_kappa(problem, is_collapsed):
        return None
    n_columns = columns.shape[-1]
    return columns.part(n_columns - problem.n_coefficients, n_columns).array()


def _tells_kappa(problem: Problem, is_collapsed: bool) -> bool:
    return is_collapsed and len(problem.n_levels) == 1

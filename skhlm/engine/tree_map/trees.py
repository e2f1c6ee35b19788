"""The trees of a forest with what the elimination needs to know of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.engine.problem import Problem
from skhlm.engine.tree_map.forest import Forest
from skhlm.engine.tree_map.messages import Layer


@dataclass(frozen=True)
class Tree:
    """A chain of nested factors; a problem without factors has one tree that is only a root."""

    members: tuple[int, ...]  # factor numbers, coarse to fine
    layers: tuple[Layer, ...]
    leaf: Ints  # (C,) leaf level of each cell
    n_leaves: int


def learn_trees(problem: Problem, forest: Forest) -> tuple[Tree, ...]:
    """The trees in the forest's order."""
    if not forest.chains:
        return (Tree((), (), np.zeros(len(problem.codes), dtype=np.int64), 1),)
    return tuple(
        Tree(
            members=chain,
            layers=tuple(Layer(problem.varying[g], forest.parents[g]) for g in chain),
            leaf=problem.codes[:, chain[-1]],
            n_leaves=problem.n_levels[chain[-1]],
        )
        for chain in forest.chains
    )


def leaf_effects(tree: Tree, delta: Sequence[Floats], n_coefficients: int) -> Floats:
    """Summed effects (K, J) down to each leaf level, from delta G x (K_g, J_g)."""
    T = np.zeros((n_coefficients, 1))
    for g, layer in zip(tree.members, tree.layers, strict=True):
        T = T[:, layer.parents]
        T[layer.varying] += delta[g]
    return T

"""Which grouping factors are nested in which, and the trees that this makes of them.

Chains of nested factors are detected from the codes; the levels of each chain, under one root, are
a tree, along which `elimination` goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from skhlm._typing import Floats, Ints
from skhlm.numerics.cell_sums import sum_by_cell
from skhlm.numerics.elimination import Layer


@dataclass(frozen=True)
class Forest:
    """Grouping factors arranged as crossed trees, each a single chain of nested factors.

    ===========  ==================  ===============================================================
    field        shape               what it is
    ===========  ==================  ===============================================================
    ``chains``   T tuples            factor numbers, coarse to fine; the last one is the leaf factor
    ``parents``  G x (J_g,)          level of the parent factor each level lies in; zeros at the top
    ===========  ==================  ===============================================================
    """

    chains: tuple[tuple[int, ...], ...]
    parents: tuple[Ints, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The factors tree by tree, coarse to fine ("tree order")."""
        return tuple(chain.from_iterable(self.chains))


def learn_forest(codes: Ints, n_levels: Sequence[int]) -> Forest:
    """Arrange crossed factors, ``codes`` (C, G), as chains of nested ones.

    Every factor, the finest first, is placed under the finest factor that contains it and has no
    child yet. The model is additive, so any arrangement is exact; a second child of a factor roots
    a tree of its own.
    """
    fine_to_coarse = sorted(range(len(n_levels)), key=lambda g: (n_levels[g], g), reverse=True)
    parent_of: dict[int, int] = {}
    parents = {g: np.zeros(n_levels[g], dtype=np.int64) for g in fine_to_coarse}
    for position, child in enumerate(fine_to_coarse):
        for parent in fine_to_coarse[position + 1 :]:
            lies_in = _containing_levels(codes[:, child], codes[:, parent], n_levels[child])
            if lies_in is not None and parent not in parent_of.values():
                parent_of[child], parents[child] = parent, lies_in
                break
    leaves = [g for g in fine_to_coarse if g not in parent_of.values()]
    chains = sorted(_chain_above(leaf, parent_of) for leaf in leaves)
    return Forest(tuple(chains), tuple(parents[g] for g in range(len(n_levels))))


def _containing_levels(fine: Ints, coarse: Ints, n_fine: int) -> Ints | None:
    """The coarse level (n_fine,) that contains each fine one; None unless the factors nest."""
    lies_in = np.zeros(n_fine, dtype=np.int64)
    lies_in[fine] = coarse
    return lies_in if np.array_equal(lies_in[fine], coarse) else None


def _chain_above(leaf: int, parent_of: dict[int, int]) -> tuple[int, ...]:
    """The factors from the top of a chain down to its leaf."""
    above = [leaf]
    while above[-1] in parent_of:
        above.append(parent_of[above[-1]])
    return tuple(reversed(above))


@dataclass(frozen=True)
class Tree:
    """A chain of nested factors; without factors there is one tree that is only a root."""

    members: tuple[int, ...]  # factor numbers, coarse to fine
    layers: tuple[Layer, ...]
    leaf: Ints  # (C,) leaf level of each cell
    n_leaves: int


def build_trees(forest: Forest, codes: Ints, varying: Sequence[Ints]) -> tuple[Tree, ...]:
    """The trees in the forest's order; codes of the cells (C, G), what varies G x (K_g,)."""
    if not forest.chains:
        return (lone_root(len(codes)),)
    return tuple(
        Tree(
            members=members,
            layers=tuple(Layer(varying[g], forest.parents[g]) for g in members),
            leaf=codes[:, members[-1]],
            n_leaves=len(forest.parents[members[-1]]),
        )
        for members in forest.chains
    )


def lone_root(n_cells: int) -> Tree:
    """A tree without factors."""
    return Tree((), (), np.zeros(n_cells, dtype=np.int64), 1)


def leaf_effects(tree: Tree, delta: Sequence[Floats], n_coefficients: int) -> Floats:
    """Summed effects (K, J) down to each leaf level, from delta G x (K_g, J_g)."""
    T = np.zeros((n_coefficients, 1))
    for g, layer in zip(tree.members, tree.layers, strict=True):
        T = T[:, layer.parents]
        T[layer.varying] += delta[g]
    return T


def leaf_sums(tree: Tree, values: Floats) -> Floats:
    """Cells' numbers (..., C) summed over the tree's leaf levels, (..., J, 1)."""
    total = np.empty((*values.shape[:-1], tree.n_leaves, 1))
    for index in np.ndindex(values.shape[:-1]):
        total[index][:, 0] = sum_by_cell(values[index], tree.leaf, tree.n_leaves)
    return total

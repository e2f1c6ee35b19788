"""Which grouping factors are nested in which: chains of nested factors, detected from the codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from skhlm._typing import Ints


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

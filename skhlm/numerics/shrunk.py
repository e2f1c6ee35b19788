"""Covariances that a prior and rows leave, of very many very small matrices.

Entry by entry, each an array over levels and draws, and none for what is zero: twice as fast as
`small_matrices`, whose arrays hold the zeros as well. Sums are term by term, so that no level
depends on those beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skhlm._typing import Bools, Floats

_SMALLEST_PIVOT = 64 * np.finfo(np.float64).eps  # of its diagonal: what is smaller is rounding


class Shrunk:
    """Covariances V = (c F0 + Sigma^-1)^-1 of K effects, with a root of Sigma = T T'.

    Whitened, V = T W T', W^-1 = I + c T' F0 T = R R': nothing overflows where an sd is nearly zero.

    Parameters
    ----------
    information : ndarray of shape (K, K, n, 1)
        F0 of n levels.
    root : ndarray of shape (K, K, S)
        Lower T of each draw.
    precision : ndarray of shape (S,)
        c.
    """

    def __init__(self, information: Floats, root: Floats, precision: Floats) -> None:
        self._root, self._scaled = entries(root), entries(precision * root)
        size = len(root)
        if any(root[i, :i].any() for i in range(size)):
            half = [_transposed(self._root, row) for row in information]  # F0 T, row by row
            columns = [_transposed(self._scaled, column) for column in zip(*half, strict=True)]
        else:  # T has its diagonal alone
            diagonal = [(self._scaled[i][i], self._root[i][i]) for i in range(size)]
            columns = [
                [None] * j + [information[i, j] * (diagonal[i][0] * t) for i in range(j, size)]
                for j, (_, t) in enumerate(diagonal)
            ]
        for i, column in enumerate(columns):
            column[i] += 1.0
        self._R = _lower_root(columns)

    def white(self, told: Floats) -> list[Any]:
        """R^-1 T' c r, of what the rows say (K, n, S)."""
        return self.forward(_transposed(self._scaled, told))

    def halves(self) -> list[list[Any]]:
        """R^-1 T', column by column: their products are the entries of V."""
        return [self.forward(row) for row in self._root]

    def forward(self, values: Sequence[Floats | None]) -> list[Any]:
        """R^-1 v, entry by entry; None is zero."""
        found: list[Floats | None] = []
        for value, row in zip(values, self._R, strict=True):
            left = value
            for r, x in zip(row, found, strict=False):
                if x is not None:
                    left = -r * x if left is None else left - r * x
            found.append(None if left is None else left / row[-1])
        return found

    def from_white(self, white: Sequence[Floats]) -> Floats:
        """T R'^-1 u, (n, K, S)."""
        solved = list(white)
        for i in reversed(range(len(solved))):
            for k in range(i + 1, len(solved)):
                solved[i] = solved[i] - self._R[k][i] * solved[k]
            solved[i] = solved[i] / self._R[i][i]
        found = [
            _sum([t * u for t, u in zip(row, solved, strict=True) if t is not None])
            for row in self._root
        ]
        return np.stack(found, axis=1)


def entries(root: Floats) -> list[list[Any]]:
    """Lower T (K, K, S) row by row; None for what is zero in all draws, off the diagonal."""
    return [
        [entry if i == j or entry.any() else None for j, entry in enumerate(row)]
        for i, row in enumerate(root)
    ]


def _transposed(root: Sequence[Sequence[Any]], values: Sequence[Floats] | Floats) -> list[Floats]:
    """T'v, entry by entry."""
    columns = zip(*root, strict=True)
    return [
        _sum([t * v for t, v in zip(column, values, strict=True) if t is not None])
        for column in columns
    ]


def _lower_root(columns: Sequence[Sequence[Any]]) -> list[list[Floats]]:
    """Rows of the lower R with R R' = M, whose columns these are; what is above is not read.

    M is I and what is not negative, so no pivot is below one, whatever rounding says. Where it may
    say anything, as in `small_matrices.cholesky`, the rest of the column is rounding too, and zero.
    """
    rows: list[list[Floats]] = []
    lost: dict[int, Bools] = {}
    for i in range(len(columns)):
        row: list[Floats] = []
        for j in range(i):
            taken = [a * b for a, b in zip(row, rows[j], strict=False)]
            value = columns[j][i] - _sum(taken) if taken else columns[j][i]
            entry = value / rows[j][j]
            row.append(np.where(lost[j], 0.0, entry) if j in lost else entry)
        pivot = columns[i][i]
        for entry in row:
            pivot = pivot - entry * entry
        if 0 < i < len(columns) - 1:  # the first loses nothing, and nothing is behind the last
            of_rounding = pivot < _SMALLEST_PIVOT * columns[i][i]
            if of_rounding.any():
                lost[i] = of_rounding
        pivot = np.maximum(pivot, 1.0)
        rows.append([*row, np.sqrt(pivot, out=pivot)])
    return rows


def _sum(terms: Sequence[Floats]) -> Floats:
    """Their sum, the first of them overwritten; one by one, so that no entry depends on others."""
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total
